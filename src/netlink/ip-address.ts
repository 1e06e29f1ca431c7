/**
 * IP addresses and prefixes as rtnetlink carries them: 4 or 16 bytes in network byte order, and their text.
 *
 * Neighbours: address.ts puts them into attributes. The text is that of inet_ntop(3).
 */
import { isIPv4, isIPv6 } from 'node:net'
import { AF_INET, AF_INET6 } from '../abi/socket.js'
import { VethdError } from '../errors.js'

export interface IpAddress {
  family: typeof AF_INET | typeof AF_INET6
  bytes: Uint8Array
}

export interface IpPrefix extends IpAddress {
  prefixLength: number
}

/** `192.168.1.1`, `fe80::1`, `::ffff:10.0.0.1`. ARGUMENT_INVALID with the text of iproute2's get_addr_1. */
export function parseIpAddress(text: string): IpAddress {
  if (isIPv4(text)) return { family: AF_INET, bytes: parseIpv4(text) }
  if (isPlainIpv6(text)) return { family: AF_INET6, bytes: parseIpv6(text) }
  throw new VethdError('ARGUMENT_INVALID', `"${text}" is not an IPv4 or IPv6 address`, {
    iproute2: `Error: any valid address is expected rather than "${text}".`,
    exit: 1,
  })
}

/** `192.168.1.1/24`; without a length, all bits are the prefix. ARGUMENT_INVALID with the text of iproute2's get_prefix. */
export function parseIpPrefix(text: string): IpPrefix {
  const [addressText, lengthText, ...rest] = text.split('/')
  const bits = isIPv4(addressText) ? 32 : isPlainIpv6(addressText) ? 128 : 0
  const prefixLength = lengthText === undefined ? bits : Number(lengthText)
  if (bits === 0 || rest.length > 0 || !/^\d+$/.test(lengthText ?? '0') || prefixLength > bits) {
    throw new VethdError('ARGUMENT_INVALID', `"${text}" is not an address with a prefix length, like 192.0.2.1/24`, {
      iproute2: `Error: any valid prefix is expected rather than "${text}".`,
      exit: 1,
    })
  }
  return { ...parseIpAddress(addressText), prefixLength }
}

/** The text of 4 or 16 bytes; IPv6 as RFC 5952 section 4 writes it. */
export function formatIpAddress(bytes: Uint8Array): string {
  return bytes.length === 4 ? bytes.join('.') : formatIpv6(bytes)
}

/** Refuses a zone (`fe80::1%eth0`), which is not part of the address. */
function isPlainIpv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%')
}

function parseIpv4(text: string): Uint8Array {
  return Uint8Array.from(text.split('.'), Number)
}

/** Of a text that isPlainIpv6 accepted. */
function parseIpv6(text: string): Uint8Array {
  const words = (part: string): number[] =>
    part === ''
      ? []
      : part.split(':').flatMap((word) => {
          if (!word.includes('.')) return [Number.parseInt(word, 16)]
          const [a, b, c, d] = parseIpv4(word)
          return [(a << 8) | b, (c << 8) | d]
        })
  const [head, tail] = text.split('::', 2)
  const before = words(head)
  const after = tail === undefined ? [] : words(tail)
  const zeros = new Array<number>(8 - before.length - after.length).fill(0)
  return Uint8Array.from([...before, ...zeros, ...after].flatMap((word) => [word >> 8, word & 0xff]))
}

function formatIpv6(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, i) => (bytes[2 * i] << 8) | bytes[2 * i + 1])
  const zeros = longestZeros(words)
  // IPv4-compatible and IPv4-mapped addresses keep their dots.
  if (zeros.start === 0 && zeros.length === 6) return `::${bytes.slice(12).join('.')}`
  if (zeros.start === 0 && zeros.length === 5 && words[5] === 0xffff) return `::ffff:${bytes.slice(12).join('.')}`
  const hex = (from: number, to: number): string =>
    words
      .slice(from, to)
      .map((word) => word.toString(16))
      .join(':')
  return zeros.length < 2 ? hex(0, 8) : `${hex(0, zeros.start)}::${hex(zeros.start + zeros.length, 8)}`
}

/** The first of the longest runs of zero words, which `::` replaces. */
function longestZeros(words: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < words.length; start++) {
    let end = start
    while (end < words.length && words[end] === 0) end++
    if (end - start > best.length) best = { start, length: end - start }
  }
  return best
}
