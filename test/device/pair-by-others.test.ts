/**
 * Devices are everybody's: what plain `ip` does to an end while traffic flows is noticed, reported and obeyed.
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
import { ping, startFlood } from './harness/traffic.js'

t.setTimeout(DEADLINE_MS)
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
}
