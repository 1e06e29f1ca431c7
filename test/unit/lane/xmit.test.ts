/**
 * One frame through vethXmit: how it is counted and changed, and why it may be dropped.
 *
 * The kernel made the frames and their checksums (test/unit/frame/fixtures.ts).
 */
import t, { type Test } from 'tap'
import { type CounterName, createTotals, readTotals } from '../../../src/counters.js'
import { Lane } from '../../../src/lane/lane.js'
import { vethXmit } from '../../../src/lane/xmit.js'
import type { ChecksumMode } from '../../../src/veth/options.js'
import {
  concat,
  hex,
  ICMP_FRAME,
  ICMPV6_FRAME,
  IP,
  L4_OF_IPV4,
  L4_OF_IPV6,
  patched,
  TAG_8021AD,
  TAG_8021Q,
  TCP_FRAME,
  TCP6_FRAME,
  tagged,
  UDP_FRAME,
  UDP6_FRAME,
  withIpv4Checksum,
} from '../frame/fixtures.js'

/** Of the vnet headers, where a test does not say otherwise. */
const VNET_HDR_LEN = 12

/** The receiving device: 02:00:00:00:00:0b, as in the fixtures. */
const RECEIVER = { macHigh: 0x0200, macLow: 0x0000000b, mtu: 1500, stages: {} }
/** Where the frame's slot begins: somewhere in the middle, at an odd place. */
const OFF = 4099

const NO_OFFLOAD = hex('00 00 00 00  00 00 00 00  00 00 00 00')
/** gso_type TCPV4, gso_size 1448, NEEDS_CSUM from byte 34 on, into its byte 16. */
const SUPER_FRAME = hex('01 01 00 00  a8 05 22 00  10 00 00 00')

type Counted = Partial<Record<CounterName, bigint>>

interface Outcome {
  /** What vethXmit answered. */
  toSend: number
  /** The vnet header and frame afterwards. */
  vnet: Uint8Array
  frame: Uint8Array
  /** The counters that are not zero. */
  counted: Counted
}

function xmit(
  frame: Uint8Array,
  { vnet = NO_OFFLOAD, checksum = 'offload' as ChecksumMode, mtu = 1500 } = {},
): Outcome {
  const totals = createTotals()
  const lane = new Lane({ index: 0, vnetHdrLen: vnet.length, checksum, totals, receiver: { ...RECEIVER, mtu } })
  const mem = new Uint8Array(80_000).fill(0xee)
  mem.set(concat(vnet), OFF)
  mem.set(frame, OFF + vnet.length)
  const toSend = vethXmit(lane, mem, OFF, vnet.length + frame.length)
  lane.counters.fold()
  const counted = Object.fromEntries(Object.entries(readTotals(totals)).filter(([, count]) => count !== 0n)) as Counted
  const begin = OFF + vnet.length
  return { toSend, vnet: mem.slice(OFF, begin), frame: mem.slice(begin, begin + frame.length), counted }
}

const traffic = (way: 'received', frame: Uint8Array): Counted => ({
  [`${way}_packets`]: 1n,
  ...(frame.length > 0 ? { [`${way}_bytes`]: BigInt(frame.length) } : {}),
})

/** It goes on as it was. */
function passes(t: Test, outcome: Outcome, frame: Uint8Array, kind: Counted, what: string): void {
  t.equal(outcome.toSend, outcome.vnet.length + frame.length, what)
  t.same(outcome.frame, frame, `${what}: every byte as it was`)
  t.same(outcome.counted, { ...traffic('received', frame), ...kind }, `${what}: counted`)
}

function isDropped(t: Test, outcome: Outcome, frame: Uint8Array, kind: Counted, what: string): void {
  t.equal(outcome.toSend, 0, what)
  t.same(outcome.counted, { ...traffic('received', frame), ...kind }, `${what}: counted`)
}

function frameTo(destination: string, rest: string, len = 60): Uint8Array {
  const head = hex(`${destination}  02 00 00 00 00 0a  ${rest}`)
  return concat(head, new Uint8Array(Math.max(0, len - head.length)))
}

const TO_RECEIVER = '02 00 00 00 00 0b'

t.test('a frame is of the class that its receiver will see', async (t) => {
  const classes: [destination: string, counter: CounterName][] = [
    [TO_RECEIVER, 'class_host'],
    ['ff ff ff ff ff ff', 'class_broadcast'],
    ['33 33 00 00 00 01', 'class_multicast'],
    ['01 80 c2 00 00 0e', 'class_multicast'],
    ['02 00 00 00 00 0c', 'class_otherhost'],
    ['02 01 00 00 00 0b', 'class_otherhost'],
  ]
  for (const [destination, counter] of classes) {
    const frame = frameTo(destination, '08 06')
    passes(t, xmit(frame), frame, { [counter]: 1n, protocol_arp: 1n }, destination)
  }
})

t.test('a frame is of the protocol that eth_type_trans finds', async (t) => {
  const protocols: [rest: string, counter: CounterName][] = [
    ['08 00', 'protocol_ipv4'],
    ['86 dd', 'protocol_ipv6'],
    ['08 06', 'protocol_arp'],
    ['81 00 00 0a 08 00', 'protocol_vlan'],
    ['88 a8 00 0a 81 00', 'protocol_vlan'],
    ['88 cc', 'protocol_other'],
    ['06 00', 'protocol_other'],
    ['05 ff 42 42 03', 'protocol_802.2'],
    ['00 26 42 42 03', 'protocol_802.2'],
    ['00 26 ff ff 00', 'protocol_802.3'],
    ['00 00 00 00', 'protocol_802.2'],
  ]
  for (const [rest, counter] of protocols) {
    const frame = frameTo(TO_RECEIVER, rest)
    passes(t, xmit(frame), frame, { class_host: 1n, [counter]: 1n }, rest)
  }
})

t.test('an Ethernet header alone is a frame, a byte less is too short', async (t) => {
  const shortest = frameTo(TO_RECEIVER, '88 b5', 14)
  passes(t, xmit(shortest), shortest, { class_host: 1n, protocol_other: 1n }, '14 bytes')
  for (let len = 0; len < 14; len++) {
    const stump = shortest.subarray(0, len)
    isDropped(t, xmit(stump), stump, { drop_too_short: 1n }, `${len} bytes`)
  }
})

t.test('a frame may be as long as the MTU, a header and a tag; only a super-frame may be longer', async (t) => {
  const kind: Counted = { class_host: 1n, protocol_other: 1n }
  for (const mtu of [68, 1500, 9000, 65521]) {
    const fits = frameTo(TO_RECEIVER, '88 b5', mtu + 18)
    const tooLong = frameTo(TO_RECEIVER, '88 b5', mtu + 19)
    passes(t, xmit(fits, { mtu }), fits, kind, `mtu ${mtu}`)
    isDropped(t, xmit(tooLong, { mtu }), tooLong, { ...kind, drop_too_long: 1n }, `mtu ${mtu}, one byte more`)
  }
  const long = frameTo(TO_RECEIVER, '08 00', 65549)
  passes(t, xmit(long, { vnet: SUPER_FRAME }), long, { class_host: 1n, protocol_ipv4: 1n }, 'a super-frame')
})

t.test('behind a header of 24 bytes frames are judged alike, and a super-frame in a tunnel is one', async (t) => {
  const none = new Uint8Array(24)
  const kind: Counted = { class_host: 1n, protocol_other: 1n }
  const fits = frameTo(TO_RECEIVER, '88 b5', 1518)
  const tooLong = frameTo(TO_RECEIVER, '88 b5', 1519)
  passes(t, xmit(fits, { vnet: none }), fits, kind, 'as long as may be')
  isDropped(t, xmit(tooLong, { vnet: none }), tooLong, { ...kind, drop_too_long: 1n }, 'one byte more')
  const stump = fits.subarray(0, 13)
  isDropped(t, xmit(stump, { vnet: none }), stump, { drop_too_short: 1n }, '13 bytes')
  const vnet = hex(
    '01 21 00 00  78 05 54 00  10 00 00 00 ; NEEDS_CSUM, TCPV4 in a tunnel over IPv4, gso_size 1400, csum_start 84',
    '00 00 00 00 00 00 00 00 22 00 40 00   ; outer UDP at 34, inner IP at 64',
  )
  const long = frameTo(TO_RECEIVER, '08 00', 65549)
  const outcome = xmit(long, { vnet })
  passes(t, outcome, long, { class_host: 1n, protocol_ipv4: 1n }, 'a super-frame in a tunnel')
  t.same(outcome.vnet, vnet, 'and its header as it was')
})

t.test('an accelerated tag before a tunnel: the offsets that tun left behind are moved', async (t) => {
  // read from a TAP of Linux 6.18 whose egress pushed the tag: csum_start was moved by 4, the other two were not
  const asRead = hex(
    '09 25 5c 00  e8 03 58 00  06 00 00 00 ; UDP_L4 in a tunnel over IPv4, csum_start 88',
    '00 00 00 00 00 00 00 00 22 00 40 00   ; outer UDP at 34, inner IP at 64',
  )
  const right = asRead.with(20, 38).with(22, 68)
  const head = hex(
    '02 00 00 00 00 02  1e 7f a0 a9 d8 4b  81 00 00 07  08 00',
    '45 00 13 d6 0e f8 00 00 40 11 44 0b 0a 09 00 01 0a 09 00 02',
    '9c f1 12 b5 13 c2 27 e8 08 00 00 00 00 00 07 00',
  )
  const frame = concat(head, new Uint8Array(5096 - head.length))
  t.same(xmit(frame, { vnet: asRead }).vnet, right, 'moved')
  t.same(xmit(frame, { vnet: right }).vnet, right, 'a tag that was in the frame before: left alone')

  const twoTags = tagged(frame, TAG_8021AD)
  t.same(xmit(twoTags, { vnet: right }).vnet, asRead.with(20, 42).with(22, 72), 'one in the frame, one accelerated')
  const ipv6 = concat(frame.subarray(0, 16), hex('86 dd', '60 00 00 00 13 68 11 40'), new Uint8Array(5000))
  const over6 = asRead.with(1, 0x45).with(20, 54).with(22, 84)
  t.same(xmit(ipv6, { vnet: over6 }).vnet, over6.with(20, 58).with(22, 88), 'over IPv6')

  const noIp = concat(frame.subarray(0, 16), hex('88 b5'), frame.subarray(18))
  t.same(xmit(noIp, { vnet: asRead }).vnet, asRead, 'where the frame says nothing, nothing is done')
  const plain = SUPER_FRAME
  t.same(xmit(frame, { vnet: plain }).vnet, plain, 'a super-frame in no tunnel')
  t.same(xmit(frame.subarray(0, 18), { vnet: asRead }).vnet, asRead, 'a frame that ends behind its tag')
})

t.test('a tag that was accelerated does not count: the kernel compares without it', async (t) => {
  const kind: Counted = { class_host: 1n, protocol_vlan: 1n }
  for (const tag of ['81 00 00 0a', '88 a8 00 0a']) {
    const fits = frameTo(TO_RECEIVER, `${tag} 81 00 00 0b 88 b5`, 1522)
    const tooLong = frameTo(TO_RECEIVER, `${tag} 81 00 00 0b 88 b5`, 1523)
    passes(t, xmit(fits), fits, kind, 'two tags around a whole packet')
    isDropped(t, xmit(tooLong), tooLong, { ...kind, drop_too_long: 1n }, 'one byte more')
  }
})

t.test('mode offload passes everything as it is', async (t) => {
  const bad = patched(TCP_FRAME, L4_OF_IPV4 + 16, 0xba, 0xad)
  passes(t, xmit(bad), bad, { class_host: 1n, protocol_ipv4: 1n }, 'a wrong checksum')
  const vnet = hex('01 00 00 00  00 00 22 00  10 00 00 00')
  const partial = xmit(bad, { vnet })
  passes(t, partial, bad, { class_host: 1n, protocol_ipv4: 1n }, 'one that is left to us')
  t.same(partial.vnet, vnet)
  const nonsense = xmit(bad, { vnet: hex('01 00 00 00  00 00 ff ff  ff ff 00 00') })
  t.equal(nonsense.toSend, VNET_HDR_LEN + bad.length, 'also a header that the kernel will refuse: it says so itself')
})

/** Of each frame: where its checksum stands, the transport header, and the sum of the pseudo header (not inverted). */
const PARTIALS: [name: string, frame: Uint8Array, l4: number, field: number, protocol: number, version: 4 | 6][] = [
  ['TCP over IPv4', TCP_FRAME, L4_OF_IPV4, 16, 6, 4],
  ['UDP over IPv4', UDP_FRAME, L4_OF_IPV4, 6, 17, 4],
  ['TCP over IPv6', TCP6_FRAME, L4_OF_IPV6, 16, 6, 6],
  ['UDP over IPv6', UDP6_FRAME, L4_OF_IPV6, 6, 17, 6],
]

/** The frame as a sender with checksum offload leaves it. */
function partial(frame: Uint8Array, l4: number, field: number, protocol: number, version: 4 | 6): Uint8Array {
  const addresses = version === 4 ? frame.subarray(IP + 12, IP + 20) : frame.subarray(IP + 8, IP + 40)
  let sum = protocol + frame.length - l4
  for (let i = 0; i < addresses.length; i += 2) sum += addresses[i] * 256 + addresses[i + 1]
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return patched(frame, l4 + field, sum >> 8, sum & 0xff)
}

t.test('mode software completes what the sender left to its device, and says that it is done', async (t) => {
  for (const [name, complete, l4, field, protocol, version] of PARTIALS) {
    for (const tags of [[], [TAG_8021Q], [TAG_8021AD, TAG_8021Q]]) {
      const left = tagged(partial(complete, l4, field, protocol, version), ...tags)
      const csumStart = l4 + 4 * tags.length
      const vnet = concat(hex('01 00 00 00  00 00'), Uint8Array.of(csumStart, 0, field, 0, 0, 0))
      const outcome = xmit(left, { vnet, checksum: 'software' })
      t.same(outcome.frame, tagged(complete, ...tags), `${name}, ${tags.length} tags: the kernel's checksum`)
      t.equal(outcome.vnet[0] & 1, 0, 'NEEDS_CSUM is off')
      t.equal(outcome.toSend, VNET_HDR_LEN + left.length)
      t.match(outcome.counted, { received_packets: 1n })
    }
  }
})

t.test('mode software leaves a complete frame alone, right or wrong', async (t) => {
  for (const frame of [TCP_FRAME, patched(TCP_FRAME, L4_OF_IPV4 + 16, 0xba, 0xad)])
    passes(t, xmit(frame, { checksum: 'software' }), frame, { class_host: 1n, protocol_ipv4: 1n }, 'as it was')
})

t.test('mode software drops a header that points outside the frame', async (t) => {
  const kind: Counted = { class_host: 1n, protocol_ipv4: 1n, drop_bad_vnet_hdr: 1n }
  const last = TCP_FRAME.length
  for (const [start, field] of [
    [last, 0],
    [last - 1, 0],
    [34, last],
    [0xffff, 0xffff],
  ]) {
    const vnet = concat(
      hex('01 00 00 00  00 00'),
      Uint8Array.of(start & 0xff, start >> 8, field & 0xff, field >> 8, 0, 0),
    )
    isDropped(t, xmit(TCP_FRAME, { vnet, checksum: 'software' }), TCP_FRAME, kind, `${start} + ${field}`)
  }
})

t.test('mode verify passes what is right', async (t) => {
  const noUdpChecksum = patched(UDP_FRAME, L4_OF_IPV4 + 6, 0, 0)
  const good: [name: string, frame: Uint8Array, protocol: CounterName][] = [
    ['ICMP', ICMP_FRAME, 'protocol_ipv4'],
    ['UDP', UDP_FRAME, 'protocol_ipv4'],
    ['TCP', TCP_FRAME, 'protocol_ipv4'],
    ['UDP without a checksum', noUdpChecksum, 'protocol_ipv4'],
    ['UDP over IPv6', UDP6_FRAME, 'protocol_ipv6'],
    ['TCP over IPv6', TCP6_FRAME, 'protocol_ipv6'],
    ['ICMPv6', ICMPV6_FRAME, 'protocol_ipv6'],
    ['TCP behind two tags', tagged(TCP_FRAME, TAG_8021AD, TAG_8021Q), 'protocol_vlan'],
    ['ARP', frameTo(TO_RECEIVER, '08 06'), 'protocol_arp'],
  ]
  for (const [name, frame, protocol] of good)
    passes(t, xmit(frame, { checksum: 'verify' }), frame, { class_host: 1n, [protocol]: 1n }, name)
})

t.test('mode verify drops what is wrong and counts where', async (t) => {
  const lastFlipped = (frame: Uint8Array): Uint8Array => patched(frame, frame.length - 1, frame[frame.length - 1] ^ 1)
  const bad: [name: string, frame: Uint8Array, protocol: CounterName, checksum: CounterName][] = [
    ['IPv4 header', patched(UDP_FRAME, IP + 8, 63), 'protocol_ipv4', 'checksum_ipv4'],
    ['ICMP', lastFlipped(ICMP_FRAME), 'protocol_ipv4', 'checksum_icmp'],
    ['UDP', lastFlipped(UDP_FRAME), 'protocol_ipv4', 'checksum_udp'],
    ['TCP', lastFlipped(TCP_FRAME), 'protocol_ipv4', 'checksum_tcp'],
    ['UDP over IPv6', lastFlipped(UDP6_FRAME), 'protocol_ipv6', 'checksum_udp'],
    ['UDP over IPv6 without a checksum', patched(UDP6_FRAME, L4_OF_IPV6 + 6, 0, 0), 'protocol_ipv6', 'checksum_udp'],
    ['TCP over IPv6', lastFlipped(TCP6_FRAME), 'protocol_ipv6', 'checksum_tcp'],
    ['ICMPv6', lastFlipped(ICMPV6_FRAME), 'protocol_ipv6', 'checksum_icmpv6'],
    ['TCP behind a tag', tagged(lastFlipped(TCP_FRAME), TAG_8021Q), 'protocol_vlan', 'checksum_tcp'],
  ]
  for (const [name, frame, protocol, checksum] of bad) {
    const kind: Counted = { class_host: 1n, [protocol]: 1n, drop_bad_checksum: 1n, [checksum]: 1n }
    isDropped(t, xmit(frame, { checksum: 'verify' }), frame, kind, name)
  }
})

t.test('of a fragment mode verify looks at the IP header only', async (t) => {
  const kind: Counted = { class_host: 1n, protocol_ipv4: 1n }
  const wrongInside = patched(UDP_FRAME, UDP_FRAME.length - 1, 0xff)
  for (const [name, flags] of [
    ['the first', 0x20],
    ['the last', 0x00],
  ] as const) {
    const fragment = withIpv4Checksum(patched(wrongInside, IP + 6, flags, flags === 0 ? 0x10 : 0))
    passes(t, xmit(fragment, { checksum: 'verify' }), fragment, kind, name)
    const badHeader = patched(fragment, IP + 8, 1)
    const counted = { ...kind, drop_bad_checksum: 1n, checksum_ipv4: 1n }
    isDropped(t, xmit(badHeader, { checksum: 'verify' }), badHeader, counted, `${name}, with a bad header`)
  }
})

t.test('bytes around the frame are left alone in every mode', async (t) => {
  for (const checksum of ['offload', 'software', 'verify'] as const) {
    const mem = new Uint8Array(400).fill(0xee)
    const lane = new Lane({ index: 0, vnetHdrLen: VNET_HDR_LEN, checksum, totals: createTotals(), receiver: RECEIVER })
    mem.set(concat(hex('01 00 00 00  00 00 22 00  10 00 00 00'), TCP_FRAME), 100)
    vethXmit(lane, mem, 100, VNET_HDR_LEN + TCP_FRAME.length)
    const around = [...mem.subarray(0, 100), ...mem.subarray(100 + VNET_HDR_LEN + TCP_FRAME.length)]
    t.ok(
      around.every((byte) => byte === 0xee),
      checksum,
    )
  }
})
