/**
 * Reads by the clock, with a thousand devices: a list takes 20 ms at most, and a short read less than 50 ms whatever else vethd
 * does. test/daemon/reads.test.ts compares CPU time with fewer devices, on a machine that may be busy.
 *
 * Of up to three rounds one has to be good enough, since what else runs here only adds to a time. Each round makes the pairs and
 * deletes them by one request. A short read waits for the kernel, as a rule, for one step of making a pair. Where the kernel
 * takes longer for a pair than on an idle machine, times may be longer by as much.
 */
import { Agent, request } from 'node:http'
import { performance } from 'node:perf_hooks'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { missing, type Rig, send, startRig } from '../daemon/harness.js'
import { DEADLINE_MS } from '../device/harness/topology.js'
import { quantile } from '../device/harness/traffic.js'
import type { ReadClock } from './read-clock.js'

const PAIRS = 500
const WRITERS = 60
const LISTS = 50
const LIST_P50_MS = 20
const READ_P99_MS = 50
const ROUNDS = 3
/** What the kernel takes for a pair on an idle machine: two moves of 20 ms. */
const PAIR_MS = 40

t.setTimeout(DEADLINE_MS)
const skip = missing('ip')

t.test('with a thousand devices', { skip }, async (t) => {
  const rig = await startRig(t)
  const best = new Map<string, number>()
  const limits = new Map<string, number>()
  let slowness = 1
  const note = (what: string, ms: number, limit: number) => {
    best.set(what, Math.min(best.get(what) ?? Number.POSITIVE_INFINITY, ms / slowness))
    limits.set(what, limit)
  }
  for (
    let round = 0;
    round < ROUNDS && (round === 0 || [...best].some(([what, ms]) => ms > limits.get(what)!));
    round++
  ) {
    const beside = async (what: string, act: () => Promise<unknown>) =>
      note(`a short read while ${what}, p99`, await readP99(rig, act), READ_P99_MS)
    await beside('pairs are made', async () => {
      const begin = performance.now()
      await makePairs(rig, 'a', PAIRS)
      slowness = Math.max(1, (performance.now() - begin) / PAIRS / PAIR_MS)
      t.comment(`times are divided by ${slowness.toFixed(1)}`)
    })
    for (const path of ['/v1/devices', '/v1/stats'])
      note(`${path}, p50`, quantile(await listTimes(rig, path), 0.5), LIST_P50_MS)
    await beside('lists are read and pairs are made', () =>
      Promise.all([
        ...Array.from({ length: LISTS }, () => send(rig.daemon.socket, 'GET', '/v1/devices')),
        makePairs(rig, 'c', WRITERS),
      ]),
    )
    await beside('pairs are deleted by one request', () => deletePairs(rig, 'a', PAIRS))
    await deletePairs(rig, 'c', WRITERS)
  }
  for (const [what, ms] of best) t.ok(ms <= limits.get(what)!, `${what}: ${ms.toFixed(1)} ms`)
})

async function makePairs({ daemon, host }: Rig, name: string, count: number): Promise<void> {
  let next = 0
  const make = async () => {
    for (let i = next++; i < count; i = next++) {
      const body = JSON.stringify({ dev: { name: `${name}${i}` }, peer: { name: `${name}p${i}` } })
      const { status } = await send(daemon.socket, 'POST', `/v1/pairs?netns=${host.name}`, body)
      if (status !== 201) throw new Error(`POST was answered with ${status}`)
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, make))
}

async function deletePairs({ daemon, host }: Rig, name: string, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, i) => `dev=${name}${i}`).join('&')
  const { body } = await send(daemon.socket, 'DELETE', `/v1/devices?netns=${host.name}&${names}`)
  if (body.removed !== count) throw new Error(`${body.removed} of ${count} pairs were deleted`)
}

/** Once what serves them is compiled. The time of a list ends with its last byte; to parse it is its reader's. */
async function listTimes({ daemon }: Rig, path: string): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const times: number[] = []
  for (let i = 0; i < 60; i++) {
    const begin = performance.now()
    await drain(daemon.socket, path, agent)
    times.push(performance.now() - begin)
  }
  agent.destroy()
  return times.slice(20)
}

function drain(socketPath: string, path: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path, agent }, (incoming) => incoming.on('end', resolve).resume())
    outgoing.on('error', reject).end()
  })
}

/** The 99th percentile of how long a short read took meanwhile, but for what a busy machine adds. */
async function readP99({ daemon }: Rig, act: () => Promise<unknown>): Promise<number> {
  const clock = new Worker(new URL('./read-clock.js', import.meta.url), { workerData: daemon.socket })
  const told = new Promise<ReadClock>((resolve, reject) => clock.once('message', resolve).once('error', reject))
  try {
    await act()
  } finally {
    clock.postMessage('stop')
  }
  const { waits, lates } = await told
  return quantile(waits, 0.99) - quantile(lates, 0.99)
}
