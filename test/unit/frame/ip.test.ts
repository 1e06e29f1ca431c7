/** IPv4 and IPv6 headers: which are valid, and the protocol and offset of their payload. */
import fc from 'fast-check'
import t from 'tap'
import {
  IP_MALFORMED,
  IP_TRUNCATED,
  ipv4HeaderLen,
  ipv4Layout,
  ipv4PacketLen,
  ipv6Layout,
  ipv6PacketLen,
  isFragment,
  isRerouted,
  l4Offset,
  l4Protocol,
} from '../../../src/frame/ip.js'
import { concat, hex, ICMPV6_FRAME, IP, MLD_FRAME, patched, UDP_FRAME } from './fixtures.js'

/** A layout in words; the packet stands at an odd place. */
function words(layout: number) {
  if (layout < 0) return layout
  const flags = [isFragment(layout) && 'fragment', isRerouted(layout) && 'rerouted'].filter(Boolean)
  return [l4Protocol(layout), l4Offset(layout), ...flags]
}
const layout4 = (packet: Uint8Array, len = packet.length) => words(ipv4Layout(concat(hex('ff'), packet), 1, len))
const layout6 = (packet: Uint8Array, len = packet.length) => words(ipv6Layout(concat(hex('ff'), packet), 1, len))

const PACKET4 = UDP_FRAME.subarray(IP)
const PACKET6 = ICMPV6_FRAME.subarray(IP)

t.test('a plain IPv4 header', async (t) => {
  t.same(layout4(PACKET4), [17, 20])
  t.equal(ipv4PacketLen(UDP_FRAME, IP), 33)
  t.equal(ipv4HeaderLen(UDP_FRAME, IP, 33), 20)
})

t.test('padding behind an IPv4 packet does not matter', async (t) => {
  t.same(layout4(concat(PACKET4, new Uint8Array(13))), [17, 20])
})

t.test('options move the payload', async (t) => {
  const options = hex('94 04 00 00  01 01 00 00') // router alert, NOP NOP END
  const packet = concat(patched(PACKET4.subarray(0, 20), 0, 0x47, 0, 0, 41), options, PACKET4.subarray(20))
  t.same(layout4(packet), [17, 28])
})

t.test('an IPv4 header that makes no sense', async (t) => {
  t.equal(layout4(PACKET4, 19), IP_TRUNCATED, '19 bytes')
  t.equal(layout4(PACKET4, 0), IP_TRUNCATED, 'no byte')
  t.equal(layout4(patched(PACKET4, 0, 0x65)), IP_MALFORMED, 'version 6')
  t.equal(layout4(patched(PACKET4, 0, 0x44)), IP_MALFORMED, 'a header of 16 bytes')
  t.equal(layout4(patched(PACKET4, 0, 0x4f)), IP_TRUNCATED, 'options behind the end')
  t.equal(layout4(patched(PACKET4, 2, 0, 34)), IP_TRUNCATED, 'one byte more than there are')
  t.equal(layout4(patched(PACKET4, 2, 0, 19)), IP_MALFORMED, 'a packet shorter than its header')
  t.same(layout4(patched(PACKET4, 2, 0, 20)), [17, 20], 'a packet that is a header')
})

t.test('a fragment has an offset or more to come', async (t) => {
  t.same(layout4(patched(PACKET4, 6, 0x20, 0)), [17, 20, 'fragment'], 'the first')
  t.same(layout4(patched(PACKET4, 6, 0x20, 0xb9)), [17, 20, 'fragment'], 'a middle one')
  t.same(layout4(patched(PACKET4, 6, 0x00, 0xb9)), [17, 20, 'fragment'], 'the last')
  t.same(layout4(patched(PACKET4, 6, 0x1f, 0xff)), [17, 20, 'fragment'], 'the highest offset')
  t.same(layout4(patched(PACKET4, 6, 0x40, 0)), [17, 20], 'DF makes none')
  t.same(layout4(patched(PACKET4, 6, 0x80, 0)), [17, 20], 'the reserved bit makes none')
})

t.test('a source route is not at its destination while hops are left', async (t) => {
  const routed = (...options: number[]) =>
    layout4(
      concat(
        patched(PACKET4.subarray(0, 20), 0, 0x40 | (5 + options.length / 4), 0, 0, 33 + options.length),
        Uint8Array.from(options),
        patched(PACKET4.subarray(20), 0, 4),
      ),
    )
  t.same(routed(131, 7, 4, 10, 0, 0, 3, 0), [17, 28, 'rerouted'], 'loose, one hop left')
  t.same(routed(137, 7, 4, 10, 0, 0, 3, 0), [17, 28, 'rerouted'], 'strict, one hop left')
  t.same(routed(131, 7, 8, 10, 0, 0, 3, 0), [17, 28], 'none left')
  t.same(routed(1, 131, 7, 4, 10, 0, 0, 3), [17, 28, 'rerouted'], 'behind a NOP')
  t.same(routed(148, 4, 0, 0, 131, 3, 4, 0), [17, 28], 'behind router alert, an empty route')
  t.same(routed(0, 131, 7, 4, 10, 0, 0, 3), [17, 28], 'behind the end of the options')
  t.same(routed(7, 0, 131, 7, 4, 0, 0, 0), [17, 28, 'rerouted'], 'behind an option without a length')
  t.same(routed(1, 1, 131, 7), [17, 24], 'cut off')
})

t.test('a plain IPv6 header', async (t) => {
  t.same(layout6(PACKET6), [58, 40])
  t.equal(ipv6PacketLen(ICMPV6_FRAME, IP), 57)
})

t.test('an IPv6 header that makes no sense', async (t) => {
  t.equal(layout6(PACKET6, 39), IP_TRUNCATED, '39 bytes')
  t.equal(layout6(patched(PACKET6, 0, 0x45)), IP_MALFORMED, 'version 4')
  t.equal(layout6(PACKET6, 56), IP_TRUNCATED, 'one byte less than it says')
  t.same(layout6(concat(PACKET6, new Uint8Array(9))), [58, 40], 'padding does not matter')
})

/** An IPv6 packet whose first header is `next`, with `rest` behind it. */
function packet6(next: number, ...rest: Uint8Array[]): Uint8Array {
  const payload = concat(...rest)
  return concat(patched(PACKET6.subarray(0, 40), 4, payload.length >> 8, payload.length & 0xff, next), payload)
}
const ECHO = PACKET6.subarray(40)
const HOP_BY_HOP = hex('3a 00 05 02 00 00 01 00')

t.test('extension headers are passed', async (t) => {
  t.same(layout6(MLD_FRAME.subarray(IP)), [58, 48], 'hop-by-hop, as the kernel sent it')
  t.same(layout6(packet6(60, hex('3a 01 01 0c'), new Uint8Array(12), ECHO)), [58, 56], 'destination options, 16 bytes')
  t.same(layout6(packet6(51, hex('3a 04 00 00'), new Uint8Array(20), ECHO)), [58, 64], 'AH counts in words: 24 bytes')
  const chain = concat(patched(HOP_BY_HOP, 0, 60), patched(HOP_BY_HOP, 0, 43), hex('3a 00 04 00 00 00 00 00'))
  t.same(layout6(packet6(0, chain, ECHO)), [58, 64], 'hop-by-hop, destination options, routing with nothing left')
})

t.test('what is no extension header ends the walk', async (t) => {
  t.same(layout6(packet6(59)), [59, 40], 'no next header')
  t.same(layout6(packet6(0, patched(HOP_BY_HOP, 0, 59))), [59, 48], 'no next header behind hop-by-hop')
  t.same(layout6(packet6(50, ECHO)), [50, 40], 'ESP')
  t.same(layout6(packet6(135, HOP_BY_HOP, ECHO)), [135, 40], 'mobility')
})

t.test('an extension header behind the end of the packet', async (t) => {
  t.equal(layout6(packet6(0, HOP_BY_HOP.subarray(0, 7))), IP_TRUNCATED, 'seven bytes of it')
  t.equal(layout6(packet6(0, patched(HOP_BY_HOP, 1, 1))), IP_TRUNCATED, 'it says 16, there are 8')
  t.equal(layout6(packet6(0)), IP_TRUNCATED, 'nothing of it: a jumbogram among them')
  t.equal(layout6(concat(packet6(0), HOP_BY_HOP)), IP_TRUNCATED, 'padding is no header')
  t.equal(layout6(concat(packet6(0, patched(HOP_BY_HOP, 1, 1)), ECHO)), IP_TRUNCATED, 'nor a part of one')
})

t.test('an IPv6 fragment has an offset or more to come', async (t) => {
  const fragment = (high: number, low: number) => hex('3a 00', high.toString(16), low.toString(16), '00 00 00 07')
  t.same(layout6(packet6(44, fragment(0, 1), ECHO)), [58, 48, 'fragment'], 'the first')
  t.same(layout6(packet6(44, fragment(5, 0xa9), ECHO)), [58, 48, 'fragment'], 'a middle one')
  t.same(layout6(packet6(44, fragment(5, 0xa8), ECHO)), [58, 48, 'fragment'], 'the last')
  t.same(layout6(packet6(44, fragment(0, 0), ECHO)), [58, 48], 'an atomic one is whole (RFC 6946)')
  t.same(layout6(packet6(44, fragment(0, 6), ECHO)), [58, 48], 'reserved bits make none')
  t.same(
    layout6(packet6(44, patched(fragment(5, 0xa8), 0, 0), ECHO)),
    [0, 48, 'fragment'],
    'what looks like a header behind one is data',
  )
  const routing = hex('2c 00 04 01 00 00 00 00')
  t.same(
    layout6(packet6(43, routing, fragment(0, 1), ECHO)),
    [58, 56, 'fragment', 'rerouted'],
    'behind a routing header',
  )
})

t.test('a routing header with segments left, and a home address, reroute', async (t) => {
  t.same(layout6(packet6(43, hex('3a 00 04 01 00 00 00 00'), ECHO)), [58, 48, 'rerouted'], 'a segment left')
  t.same(layout6(packet6(43, hex('2b 00 04 01 00 00 00 00 3a 00 04 00 00 00 00 00'), ECHO)), [58, 56, 'rerouted'])
  const home = concat(hex('3a 02 01 02 00 00 c9 10'), new Uint8Array(16)) // PadN, home address
  t.same(layout6(packet6(60, home, ECHO)), [58, 64, 'rerouted'], 'a home address behind PadN')
  t.same(layout6(packet6(60, hex('3a 00 00 00 00 00 c9 00'), ECHO)), [58, 48, 'rerouted'], 'behind Pad1')
  t.same(layout6(packet6(60, hex('3a 00 00 00 00 00 00 c9'), ECHO)), [58, 48], 'its number alone')
  t.same(layout6(packet6(60, hex('3a 00 01 04 c9 c9 c9 c9'), ECHO)), [58, 48], 'its number inside of PadN')
  t.same(layout6(packet6(0, patched(home, 0, 0x3a), ECHO)), [58, 64], 'in a hop-by-hop header it is none')
})

t.test('whatever the bytes are, what is found lies inside the packet, and the packet inside the frame', async () => {
  const inside = (layout: number, packetLen: number, len: number) =>
    layout < 0 || (l4Offset(layout) <= packetLen && packetLen <= len)
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 60, maxLength: 120 }), fc.nat(60), (bytes, len) => {
      const v4 = patched(bytes, 0, 0x40 | (bytes[0] & 0xf), 0, 0, bytes[3] & 0x3f)
      const v6 = patched(bytes, 0, 0x60, 0, 0, 0, 0, bytes[5] & 0x1f, [0, 43, 44, 51, 60, 6][bytes[6] % 6])
      return (
        inside(ipv4Layout(v4, 0, len), ipv4PacketLen(v4, 0), len) &&
        inside(ipv6Layout(v6, 0, len), ipv6PacketLen(v6, 0), len)
      )
    }),
  )
})
