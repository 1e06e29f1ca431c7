/**
 * The words that this process was called with, byte for byte: Node puts U+FFFD for whatever is no UTF-8, and a device's
 * name may be that.
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
