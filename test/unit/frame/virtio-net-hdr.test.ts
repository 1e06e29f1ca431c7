/**
 * The virtio_net_hdr: its fields against literal bytes, and checkVnetHdr against the cases in which tun_get_user() and
 * virtio_net_hdr_to_skb() answer EINVAL.
 */
import t from 'tap'
import { VNET_HDR_MRG_RXBUF_SIZE, VNET_HDR_SIZE } from '../../../src/abi/virtio-net.js'
import {
  checkVnetHdr,
  clearVnetHdr,
  setVnetCsumOffset,
  setVnetCsumStart,
  setVnetFlags,
  setVnetGsoSize,
  setVnetGsoType,
  setVnetHdrLen,
  VNET_BAD_CSUM,
  VNET_BAD_GSO_CSUM,
  VNET_BAD_GSO_SIZE,
  VNET_BAD_GSO_TYPE,
  VNET_BAD_HDR_LEN,
  VNET_SHORT_FRAME,
  vnetCsumOffset,
  vnetCsumStart,
  vnetFlags,
  vnetGsoSize,
  vnetGsoType,
  vnetHdrLen,
  vnetNumBuffers,
} from '../../../src/frame/virtio-net-hdr.js'
import { hex } from './fixtures.js'

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
    [vnetFlags, vnetGsoType, vnetHdrLen, vnetGsoSize, vnetCsumStart, vnetCsumOffset, vnetNumBuffers].map((field) =>
      field(mem, 3),
    ),
    [1, 1, 66, 1448, 34, 16, 258],
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

interface Fields {
  flags?: number
  gsoType?: number
  hdrLen?: number
  gsoSize?: number
  csumStart?: number
  csumOffset?: number
}

function check(frameLen: number, fields: Fields): number {
  const mem = new Uint8Array(15).fill(0xee)
  clearVnetHdr(mem, 3, 12)
  setVnetFlags(mem, 3, fields.flags ?? 0)
  setVnetGsoType(mem, 3, fields.gsoType ?? 0)
  setVnetHdrLen(mem, 3, fields.hdrLen ?? 0)
  setVnetGsoSize(mem, 3, fields.gsoSize ?? 0)
  setVnetCsumStart(mem, 3, fields.csumStart ?? 0)
  setVnetCsumOffset(mem, 3, fields.csumOffset ?? 0)
  return checkVnetHdr(mem, 3, frameLen)
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
