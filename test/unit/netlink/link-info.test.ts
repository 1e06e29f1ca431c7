/** Links parsed from messages. test/device/netlink.test.ts compares real links with ip(8). */
import fc from 'fast-check'
import t from 'tap'
import { bytesAttribute, HOST_LITTLE_ENDIAN } from '../../../src/netlink/codec.js'
import { flagNames, formatLinkAddress, readLink } from '../../../src/netlink/link-info.js'

const UP = 0x1
const BROADCAST = 0x2
const LOOPBACK = 0x8
const RUNNING = 0x40
const LOWER_UP = 0x10000

t.test('flags are named in the order of ip, and a link that is up without running has no carrier', async (t) => {
  t.same(flagNames(UP | LOOPBACK | RUNNING | LOWER_UP), ['LOOPBACK', 'UP', 'LOWER_UP'])
  t.same(flagNames(UP | BROADCAST), ['NO-CARRIER', 'BROADCAST', 'UP'])
  t.same(flagNames(RUNNING), [])
  t.same(flagNames(0), [])
})

t.test('a flag without a name is shown in hexadecimal', async (t) => {
  t.same(flagNames(LOOPBACK | 0x80000000), ['LOOPBACK', '80000000'])
})

t.test('link layer addresses have two digits a byte', async (t) => {
  t.equal(formatLinkAddress(Uint8Array.of(2, 0, 0, 0xab, 0, 1)), '02:00:00:ab:00:01')
  t.equal(formatLinkAddress(undefined), '')
})

t.test('a message without attributes is a link without properties', async (t) => {
  const link = readLink(new Uint8Array(16))
  t.match(link, { index: 0, name: '', flags: 0, mtu: 0, operstate: 'UNKNOWN', altnames: [] })
  t.equal(link.stats.rxBytes, 0n)
  t.notHas(link, 'master')
  t.notHas(link, 'kind')
})

t.test('XDP programs of the driver and behind it are told apart', async (t) => {
  const [IFLA_XDP, ATTACHED, DRV_PROG_ID, SKB_PROG_ID] = [43, 2, 5, 6]
  const link = (mode: number, ...programs: number[]) => {
    const ids = programs.map((kind) => bytesAttribute(kind, Uint8Array.of(7, 0, 0, 0))!)
    const xdp = Buffer.concat([bytesAttribute(ATTACHED, Uint8Array.of(mode))!, ...ids])
    return readLink(Buffer.concat([new Uint8Array(16), bytesAttribute(IFLA_XDP, xdp)!]))
  }
  t.match(link(0), { driverXdp: false, genericXdp: false }, 'none')
  t.match(link(1, DRV_PROG_ID), { driverXdp: true, genericXdp: false }, 'xdpdrv')
  t.match(link(2, SKB_PROG_ID), { driverXdp: false, genericXdp: true }, 'xdpgeneric')
  t.match(link(4, DRV_PROG_ID, SKB_PROG_ID), { driverXdp: true, genericXdp: true }, 'both')
})

t.test('counters are exact beyond 2^53, and those that an older kernel lacks are 0', async (t) => {
  const counters = new DataView(new ArrayBuffer(24 * 8))
  for (let i = 0; i < 24; i++) counters.setBigUint64(8 * i, (1n << 63n) + BigInt(i), HOST_LITTLE_ENDIAN)
  const message = (bytes: number): Uint8Array =>
    Buffer.concat([new Uint8Array(16), bytesAttribute(23, new Uint8Array(counters.buffer, 0, bytes))!])
  const whole = readLink(message(24 * 8)).stats
  t.equal(whole.rxPackets, 1n << 63n)
  t.equal(whole.txBytes, (1n << 63n) + 3n)
  t.equal(whole.rxNohandler, (1n << 63n) + 23n)
  const older = readLink(message(23 * 8)).stats
  t.equal(older.txCompressed, (1n << 63n) + 22n)
  t.equal(older.rxNohandler, 0n)
})

t.test('random bytes are a link of some kind, and never an exception', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => typeof readLink(bytes).name === 'string'),
    { numRuns: 2000 },
  )
})

t.test('a truncated message is a link of some kind, and never an exception', async () => {
  const attribute = fc.tuple(fc.integer({ min: 1, max: 62 }), fc.uint8Array({ maxLength: 16 }))
  fc.assert(
    fc.property(fc.array(attribute, { maxLength: 12 }), fc.nat(), (attributes, cut) => {
      const parts = attributes.map(([type, payload]) => bytesAttribute(type, payload)!)
      const message = Buffer.concat([new Uint8Array(16), ...parts])
      return typeof readLink(message.subarray(0, cut % (message.length + 1))).mtu === 'number'
    }),
  )
})
