/**
 * Text that the kernel handles as bytes: names of devices, words of a command line. It can contain any byte, and is usually
 * UTF-8.
 *
 * A byte that is not UTF-8 becomes a lone surrogate, U+DC00 + byte, and is converted back to that byte, as in Python (PEP 383).
 * JSON carries it as an escape: `\udcff`.
 *
 * Invariant: encodeText(decodeText(bytes)) is bytes. Neighbours: netlink/ and the command line read and write by these.
 */
import { isUtf8 } from 'node:buffer'

const RAW = 0xdc00
const RAW_BYTE = /[\udc80-\udcff]/u
/** Half of a surrogate pair that encodes no byte. */
const BROKEN = /[\ud800-\udc7f\udd00-\udfff]/u

/** The longest character in UTF-8. */
const CHARACTER_BYTES = 4

export function decodeText(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (isUtf8(buffer)) return buffer.toString()
  let text = ''
  for (let at = 0; at < buffer.length; ) {
    const length = characterLength(buffer, at)
    text += length === 0 ? String.fromCharCode(RAW + buffer[at]) : buffer.toString('utf8', at, at + length)
    at += Math.max(1, length)
  }
  return text
}

/** Length in bytes of the UTF-8 character at `at`; 0 if there is no valid one. */
function characterLength(buffer: Buffer, at: number): number {
  for (let length = 1; length <= CHARACTER_BYTES; length++) if (isUtf8(buffer.subarray(at, at + length))) return length
  return 0
}

export function encodeText(text: string): Buffer {
  if (!RAW_BYTE.test(text)) return Buffer.from(text)
  return Buffer.concat(Array.from(text, (char) => (RAW_BYTE.test(char) ? rawByte(char) : Buffer.from(char))))
}

function rawByte(char: string): Buffer {
  return Buffer.of(char.charCodeAt(0) - RAW)
}

/** Whether the text contains half of a surrogate pair that encodes no byte. */
export function isBroken(text: string): boolean {
  return BROKEN.test(text)
}
