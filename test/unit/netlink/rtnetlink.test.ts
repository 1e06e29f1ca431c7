/** The kernel's answers and the errors made of them. */
import t from 'tap'
import { buildMessage, HOST_LITTLE_ENDIAN, readMessages, stringAttribute } from '../../../src/netlink/codec.js'
import { NetlinkError, Rtnetlink, readVerdict } from '../../../src/netlink/rtnetlink.js'

/** An NLMSG_ERROR (2) or NLMSG_DONE (3) with an extended acknowledgement. */
function verdict(type: number, errno: number, flags: number, extack?: string) {
  const header = new Uint8Array(type === 2 ? 20 : 4)
  new DataView(header.buffer).setInt32(0, errno, HOST_LITTLE_ENDIAN)
  const [message] = readMessages(buildMessage(type, flags, 1, header, [stringAttribute(1, extack)]))
  return readVerdict(message)
}

/**
 * A socket to a kernel that answers the n-th request with `answers[n]`: each a list of datagrams, each a list of
 * messages [type, flags, sequence behind the request's, payload].
 */
function socketTo(answers: [type: number, flags: number, late: number, payload: number[]][][][]) {
  const sent: Uint8Array[] = []
  let queue: Uint8Array[] = []
  const rtnl = new Rtnetlink(9, {
    netlinkSend: (_fd, message) => {
      const [request] = readMessages(message)
      queue = answers[sent.push(message) - 1].map((datagram) =>
        Buffer.concat(
          datagram.map(([type, flags, late, payload]) =>
            buildMessage(type, flags, request.sequence - late, Uint8Array.from(payload), []),
          ),
        ),
      )
    },
    netlinkReceive: (_fd, into) => {
      const datagram = queue.shift()
      if (datagram !== undefined) into.set(datagram)
      return { length: datagram?.length ?? -11, nsid: -1 }
    },
    waitReadable: () => false,
    close: () => {},
  })
  return { rtnl, sent }
}

const ACK = [0, 0, 0, 0]
const GET = { type: 18, header: new Uint8Array(16) }
const DUMP = { ...GET, flags: 0x300 }

const CAPPED = 0x100
const ACK_TLVS = 0x200

t.test('an acknowledgement is an error of 0', async (t) => {
  t.same(verdict(2, 0, CAPPED), { errno: 0, extack: '' })
})

t.test("a refusal carries the kernel's sentence behind the header of the request", async (t) => {
  t.same(verdict(2, -16, CAPPED | ACK_TLVS, 'Device is busy'), { errno: -16, extack: 'Device is busy' })
  t.same(verdict(2, -17, CAPPED), { errno: -17, extack: '' })
})

t.test('a dump that fails at its end says why there', async (t) => {
  t.same(verdict(3, -22, ACK_TLVS, 'Invalid header'), { errno: -22, extack: 'Invalid header' })
  t.same(verdict(3, 0, 0), { errno: 0, extack: '' })
})

t.test('a verdict cut short is a protocol error, not an acknowledgement', async (t) => {
  t.same(readVerdict({ type: 2, flags: 0, sequence: 1, pid: 0, payload: new Uint8Array(3) }).errno, -71)
})

t.test('an error names request, subject and reason', async (t) => {
  const busy = new NetlinkError(-16, 'Device is in use', { type: 19, subject: '"veth1"' })
  t.equal(busy.message, 'EBUSY: RTM_SETLINK of "veth1": Device is in use')
  t.match(busy, { errno: -16, code: 'EBUSY', extack: 'Device is in use', syscall: 'rtnetlink(RTM_SETLINK)' })
  t.equal(new NetlinkError(-17, '', { type: 16 }).message, 'EEXIST: RTM_NEWLINK: File exists')
  t.equal(new NetlinkError(-95, '', { type: 200 }).syscall, 'rtnetlink(message 200)')
})

t.test("iproute2's line has exactly one full stop behind an extended message", async (t) => {
  t.equal(new NetlinkError(-17, '', { type: 16 }).iproute2, 'RTNETLINK answers: File exists')
  t.equal(new NetlinkError(-22, 'mtu too small', { type: 19 }).iproute2, 'Error: mtu too small.')
  t.equal(new NetlinkError(-22, 'mtu too small.', { type: 19 }).iproute2, 'Error: mtu too small.')
})

t.test('a request is acknowledged behind its reply, in one datagram or in two', async (t) => {
  const link = [1, 0, 0, 0]
  for (const answer of [
    [
      [
        [16, 0, 0, link],
        [2, CAPPED, 0, ACK],
      ],
    ],
    [[[16, 0, 0, link]], [[2, CAPPED, 0, ACK]]],
  ] as const) {
    const { rtnl, sent } = socketTo([answer as never])
    t.same(
      rtnl.request(GET).map((reply) => [...reply.payload]),
      [link],
    )
    const [{ flags }] = readMessages(sent[0])
    t.equal(flags, 0x5, 'REQUEST and ACK')
  }
})

t.test('a dump ends with NLMSG_DONE and asks for no acknowledgement', async (t) => {
  const { rtnl, sent } = socketTo([[[[16, 2, 0, [1, 0, 0, 0]]], [[16, 2, 0, [2, 0, 0, 0]]], [[3, 2, 0, ACK]]]])
  t.equal(rtnl.request(DUMP).length, 2)
  const [{ flags }] = readMessages(sent[0])
  t.equal(flags, 0x301)
})

t.test('replies outlive the next request', async (t) => {
  const answer = (id: number) =>
    [
      [
        [16, 0, 0, [id, 0, 0, 0]],
        [2, CAPPED, 0, ACK],
      ],
    ] as never
  const { rtnl } = socketTo([answer(1), answer(2)])
  const [first] = rtnl.request(GET)
  rtnl.request(GET)
  t.equal(first.payload[0], 1)
})

t.test('answers to an earlier request are passed over', async (t) => {
  const { rtnl } = socketTo([
    [
      [
        [16, 2, 1, [9, 0, 0, 0]],
        [3, 2, 1, ACK],
      ],
      [[2, CAPPED, 0, ACK]],
    ],
  ])
  t.same(rtnl.request(GET), [])
})

t.test('a dump that links changed under is asked for again, wherever the kernel says so', async (t) => {
  const INTERRUPTED = 0x12
  const whole = [
    [
      [16, 2, 0, [1, 0, 0, 0]],
      [3, 2, 0, ACK],
    ],
  ] as never
  const inPart = [
    [
      [16, INTERRUPTED, 0, [9, 0, 0, 0]],
      [3, 2, 0, ACK],
    ],
  ] as never
  const atEnd = [
    [
      [16, 2, 0, [9, 0, 0, 0]],
      [3, INTERRUPTED, 0, ACK],
    ],
  ] as never
  const { rtnl, sent } = socketTo([inPart, atEnd, whole])
  t.same(
    rtnl.request(DUMP).map((reply) => reply.payload[0]),
    [1],
  )
  t.equal(sent.length, 3)
  t.throws(() => socketTo(new Array(100).fill(inPart)).rtnl.request(DUMP), { code: 'EINTR' })
})

t.test('a kernel that does not answer is an error, not a wait without end', async (t) => {
  t.throws(() => socketTo([[]]).rtnl.request(GET), { code: 'ETIMEDOUT', syscall: 'rtnetlink(RTM_GETLINK)' })
})
