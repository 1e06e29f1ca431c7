/**
 * Generic receive offload: which frames may be coalesced with others of their flow. These are Linux's own rules; no frame is
 * coalesced that Linux would not coalesce: dev_gro_receive(), inet_gro_receive(), tcp_gro_receive(), udp_gro_receive_segment().
 *
 * Neighbours: gro-run.ts joins the frames of one flow; lane/gro.ts keeps the runs of a lane and counts the verdicts.
 *
 * A candidate is one integer: the negated verdict if the frame passes unchanged, otherwise
 *
 *    31            16  15          8 7        0
 *   +----------------+-------------+-----------+
 *   | 0              | headerLen   | kind      |   headerLen: from the Ethernet header to the payload
 *   +----------------+-------------+-----------+
 *
 * Invariant: in a candidate all headers lie inside the frame, the packet ends where the frame does, there is payload, and
 * its checksums are right or left to the device.
 *
 * It is stricter than Linux in three points. A segment with CWR is never coalesced: kernels treat it differently (RFC 3168
 * before 6.15, Accurate ECN since then), and a vnet header cannot express which is meant. A constant IPv4 id is accepted only
 * with DF: a vnet header cannot express that the id stays constant. VLAN tags, IPv6 extension headers and super-frames pass
 * unchanged.
 */
import { ETH_HLEN, ETH_P_IP, ETH_P_IPV6 } from '../abi/ether.js'
import {
  IP_DF,
  IPHDR_FRAG_OFF,
  IPHDR_LEN,
  IPHDR_PROTOCOL,
  IPHDR_SADDR,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV6HDR_LEN,
  IPV6HDR_NEXTHDR,
  IPV6HDR_SADDR,
  TCPHDR_CHECK,
  TCPHDR_FLAGS,
  TCPHDR_LEN,
  TH_CWR,
  TH_FIN,
  TH_PUSH,
  TH_RST,
  TH_SYN,
  TH_URG,
  UDPHDR_CHECK,
  UDPHDR_LEN,
  UDPHDR_ULEN,
} from '../abi/ip.js'
import { VIRTIO_NET_HDR_F_DATA_VALID, VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_NONE } from '../abi/virtio-net.js'
import { be16, be32 } from './bytes.js'
import { checksumAdd, pseudoHeaderV4, pseudoHeaderV6 } from './checksum.js'
import { ETH_PROTO } from './ethernet.js'
import { ipv4Layout, ipv4PacketLen, ipv6Layout, ipv6PacketLen, isFragment, l4Offset, l4Protocol } from './ip.js'
import { vnetCsumOffset, vnetCsumStart, vnetFlags, vnetGsoType } from './virtio-net-hdr.js'

// --- Verdicts ---------------------------------------------------------------------------------------------------

/** Verdicts: each frame gets exactly one. In the order of their numbers below. */
export const GRO_VERDICTS = [
  /** Begins a run. */
  'held',
  /** Joins one. */
  'merged',
  /** Neither IPv4 nor IPv6: ARP, a VLAN tag. */
  'not_ip',
  /** A super-frame already. */
  'super_frame',
  /** Options, or no sound header. */
  'ip_header',
  'fragment',
  /** Neither TCP, nor UDP while `rx-udp-gro-forwarding` is on. */
  'protocol',
  /** Padding behind the packet, or lengths that contradict each other. */
  'length',
  /** A pure acknowledgement, an empty datagram. */
  'no_payload',
  /** SYN, RST, URG or CWR; also PSH or FIN if there is no run that it could end. */
  'tcp_flags',
  /** A checksum is wrong; or, in UDP, there is none. */
  'checksum',
] as const

export const GRO_HELD = 0
export const GRO_MERGED = 1
export const GRO_NOT_IP = 2
export const GRO_SUPER_FRAME = 3
export const GRO_IP_HEADER = 4
export const GRO_FRAGMENT = 5
export const GRO_PROTOCOL = 6
export const GRO_LENGTH = 7
export const GRO_NO_PAYLOAD = 8
export const GRO_TCP_FLAGS = 9
export const GRO_CHECKSUM = 10

// --- Kinds ------------------------------------------------------------------------------------------------------

/** The kinds of frames to coalesce, as bits of a mask. */
export const GRO_TCPV4 = 1
export const GRO_TCPV6 = 2
export const GRO_UDPV4 = 4
export const GRO_UDPV6 = 8
export const GRO_TCP = GRO_TCPV4 | GRO_TCPV6
export const GRO_UDP = GRO_UDPV4 | GRO_UDPV6

/** One of GRO_TCPV4, GRO_TCPV6, GRO_UDPV4, GRO_UDPV6. */
export function groKind(candidate: number): number {
  return candidate & 0xff
}

/** Bytes from the Ethernet header to the payload. */
export function groHeaderLen(candidate: number): number {
  return candidate >>> 8
}

/** Bytes from the Ethernet header to TCP's or UDP's. */
export function groL4Offset(candidate: number): number {
  return ETH_HLEN + (isV6(groKind(candidate)) ? IPV6HDR_LEN : IPHDR_LEN)
}

export function isTcp(kind: number): boolean {
  return (kind & GRO_TCP) !== 0
}

export function isV6(kind: number): boolean {
  return (kind & (GRO_TCPV6 | GRO_UDPV6)) !== 0
}

// --- Candidates -------------------------------------------------------------------------------------------------

/** Flags of a segment that is never merged. */
const NEVER = TH_SYN | TH_RST | TH_URG | TH_CWR
/** Flags that end a run: such a segment may join a run, but not start one. */
export const TCP_LAST = TH_FIN | TH_PUSH

/** The sum of bytes that contain their own correct checksum. */
const GOOD_SUM = 0xffff

/**
 * Judges the frame of `frameLen` (at least ETH_HLEN) bytes at `eth`, with its vnet header at `off`: a candidate, or a negated
 * verdict. `kinds`: the kinds to coalesce. `verified`: all checksums of the frame are already known to be correct.
 */
export function groCandidate(
  mem: Uint8Array,
  off: number,
  eth: number,
  frameLen: number,
  kinds: number,
  verified: boolean,
): number {
  const protocol = be16(mem, eth + ETH_PROTO)
  if (protocol !== ETH_P_IP && protocol !== ETH_P_IPV6) return -GRO_NOT_IP
  if (vnetGsoType(mem, off) !== VIRTIO_NET_HDR_GSO_NONE) return -GRO_SUPER_FRAME
  const candidate = protocol === ETH_P_IP ? ipv4(mem, eth, frameLen, kinds) : ipv6(mem, eth, frameLen, kinds)
  if (candidate < 0 || verified || hasGoodChecksum(mem, off, eth, frameLen, candidate)) return candidate
  return -GRO_CHECKSUM
}

/** Version 4 and a header of 5 words. */
const WITHOUT_OPTIONS = 0x45

function ipv4(mem: Uint8Array, eth: number, frameLen: number, kinds: number): number {
  const ip = eth + ETH_HLEN
  const l4 = ip + IPHDR_LEN
  if (frameLen < ETH_HLEN + IPHDR_LEN || mem[ip] !== WITHOUT_OPTIONS) return -GRO_IP_HEADER
  if ((be16(mem, ip + IPHDR_FRAG_OFF) & ~IP_DF) !== 0) return -GRO_FRAGMENT
  if (ipv4PacketLen(mem, ip) !== frameLen - ETH_HLEN) return -GRO_LENGTH
  const candidate = transport(mem, l4, frameLen - ETH_HLEN - IPHDR_LEN, mem[ip + IPHDR_PROTOCOL], kinds, 0)
  return candidate >= 0 && checksumAdd(mem, ip, IPHDR_LEN, 0) !== GOOD_SUM ? -GRO_CHECKSUM : candidate
}

function ipv6(mem: Uint8Array, eth: number, frameLen: number, kinds: number): number {
  const ip = eth + ETH_HLEN
  const l4 = ip + IPV6HDR_LEN
  if (frameLen < ETH_HLEN + IPV6HDR_LEN || mem[ip] >>> 4 !== 6) return -GRO_IP_HEADER
  if (ipv6PacketLen(mem, ip) !== frameLen - ETH_HLEN) return -GRO_LENGTH
  return transport(mem, l4, frameLen - ETH_HLEN - IPV6HDR_LEN, mem[ip + IPV6HDR_NEXTHDR], kinds, 1)
}

/** `len`: the bytes from `l4` to the end of frame and packet. `v6`: 1 after IPv6. */
function transport(mem: Uint8Array, l4: number, len: number, protocol: number, kinds: number, v6: 0 | 1): number {
  const kind = (protocol === IPPROTO_TCP ? GRO_TCPV4 : protocol === IPPROTO_UDP ? GRO_UDPV4 : 0) << v6
  if ((kind & kinds) === 0) return -GRO_PROTOCOL
  const headerLen = isTcp(kind) ? tcpHeaderLen(mem, l4, len) : udpHeaderLen(mem, l4, len)
  if (headerLen < 0) return headerLen
  if (headerLen === len) return -GRO_NO_PAYLOAD
  return kind | ((ETH_HLEN + (v6 ? IPV6HDR_LEN : IPHDR_LEN) + headerLen) << 8)
}

/** tcp_gro_pull_header() */
function tcpHeaderLen(mem: Uint8Array, l4: number, len: number): number {
  if (len < TCPHDR_LEN) return -GRO_LENGTH
  const headerLen = (mem[l4 + TCPHDR_FLAGS - 1] >>> 4) << 2
  if (headerLen < TCPHDR_LEN || headerLen > len) return -GRO_LENGTH
  return (mem[l4 + TCPHDR_FLAGS] & NEVER) === 0 ? headerLen : -GRO_TCP_FLAGS
}

function udpHeaderLen(mem: Uint8Array, l4: number, len: number): number {
  if (len < UDPHDR_LEN || be16(mem, l4 + UDPHDR_ULEN) !== len) return -GRO_LENGTH
  return be16(mem, l4 + UDPHDR_CHECK) === 0 ? -GRO_CHECKSUM : UDPHDR_LEN
}

/** skb_gro_checksum_validate(): accepts a checksum that is left to the device, was verified before, or is correct. */
function hasGoodChecksum(mem: Uint8Array, off: number, eth: number, frameLen: number, candidate: number): boolean {
  const kind = groKind(candidate)
  const l4Off = groL4Offset(candidate)
  const flags = vnetFlags(mem, off)
  if ((flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) !== 0)
    return vnetCsumStart(mem, off) === l4Off && vnetCsumOffset(mem, off) === groCsumOffset(kind)
  if ((flags & VIRTIO_NET_HDR_F_DATA_VALID) !== 0) return true
  const len = frameLen - l4Off
  return checksumAdd(mem, eth + l4Off, len, groPseudoHeader(mem, eth, kind, len)) === GOOD_SUM
}

/** Where in TCP's or UDP's header the checksum is. */
export function groCsumOffset(kind: number): number {
  return isTcp(kind) ? TCPHDR_CHECK : UDPHDR_CHECK
}

/** The unfolded sum of the pseudo header for the `len` bytes from TCP's or UDP's header on. */
export function groPseudoHeader(mem: Uint8Array, eth: number, kind: number, len: number): number {
  const protocol = isTcp(kind) ? IPPROTO_TCP : IPPROTO_UDP
  const ip = eth + ETH_HLEN
  return isV6(kind) ? pseudoHeaderV6(mem, ip, protocol, len) : pseudoHeaderV4(mem, ip, protocol, len)
}

// --- Flows ------------------------------------------------------------------------------------------------------

/** Neither TCP nor UDP: the frame cannot belong to the flow of a run. */
export const FLOW_NONE = -1
/** A fragment, or headers that cannot be parsed: the frame may belong to any flow. */
export const FLOW_ANY = -2

/**
 * The flow of a frame that is no candidate: FLOW_NONE, FLOW_ANY, or the bytes from the Ethernet header to TCP's or UDP's
 * header.
 */
export function flowOffset(mem: Uint8Array, eth: number, frameLen: number): number {
  const protocol = be16(mem, eth + ETH_PROTO)
  if (protocol !== ETH_P_IP && protocol !== ETH_P_IPV6) return FLOW_NONE
  const ip = eth + ETH_HLEN
  const len = frameLen - ETH_HLEN
  const layout = protocol === ETH_P_IP ? ipv4Layout(mem, ip, len) : ipv6Layout(mem, ip, len)
  if (layout < 0) return FLOW_ANY
  if (l4Protocol(layout) !== IPPROTO_TCP && l4Protocol(layout) !== IPPROTO_UDP) return FLOW_NONE
  return isFragment(layout) || l4Offset(layout) + PORTS > len ? FLOW_ANY : ETH_HLEN + l4Offset(layout)
}

/** Both ports, at the beginning of TCP's and of UDP's header. */
const PORTS = 4

/** A hash of the flow: equal for all its frames. `l4` is TCP's or UDP's header. */
export function flowHash(mem: Uint8Array, eth: number, l4: number): number {
  const ip = eth + ETH_HLEN
  const v6 = mem[ip] >>> 4 === 6
  const end = ip + (v6 ? IPV6HDR_LEN : IPHDR_LEN)
  let hash = be32(mem, l4)
  for (let at = ip + (v6 ? IPV6HDR_SADDR : IPHDR_SADDR); at < end; at += 4) hash ^= be32(mem, at)
  return hash | 0
}

/**
 * Whether two frames have the same version, addresses and ports. `a` and `b` are Ethernet headers, `aL4` and `bL4` the headers
 * after IP. The caller checks that both are TCP or both UDP.
 */
export function isSameFlow(mem: Uint8Array, a: number, aL4: number, b: number, bL4: number): boolean {
  const aIp = a + ETH_HLEN
  const bIp = b + ETH_HLEN
  if (mem[aIp] >>> 4 !== mem[bIp] >>> 4 || be32(mem, aL4) !== be32(mem, bL4)) return false
  const v6 = mem[aIp] >>> 4 === 6
  const end = v6 ? IPV6HDR_LEN : IPHDR_LEN
  for (let at = v6 ? IPV6HDR_SADDR : IPHDR_SADDR; at < end; at += 4)
    if (be32(mem, aIp + at) !== be32(mem, bIp + at)) return false
  return true
}
