/**
 * A run: frames of one flow that are written to the receiver as one super-frame.
 *
 * Neighbours: gro.ts defines a candidate; lane/gro.ts finds the run that a candidate may join, and writes it.
 *
 *     slot of the first    | vnet | Ethernet | IP | TCP or UDP | payload |     the super-frame: this, with its headers
 *     slots of the others  | vnet | Ethernet | IP | TCP or UDP | payload |     rewritten, then the others' payloads
 *                                                              └───┬─────┘
 * Nothing is copied: `pieces` lists where those bytes lie. ─────────┘
 *
 * Invariant: segmenting the super-frame at gso_size yields the original frames byte for byte. The one exception has no
 * effect: a checksum that was correct is now left to the device. PSH and FIN stay where they were.
 */
import { ETH_HLEN } from '../abi/ether.js'
import {
  IP_DF,
  IPHDR_CHECK,
  IPHDR_FRAG_OFF,
  IPHDR_ID,
  IPHDR_LEN,
  IPHDR_TOS,
  IPHDR_TOT_LEN,
  IPHDR_TTL,
  IPV6HDR_HOP_LIMIT,
  IPV6HDR_LEN,
  IPV6HDR_PAYLOAD_LEN,
  TCPHDR_ACK_SEQ,
  TCPHDR_FLAGS,
  TCPHDR_LEN,
  TCPHDR_SEQ,
  UDPHDR_ULEN,
} from '../abi/ip.js'
import {
  VIRTIO_NET_HDR_F_NEEDS_CSUM,
  VIRTIO_NET_HDR_GSO_TCPV4,
  VIRTIO_NET_HDR_GSO_TCPV6,
  VIRTIO_NET_HDR_GSO_UDP_L4,
} from '../abi/virtio-net.js'
import { be16, be32, putBe16 } from './bytes.js'
import { checksumAdd, checksumFinish, fold } from './checksum.js'
import {
  GRO_TCPV4,
  groCsumOffset,
  groHeaderLen,
  groKind,
  groL4Offset,
  groPseudoHeader,
  isTcp,
  isV6,
  TCP_LAST,
} from './gro.js'
import {
  clearVnetHdr,
  setVnetCsumOffset,
  setVnetCsumStart,
  setVnetFlags,
  setVnetGsoSize,
  setVnetGsoType,
  setVnetHdrLen,
} from './virtio-net-hdr.js'

/** Why a run was written: exactly one reason for each run. In the order of their numbers below. */
export const GRO_FLUSHES = [
  /** The lane has read all frames of this turn. */
  'burst_end',
  /** It was held as long as `gro-flush-us` allows. */
  'timeout',
  /** A segment shorter than the first has joined, so it must be the last. */
  'short_segment',
  /** A segment with PSH or FIN has joined. */
  'pushed',
  /** The run has reached the limit of an IP packet, gro_max_size, or 64 datagrams. */
  'full',
  // The next frame of the flow differs:
  'ethernet',
  /** TTL or hop limit, TOS or traffic class, DF, flow label. */
  'ip_header',
  'ip_id',
  /** Flags, window or header length. */
  'tcp_header',
  'ack',
  'tcp_options',
  /** A gap, or a retransmission. */
  'sequence',
  /** It is longer than the first. */
  'size',
  /** The next frame of the flow cannot be coalesced at all. */
  'unmergeable',
  /** Its place was needed for another flow. */
  'evicted',
  /** GRO was switched off. */
  'switched_off',
] as const

export const FLUSH_BURST_END = 0
export const FLUSH_TIMEOUT = 1
export const FLUSH_SHORT_SEGMENT = 2
export const FLUSH_PUSHED = 3
export const FLUSH_FULL = 4
export const FLUSH_ETHERNET = 5
export const FLUSH_IP_HEADER = 6
export const FLUSH_IP_ID = 7
export const FLUSH_TCP_HEADER = 8
export const FLUSH_ACK = 9
export const FLUSH_TCP_OPTIONS = 10
export const FLUSH_SEQUENCE = 11
export const FLUSH_SIZE = 12
export const FLUSH_UNMERGEABLE = 13
export const FLUSH_EVICTED = 14
export const FLUSH_SWITCHED_OFF = 15

/** The result of `mismatch` and `add` if the run continues. */
export const NO_FLUSH = -1

/** UDP_GRO_CNT_MAX, net/ipv4/udp_offload.c */
const UDP_GRO_CNT_MAX = 64
/** Frames in one gathered write: every engine supports so many, and 65535 bytes have fewer at an MTU of 576. */
export const RUN_PIECES = 128

export class GroRun {
  /** Where the first frame's vnet header is, and how many bytes it has. */
  off = 0
  vnetHdrLen = 0
  candidate = 0
  hash = 0
  /** Payload length of the first frame. All others have the same, except that the last may be shorter. */
  gsoSize = 0
  /** Length of the resulting IP packet. */
  packetLen = 0
  frames = 0
  /** FIN and PSH of the last. */
  lastFlags = 0
  /** Offset and length of each piece. */
  readonly pieces = new Int32Array(2 * RUN_PIECES)
  pieceCount = 0
  /**
   * For lane/gro.ts: since when the run is held past its turn (0: it is not), and whether it was moved into the hold.
   */
  heldSince = 0
  isHeld = false

  // Required fields of the next frame, as signed words from `be32`: V8 stores small integers without allocation.
  #ethernet0 = 0
  #ethernet1 = 0
  #ethernet2 = 0
  /** DF, TOS and TTL; in IPv6 all fields before the payload length: to Linux another flow label is another flow. */
  #network = 0
  #hopLimit = 0
  #id = 0
  /** All IPv4 ids are equal. */
  #fixedId = false
  #seq = 0
  #ack = 0
  /** Header length, flags without FIN and PSH, window. */
  #tcpWord = 0

  /** `off`: the frame's vnet header; `frameLen` without it. */
  begin(mem: Uint8Array, off: number, vnetHdrLen: number, frameLen: number, candidate: number, hash: number): void {
    const eth = off + vnetHdrLen
    const payload = frameLen - groHeaderLen(candidate)
    this.off = off
    this.vnetHdrLen = vnetHdrLen
    this.candidate = candidate
    this.hash = hash
    this.gsoSize = payload
    this.packetLen = frameLen - ETH_HLEN
    this.frames = 1
    this.lastFlags = 0
    this.pieces[0] = off
    this.pieces[1] = vnetHdrLen + frameLen
    this.pieceCount = 1
    this.heldSince = 0
    this.isHeld = false
    this.#ethernet0 = word(mem, eth)
    this.#ethernet1 = word(mem, eth + 4)
    this.#ethernet2 = word(mem, eth + 8)
    this.#network = networkWord(mem, eth, candidate)
    this.#fixedId = false
    if (isV6(groKind(candidate))) this.#hopLimit = mem[eth + ETH_HLEN + IPV6HDR_HOP_LIMIT]
    else this.#id = be16(mem, eth + ETH_HLEN + IPHDR_ID)
    if (!isTcp(groKind(candidate))) return
    const tcp = eth + groL4Offset(candidate)
    this.#seq = (word(mem, tcp + TCPHDR_SEQ) + payload) | 0
    this.#ack = word(mem, tcp + TCPHDR_ACK_SEQ)
    this.#tcpWord = tcpWord(mem, tcp)
  }

  /** The Ethernet header of the first frame. */
  get eth(): number {
    return this.off + this.vnetHdrLen
  }

  /** Bytes of the super-frame and its vnet header. */
  get len(): number {
    return this.vnetHdrLen + ETH_HLEN + this.packetLen
  }

  /**
   * The reason why a candidate of the same flow and kind cannot join: FLUSH_*, or NO_FLUSH if it can. `maxSize`:
   * gro_max_size. Side effect: may note that the run has a constant IPv4 id.
   */
  mismatch(mem: Uint8Array, eth: number, frameLen: number, candidate: number, maxSize: number): number {
    if (
      word(mem, eth) !== this.#ethernet0 ||
      word(mem, eth + 4) !== this.#ethernet1 ||
      word(mem, eth + 8) !== this.#ethernet2
    )
      return FLUSH_ETHERNET
    if (networkWord(mem, eth, candidate) !== this.#network) return FLUSH_IP_HEADER
    if (!isV6(groKind(candidate))) {
      if (!this.#isNextId(mem, eth + ETH_HLEN)) return FLUSH_IP_ID
    } else if (mem[eth + ETH_HLEN + IPV6HDR_HOP_LIMIT] !== this.#hopLimit) return FLUSH_IP_HEADER
    const tcp = isTcp(groKind(candidate)) ? this.#tcpMismatch(mem, eth, candidate) : NO_FLUSH
    if (tcp !== NO_FLUSH) return tcp
    const payload = frameLen - groHeaderLen(candidate)
    if (payload > this.gsoSize) return FLUSH_SIZE
    return this.packetLen + payload >= maxSize || this.pieceCount === RUN_PIECES ? FLUSH_FULL : NO_FLUSH
  }

  /**
   * inet_gro_flush(), include/net/gro.h: the id increases by one with each frame, or, with DF, is equal in all frames.
   */
  #isNextId(mem: Uint8Array, ip: number): boolean {
    const ahead = (be16(mem, ip + IPHDR_ID) - this.#id) & 0xffff
    if (this.frames === 1 && ahead === 0 && be16(mem, ip + IPHDR_FRAG_OFF) === IP_DF) this.#fixedId = true
    return ahead === (this.#fixedId ? 0 : this.frames)
  }

  /** tcp_gro_receive(), net/ipv4/tcp_offload.c */
  #tcpMismatch(mem: Uint8Array, eth: number, candidate: number): number {
    const l4Off = groL4Offset(candidate)
    const tcp = eth + l4Off
    if (tcpWord(mem, tcp) !== this.#tcpWord) return FLUSH_TCP_HEADER
    if (word(mem, tcp + TCPHDR_ACK_SEQ) !== this.#ack) return FLUSH_ACK
    if (word(mem, tcp + TCPHDR_SEQ) !== this.#seq) return FLUSH_SEQUENCE
    const first = this.eth
    for (let at = l4Off + TCPHDR_LEN; at < groHeaderLen(candidate); at += 4)
      if (word(mem, first + at) !== word(mem, eth + at)) return FLUSH_TCP_OPTIONS
    return NO_FLUSH
  }

  /** Adds a candidate that has no mismatch. Returns the reason why it must be the last one, or NO_FLUSH. */
  add(mem: Uint8Array, eth: number, frameLen: number, candidate: number): number {
    const headerLen = groHeaderLen(candidate)
    const payload = frameLen - headerLen
    this.pieces[2 * this.pieceCount] = eth + headerLen
    this.pieces[2 * this.pieceCount + 1] = payload
    this.pieceCount++
    this.packetLen += payload
    this.#seq = (this.#seq + payload) | 0
    this.frames++
    if (payload < this.gsoSize) {
      this.lastFlags = lastFlags(mem, eth, candidate)
      return FLUSH_SHORT_SEGMENT
    }
    if (!isTcp(groKind(candidate))) return this.frames === UDP_GRO_CNT_MAX ? FLUSH_FULL : NO_FLUSH
    this.lastFlags = lastFlags(mem, eth, candidate)
    return this.lastFlags === 0 ? NO_FLUSH : FLUSH_PUSHED
  }

  /** Copies the pieces to `to`, one after the other, except those that already lie there. */
  moveTo(mem: Uint8Array, to: number): void {
    let at = to
    for (let i = 0; i < 2 * this.pieceCount; i += 2) {
      const len = this.pieces[i + 1]
      if (this.pieces[i] !== at) mem.copyWithin(at, this.pieces[i], this.pieces[i] + len)
      at += len
    }
    this.off = to
    this.pieces[0] = to
    this.pieces[1] = at - to
    this.pieceCount = 1
  }

  /**
   * Turns the headers of the first frame, and its vnet header, into those of the super-frame: inet_gro_complete(),
   * ipv6_gro_complete(), tcp_gro_complete(), udp_gro_complete_segment(). Call it once, for a run of two or more frames.
   */
  writeHeaders(mem: Uint8Array): void {
    const { off, candidate, packetLen } = this
    const kind = groKind(candidate)
    const eth = this.eth
    const ip = eth + ETH_HLEN
    const l4Off = groL4Offset(candidate)
    const l4Len = packetLen + ETH_HLEN - l4Off
    if (isV6(kind)) putBe16(mem, ip + IPV6HDR_PAYLOAD_LEN, packetLen - IPV6HDR_LEN)
    else {
      putBe16(mem, ip + IPHDR_TOT_LEN, packetLen)
      putBe16(mem, ip + IPHDR_CHECK, 0)
      putBe16(mem, ip + IPHDR_CHECK, checksumFinish(checksumAdd(mem, ip, IPHDR_LEN, 0)))
    }
    if (isTcp(kind)) mem[eth + l4Off + TCPHDR_FLAGS] |= this.lastFlags
    else putBe16(mem, eth + l4Off + UDPHDR_ULEN, l4Len)
    putBe16(mem, eth + l4Off + groCsumOffset(kind), fold(groPseudoHeader(mem, eth, kind, l4Len)))

    clearVnetHdr(mem, off, this.vnetHdrLen)
    setVnetFlags(mem, off, VIRTIO_NET_HDR_F_NEEDS_CSUM)
    setVnetGsoType(mem, off, gsoType(kind))
    setVnetHdrLen(mem, off, groHeaderLen(candidate))
    setVnetGsoSize(mem, off, this.gsoSize)
    setVnetCsumStart(mem, off, l4Off)
    setVnetCsumOffset(mem, off, groCsumOffset(kind))
  }
}

function word(mem: Uint8Array, off: number): number {
  return be32(mem, off) | 0
}

/** Version, traffic class and flow label; or DF, TOS and TTL. */
function networkWord(mem: Uint8Array, eth: number, candidate: number): number {
  const ip = eth + ETH_HLEN
  if (isV6(groKind(candidate))) return word(mem, ip)
  return (be16(mem, ip + IPHDR_FRAG_OFF) << 16) | (mem[ip + IPHDR_TOS] << 8) | mem[ip + IPHDR_TTL]
}

/** Header length, flags without FIN and PSH (which may differ), and window: tcp_flag_word(). */
function tcpWord(mem: Uint8Array, tcp: number): number {
  return word(mem, tcp + TCPHDR_FLAGS - 1) & ~(TCP_LAST << 16)
}

/** FIN and PSH of a frame; 0 for UDP. */
export function lastFlags(mem: Uint8Array, eth: number, candidate: number): number {
  return isTcp(groKind(candidate)) ? mem[eth + groL4Offset(candidate) + TCPHDR_FLAGS] & TCP_LAST : 0
}

function gsoType(kind: number): number {
  if (!isTcp(kind)) return VIRTIO_NET_HDR_GSO_UDP_L4
  return kind === GRO_TCPV4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6
}
