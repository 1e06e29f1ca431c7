/**
 * The netlink codec: literal messages of the kernel and of iproute2 (x86-64, little-endian), and properties over random
 * messages.
 */
import fc from 'fast-check'
import t from 'tap'
import { NLA_F_NESTED } from '../../../src/abi/netlink.js'
import {
  Attributes,
  buildMessage,
  bytesAttribute,
  HOST_LITTLE_ENDIAN,
  readMessages,
  readString,
  stringAttribute,
  u32Attribute,
} from '../../../src/netlink/codec.js'

const NO_HOST_ORDER = HOST_LITTLE_ENDIAN ? false : 'the literal bytes are little-endian'

t.test('a request is laid out as tc sends it', { skip: NO_HOST_ORDER }, async (t) => {
  // strace of "tc qdisc replace dev x0 root noqueue"
  // biome-ignore format: one field a line
  const expected = Uint8Array.of(
    48, 0, 0, 0,                // nlmsg_len
    0x24, 0,                    // RTM_NEWQDISC
    0x05, 0x05,                 // REQUEST | ACK | REPLACE | CREATE
    7, 0, 0, 0,                 // nlmsg_seq
    0, 0, 0, 0,                 // nlmsg_pid
    0, 0, 0, 0,                 // tcm_family and padding
    5, 0, 0, 0,                 // tcm_ifindex
    0, 0, 0, 0,                 // tcm_handle
    0xff, 0xff, 0xff, 0xff,     // tcm_parent TC_H_ROOT
    0, 0, 0, 0,                 // tcm_info
    12, 0, 1, 0,                // TCA_KIND
    0x6e, 0x6f, 0x71, 0x75, 0x65, 0x75, 0x65, 0,
  )
  const header = Uint8Array.of(0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)
  t.same(buildMessage(0x24, 0x505, 7, header, [undefined, stringAttribute(1, 'noqueue')]), expected)
})

t.test('an attribute counts its header and its string terminator in its length, and not its padding', async (t) => {
  const attribute = stringAttribute(3, 'ab')!
  t.equal(attribute.length, 8)
  t.same(new Attributes(attribute).bytes(3), Uint8Array.of(0x61, 0x62, 0))
})

t.test('an attribute without a value is no attribute', async (t) => {
  t.equal(u32Attribute(4, undefined), undefined)
  t.equal(stringAttribute(3, undefined), undefined)
  t.equal(bytesAttribute(1, undefined), undefined)
})

t.test('an attribute longer than its length field can say is refused', async (t) => {
  t.equal(bytesAttribute(1, new Uint8Array(65531))?.length, 65536)
  t.throws(() => bytesAttribute(1, new Uint8Array(65532)), RangeError)
})

t.test('numbers keep their width and their sign', async (t) => {
  const attributes = new Attributes(Buffer.concat([u32Attribute(1, 0xfffffffe)!, bytesAttribute(2, Uint8Array.of(7))!]))
  t.equal(attributes.u32(1), 0xfffffffe)
  t.equal(attributes.i32(1), -2)
  t.equal(attributes.u8(2), 7)
  t.equal(attributes.u32(2), undefined, 'one byte is no u32')
  t.equal(attributes.u32(3), undefined, 'nothing is no u32')
})

t.test('a nested attribute is read without its mark', async (t) => {
  const nested = bytesAttribute(18 | NLA_F_NESTED, stringAttribute(1, 'tun'))!
  t.equal(new Attributes(nested).nested(18).string(1), 'tun')
  t.notOk(new Attributes(nested).nested(19).has(1))
})

t.test('of a repeated attribute the last counts, and all can be had', async (t) => {
  const names = new Attributes(Buffer.concat([stringAttribute(53, 'one')!, stringAttribute(53, 'two')!]))
  t.equal(names.string(53), 'two')
  t.same(names.all(53).map(readString), ['one', 'two'])
})

t.test('a string may lack its terminator', async (t) => {
  t.equal(new Attributes(bytesAttribute(3, Buffer.from('eth0'))!).string(3), 'eth0')
})

t.test('a datagram of several messages is read to its end', async (t) => {
  const datagram = Buffer.concat([
    buildMessage(16, 2, 1, new Uint8Array(16), [stringAttribute(3, 'lo')]),
    buildMessage(3, 2, 1, new Uint8Array(4), []),
  ])
  t.same(
    [...readMessages(datagram)].map(({ type, flags, sequence, payload }) => [type, flags, sequence, payload.length]),
    [
      [16, 2, 1, 24],
      [3, 2, 1, 4],
    ],
  )
})

t.test('a message or an attribute that claims more than there is ends the walk', async (t) => {
  const message = buildMessage(16, 0, 1, new Uint8Array(16), [stringAttribute(3, 'lo')])
  t.same([...readMessages(message.subarray(0, message.length - 1))], [])
  const cut = new Attributes(Buffer.concat([u32Attribute(4, 1500)!, stringAttribute(3, 'veth1')!.subarray(0, 6)]))
  t.equal(cut.u32(4), 1500)
  t.notOk(cut.has(3))
})

t.test('a header with a length shorter than itself cannot make a reader go round in circles', async (t) => {
  t.same([...readMessages(new Uint8Array(64))], [])
  t.notOk(new Attributes(new Uint8Array(64)).has(0))
})

t.test('what was built is read back, whatever it holds', async () => {
  const attribute = fc.tuple(fc.integer({ min: 0, max: 0x3fff }), fc.uint8Array({ maxLength: 40 }))
  fc.assert(
    fc.property(fc.array(attribute, { maxLength: 20 }), fc.uint8Array({ maxLength: 32 }), (attributes, header) => {
      const built = attributes.map(([type, payload]) => bytesAttribute(type, payload))
      const [message, ...more] = readMessages(buildMessage(16, 1, 2, header, built))
      const read = new Attributes(message.payload, Math.ceil(header.length / 4) * 4)
      const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
      return (
        more.length === 0 &&
        same(message.payload.subarray(0, header.length), header) &&
        attributes.every(([type, payload]) => read.all(type).some((found) => same(found, payload)))
      )
    }),
  )
})

t.test('random bytes never make a reader go out of bounds', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(12), (bytes, start) => {
      // A view into the middle of a larger buffer: a read beyond it would not throw by itself.
      const outer = new Uint8Array(bytes.length + 64).fill(0xaa)
      outer.set(bytes, 32)
      const inside = outer.subarray(32, 32 + bytes.length)
      const within = (part: Uint8Array): boolean =>
        part.byteOffset >= 32 && part.byteOffset + part.byteLength <= 32 + bytes.length
      const attributes = new Attributes(inside, start)
      const payloads = Array.from({ length: 256 }, (_, type) => attributes.all(type)).flat()
      const messages = [...readMessages(inside)].map((message) => message.payload)
      return [...payloads, ...messages].every(within)
    }),
    { numRuns: 2000 },
  )
})
