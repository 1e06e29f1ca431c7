/**
 * Changes by others: vethd notices, reports and follows what plain `ip` does to an end while traffic flows.
 *
 *       t1                 host                t2
 *   ┌─────────┐        ┌─────────┐        ┌─────────┐
 *   │  near ══╪════════╪══ far   │        │  near?  │
 *   └────│────┘        └─────────┘        └────▲────┘
 *        └──────── ip link set near netns t2 ──┘
 */
import t, { type Test } from 'tap'
import { subjectLink, vethdStats } from './harness/counters.js'
import { hex, plain, SOURCE, sendFrames } from './harness/frames.js'
import { until } from './harness/processes.js'
import { type Subject, startSubjects, stopSubjects } from './harness/subject.js'
import { DEADLINE_MS, missing, Topology } from './harness/topology.js'
import { ping, quantile, startFlood } from './harness/traffic.js'

t.setTimeout(DEADLINE_MS)
/** A pair that waits for what the kernel does to another one waits for an RCU grace period: 15 ms and more. */
const STALL_MS = 10
const skip = missing('ip', 'ping', 'python3')

t.test('plain ip', { skip }, async (t) => {
  const topology = Topology.of(t)
  const subjects = await startSubjects(topology, await topology.namespace('host'), ['offload'])
  for (const subject of subjects) await t.test(subject.name, (t) => suite(t, topology, subject))
  t.same(await stopSubjects(subjects), [0, 0], 'the daemons end when asked')
})

async function suite(t: Test, topology: Topology, subject: Subject): Promise<void> {
  const { host, daemon } = subject
  const [t1, t2] = [await topology.namespace('t1'), await topology.namespace('t2')]
  await subject.do(subject.newPair('near', 'far'))
  t.teardown(() => subject.do('link del far'))
  await host.do(`ip link set near netns ${t1.name}`)
  await host.do('ip addr add 10.9.0.2/24 dev far')
  await host.do('ip link set far up')
  await t1.do('ip addr add 10.9.0.1/24 dev near')
  await t1.do('ip link set near up')
  await ping(t1, '10.9.0.2')

  await t.test('an end that is moved under traffic works where it is now', async () => {
    const flood = await startFlood({ ns: t1, dev: 'near' }, '10.9.0.2')
    await t1.do(`ip link set near netns ${t2.name}`)
    flood.signal('SIGINT')
    await flood.exit()
    await t2.do('ip addr add 10.9.0.1/24 dev near')
    await t2.do('ip link set near up')
    await ping(t2, '10.9.0.2')
  })

  if (daemon) {
    await t.test('it is shown where it is now, and the log tells of the move', async (t) => {
      const { vethd } = await subjectLink(subject, { ns: t2, dev: 'near' })
      t.match(vethd, { netns: t2.name, peer: 'far' })
      t.not((await daemon.vethctl(`-n ${t1.name} link show dev near`)).code, 0, 'and not where it was')
      await until('the log to tell', () => daemon.log.some((line) => JSON.stringify(line).includes(t2.name)))
    })
  }

  await t.test('a new name is followed', async (t) => {
    await t2.do('ip link set near down')
    await t2.do('ip link set near name inner')
    await t2.do('ip link set inner up')
    await ping(t2, '10.9.0.2')
    if (!daemon) return
    const { vethd } = await subjectLink(subject, { ns: host, dev: 'far' })
    t.equal(vethd?.peer, 'inner')
  })

  await t.test('a new MTU holds for what the peer sends', async (t) => {
    const frame = plain(hex('02 76 64 00 00 02', SOURCE, '88 b5', '5a'.repeat(1300)))
    t.same(await sendFrames(host, 'far', [frame]), ['sent'])
    await t2.do('ip link set inner mtu 1280')
    if (daemon) {
      await until('the daemon to know', async () => {
        const before = (await vethdStats(subject, { ns: host, dev: 'far' })).vethd.drops.too_long
        const [outcome] = await sendFrames(host, 'far', [frame])
        const after = (await vethdStats(subject, { ns: host, dev: 'far' })).vethd.drops.too_long
        return outcome === 'ENOBUFS' && after === before + 1
      })
    } else {
      t.same(await sendFrames(host, 'far', [frame]), ['ENOBUFS'])
    }
  })
  await t.test('whatever is done to a pair under traffic, another one goes on', async (t) => {
    const [quiet1, quiet2] = [await topology.namespace('q1'), await topology.namespace('q2')]
    await subject.do(`link add in netns ${quiet1.name} type veth peer name out netns ${quiet2.name}`)
    await quiet1.do('ip addr add 10.8.0.1/24 dev in')
    await quiet2.do('ip addr add 10.8.0.2/24 dev out')
    await quiet1.do('ip link set in up')
    await quiet2.do('ip link set out up')
    await ping(quiet1, '10.8.0.2')

    const pings = quiet1.start('ping -n -i 0.005 10.8.0.2')
    await host.do('ip link add br0 type bridge')
    await host.do('ip link set br0 up')
    for (const act of [
      async () => host.do('ip link set busy2 master br0'),
      async () => t1.do(`ip link set busy1 netns ${t2.name}`),
      async () => t1.do('ip link set busy1 down'),
      async () => t1.do('ip link del busy1'),
      async () => host.do('ip link del busy2'),
    ]) {
      await subject.do(`link add busy1 netns ${t1.name} type veth peer name busy2`)
      await t1.do('ip addr add 10.7.0.1/24 dev busy1')
      await t1.do('ip link set busy1 up')
      await host.do('ip addr add 10.7.0.2/24 dev busy2')
      await host.do('ip link set busy2 up')
      const flood = await startFlood({ ns: t1, dev: 'busy1' }, '10.7.0.2')
      await act()
      flood.signal('SIGINT')
      await flood.exit()
      if (await host.has('busy2')) await host.do('ip link del busy2')
    }
    await host.do('ip link del br0')
    pings.signal('SIGINT')
    const { stdout } = await pings.exit()
    const times = [...stdout.matchAll(/time=([\d.]+) ms/g)].map((found) => Number(found[1]))
    // of the last one the signal may be ahead of the answer
    const answered = [...stdout.matchAll(/icmp_seq=(\d+)/g)].map((found) => Number(found[1]))
    t.same(
      answered,
      answered.map((_, i) => i + 1),
      'none is missing',
    )
    const [, sent] = /^(\d+) packets transmitted/m.exec(stdout) ?? []
    t.ok(Number(sent) - answered.length <= 1, `${sent} sent, ${answered.length} answered`)
    t.ok(quantile(times, 0.95) < STALL_MS, `p95 ${quantile(times, 0.95)} ms of ${times.length}`)
    t.comment(`p50 ${quantile(times, 0.5)}, p95 ${quantile(times, 0.95)}, longest ${quantile(times, 1)} ms`)
    await quiet1.do('ip link del in')
  })
}
