/**
 * The words of this process's command line, byte for byte. Node replaces bytes that are not UTF-8 by U+FFFD, but the name of a
 * device can contain them.
 */
import { readFileSync } from 'node:fs'
import { decodeText } from '../abi/text.js'

/** process.argv, less the program and its script. */
export function commandWords(): string[] {
  const words = process.argv.slice(2)
  if (!words.some((word) => word.includes('\ufffd'))) return words
  const raw = decodeText(readFileSync('/proc/self/cmdline')).split('\0').slice(0, -1)
  return raw.slice(raw.length - words.length)
}
