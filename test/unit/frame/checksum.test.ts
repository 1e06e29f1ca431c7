/**
 * The Internet checksum compared with a slow one over all lengths and alignments, and with raw-socket's. The completion
 * of checksums compared with frames that the kernel completed.
 */
import fc from 'fast-check'
import t from 'tap'
import { VIRTIO_NET_HDR_F_DATA_VALID, VIRTIO_NET_HDR_F_NEEDS_CSUM } from '../../../src/abi/virtio-net.js'
import {
  COMPLETE_GSO,
  COMPLETE_OUT_OF_BOUNDS,
  checksumAdd,
  checksumFinish,
  completeChecksum,
  fold,
  pseudoHeaderV4,
  pseudoHeaderV6,
} from '../../../src/frame/checksum.js'
import {
  concat,
  hex,
  IP,
  L4_OF_IPV4,
  L4_OF_IPV6,
  patched,
  slowSum,
  TCP_FRAME,
  TCP6_FRAME,
  UDP_FRAME,
  UDP6_FRAME,
} from './fixtures.js'

/** Bytes that repeat nowhere near, from a fixed seed (xorshift). */
function noise(length: number): Uint8Array {
  let state = 0x2545f491
  return Uint8Array.from({ length }, () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state
  })
}

t.test('the example of RFC 1071 section 3', async (t) => {
  const bytes = hex('00 01 f2 03 f4 f5 f6 f7')
  t.equal(checksumAdd(bytes, 0, 8, 0), 0xddf2)
  t.equal(checksumFinish(0xddf2), 0x220d)
})

t.test('every length from 0 to 9001 at an even and at an odd place', async (t) => {
  const mem = noise(9100)
  const wrong: string[] = []
  for (const off of [0, 1, 2, 3]) {
    // The slow sum of `len` bytes, grown byte by byte so that the sweep takes no minute: slowSum() is its check below.
    let expected = 0
    for (let len = 0; len <= 9001; len++) {
      if (checksumAdd(mem, off, len, 0) !== expected) wrong.push(`${len} bytes at ${off}`)
      expected += len & 1 ? mem[off + len] : mem[off + len] * 256
      if (expected > 0xffff) expected = expected - 0x10000 + 1
    }
  }
  t.same(wrong, [])
  for (const len of [0, 1, 47, 48, 1500, 9001]) {
    t.equal(checksumAdd(mem, 3, len, 0), slowSum(mem.subarray(3, 3 + len)), `the slow sum of ${len} bytes`)
  }
})

t.test('65535 and 65536 bytes, of noise and of ones, lose no carry', async (t) => {
  const mem = noise(65550)
  const ones = new Uint8Array(65550).fill(0xff)
  for (const off of [0, 1, 2, 3]) {
    for (const len of [65535, 65536]) {
      t.equal(checksumAdd(mem, off, len, 0), slowSum(mem.subarray(off, off + len)), `noise, ${len} bytes at ${off}`)
      t.equal(checksumAdd(ones, off, len, 0), slowSum(ones.subarray(off, off + len)), `ones, ${len} bytes at ${off}`)
    }
  }
})

t.test('the sum of zeros is 0, and of nothing else', async (t) => {
  const mem = new Uint8Array(200)
  t.equal(checksumAdd(mem, 1, 150, 0), 0)
  mem.fill(0xff, 10, 14)
  t.equal(checksumAdd(mem, 1, 150, 0), 0xffff)
})

t.test('what lies around the bytes is not summed', async (t) => {
  const mem = new Uint8Array(400).fill(0xee)
  for (let off = 100; off < 108; off++) {
    for (const len of [0, 1, 20, 47, 48, 49, 50, 51, 99]) {
      const bytes = noise(len)
      mem.fill(0xee)
      mem.set(bytes, off)
      t.equal(checksumAdd(mem, off, len, 0), slowSum(bytes), `${len} bytes at ${off}`)
    }
  }
})

t.test('a piece is added to the sum before it', async (t) => {
  const mem = noise(3000)
  const first = checksumAdd(mem, 7, 1000, 0)
  t.equal(checksumAdd(mem, 1007, 1001, first), slowSum(mem.subarray(7, 2008)))
  t.equal(checksumAdd(mem, 7, 0, 0x3fffffff), fold(0x3fffffff), 'the largest sum')
  t.equal(checksumAdd(mem, 7, 100, 0x3fffffff), fold(fold(0x3fffffff) + slowSum(mem.subarray(7, 107))))
  t.equal(checksumAdd(mem, 7, 40, 0x3fffffff), fold(fold(0x3fffffff) + slowSum(mem.subarray(7, 47))))
})

t.test('an array that starts inside its buffer, and arrays that take turns', async (t) => {
  const buffer = noise(4000).buffer
  const views = [1, 2, 3, 4, 5].map((start) => new Uint8Array(buffer, start, 2001))
  for (let turn = 0; turn < 3; turn++) {
    for (const view of views) t.equal(checksumAdd(view, 2, 1500, 0), slowSum(view.subarray(2, 1502)))
  }
  const short = new Uint8Array(noise(103).buffer, 0, 103)
  t.equal(checksumAdd(short, 0, 103, 0), slowSum(short), 'a buffer that ends inside a word')
})

t.test('random pieces at random places', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), fc.nat(40), fc.nat(0x3fffffff), (bytes, off, sum) => {
      const mem = concat(new Uint8Array(off), bytes)
      return checksumAdd(mem, off, bytes.length, sum) === fold(fold(sum) + slowSum(bytes))
    }),
  )
})

const rawSocket = await import('raw-socket').catch(() => undefined)
t.test(
  'raw-socket computes the same checksum',
  { skip: rawSocket === undefined && 'raw-socket, an optional dependency, is not installed' },
  async (t) => {
    const mem = Buffer.from(noise(9100))
    const wrong: string[] = []
    for (let len = 1; len <= 9001; len += len < 200 ? 1 : 97) {
      for (const off of [0, 1]) {
        const ours = checksumFinish(checksumAdd(mem, off, len, 0))
        if (rawSocket?.createChecksum(mem.subarray(off, off + len)) !== ours) wrong.push(`${len} bytes at ${off}`)
      }
    }
    t.same(wrong, [])
  },
)

t.test('a pseudo header and its segment sum up to 0xFFFF', async (t) => {
  const sum4 = pseudoHeaderV4(TCP_FRAME, IP, 6, 35)
  t.equal(checksumAdd(TCP_FRAME, L4_OF_IPV4, 35, sum4), 0xffff)
  const sum6 = pseudoHeaderV6(TCP6_FRAME, IP, 6, 35)
  t.equal(checksumAdd(TCP6_FRAME, L4_OF_IPV6, 35, sum6), 0xffff)
})

const VNET = 12

/** The frame behind a vnet header that asks for its checksum, with the pseudo header's sum in the field. */
function uncompleted(frame: Uint8Array, l4: number, csumOffset: number, pseudoSum: number): Uint8Array {
  const field = l4 + csumOffset
  return concat(
    hex('01 00 00 00 00 00 ; NEEDS_CSUM, no GSO'),
    Uint8Array.of(l4, 0, csumOffset, 0, 0, 0),
    patched(frame, field, pseudoSum >> 8, pseudoSum & 0xff),
  )
}

t.test('completing gives the checksum that the kernel gave', async (t) => {
  const cases: [string, Uint8Array, number, number, number][] = [
    ['TCP', TCP_FRAME, L4_OF_IPV4, 16, pseudoHeaderV4(TCP_FRAME, IP, 6, 35)],
    ['UDP', UDP_FRAME, L4_OF_IPV4, 6, pseudoHeaderV4(UDP_FRAME, IP, 17, 13)],
    ['TCP over IPv6', TCP6_FRAME, L4_OF_IPV6, 16, pseudoHeaderV6(TCP6_FRAME, IP, 6, 35)],
    ['UDP over IPv6', UDP6_FRAME, L4_OF_IPV6, 6, pseudoHeaderV6(UDP6_FRAME, IP, 17, 13)],
  ]
  for (const [name, frame, l4, csumOffset, pseudoSum] of cases) {
    const mem = uncompleted(frame, l4, csumOffset, fold(pseudoSum))
    t.equal(completeChecksum(mem, 0, VNET, frame.length), 0, name)
    t.same(mem.subarray(VNET), frame, `${name}: the frame`)
    t.equal(mem[0], 0, `${name}: nothing is left to complete`)
  }
})

t.test('a checksum of 0 is written as 0xFFFF', async (t) => {
  const zeroed = patched(UDP_FRAME, UDP_FRAME.length - 4, 0, 0)
  const wanted = uncompleted(zeroed, L4_OF_IPV4, 6, fold(pseudoHeaderV4(zeroed, IP, 17, 13)))
  // Two bytes of payload that bring the sum to 0xFFFF. They stand at an odd place of the datagram.
  const missing = slowSum(wanted.subarray(VNET + L4_OF_IPV4)) ^ 0xffff
  wanted.set([missing & 0xff, missing >> 8], VNET + UDP_FRAME.length - 4)
  t.equal(slowSum(wanted.subarray(VNET + L4_OF_IPV4)), 0xffff, 'the fixture')
  t.equal(completeChecksum(wanted, 0, VNET, UDP_FRAME.length), 0)
  t.same(wanted.subarray(VNET + L4_OF_IPV4 + 6, VNET + L4_OF_IPV4 + 8), hex('ff ff'))
})

t.test('a frame that asks for nothing is left alone, and other flags stay', async (t) => {
  const mem = uncompleted(TCP_FRAME, L4_OF_IPV4, 16, 0x1234)
  mem[0] = VIRTIO_NET_HDR_F_DATA_VALID
  const before = Uint8Array.from(mem)
  t.equal(completeChecksum(mem, 0, VNET, TCP_FRAME.length), 0)
  t.same(mem, before)
  mem[0] |= VIRTIO_NET_HDR_F_NEEDS_CSUM
  t.equal(completeChecksum(mem, 0, VNET, TCP_FRAME.length), 0)
  t.equal(mem[0], VIRTIO_NET_HDR_F_DATA_VALID)
})

t.test('what points outside the frame, and a super-frame, are refused untouched', async (t) => {
  const good = uncompleted(TCP_FRAME, L4_OF_IPV4, 16, 0x1234)
  const refused = (name: string, mem: Uint8Array, frameLen: number, reason: number) => {
    const before = Uint8Array.from(mem)
    t.equal(completeChecksum(mem, 0, VNET, frameLen), reason, name)
    t.same(mem, before, `${name}: untouched`)
  }
  refused('the field behind the end', good, L4_OF_IPV4 + 17, COMPLETE_OUT_OF_BOUNDS)
  refused('csum_start at the end', patched(good, 6, TCP_FRAME.length, 0, 0), TCP_FRAME.length, COMPLETE_OUT_OF_BOUNDS)
  refused('csum_start 65535', patched(good, 6, 0xff, 0xff), TCP_FRAME.length, COMPLETE_OUT_OF_BOUNDS)
  refused('csum_offset 65535', patched(good, 8, 0xff, 0xff), TCP_FRAME.length, COMPLETE_OUT_OF_BOUNDS)
  refused('a super-frame', patched(good, 1, 1), TCP_FRAME.length, COMPLETE_GSO)
  t.equal(completeChecksum(good, 0, VNET, L4_OF_IPV4 + 18), 0, 'the field at the very end')
})
