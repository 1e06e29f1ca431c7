/**
 * struct virtio_net_hdr, the header before every frame of a TAP with IFF_VNET_HDR: its fields, and the rules by which
 * the kernel refuses a written header.
 *
 * Neighbours: checksum.ts completes the checksum of a frame with NEEDS_CSUM; worker/scheduler.ts calls `checkVnetHdr`.
 *
 *   0       1          2         4          6            8             10            12
 *   +-------+----------+---------+----------+------------+-------------+-------------+
 *   | flags | gso_type | hdr_len | gso_size | csum_start | csum_offset | num_buffers |
 *   +-------+----------+---------+----------+------------+-------------+-------------+
 *
 * 10 bytes, or 12 with num_buffers, which tun neither reads nor fills. The 16-bit fields are in host byte order, since
 * this is the legacy layout (no TUNSETVNETLE): little-endian on x86 and arm64. csum_start counts from the start of the
 * frame, csum_offset from csum_start.
 *
 *   12     20                24                 A header of 24 bytes (struct virtio_net_hdr_v1_hash_tunnel, Linux 6.17)
 *   +------+--------+--------+                  also describes a super-frame inside a UDP tunnel: where the outer UDP
 *   | hash | outer  | inner  |                  header and the inner IP header are, little-endian, from the start of
 *   |      | th_off | nh_off |                  the frame. csum_start is then the inner TCP or UDP header.
 *   +------+--------+--------+
 */
import { ETH_HLEN } from '../abi/ether.js'
import {
  TUN_F_TSO_ECN,
  TUN_F_TSO4,
  TUN_F_TSO6,
  TUN_F_UDP_TUNNEL_GSO,
  TUN_F_UDP_TUNNEL_GSO_CSUM,
  TUN_F_USO4,
  TUN_F_USO6,
} from '../abi/if-tun.js'
import { IPHDR_LEN, IPV6HDR_LEN, TCPHDR_CHECK, TCPHDR_LEN, UDPHDR_CHECK, UDPHDR_LEN } from '../abi/ip.js'
import {
  VIRTIO_NET_HDR_F_NEEDS_CSUM,
  VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM,
  VIRTIO_NET_HDR_GSO_ECN,
  VIRTIO_NET_HDR_GSO_NONE,
  VIRTIO_NET_HDR_GSO_TCPV4,
  VIRTIO_NET_HDR_GSO_TCPV6,
  VIRTIO_NET_HDR_GSO_UDP,
  VIRTIO_NET_HDR_GSO_UDP_L4,
  VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4,
  VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV6,
  VNET_HDR_CSUM_OFFSET,
  VNET_HDR_CSUM_START,
  VNET_HDR_FLAGS,
  VNET_HDR_GSO_SIZE,
  VNET_HDR_GSO_TYPE,
  VNET_HDR_HASH_TUNNEL_SIZE,
  VNET_HDR_HDR_LEN,
  VNET_HDR_INNER_NH_OFFSET,
  VNET_HDR_MRG_RXBUF_SIZE,
  VNET_HDR_OUTER_TH_OFFSET,
} from '../abi/virtio-net.js'
import { le16, putLe16 } from './bytes.js'

/** In gso_type: the super-frame is inside a UDP tunnel. */
export const GSO_UDP_TUNNEL = VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4 | VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV6

// --- Fields: `off` is where the header starts -------------------------------------------------------------------

/** VIRTIO_NET_HDR_F_* */
export function vnetFlags(mem: Uint8Array, off: number): number {
  return mem[off + VNET_HDR_FLAGS]
}

/** VIRTIO_NET_HDR_GSO_*, with VIRTIO_NET_HDR_GSO_ECN and VIRTIO_NET_HDR_GSO_UDP_TUNNEL_* or'ed in. */
export function vnetGsoType(mem: Uint8Array, off: number): number {
  return mem[off + VNET_HDR_GSO_TYPE]
}

/** From the kernel skb_headlen(), not the length of the protocol headers; to the kernel a hint. */
export function vnetGsoHdrLen(mem: Uint8Array, off: number): number {
  return le16(mem, off + VNET_HDR_HDR_LEN)
}

/** Payload bytes of each segment. */
export function vnetGsoSize(mem: Uint8Array, off: number): number {
  return le16(mem, off + VNET_HDR_GSO_SIZE)
}

export function vnetCsumStart(mem: Uint8Array, off: number): number {
  return le16(mem, off + VNET_HDR_CSUM_START)
}

export function vnetCsumOffset(mem: Uint8Array, off: number): number {
  return le16(mem, off + VNET_HDR_CSUM_OFFSET)
}

/** Offset of the outer UDP header; only for a super-frame in a tunnel, in a header of 24 bytes. */
export function vnetOuterThOffset(mem: Uint8Array, off: number): number {
  return le16(mem, off + VNET_HDR_OUTER_TH_OFFSET)
}

/** Offset of the inner IP header; as above. */
export function vnetInnerNhOffset(mem: Uint8Array, off: number): number {
  return le16(mem, off + VNET_HDR_INNER_NH_OFFSET)
}

export function setVnetFlags(mem: Uint8Array, off: number, flags: number): void {
  mem[off + VNET_HDR_FLAGS] = flags
}

export function setVnetGsoType(mem: Uint8Array, off: number, gsoType: number): void {
  mem[off + VNET_HDR_GSO_TYPE] = gsoType
}

export function setVnetHdrLen(mem: Uint8Array, off: number, hdrLen: number): void {
  putLe16(mem, off + VNET_HDR_HDR_LEN, hdrLen)
}

export function setVnetGsoSize(mem: Uint8Array, off: number, gsoSize: number): void {
  putLe16(mem, off + VNET_HDR_GSO_SIZE, gsoSize)
}

export function setVnetCsumStart(mem: Uint8Array, off: number, csumStart: number): void {
  putLe16(mem, off + VNET_HDR_CSUM_START, csumStart)
}

export function setVnetCsumOffset(mem: Uint8Array, off: number, csumOffset: number): void {
  putLe16(mem, off + VNET_HDR_CSUM_OFFSET, csumOffset)
}

export function setVnetOuterThOffset(mem: Uint8Array, off: number, outerThOffset: number): void {
  putLe16(mem, off + VNET_HDR_OUTER_TH_OFFSET, outerThOffset)
}

export function setVnetInnerNhOffset(mem: Uint8Array, off: number, innerNhOffset: number): void {
  putLe16(mem, off + VNET_HDR_INNER_NH_OFFSET, innerNhOffset)
}

/** Zeroes a header of `hdrBytes` bytes: no checksum to complete, no GSO. Needed because slots are reused. */
export function clearVnetHdr(mem: Uint8Array, off: number, hdrBytes: number): void {
  for (let i = off; i < off + hdrBytes; i++) mem[i] = 0
}

/**
 * The TUN_F_* bit to withdraw for this frame's gso_type; for combined types the most specific one: ECN for TCP with
 * ECN, the tunnel's bit for TCP in a tunnel. 0 if the frame is no super-frame.
 */
export function vnetOffloads(mem: Uint8Array, off: number): number {
  const gsoType = vnetGsoType(mem, off)
  if ((gsoType & GSO_UDP_TUNNEL) !== 0)
    return (vnetFlags(mem, off) & VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM) !== 0
      ? TUN_F_UDP_TUNNEL_GSO_CSUM
      : TUN_F_UDP_TUNNEL_GSO | TUN_F_UDP_TUNNEL_GSO_CSUM
  if ((gsoType & VIRTIO_NET_HDR_GSO_ECN) !== 0) return TUN_F_TSO_ECN
  switch (gsoType) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
      return TUN_F_TSO4
    case VIRTIO_NET_HDR_GSO_TCPV6:
      return TUN_F_TSO6
    case VIRTIO_NET_HDR_GSO_UDP_L4:
      return TUN_F_USO4 | TUN_F_USO6
    default:
      return 0
  }
}

// --- What the kernel refuses ------------------------------------------------------------------------------------

/** The frame is shorter than an Ethernet header, or than the headers that gso_type implies. */
export const VNET_SHORT_FRAME = 1
/** hdr_len is 1..13, or more than the frame. */
export const VNET_BAD_HDR_LEN = 2
/** csum_start or csum_offset points outside the frame, or csum_start into its first headers. */
export const VNET_BAD_CSUM = 3
/** A header of this length cannot carry this gso_type: tunnels need 24 bytes. */
export const VNET_BAD_GSO_TYPE = 4
/** gso_size is 0, 0xFFFF (GSO_BY_FRAGS), or asks for more than UDP_MAX_SEGMENTS. */
export const VNET_BAD_GSO_SIZE = 5
/** UDP_L4 without NEEDS_CSUM or with ECN, or a csum_offset that is not the protocol's. */
export const VNET_BAD_GSO_CSUM = 6
/** The headers of a tunnel overlap, or its super-frame lacks NEEDS_CSUM. */
export const VNET_BAD_TUNNEL = 7

/** UDP_MAX_SEGMENTS, include/linux/udp.h */
const UDP_MAX_SEGMENTS = 128
/** GSO_BY_FRAGS, include/linux/skbuff.h */
const GSO_BY_FRAGS = 0xffff

/**
 * Tells whether tun_get_user() refuses a frame of `frameLen` bytes with the header of `hdrBytes` at `off`, with EINVAL
 * and without a counter: 0 if not, otherwise one of VNET_*. Does not read the frame itself.
 *
 * Follows, in their order, tun_vnet_hdr_get() of drivers/net/tun_vnet.h, tun_get_user() of drivers/net/tun.c and
 * virtio_net_hdr_tnl_to_skb() of include/linux/virtio_net.h. Stricter in one point: with a header of 12 bytes tun lets
 * hdr_len exceed the frame by the two bytes of num_buffers, which no sender intends.
 */
export function checkVnetHdr(
  mem: Uint8Array,
  off: number,
  frameLen: number,
  hdrBytes = VNET_HDR_MRG_RXBUF_SIZE,
): number {
  const anyGsoType = vnetGsoType(mem, off)
  const tunnel = hdrBytes < VNET_HDR_HASH_TUNNEL_SIZE ? 0 : anyGsoType & GSO_UDP_TUNNEL
  const gsoType = anyGsoType & ~tunnel
  const partial = (vnetFlags(mem, off) & VIRTIO_NET_HDR_F_NEEDS_CSUM) !== 0
  const hdrLen = vnetGsoHdrLen(mem, off)
  if (frameLen < ETH_HLEN) return VNET_SHORT_FRAME
  if (hdrLen > frameLen) return VNET_BAD_HDR_LEN
  const badTunnel = tunnel === 0 ? 0 : checkTunnel(mem, off, tunnel, gsoType, partial)
  if (badTunnel !== 0) return badTunnel
  if (!partial) {
    if (hdrLen !== 0 && hdrLen < ETH_HLEN) return VNET_BAD_HDR_LEN
    return gsoType === VIRTIO_NET_HDR_GSO_NONE ? 0 : checkGso(mem, off, frameLen, gsoType, partial)
  }
  const start = vnetCsumStart(mem, off)
  const end = start + vnetCsumOffset(mem, off) + 2
  if (end > frameLen || start < IPHDR_LEN) return VNET_BAD_CSUM
  return gsoType === VIRTIO_NET_HDR_GSO_NONE ? 0 : checkGso(mem, off, frameLen, gsoType, partial)
}

/** `gsoType`: of the super-frame inside, without the tunnel's bits. */
function checkTunnel(mem: Uint8Array, off: number, tunnel: number, gsoType: number, partial: boolean): number {
  const kind = gsoType & ~VIRTIO_NET_HDR_GSO_ECN
  if (tunnel === GSO_UDP_TUNNEL || kind === VIRTIO_NET_HDR_GSO_NONE || kind === VIRTIO_NET_HDR_GSO_UDP)
    return VNET_BAD_GSO_TYPE
  if (!partial) return VNET_BAD_TUNNEL
  const outerIpLen = tunnel === VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV6 ? IPV6HDR_LEN : IPHDR_LEN
  const innerIpLen = kind === VIRTIO_NET_HDR_GSO_TCPV6 ? IPV6HDR_LEN : IPHDR_LEN
  const outerTransport = vnetOuterThOffset(mem, off)
  const innerNetwork = vnetInnerNhOffset(mem, off)
  if (outerTransport < ETH_HLEN + outerIpLen || innerNetwork < outerTransport + UDPHDR_LEN) return VNET_BAD_TUNNEL
  return vnetCsumStart(mem, off) < innerNetwork + innerIpLen ? VNET_BAD_TUNNEL : 0
}

function checkGso(mem: Uint8Array, off: number, frameLen: number, gsoType: number, partial: boolean): number {
  const kind = gsoType & ~VIRTIO_NET_HDR_GSO_ECN
  const tcp = kind === VIRTIO_NET_HDR_GSO_TCPV4 || kind === VIRTIO_NET_HDR_GSO_TCPV6
  if (!tcp && kind !== VIRTIO_NET_HDR_GSO_UDP_L4 && kind !== VIRTIO_NET_HDR_GSO_UDP) return VNET_BAD_GSO_TYPE

  const gsoSize = vnetGsoSize(mem, off)
  if (gsoSize === 0 || gsoSize === GSO_BY_FRAGS) return VNET_BAD_GSO_SIZE

  const networkLen = kind === VIRTIO_NET_HDR_GSO_TCPV6 ? IPV6HDR_LEN : IPHDR_LEN
  const transportLen = tcp ? TCPHDR_LEN : UDPHDR_LEN
  const transport = partial ? vnetCsumStart(mem, off) : networkLen
  if (transport < networkLen) return VNET_BAD_CSUM
  if (transport + transportLen > frameLen) return VNET_SHORT_FRAME

  if (tcp && partial && vnetCsumOffset(mem, off) !== TCPHDR_CHECK) return VNET_BAD_GSO_CSUM
  if (kind === VIRTIO_NET_HDR_GSO_UDP_L4) {
    if (!partial || vnetCsumOffset(mem, off) !== UDPHDR_CHECK || gsoType !== kind) return VNET_BAD_GSO_CSUM
    if (frameLen - transport - transportLen > gsoSize * UDP_MAX_SEGMENTS) return VNET_BAD_GSO_SIZE
  }
  return 0
}
