/**
 * The frames that veth drops, and who is notified. Commands and expected results are those of kernel veth.
 *
 *     host:  frames.py send ─ veth1 ═══ veth2 ─ receive
 */
import t, { type Test } from 'tap'
import { accounts, kernelLink, ledger, unexplained } from './harness/counters.js'
import { FrameReceiver, hex, plain, SOURCE, sendFrames } from './harness/frames.js'
import { type Subject, startSubjects, stopSubjects } from './harness/subject.js'
import { DEADLINE_MS, missing, Topology } from './harness/topology.js'

const TO = '02 76 64 00 00 02'
const SMALL = plain(hex(TO, SOURCE, '88 b5', '65 6e 64'))
/** Longer than mtu 1000 + header + a VLAN tag by one byte, and exactly that. */
const TOO_LONG = plain(hex(TO, SOURCE, '88 b5', '5a'.repeat(1000 + 4 + 1)))
const JUST_FITS = plain(hex(TO, SOURCE, '88 b5', 'a5'.repeat(1000 + 4)))

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'python3')

t.test('what does not arrive', { skip }, async (t) => {
  const topology = Topology.of(t)
  const host = await topology.namespace('host')
  await host.sysctl('net.ipv6.conf.default.disable_ipv6', 1)
  const subjects = await startSubjects(topology, host, ['offload'])
  for (const subject of subjects) await t.test(subject.name, (t) => suite(t, subject))
  t.same(await stopSubjects(subjects), [0, 0], 'the daemons end when asked')
})

async function suite(t: Test, subject: Subject): Promise<void> {
  const { host } = subject
  await subject.batch([subject.newPair('veth1', 'veth2'), 'link set veth1 up', 'link set veth2 up'])
  t.teardown(() => subject.do('link del veth1'))
  const [veth1, veth2] = ['veth1', 'veth2'].map((dev) => ({ ns: host, dev }))
  const txDropped = async () => (await kernelLink(veth1)).stats64.tx.dropped

  await t.test("a frame longer than the peer's MTU allows is refused to its sender", async (t) => {
    await subject.do('link set veth2 mtu 1000')
    const receiver = await FrameReceiver.on(host, 'veth2')
    const dropped = await txDropped()
    t.same(await sendFrames(host, 'veth1', [TOO_LONG, JUST_FITS, SMALL]), ['ENOBUFS', 'sent', 'sent'])
    t.same(
      (await receiver.framesUntil(SMALL)).map(({ bytes }) => bytes.length),
      [JUST_FITS.bytes.length, SMALL.bytes.length],
    )
    t.equal(await txDropped(), dropped + 1)
    receiver.stop()
  })

  await t.test('a frame to a peer that is down is swallowed and counted', async (t) => {
    await subject.do('link set veth2 down')
    const dropped = await txDropped()
    t.same(await sendFrames(host, 'veth1', [SMALL]), ['sent'])
    t.equal(await txDropped(), dropped + 1)
  })

  await t.test('a device that is down takes nothing', async (t) => {
    await subject.do('link set veth1 down')
    t.same(await sendFrames(host, 'veth1', [SMALL]), ['ENETDOWN'])
  })

  await t.test('the books balance', async (t) => {
    const books = ledger(...(await accounts(subject, veth1, veth2)))
    t.equal(unexplained(books), 0, JSON.stringify(books))
    if (subject.daemon) t.match(books.explained, { too_long: 1, peer_down: 1 })
  })
}
