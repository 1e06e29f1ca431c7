/**
 * The end of the daemon with 200 pairs: however it ends but by SIGKILL, it is gone within a second, although its workers
 * sit in native waits and closing a TAP takes the kernel 18 ms; and 200 pairs are made and removed by `-batch`.
 */
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { startDaemon } from './harness/daemon.js'
import { ENGINES, vethd } from './harness/subject.js'
import { DEADLINE_MS, missing, Topology } from './harness/topology.js'

const PAIRS = 200
const A_FEW_SECONDS = 5000
const WAYS_OUT = fileURLToPath(new URL('./harness/ways-out.js', import.meta.url))

const ways: { how: string; signal: NodeJS.Signals; code: number }[] = [
  { how: 'SIGTERM', signal: 'SIGTERM', code: 0 },
  { how: 'SIGINT', signal: 'SIGINT', code: 0 },
  { how: 'an uncaught exception', signal: 'SIGUSR2', code: 1 },
  { how: 'process.exit', signal: 'SIGWINCH', code: 7 },
]

t.setTimeout(DEADLINE_MS)
const skip = missing('ip')
const names = Array.from({ length: PAIRS }, (_, i) => i)

async function timed(act: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await act()
  return performance.now() - start
}

for (const engine of ENGINES) {
  t.test(`vethd, ${engine} engine`, { skip }, async (t) => {
    for (const [i, { how, signal, code }] of ways.entries()) {
      await t.test(`${how} ends it within a second with ${PAIRS} pairs`, async (t) => {
        const topology = Topology.of(t)
        const host = await topology.namespace('host')
        const daemon = await startDaemon(topology, host, { engine, preload: WAYS_OUT })
        const subject = vethd(daemon, engine, 'offload')
        const made = await timed(() => subject.batch(names.map((n) => `link add a${n} type veth peer name b${n}`)))
        t.ok(made < A_FEW_SECONDS, `${PAIRS} pairs made in ${made.toFixed(0)} ms`)
        t.equal((await host.devices()).length, 2 * PAIRS)
        if (i === 0) {
          const removed = await timed(() => subject.batch(names.map((n) => `link del a${n}`)))
          t.ok(removed < A_FEW_SECONDS, `${PAIRS} pairs removed in ${removed.toFixed(0)} ms`)
          t.same(await host.devices(), [], 'none is left')
          await subject.batch(names.map((n) => `link add a${n} type veth peer name b${n}`))
        }
        await subject.do('link set a0 up')
        await subject.do('link set b0 up')
        const ended = performance.now()
        t.equal((await daemon.stop(signal)).code, code)
        t.comment(`ended in ${(performance.now() - ended).toFixed(0)} ms`)
        t.same(await host.devices(), [], 'no device is left')
      })
    }
  })
}
