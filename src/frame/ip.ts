/**
 * IPv4 and IPv6 headers: validates them, and finds what they carry. The offsets of the fields are in abi/ip.ts.
 *
 * Neighbours: vlan.ts finds the network header; verify.ts sums what is found here.
 *
 * A layout is one integer: negative (IP_*) if the header is invalid, otherwise
 *
 *    31        26  25     24     23            8 7          0
 *   +-------------+------+------+---------------+------------+
 *   | 0           | r    | f    | l4Offset      | l4Protocol |   f: a fragment, r: not yet at its destination
 *   +-------------+------+------+---------------+------------+
 *
 * Invariant: in a sound layout the network header, with its options or extension headers, lies inside the packet, and
 * the packet (`ipv4PacketLen`, `ipv6PacketLen`) inside the `len` bytes that were given.
 */
import {
  IP_MF,
  IP_OFFMASK,
  IPHDR_FRAG_OFF,
  IPHDR_LEN,
  IPHDR_PROTOCOL,
  IPHDR_TOT_LEN,
  IPPROTO_AH,
  IPPROTO_DSTOPTS,
  IPPROTO_FRAGMENT,
  IPPROTO_HOPOPTS,
  IPPROTO_ROUTING,
  IPV6HDR_LEN,
  IPV6HDR_NEXTHDR,
  IPV6HDR_PAYLOAD_LEN,
} from '../abi/ip.js'
import { be16 } from './bytes.js'

/** The frame has fewer bytes than the header, its options, an extension header or the packet's length require. */
export const IP_TRUNCATED = -1
/** The version, the header length or the total length is impossible. */
export const IP_MALFORMED = -2

const FRAGMENT = 1 << 24
const REROUTED = 1 << 25

/** IPPROTO_* of the header after the network header; in a fragment, that of the first fragment. */
export function l4Protocol(layout: number): number {
  return layout & 0xff
}

/** Bytes from the network header to what follows it. */
export function l4Offset(layout: number): number {
  return (layout >>> 8) & 0xffff
}

/** Whether this is a fragment. An IPv6 fragment header with neither offset nor M (RFC 6946) makes no fragment. */
export function isFragment(layout: number): boolean {
  return (layout & FRAGMENT) !== 0
}

/**
 * Whether the pseudo header has other addresses than this header, because of source routing or Mobile IPv6. Then the checksum
 * cannot be verified here.
 */
export function isRerouted(layout: number): boolean {
  return (layout & REROUTED) !== 0
}

// --- IPv4, RFC 791 ----------------------------------------------------------------------------------------------

/**
 * Bytes of the IPv4 header at `off`, 20..60; IP_TRUNCATED or IP_MALFORMED where version, IHL or `len` forbid even to
 * compute its checksum. The first half of ip_rcv_core(), net/ipv4/ip_input.c.
 */
export function ipv4HeaderLen(mem: Uint8Array, off: number, len: number): number {
  if (len < IPHDR_LEN) return IP_TRUNCATED
  const headerLen = (mem[off] & 0xf) << 2
  if (mem[off] >>> 4 !== 4 || headerLen < IPHDR_LEN) return IP_MALFORMED
  return headerLen <= len ? headerLen : IP_TRUNCATED
}

/** tot_len: header and payload. The bytes after it in the frame are padding. */
export function ipv4PacketLen(mem: Uint8Array, off: number): number {
  return be16(mem, off + IPHDR_TOT_LEN)
}

/** The layout of the IPv4 packet at `off`; `len` bytes of the frame are left. Does not check the header's checksum. */
export function ipv4Layout(mem: Uint8Array, off: number, len: number): number {
  const headerLen = ipv4HeaderLen(mem, off, len)
  if (headerLen < 0) return headerLen
  const packetLen = ipv4PacketLen(mem, off)
  if (packetLen > len) return IP_TRUNCATED
  if (packetLen < headerLen) return IP_MALFORMED
  let layout = (headerLen << 8) | mem[off + IPHDR_PROTOCOL]
  if ((be16(mem, off + IPHDR_FRAG_OFF) & (IP_MF | IP_OFFMASK)) !== 0) layout |= FRAGMENT
  if (headerLen > IPHDR_LEN && isSourceRouted(mem, off + IPHDR_LEN, off + headerLen)) layout |= REROUTED
  return layout
}

const IPOPT_END = 0
const IPOPT_NOOP = 1
const IPOPT_LSRR = 131
const IPOPT_SSRR = 137

/** Whether the options contain a source route with hops left (RFC 791 section 3.1: its pointer is not past its length). */
function isSourceRouted(mem: Uint8Array, off: number, end: number): boolean {
  for (let i = off; i + 2 < end && mem[i] !== IPOPT_END; ) {
    if (mem[i] === IPOPT_NOOP) {
      i++
    } else {
      if (mem[i] === IPOPT_LSRR || mem[i] === IPOPT_SSRR) return mem[i + 2] <= mem[i + 1]
      i += Math.max(mem[i + 1], 2)
    }
  }
  return false
}

// --- IPv6, RFC 8200 ---------------------------------------------------------------------------------------------

/** The header and payload_len. A jumbogram (RFC 2675, payload_len 0) ends behind its header here. */
export function ipv6PacketLen(mem: Uint8Array, off: number): number {
  return IPV6HDR_LEN + be16(mem, off + IPV6HDR_PAYLOAD_LEN)
}

/** Type of the Home Address option (RFC 6275 section 6.3): the sum is over the address that it holds. */
const HOME_ADDRESS = 201

/**
 * The layout of the IPv6 packet at `off`; `len` bytes of the frame are left. Skips extension headers as ipv6_skip_exthdr() of
 * net/ipv6/exthdrs_core.c does, up to the first other header, or up to a fragment.
 */
export function ipv6Layout(mem: Uint8Array, off: number, len: number): number {
  if (len < IPV6HDR_LEN) return IP_TRUNCATED
  if (mem[off] >>> 4 !== 6) return IP_MALFORMED
  const packetLen = ipv6PacketLen(mem, off)
  if (packetLen > len) return IP_TRUNCATED

  let next = mem[off + IPV6HDR_NEXTHDR]
  let at = IPV6HDR_LEN
  let flags = 0
  while (isExtensionHeader(next) && (flags & FRAGMENT) === 0) {
    if (at + 8 > packetLen) return IP_TRUNCATED
    const header = off + at
    at += extensionLen(next, mem[header + 1])
    if (at > packetLen) return IP_TRUNCATED
    if (next === IPPROTO_FRAGMENT && (be16(mem, header + 2) & 0xfff9) !== 0) flags |= FRAGMENT
    if (next === IPPROTO_ROUTING && mem[header + 3] !== 0) flags |= REROUTED
    if (next === IPPROTO_DSTOPTS && hasHomeAddress(mem, header + 2, off + at)) flags |= REROUTED
    next = mem[header]
  }
  return flags | (at << 8) | next
}

/** ipv6_ext_hdr(), without IPPROTO_NONE, which nothing follows. */
function isExtensionHeader(next: number): boolean {
  return (
    next === IPPROTO_HOPOPTS ||
    next === IPPROTO_ROUTING ||
    next === IPPROTO_FRAGMENT ||
    next === IPPROTO_AH ||
    next === IPPROTO_DSTOPTS
  )
}

/** Bytes of an extension header, whose second byte is `hdrLen`: in units of 8 after the first 8; of 4 for AH. */
function extensionLen(type: number, hdrLen: number): number {
  if (type === IPPROTO_FRAGMENT) return 8
  return type === IPPROTO_AH ? (hdrLen + 2) << 2 : (hdrLen + 1) << 3
}

function hasHomeAddress(mem: Uint8Array, off: number, end: number): boolean {
  for (let i = off; i + 1 < end; ) {
    if (mem[i] === HOME_ADDRESS) return true
    // Pad1 is a byte alone, every other option has a length.
    i += mem[i] === 0 ? 1 : 2 + mem[i + 1]
  }
  return false
}
