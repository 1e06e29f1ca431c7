/** The bytes of an echo, and the parsing of packets that a raw socket receives. */
import t from 'tap'
import { echoRequest, type Family, framesOf, readAnswer } from '../../../src/cli/ping/echo.js'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

const IPV4 = hex('4500 0054 0000 4000 4001 0000 c0000202 c0000201')
const IPV4_WITH_OPTIONS = hex('4600 0058 0000 4000 4001 0000 c0000202 c0000201 01010101')
const IPV6 = hex('60000000 0040 3a 40 20010db8000000000000000000000001 20010db8000000000000000000000002')
/** The same, with a fragment header before the ICMPv6. */
const IPV6_FRAGMENT = Buffer.concat([IPV6.subarray(0, 6), hex('2c 40'), IPV6.subarray(8), hex('3a 00 0001 00000007')])

t.test('a request is the one that ping sends', async (t) => {
  // the checksum is that of RFC 1071
  t.equal(echoRequest(4, 0x1234, 1, 4).toString('hex'), '0800e3c61234000100010203')
  t.equal(echoRequest(6, 0x1234, 1, 4).toString('hex'), '800000001234000100010203', 'the kernel fills its checksum in')
  t.equal(echoRequest(4, 0, 0xffff, 0).toString('hex'), '0800f7ff0000ffff', 'without data')
  t.equal(echoRequest(4, 1, 1, 1).length, 9, 'an odd length')
})

t.test('the reply to a request is read with the identifier that it was sent with', async (t) => {
  const reply = hex('0000 0000 1234 0007 00010203')
  t.same(readAnswer(4, 0x1234, Buffer.concat([IPV4, reply])), { seq: 7 })
  t.same(readAnswer(4, 0x1234, Buffer.concat([IPV4_WITH_OPTIONS, reply])), { seq: 7 }, 'behind IP options')
  t.equal(readAnswer(4, 0x1235, Buffer.concat([IPV4, reply])), undefined, "another program's")
  t.same(readAnswer(6, 0x1234, hex('8100 0000 1234 0007')), { seq: 7 })
  t.equal(readAnswer(6, 0x1234, hex('8000 0000 1234 0007')), undefined, 'a request')
})

t.test('an ICMP error is that of the request which it quotes', async (t) => {
  const quoted = (ip: Buffer, request: string) => Buffer.concat([ip, hex(request)])
  const error = (family: Family, head: string, packet: Buffer) => {
    const icmp = Buffer.concat([hex(head), packet])
    return readAnswer(family, 0x1234, family === 4 ? Buffer.concat([IPV4, icmp]) : icmp)
  }
  const request = '0800 0000 1234 0003'
  const unreachable = { seq: 3, error: 'Destination Host Unreachable' }
  t.same(error(4, '0301 0000 00000000', quoted(IPV4, request)), unreachable)
  t.same(error(4, '0301 0000 00000000', quoted(IPV4_WITH_OPTIONS, request)), unreachable)
  t.same(error(4, '0b00 0000 00000000', quoted(IPV4, request)), { seq: 3, error: 'Time exceeded' })
  t.same(
    error(4, '03ff 0000 00000000', quoted(IPV4, request)),
    { seq: 3, error: 'Destination Unreachable' },
    'a new code',
  )
  t.equal(error(4, '0301 0000 00000000', quoted(IPV4, '0000 0000 1234 0003')), undefined, 'of a reply')
  t.equal(error(4, '0500 0000 00000000', quoted(IPV4, request)), undefined, 'a redirect ends nothing')
  t.same(error(6, '0103 0000 00000000', quoted(IPV6, '8000 0000 1234 0003')), {
    seq: 3,
    error: 'Destination unreachable: Address unreachable',
  })
  t.same(error(6, '0200 0000 00000500', quoted(IPV6_FRAGMENT, '8000 0000 1234 0003')), {
    seq: 3,
    error: 'Packet too big',
  })
})

t.test('a packet that is cut anywhere is read without a fault', async (t) => {
  const errors = [
    Buffer.concat([IPV4, hex('0301 0000 00000000'), IPV4, hex('0800 0000 1234 0003')]),
    Buffer.concat([hex('0103 0000 00000000'), IPV6_FRAGMENT, hex('8000 0000 1234 0003')]),
  ]
  for (const [i, packet] of errors.entries()) {
    const family = i === 0 ? 4 : 6
    t.ok(readAnswer(family, 0x1234, packet))
    for (let length = 0; length < packet.length; length++) {
      if (readAnswer(family, 0x1234, packet.subarray(0, length)) !== undefined)
        t.fail(`${length} bytes of IPv${family}`)
    }
  }
})

t.test('the frames of an echo are counted as the stack cuts it', async (t) => {
  t.same(framesOf(4, 56, 1500), { packets: 1, bytes: 98 })
  t.same(framesOf(6, 56, 1500), { packets: 1, bytes: 118 })
  t.same(framesOf(4, 1472, 1500), { packets: 1, bytes: 1514 })
  t.same(framesOf(4, 1473, 1500), { packets: 2, bytes: 1481 + 2 * 34 })
  t.same(framesOf(6, 1453, 1500), { packets: 2, bytes: 1461 + 2 * 62 })
  t.same(framesOf(4, 60000, 1500).packets, 41)
})
