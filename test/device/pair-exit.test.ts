/**
 * The end of the daemon: however it ends but by SIGKILL, it is gone within a second and so are its devices, although its
 * workers sit in native waits and closing a TAP takes the kernel 18 ms. With 200 pairs too, which are made and removed
 * by `-batch`.
 */
import { performance } from 'node:perf_hooks'
import t from 'tap'
import { startDaemon } from './harness/daemon.js'
import { ENGINES, vethd } from './harness/subject.js'
import { DEADLINE_MS, missing, Topology } from './harness/topology.js'

const MANY = 200
const WAYS_OUT = new URL('./harness/ways-out.js', import.meta.url).href

const ways: { how: string; signal: NodeJS.Signals; code: number }[] = [
  { how: 'SIGTERM', signal: 'SIGTERM', code: 0 },
  { how: 'SIGINT', signal: 'SIGINT', code: 0 },
  { how: 'an uncaught exception', signal: 'SIGUSR2', code: 1 },
  { how: 'process.exit', signal: 'SIGWINCH', code: 7 },
]

t.setTimeout(DEADLINE_MS)
const skip = missing('ip')

async function timed(act: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await act()
  return performance.now() - start
}

/** The lines of a batch that make, and remove, that many pairs. */
const additions = (pairs: number) => Array.from({ length: pairs }, (_, n) => `link add a${n} type veth peer name b${n}`)
const deletions = (pairs: number) => Array.from({ length: pairs }, (_, n) => `link del a${n}`)

/**
 * How long 200 pairs may take. Each end is moved out of the daemon's nursery, and the kernel waits for an RCU grace
 * period in every move between namespaces, one after another: what that costs here and now, twice; or a few seconds,
 * where the kernel is quick.
 */
async function aFewSeconds(topology: Topology): Promise<number> {
  const [from, to] = [await topology.namespace('from'), await topology.namespace('to')]
  const sample = 20
  await from.do(['ip', '-batch', '-'], additions(sample).join('\n'))
  const moves = Array.from({ length: sample }, (_, n) => `link set a${n} netns ${to.name}`)
  const moved = await timed(() => from.do(['ip', '-batch', '-'], moves.join('\n')))
  return Math.max(5000, 2 * (moved / sample) * 2 * MANY)
}

t.test(`${MANY} pairs are made and removed by -batch in a few seconds`, { skip }, async (t) => {
  const topology = Topology.of(t)
  const host = await topology.namespace('host')
  const limit = await aFewSeconds(topology)
  const subject = vethd(await startDaemon(topology, host), 'uring', 'offload')
  const made = await timed(() => subject.batch(additions(MANY)))
  t.ok(made < limit, `made in ${made.toFixed(0)} of ${limit.toFixed(0)} ms`)
  t.equal((await host.devices()).length, 2 * MANY)
  const removed = await timed(() => subject.batch(deletions(MANY)))
  t.ok(removed < 5000, `removed in ${removed.toFixed(0)} ms`)
  t.same(await host.devices(), [], 'none is left')
})

t.test('every way out ends vethd within a second', { skip }, async (t) => {
  const topology = Topology.of(t)
  // Each way is gone with many pairs on one engine and with few on the other; but SIGINT, whose way is SIGTERM's, with
  // few. All daemons make theirs at the same time.
  const cases = ENGINES.flatMap((engine, e) =>
    ways.map((way, w) => ({ ...way, engine, pairs: way.how !== 'SIGINT' && (e + w) % 2 === 0 ? MANY : 2 })),
  )
  const daemons = await Promise.all(
    cases.map(async ({ engine }) => {
      const host = await topology.namespace('host')
      return startDaemon(topology, host, { engine, preload: WAYS_OUT })
    }),
  )
  await Promise.all(
    cases.map(async ({ engine, pairs }, i) => {
      await vethd(daemons[i], engine, 'offload').batch([...additions(pairs), 'link set a0 up', 'link set b0 up'])
    }),
  )
  for (const [i, { how, signal, code, engine, pairs }] of cases.entries()) {
    await t.test(`${how}, ${engine} engine, ${pairs} pairs`, async (t) => {
      const { host } = daemons[i]
      t.equal((await host.devices()).length, 2 * pairs)
      const ended = await timed(async () => t.equal((await daemons[i].stop(signal)).code, code))
      t.comment(`ended in ${ended.toFixed(0)} ms`)
      t.same(await host.devices(), [], 'no device is left')
    })
  }
})
