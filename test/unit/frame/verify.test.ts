/**
 * Verification of checksums: frames that the kernel made, the same frames with damage, and frames without a checksum.
 */
import fc from 'fast-check'
import t from 'tap'
import { checksumAdd, completeChecksum, fold, pseudoHeaderV4, pseudoHeaderV6 } from '../../../src/frame/checksum.js'
import { BAD_ICMP, BAD_ICMPV6, BAD_IPV4_HEADER, BAD_TCP, BAD_UDP, verifyChecksums } from '../../../src/frame/verify.js'
import {
  concat,
  ETHERNET_IPV4,
  ETHERNET_IPV6,
  hex,
  ICMP_FRAME,
  ICMPV6_FRAME,
  IP,
  L4_OF_IPV4,
  L4_OF_IPV6,
  MLD_FRAME,
  patched,
  slowSum,
  TAG_8021AD,
  TAG_8021Q,
  TCP_FRAME,
  TCP6_FRAME,
  tagged,
  UDP_FRAME,
  UDP6_FRAME,
  withIpv4Checksum,
} from './fixtures.js'

/** The frame at an odd place, with bytes around it that must not matter. */
const verify = (frame: Uint8Array) => verifyChecksums(concat(hex('aa'), frame, hex('bb bb')), 1, frame.length)

const KINDS: [string, Uint8Array, number, number][] = [
  ['TCP', TCP_FRAME, L4_OF_IPV4, BAD_TCP],
  ['UDP', UDP_FRAME, L4_OF_IPV4, BAD_UDP],
  ['ICMP', ICMP_FRAME, L4_OF_IPV4, BAD_ICMP],
  ['TCP over IPv6', TCP6_FRAME, L4_OF_IPV6, BAD_TCP],
  ['UDP over IPv6', UDP6_FRAME, L4_OF_IPV6, BAD_UDP],
  ['ICMPv6', ICMPV6_FRAME, L4_OF_IPV6, BAD_ICMPV6],
  ['ICMPv6 behind a hop-by-hop header', MLD_FRAME, L4_OF_IPV6 + 8, BAD_ICMPV6],
]

t.test('what the kernel sent is good', async (t) => {
  for (const [name, frame] of KINDS) t.equal(verify(frame), 0, name)
})

t.test('a changed byte of payload is found, and named', async (t) => {
  for (const [name, frame, , bad] of KINDS) {
    const last = frame.length - 1
    t.equal(verify(patched(frame, last, frame[last] ^ 0x10)), bad, name)
  }
})

t.test('a changed address is found by the pseudo header', async (t) => {
  for (const [name, frame, , bad] of KINDS.slice(3)) t.equal(verify(patched(frame, IP + 39, 0x77)), bad, name)
  t.equal(verify(withIpv4Checksum(patched(TCP_FRAME, IP + 19, 9))), BAD_TCP)
  t.equal(verify(withIpv4Checksum(patched(UDP_FRAME, IP + 15, 9))), BAD_UDP)
})

t.test('frames behind one and two VLAN tags are verified, behind three they pass', async (t) => {
  for (const [name, frame, , bad] of KINDS) {
    const last = frame.length - 1
    const damaged = patched(frame, last, frame[last] ^ 0x10)
    for (const tags of [[TAG_8021Q], [TAG_8021AD, TAG_8021Q]]) {
      t.equal(verify(tagged(frame, ...tags)), 0, `${name}, ${tags.length} tags`)
      t.equal(verify(tagged(damaged, ...tags)), bad, `${name}, ${tags.length} tags, damaged`)
    }
    t.equal(verify(tagged(damaged, TAG_8021AD, TAG_8021Q, TAG_8021Q)), 0, `${name}, three tags, damaged`)
  }
})

t.test('Ethernet padding is not summed', async (t) => {
  for (const [name, frame, , bad] of KINDS) {
    const last = frame.length - 1
    const padding = hex('de ad be ef 01')
    t.equal(verify(concat(frame, padding)), 0, name)
    t.equal(verify(concat(patched(frame, last, frame[last] ^ 0x10), padding)), bad, `${name}, damaged`)
  }
})

t.test('a bad IPv4 header is bad whatever it carries', async (t) => {
  t.equal(verify(patched(TCP_FRAME, IP + 8, 63)), BAD_IPV4_HEADER, 'TTL')
  t.equal(verify(patched(TCP_FRAME, IP + 10, 0, 0)), BAD_IPV4_HEADER, 'no checksum')
  t.equal(verify(patched(TCP_FRAME, IP + 9, 132)), BAD_IPV4_HEADER, 'SCTP')
  t.equal(verify(patched(TCP_FRAME, IP + 2, 0xff, 0xff)), BAD_IPV4_HEADER, 'tot_len is not believed before')
  t.equal(verify(patched(TCP_FRAME, IP + 6, 0x20, 0)), BAD_IPV4_HEADER, 'a fragment')
})

t.test('of a fragment only the IPv4 header is verified', async (t) => {
  for (const [high, low] of [
    [0x20, 0x00],
    [0x20, 0x10],
    [0x00, 0x10],
  ]) {
    const fragment = withIpv4Checksum(patched(UDP_FRAME, IP + 6, high, low))
    const damaged = patched(fragment, UDP_FRAME.length - 1, 0)
    t.equal(verify(damaged), 0)
    t.equal(verify(patched(damaged, IP + 8, 1)), BAD_IPV4_HEADER)
  }
})

/** An IPv6 frame with an extension header of 8 bytes before what `frame` carries. */
function extended(frame: Uint8Array, next: number, header: Uint8Array): Uint8Array {
  const payloadLen = frame.length - L4_OF_IPV6 + header.length
  return concat(
    patched(frame.subarray(0, L4_OF_IPV6), IP + 4, payloadLen >> 8, payloadLen & 0xff, next),
    patched(header, 0, frame[IP + 6]),
    frame.subarray(L4_OF_IPV6),
  )
}

t.test('an IPv6 fragment passes, an atomic one is verified', async (t) => {
  const damaged = patched(UDP6_FRAME, UDP6_FRAME.length - 1, 0)
  t.equal(verify(extended(damaged, 44, hex('00 00 00 01 00 00 00 07'))), 0, 'the first')
  t.equal(verify(extended(damaged, 44, hex('00 00 05 a8 00 00 00 07'))), 0, 'the last')
  t.equal(verify(extended(UDP6_FRAME, 44, hex('00 00 00 00 00 00 00 07'))), 0, 'an atomic one')
  t.equal(verify(extended(damaged, 44, hex('00 00 00 00 00 00 00 07'))), BAD_UDP, 'an atomic one, damaged')
})

t.test('what is routed by its source has another pseudo header on its way, and passes', async (t) => {
  const damaged = patched(TCP6_FRAME, IP + 39, 0x77)
  t.equal(verify(extended(damaged, 43, hex('00 00 04 01 00 00 00 00'))), 0, 'a segment left')
  t.equal(verify(extended(damaged, 43, hex('00 00 04 00 00 00 00 00'))), BAD_TCP, 'none left')

  const sourceRoute = hex('83 07 04 0a 00 00 03 00') // LSRR to 10.0.0.3, END
  const routed = (frame: Uint8Array, route: Uint8Array) =>
    withIpv4Checksum(
      concat(
        patched(frame.subarray(0, L4_OF_IPV4), IP, 0x47, 0, 0, frame.length - IP + 8),
        route,
        frame.subarray(L4_OF_IPV4),
      ),
    )
  for (const [name, frame, , bad] of KINDS.slice(0, 2)) {
    const elsewhere = patched(frame, IP + 19, 9)
    t.equal(verify(routed(elsewhere, sourceRoute)), 0, `${name}, a hop left`)
    t.equal(verify(routed(elsewhere, patched(sourceRoute, 2, 8))), bad, `${name}, none left`)
  }
  const damagedPing = patched(ICMP_FRAME, ICMP_FRAME.length - 1, 0)
  t.equal(verify(routed(damagedPing, sourceRoute)), BAD_ICMP, 'ICMP has no pseudo header')
})

t.test('UDP without a checksum is good over IPv4 and bad over IPv6', async (t) => {
  t.equal(verify(patched(UDP_FRAME, L4_OF_IPV4 + 6, 0, 0)), 0)
  t.equal(verify(patched(UDP6_FRAME, L4_OF_IPV6 + 6, 0, 0)), BAD_UDP)
})

/** The UDP checksum of a frame over IPv6, computed the slow way over `udpLen` bytes. */
function withUdp6Checksum(frame: Uint8Array, udpLen: number): Uint8Array {
  const pseudo = concat(frame.subarray(IP + 8, IP + 40), Uint8Array.of(0, 0, 0, udpLen, 0, 0, 0, 17))
  const zeroed = patched(frame, L4_OF_IPV6 + 6, 0, 0)
  const sum = slowSum(concat(pseudo, zeroed.subarray(L4_OF_IPV6, L4_OF_IPV6 + udpLen))) ^ 0xffff
  return patched(zeroed, L4_OF_IPV6 + 6, sum >> 8, sum & 0xff)
}

t.test('the length of UDP decides how much is summed', async (t) => {
  t.equal(verify(withUdp6Checksum(patched(UDP6_FRAME, L4_OF_IPV6 + 4, 0, 10), 10)), 0, 'shorter than the packet')
  t.equal(verify(patched(UDP6_FRAME, L4_OF_IPV6 + 4, 0, 10)), BAD_UDP, 'shorter, with the checksum of all')
  t.equal(verify(patched(UDP6_FRAME, L4_OF_IPV6 + 4, 0, 14)), 0, 'longer than the packet is malformed, not bad')
  t.equal(verify(patched(UDP6_FRAME, L4_OF_IPV6 + 4, 0, 7)), 0, 'shorter than its header is malformed, not bad')
  t.equal(verify(patched(UDP_FRAME, L4_OF_IPV4 + 4, 0, 0)), 0, '0 over IPv4 is malformed, not bad')
  const jumbo = patched(UDP6_FRAME, L4_OF_IPV6 + 4, 0, 0)
  t.equal(verify(withUdp6Checksum(jumbo, 13)), 0, '0 over IPv6 is all that is left')
  t.equal(verify(jumbo), BAD_UDP, '0 over IPv6, damaged')
})

t.test('what cannot be parsed passes', async (t) => {
  t.equal(verify(patched(TCP_FRAME, IP, 0x65)), 0, 'IPv4 of version 6')
  t.equal(verify(patched(TCP_FRAME, IP, 0x44)), 0, 'a header of 16 bytes')
  t.equal(verify(patched(TCP6_FRAME, IP, 0x45)), 0, 'IPv6 of version 4')
  t.equal(verify(withIpv4Checksum(patched(TCP_FRAME, IP + 2, 0x10, 0))), 0, 'tot_len longer than the frame')
  t.equal(verify(withIpv4Checksum(patched(TCP_FRAME, IP + 2, 0, 19))), 0, 'tot_len shorter than the header')
  t.equal(verify(patched(TCP6_FRAME, IP + 4, 0x10, 0)), 0, 'payload_len longer than the frame')
  for (const [name, frame, l4, bad] of KINDS) {
    const ipv4 = l4 === L4_OF_IPV4
    for (let len = 14; len < frame.length; len++) {
      const cut = frame.subarray(0, len)
      if (verify(cut) !== 0) t.fail(`${name} cut to ${len} bytes`)
      const tooShort = ipv4
        ? withIpv4Checksum(patched(frame, IP + 2, 0, len - IP))
        : patched(frame, IP + 4, 0, Math.max(len - IP - 40, 0))
      const headerLen = bad === BAD_TCP ? 20 : 8
      if (len >= l4 && len < l4 + headerLen && verify(tooShort.subarray(0, len)) !== 0) {
        t.fail(`${name} with ${len - l4} bytes behind its IP header`)
      }
    }
  }
})

t.test('what has no checksum that is known here passes', async (t) => {
  const arp = hex(
    'ff ff ff ff ff ff  02 00 00 00 00 0a  08 06',
    '00 01 08 00 06 04 00 01  02 00 00 00 00 0a 0a 00 00 01  00 00 00 00 00 00 0a 00 00 02',
  )
  t.equal(verify(arp), 0, 'ARP')
  t.equal(verify(hex('01 80 c2 00 00 00  02 00 00 00 00 0a  00 07  42 42 03 00 00 00 00')), 0, 'LLC')
  t.equal(verify(ETHERNET_IPV4), 0, '14 bytes that promise IPv4')
  t.equal(verify(ETHERNET_IPV6), 0, '14 bytes that promise IPv6')
  for (const protocol of [47, 50, 58, 132, 255]) {
    t.equal(verify(withIpv4Checksum(patched(TCP_FRAME, IP + 9, protocol))), 0, `protocol ${protocol} over IPv4`)
  }
  for (const protocol of [1, 47, 50, 59, 132, 255]) {
    t.equal(verify(patched(TCP6_FRAME, IP + 6, protocol)), 0, `protocol ${protocol} over IPv6`)
  }
})

t.test('ICMP whose bytes sum up to 0 is bad: 0xFFFF would be its checksum', async (t) => {
  const zeros = patched(ICMP_FRAME, L4_OF_IPV4, ...new Uint8Array(ICMP_FRAME.length - L4_OF_IPV4))
  t.equal(verify(zeros), BAD_ICMP)
})

/** A frame of one kind around a payload, completed by completeChecksum. */
function build(kind: 'tcp4' | 'udp4' | 'tcp6' | 'udp6', payload: Uint8Array): Uint8Array {
  const v6 = kind.endsWith('6')
  const tcp = kind.startsWith('tcp')
  const l4 = v6 ? L4_OF_IPV6 : L4_OF_IPV4
  const l4Len = (tcp ? 20 : 8) + payload.length
  const header = tcp
    ? hex('a1 2a 00 50 07 a6 54 cf 96 4b 05 b0 50 18 00 3f 00 00 00 00')
    : hex('d5 b9 00 09 00 00 00 00')
  const ipLen = v6 ? l4Len : l4Len + 20
  let frame = concat((v6 ? UDP6_FRAME : UDP_FRAME).subarray(0, l4), header, payload)
  frame = patched(frame, IP + (v6 ? 4 : 2), ipLen >> 8, ipLen & 0xff)
  frame = patched(frame, IP + (v6 ? 6 : 9), tcp ? 6 : 17)
  if (!tcp) frame = patched(frame, l4 + 4, l4Len >> 8, l4Len & 0xff)
  if (!v6) frame = withIpv4Checksum(frame)
  const csumOffset = tcp ? 16 : 6
  const pseudo = fold((v6 ? pseudoHeaderV6 : pseudoHeaderV4)(frame, IP, tcp ? 6 : 17, l4Len))
  const mem = concat(
    Uint8Array.of(1, 0, 0, 0, 0, 0, l4, 0, csumOffset, 0, 0, 0),
    patched(frame, l4 + csumOffset, pseudo >> 8, pseudo & 0xff),
  )
  completeChecksum(mem, 0, 12, frame.length)
  return mem.subarray(12)
}

const anyFrame = fc
  .tuple(
    fc.constantFrom('tcp4' as const, 'udp4' as const, 'tcp6' as const, 'udp6' as const),
    fc.uint8Array({ maxLength: 1600 }),
  )
  .map(([kind, payload]) => ({ kind, frame: build(kind, payload) }))

t.test('what was completed is good', async () => {
  fc.assert(fc.property(anyFrame, ({ frame }) => verify(frame) === 0))
})

t.test('a flipped bit of addresses, header or payload is found', async () => {
  fc.assert(
    fc.property(anyFrame, fc.nat(), ({ kind, frame }, where) => {
      const v6 = kind.endsWith('6')
      const l4 = v6 ? L4_OF_IPV6 : L4_OF_IPV4
      // From the addresses (IPv6) or the second byte of the header (IPv4: its first says whether it is IPv4) on.
      const from = v6 ? IP + 8 : IP + 1
      const bit = where % ((frame.length - from) * 8)
      const at = from + (bit >> 3)
      // A length that was changed makes UDP malformed, not bad.
      fc.pre(kind.startsWith('tcp') || at < l4 + 4 || at > l4 + 5)
      const flipped = patched(frame, at, frame[at] ^ (1 << (bit & 7)))
      // A checksum of 0 means none to UDP.
      fc.pre(kind !== 'udp4' || flipped[l4 + 6] !== 0 || flipped[l4 + 7] !== 0)
      return verify(flipped) !== 0
    }),
    { numRuns: 1000 },
  )
})

t.test('a frame is not changed by being verified', async (t) => {
  for (const [name, frame] of KINDS) {
    const copy = Uint8Array.from(frame)
    verifyChecksums(copy, 0, copy.length)
    t.same(copy, frame, name)
  }
  t.equal(checksumAdd(TCP_FRAME, IP, 20, 0), 0xffff)
})

t.test('whatever the bytes are, nothing is thrown', async () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 14, maxLength: 120 }),
      fc.constantFrom(0x0800, 0x86dd, 0x8100),
      (bytes, proto) => {
        const result = verify(patched(bytes, 12, proto >> 8, proto & 0xff))
        return result >= 0 && result <= BAD_ICMPV6
      },
    ),
  )
})
