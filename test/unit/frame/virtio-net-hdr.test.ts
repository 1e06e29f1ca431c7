/**
 * The virtio_net_hdr: its fields compared with literal bytes, and checkVnetHdr with the cases in which tun_get_user()
 * and virtio_net_hdr_to_skb() answer EINVAL.
 */
import t from 'tap'
import { VNET_HDR_HASH_TUNNEL_SIZE, VNET_HDR_MRG_RXBUF_SIZE, VNET_HDR_SIZE } from '../../../src/abi/virtio-net.js'
import {
  checkVnetHdr,
  clearVnetHdr,
  setVnetCsumOffset,
  setVnetCsumStart,
  setVnetFlags,
  setVnetGsoSize,
  setVnetGsoType,
  setVnetHdrLen,
  setVnetInnerNhOffset,
  setVnetOuterThOffset,
  VNET_BAD_CSUM,
  VNET_BAD_GSO_CSUM,
  VNET_BAD_GSO_SIZE,
  VNET_BAD_GSO_TYPE,
  VNET_BAD_HDR_LEN,
  VNET_BAD_TUNNEL,
  VNET_SHORT_FRAME,
  vnetCsumOffset,
  vnetCsumStart,
  vnetFlags,
  vnetGsoHdrLen,
  vnetGsoSize,
  vnetGsoType,
  vnetInnerNhOffset,
  vnetOuterThOffset,
} from '../../../src/frame/virtio-net-hdr.js'
import { concat, hex } from './fixtures.js'

/** What the kernel puts before a TCP super-frame over IPv4. */
const TCP_SUPER_FRAME = hex(
  '01    ; NEEDS_CSUM',
  '01    ; TCPV4',
  '42 00 ; hdr_len 66',
  'a8 05 ; gso_size 1448',
  '22 00 ; csum_start 34',
  '10 00 ; csum_offset 16',
  '02 01 ; num_buffers 258',
)

t.test('every field is read from its place', async (t) => {
  const mem = new Uint8Array(20).fill(0xee)
  mem.set(TCP_SUPER_FRAME, 3)
  t.same(
    [vnetFlags, vnetGsoType, vnetGsoHdrLen, vnetGsoSize, vnetCsumStart, vnetCsumOffset].map((field) => field(mem, 3)),
    [1, 1, 66, 1448, 34, 16],
  )
})

t.test('every field is written to its place, and to no other', async (t) => {
  const mem = new Uint8Array(20).fill(0xee)
  clearVnetHdr(mem, 3, VNET_HDR_MRG_RXBUF_SIZE)
  t.same(mem, hex('ee ee ee', '00 00 00 00 00 00 00 00 00 00 00 00', 'ee ee ee ee ee'))
  setVnetFlags(mem, 3, 1)
  setVnetGsoType(mem, 3, 1)
  setVnetHdrLen(mem, 3, 66)
  setVnetGsoSize(mem, 3, 1448)
  setVnetCsumStart(mem, 3, 34)
  setVnetCsumOffset(mem, 3, 16)
  t.same(mem.subarray(3, 13), TCP_SUPER_FRAME.subarray(0, 10))
  clearVnetHdr(mem, 3, VNET_HDR_SIZE)
  t.same(mem, hex('ee ee ee', '00 00 00 00 00 00 00 00 00 00 00 00', 'ee ee ee ee ee'))
})

t.test('a header of 24 bytes also says where the headers of a tunnel are', async (t) => {
  const inTunnel = hex(
    '01 21 00 00  78 05 54 00  10 00 00 00 ; NEEDS_CSUM, TCPV4 | UDP_TUNNEL_IPV4, gso_size 1400, csum_start 84',
    '00 00 00 00 00 00 00 00               ; the hash',
    '22 00                                 ; outer UDP at 34',
    '40 00                                 ; inner IP at 64',
  )
  const mem = new Uint8Array(32).fill(0xee)
  mem.set(inTunnel, 3)
  t.same([vnetGsoType(mem, 3), vnetOuterThOffset(mem, 3), vnetInnerNhOffset(mem, 3)], [0x21, 34, 64])
  clearVnetHdr(mem, 3, VNET_HDR_HASH_TUNNEL_SIZE)
  setVnetFlags(mem, 3, 1)
  setVnetGsoType(mem, 3, 0x21)
  setVnetGsoSize(mem, 3, 1400)
  setVnetCsumStart(mem, 3, 84)
  setVnetCsumOffset(mem, 3, 16)
  setVnetOuterThOffset(mem, 3, 34)
  setVnetInnerNhOffset(mem, 3, 64)
  t.same(mem, concat(hex('ee ee ee'), inTunnel, hex('ee ee ee ee ee')), 'and nothing else is touched')
})

interface Fields {
  flags?: number
  gsoType?: number
  hdrLen?: number
  gsoSize?: number
  csumStart?: number
  csumOffset?: number
  outerTh?: number
  innerNh?: number
}

function check(frameLen: number, fields: Fields, hdrBytes = 12): number {
  const mem = new Uint8Array(30).fill(0xee)
  clearVnetHdr(mem, 3, hdrBytes)
  setVnetFlags(mem, 3, fields.flags ?? 0)
  setVnetGsoType(mem, 3, fields.gsoType ?? 0)
  setVnetHdrLen(mem, 3, fields.hdrLen ?? 0)
  setVnetGsoSize(mem, 3, fields.gsoSize ?? 0)
  setVnetCsumStart(mem, 3, fields.csumStart ?? 0)
  setVnetCsumOffset(mem, 3, fields.csumOffset ?? 0)
  if (fields.outerTh !== undefined) setVnetOuterThOffset(mem, 3, fields.outerTh)
  if (fields.innerNh !== undefined) setVnetInnerNhOffset(mem, 3, fields.innerNh)
  return checkVnetHdr(mem, 3, frameLen, hdrBytes)
}

const TCP4 = { flags: 1, gsoType: 1, gsoSize: 1448, csumStart: 34, csumOffset: 16 }
const TCP6 = { flags: 1, gsoType: 4, gsoSize: 1428, csumStart: 54, csumOffset: 16 }
const UDP = { flags: 1, gsoType: 5, gsoSize: 1000, csumStart: 34, csumOffset: 6 }

const CASES: [string, number, Fields, number][] = [
  ['nothing but zeros before the shortest frame', 14, {}, 0],
  ['a frame of 13 bytes', 13, {}, VNET_SHORT_FRAME],
  ['no frame', 0, {}, VNET_SHORT_FRAME],
  ['DATA_VALID is ignored', 60, { flags: 2, csumStart: 0xffff, csumOffset: 0xffff }, 0],
  ['a gso_size without a gso_type is ignored', 60, { gsoSize: 0xffff }, 0],

  ['hdr_len 1', 60, { hdrLen: 1 }, VNET_BAD_HDR_LEN],
  ['hdr_len 13', 60, { hdrLen: 13 }, VNET_BAD_HDR_LEN],
  ['hdr_len 14', 60, { hdrLen: 14 }, 0],
  ['hdr_len of the whole frame', 60, { hdrLen: 60 }, 0],
  ['hdr_len behind the frame', 60, { hdrLen: 61 }, VNET_BAD_HDR_LEN],
  ['hdr_len 1 is raised to the end of the checksum', 60, { hdrLen: 1, flags: 1, csumStart: 34, csumOffset: 16 }, 0],

  ['a checksum that ends with the frame', 52, { flags: 1, csumStart: 34, csumOffset: 16 }, 0],
  ['a checksum that ends behind the frame', 51, { flags: 1, csumStart: 34, csumOffset: 16 }, VNET_BAD_CSUM],
  ['csum_start behind the frame', 60, { flags: 1, csumStart: 60 }, VNET_BAD_CSUM],
  ['csum_start 65535', 60, { flags: 1, csumStart: 0xffff, csumOffset: 0xffff }, VNET_BAD_CSUM],
  ['csum_start 19 lies in the first headers', 60, { flags: 1, csumStart: 19, csumOffset: 6 }, VNET_BAD_CSUM],
  ['csum_start 20', 60, { flags: 1, csumStart: 20, csumOffset: 6 }, 0],
  ['csum_offset 0', 60, { flags: 1, csumStart: 34, csumOffset: 0 }, 0],

  ['TCP over IPv4', 3000, TCP4, 0],
  ['TCP over IPv6', 3000, TCP6, 0],
  ['TCP with ECN', 3000, { ...TCP4, gsoType: 0x81 }, 0],
  ['TCP shorter than a segment is a plain frame', 100, TCP4, 0],
  ['TCP without NEEDS_CSUM', 3000, { ...TCP4, flags: 0 }, 0],
  ['TCP without NEEDS_CSUM, whose csum_offset is ignored', 3000, { ...TCP4, flags: 0, csumOffset: 0 }, 0],
  ['gso_size 0', 3000, { ...TCP4, gsoSize: 0 }, VNET_BAD_GSO_SIZE],
  ['gso_size 0xFFFF is GSO_BY_FRAGS', 3000, { ...TCP4, gsoSize: 0xffff }, VNET_BAD_GSO_SIZE],
  ['gso_size 0xFFFE', 3000, { ...TCP4, gsoSize: 0xfffe }, 0],
  ['TCP with the checksum of UDP', 3000, { ...TCP4, csumOffset: 6 }, VNET_BAD_GSO_CSUM],
  ['a frame without room for a TCP header', 53, TCP4, VNET_SHORT_FRAME],
  ['a frame with just room for a TCP header', 54, TCP4, 0],
  ['TCP over IPv6 with csum_start 39', 3000, { ...TCP6, csumStart: 39 }, VNET_BAD_CSUM],
  ['TCP over IPv6 with csum_start 40', 3000, { ...TCP6, csumStart: 40 }, 0],
  ['without NEEDS_CSUM, less than IPv4 and TCP need', 39, { ...TCP4, flags: 0 }, VNET_SHORT_FRAME],
  ['without NEEDS_CSUM, as much as IPv4 and TCP need', 40, { ...TCP4, flags: 0 }, 0],
  ['without NEEDS_CSUM, less than IPv6 and TCP need', 59, { ...TCP6, flags: 0 }, VNET_SHORT_FRAME],
  ['without NEEDS_CSUM, as much as IPv6 and TCP need', 60, { ...TCP6, flags: 0 }, 0],

  ['UDP segments', 3000, UDP, 0],
  ['UDP segments without NEEDS_CSUM', 3000, { ...UDP, flags: 0 }, VNET_BAD_GSO_CSUM],
  ['UDP segments with the checksum of TCP', 3000, { ...UDP, csumOffset: 16 }, VNET_BAD_GSO_CSUM],
  ['UDP segments with ECN', 3000, { ...UDP, gsoType: 0x85 }, VNET_BAD_GSO_CSUM],
  ['128 UDP segments', 42 + 128 * 100, { ...UDP, gsoSize: 100 }, 0],
  ['a byte more than 128 UDP segments', 43 + 128 * 100, { ...UDP, gsoSize: 100 }, VNET_BAD_GSO_SIZE],
  ['UDP segments without room for the checksum', 41, UDP, VNET_BAD_CSUM],

  ['UDP fragments', 3000, { ...UDP, gsoType: 3 }, 0],
  ['UDP fragments without NEEDS_CSUM', 3000, { ...UDP, gsoType: 3, flags: 0 }, 0],
  ['gso_type 2', 3000, { ...TCP4, gsoType: 2 }, VNET_BAD_GSO_TYPE],
  ['ECN alone', 3000, { ...TCP4, gsoType: 0x80 }, VNET_BAD_GSO_TYPE],
  ['a tunnel over IPv4', 3000, { ...TCP4, gsoType: 0x21 }, VNET_BAD_GSO_TYPE],
  ['a tunnel over IPv6', 3000, { ...TCP4, gsoType: 0x41 }, VNET_BAD_GSO_TYPE],
]

t.test('a header that the kernel would refuse is refused with a reason', async (t) => {
  for (const [name, frameLen, fields, reason] of CASES) t.equal(check(frameLen, fields), reason, name)
})

/** TCP over IPv4 in VXLAN over IPv4: outer UDP at 34, inner IP at 64, inner TCP at 84. */
const VXLAN = { flags: 1, gsoType: 0x21, gsoSize: 1400, csumStart: 84, csumOffset: 16, outerTh: 34, innerNh: 64 }
const VXLAN6 = { ...VXLAN, gsoType: 0x44, csumStart: 124, outerTh: 54, innerNh: 84 }

const TUNNEL_CASES: [string, number, Fields, number][] = [
  ['TCP in VXLAN', 3000, VXLAN, 0],
  ['with ECN', 3000, { ...VXLAN, gsoType: 0xa1 }, 0],
  ['with an outer checksum', 3000, { ...VXLAN, flags: 9 }, 0],
  ['IPv6 in IPv6', 3000, VXLAN6, 0],
  ['UDP segments in VXLAN', 3000, { ...VXLAN, gsoType: 0x25, csumOffset: 6 }, 0],
  ['without NEEDS_CSUM', 3000, { ...VXLAN, flags: 0 }, VNET_BAD_TUNNEL],
  ['over IPv4 and over IPv6 at once', 3000, { ...VXLAN, gsoType: 0x61 }, VNET_BAD_GSO_TYPE],
  ['a tunnel around no super-frame', 3000, { ...VXLAN, gsoType: 0x20 }, VNET_BAD_GSO_TYPE],
  ['ECN alone in a tunnel', 3000, { ...VXLAN, gsoType: 0xa0 }, VNET_BAD_GSO_TYPE],
  ['UDP fragments in a tunnel', 3000, { ...VXLAN, gsoType: 0x23 }, VNET_BAD_GSO_TYPE],
  ['gso_type 2 in a tunnel', 3000, { ...VXLAN, gsoType: 0x22 }, VNET_BAD_GSO_TYPE],
  ['the outer UDP header before the end of its IPv4 header', 3000, { ...VXLAN, outerTh: 33 }, VNET_BAD_TUNNEL],
  ['of its IPv6 header', 3000, { ...VXLAN6, outerTh: 53 }, VNET_BAD_TUNNEL],
  ['the inner IP header before the end of the outer UDP header', 3000, { ...VXLAN, innerNh: 41 }, VNET_BAD_TUNNEL],
  ['right behind it', 3000, { ...VXLAN, innerNh: 42 }, 0],
  ['the inner TCP header before the end of its IPv4 header', 3000, { ...VXLAN, csumStart: 83 }, VNET_BAD_TUNNEL],
  ['of its IPv6 header', 3000, { ...VXLAN6, csumStart: 123 }, VNET_BAD_TUNNEL],
  ['no room for the inner TCP header', 103, VXLAN, VNET_SHORT_FRAME],
  ['just room for it', 104, VXLAN, 0],
  ['gso_size 0', 3000, { ...VXLAN, gsoSize: 0 }, VNET_BAD_GSO_SIZE],
]

t.test('behind a header of 24 bytes the same is refused, and tunnels are known', async (t) => {
  for (const [name, frameLen, fields, reason] of CASES) {
    if (!name.startsWith('a tunnel')) t.equal(check(frameLen, fields, 24), reason, name)
  }
  for (const [name, frameLen, fields, reason] of TUNNEL_CASES) t.equal(check(frameLen, fields, 24), reason, name)
})
