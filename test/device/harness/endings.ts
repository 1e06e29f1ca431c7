/**
 * The end of the daemon. However it ends (except by SIGKILL), the daemon and its devices are gone within a second,
 * although its workers are in native waits and the kernel needs 18 ms to close a TAP. The pairs are made and removed by
 * `-batch`.
 */
import { performance } from 'node:perf_hooks'
import type { Test } from 'tap'
import { type Engine, startDaemon } from './daemon.js'
import { type Subject, vethd } from './subject.js'
import { Topology } from './topology.js'

const A_FEW_SECONDS_MS = 5000
const WAYS_OUT = new URL('./ways-out.js', import.meta.url).href

/** The engines whose workers are in native waits. Every test file shows that they end on SIGTERM with few pairs. */
const ways: { how: string; signal: NodeJS.Signals; code: number; engine: Engine }[] = [
  { how: 'SIGTERM', signal: 'SIGTERM', code: 0, engine: 'uring' },
  { how: 'SIGINT', signal: 'SIGINT', code: 0, engine: 'poll' },
  { how: 'an uncaught exception', signal: 'SIGUSR2', code: 1, engine: 'uring' },
  { how: 'process.exit', signal: 'SIGWINCH', code: 7, engine: 'poll' },
]

async function timed(act: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await act()
  return performance.now() - start
}

const additions = (pairs: number) => Array.from({ length: pairs }, (_, n) => `link add a${n} type veth peer name b${n}`)

/**
 * How long `many` pairs may take. Each end is moved out of the daemon's nursery, and the kernel waits for an RCU grace
 * period in each move. The limit is twice the time that such moves take here and now, or a few seconds on a quick
 * kernel.
 */
async function aFewSeconds(topology: Topology, many: number): Promise<number> {
  const [from, to] = [await topology.namespace('from'), await topology.namespace('to')]
  const sample = 20
  await from.do(['ip', '-batch', '-'], additions(sample).join('\n'))
  const moves = Array.from({ length: sample }, (_, n) => `link set a${n} netns ${to.name}`)
  const moved = await timed(() => from.do(['ip', '-batch', '-'], moves.join('\n')))
  return Math.max(A_FEW_SECONDS_MS, 2 * (moved / sample) * 2 * many)
}

/** Daemons with `many` pairs each, and their ends. */
export async function endings(t: Test, many: number): Promise<void> {
  const topology = Topology.of(t)
  const limit = await aFewSeconds(topology, many)
  const subjects: Subject[] = []
  for (const { engine } of ways) {
    const daemon = await startDaemon(topology, await topology.namespace('host'), { engine, preload: WAYS_OUT })
    subjects.push(vethd(daemon, engine, 'offload'))
  }
  const [first] = subjects

  await t.test('makes them by -batch in a few seconds', async (t) => {
    const made = await timed(() => first.batch(additions(many)))
    t.ok(made < limit, `made in ${made.toFixed(0)} of ${limit.toFixed(0)} ms`)
  })

  await t.test('removes them by -batch in a few seconds', async (t) => {
    const deletions = additions(many).map((addition) => addition.replace('add', 'del').replace(/ type.*/, ''))
    const removed = await timed(() => first.batch(deletions))
    t.ok(removed < A_FEW_SECONDS_MS, `removed in ${removed.toFixed(0)} ms`)
    t.same(await first.host.devices(), [])
  })

  await Promise.all(subjects.map((subject) => subject.batch(additions(many))))
  for (const subject of subjects) {
    await subject.batch(['link set a0 up', 'link set b0 up'])
    t.equal((await subject.host.devices()).length, 2 * many)
  }

  for (const [i, { how, signal, code, engine }] of ways.entries()) {
    await t.test(`ends within a second by ${how}, ${engine} engine`, async (t) => {
      const { daemon, host } = subjects[i]
      const ended = await timed(async () => t.equal((await daemon!.stop(signal)).code, code))
      t.comment(`ended in ${ended.toFixed(0)} ms`)
      t.same(await host.devices(), [], 'no device is left')
    })
  }
}
