/**
 * Verifying the checksums of a frame, as a receiving stack would: checksum mode `verify`.
 *
 * Neighbours: lane/xmit.ts drops and counts bad frames; ip.ts and vlan.ts find the headers.
 *
 * Only a wrong checksum is bad. A frame that cannot be parsed (a wrong version, an impossible length) passes unchanged,
 * and so does a protocol whose checksum is unknown here: a receiver does not count these as bad checksums. Ethernet
 * padding after the packet is not summed. A frame whose vnet header has NEEDS_CSUM must be completed first.
 */
import { ETH_P_IP, ETH_P_IPV6 } from '../abi/ether.js'
import {
  ICMPHDR_LEN,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  TCPHDR_LEN,
  UDPHDR_CHECK,
  UDPHDR_LEN,
  UDPHDR_ULEN,
} from '../abi/ip.js'
import { be16 } from './bytes.js'
import { checksumAdd, pseudoHeaderV4, pseudoHeaderV6 } from './checksum.js'
import {
  ipv4HeaderLen,
  ipv4Layout,
  ipv4PacketLen,
  ipv6Layout,
  ipv6PacketLen,
  isFragment,
  isRerouted,
  l4Offset,
  l4Protocol,
} from './ip.js'
import { vlanNetworkOffset, vlanProtocol, vlanWalk } from './vlan.js'

export const BAD_IPV4_HEADER = 1
export const BAD_TCP = 2
export const BAD_UDP = 3
export const BAD_ICMP = 4
export const BAD_ICMPV6 = 5

/** The sum of bytes that contain their own correct checksum. */
const GOOD_SUM = 0xffff

/**
 * Verifies the IPv4 header, TCP, UDP, ICMP and ICMPv6 in the frame of `frameLen` (at least ETH_HLEN) bytes at `ethOff`,
 * after 0..2 VLAN tags. 0 if all are correct or there is nothing to verify, otherwise BAD_* for the first wrong
 * one. In an IP fragment only the IPv4 header is verified. UDP without a checksum is good over IPv4 (RFC 768) and bad
 * over IPv6 (RFC 8200 section 8.1).
 */
export function verifyChecksums(mem: Uint8Array, ethOff: number, frameLen: number): number {
  const walk = vlanWalk(mem, ethOff, frameLen)
  const networkOffset = vlanNetworkOffset(walk)
  switch (vlanProtocol(walk)) {
    case ETH_P_IP:
      return verifyIpv4(mem, ethOff + networkOffset, frameLen - networkOffset)
    case ETH_P_IPV6:
      return verifyIpv6(mem, ethOff + networkOffset, frameLen - networkOffset)
    default:
      return 0
  }
}

function verifyIpv4(mem: Uint8Array, off: number, len: number): number {
  const headerLen = ipv4HeaderLen(mem, off, len)
  if (headerLen < 0) return 0
  if (!isGood(mem, off, headerLen, 0)) return BAD_IPV4_HEADER
  const layout = ipv4Layout(mem, off, len)
  return layout < 0 ? 0 : verifyL4(mem, off, layout, ipv4PacketLen(mem, off), false)
}

function verifyIpv6(mem: Uint8Array, off: number, len: number): number {
  const layout = ipv6Layout(mem, off, len)
  return layout < 0 ? 0 : verifyL4(mem, off, layout, ipv6PacketLen(mem, off), true)
}

/** `ip` is the network header of a packet of `packetLen` bytes. A segment too short for its header passes. */
function verifyL4(mem: Uint8Array, ip: number, layout: number, packetLen: number, v6: boolean): number {
  if (isFragment(layout)) return 0
  const l4 = ip + l4Offset(layout)
  const len = packetLen - l4Offset(layout)
  const protocol = l4Protocol(layout)
  if (protocol === IPPROTO_ICMP && !v6 && len >= ICMPHDR_LEN) return isGood(mem, l4, len, 0) ? 0 : BAD_ICMP
  if (isRerouted(layout)) return 0
  if (protocol === IPPROTO_UDP && len >= UDPHDR_LEN) return verifyUdp(mem, ip, l4, len, v6)
  if (protocol === IPPROTO_TCP && len >= TCPHDR_LEN) {
    return isGood(mem, l4, len, pseudoHeader(mem, ip, protocol, len, v6)) ? 0 : BAD_TCP
  }
  if (protocol === IPPROTO_ICMPV6 && v6 && len >= ICMPHDR_LEN) {
    return isGood(mem, l4, len, pseudoHeader(mem, ip, protocol, len, v6)) ? 0 : BAD_ICMPV6
  }
  return 0
}

/** `len` is the room in the IP packet. The datagram may be shorter; a longer one is malformed, which is not bad. */
function verifyUdp(mem: Uint8Array, ip: number, l4: number, len: number, v6: boolean): number {
  let udpLen = be16(mem, l4 + UDPHDR_ULEN)
  // In udp6 a length of 0 means the rest of the packet (RFC 2675 section 4).
  if (udpLen === 0 && v6) udpLen = len
  if (udpLen < UDPHDR_LEN || udpLen > len) return 0
  if (be16(mem, l4 + UDPHDR_CHECK) === 0) return v6 ? BAD_UDP : 0
  return isGood(mem, l4, udpLen, pseudoHeader(mem, ip, IPPROTO_UDP, udpLen, v6)) ? 0 : BAD_UDP
}

function pseudoHeader(mem: Uint8Array, ip: number, protocol: number, len: number, v6: boolean): number {
  return v6 ? pseudoHeaderV6(mem, ip, protocol, len) : pseudoHeaderV4(mem, ip, protocol, len)
}

function isGood(mem: Uint8Array, off: number, len: number, sum: number): boolean {
  return checksumAdd(mem, off, len, sum) === GOOD_SUM
}
