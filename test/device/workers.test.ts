/**
 * The worker threads: their CPU affinity, and which of them serves which queue of a pair.
 *
 *     a ── left ═══ right ── b      two queues, two workers: a flow keeps its queue, and so its order
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { native } from '../../native-bindings/index.js'
import { formatCpuList } from '../../src/veth/cpus.js'
import { between } from './harness/between.js'
import { accounts, ledger, unexplained } from './harness/counters.js'
import { type Daemon, ROOT, startDaemon, VETHD } from './harness/daemon.js'
import { until } from './harness/processes.js'
import { ENGINES, vethd } from './harness/subject.js'
import { DEADLINE_MS, missing, type Namespace, Topology } from './harness/topology.js'
import { ping, serveTransfers, transfer } from './harness/traffic.js'

const FLOWS = join(ROOT, 'test/device/harness/flows.py')
const FIRST_PORT = 7100
/** Flows are tried until both queues have one: that all of these hash to one queue happens once in a million runs. */
const FLOWS_TRIED = 20

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'ping', 'python3', 'iperf3', 'taskset')

/** Cpus_allowed_list of each worker thread, and of the main thread. */
function cpusOfThreads(pid: number): Record<string, string> {
  const status = (tid: string, key: string) =>
    new RegExp(`^${key}:\\s*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8'))![1]
  const threads = readdirSync(`/proc/${pid}/task`).filter(
    (tid) => tid === String(pid) || status(tid, 'Name').startsWith('vethd-lanes/'),
  )
  return Object.fromEntries(threads.map((tid) => [status(tid, 'Name'), status(tid, 'Cpus_allowed_list')]))
}

t.test('workers run on the CPUs that they were given', { skip }, async (t) => {
  const topology = Topology.of(t)
  const host = await topology.namespace('host')
  const allowed = native().getThreadAffinity()
  const [first, second = first] = allowed
  const all = formatCpuList(allowed)
  const start = async (...args: string[]) => {
    const daemon = await startDaemon(topology, host, { args })
    return { cpus: cpusOfThreads(daemon.process.pid), doctor: await daemon.must('doctor') }
  }

  const free = await start('--workers', '2')
  t.same(free.cpus, { node: all, 'vethd-lanes/0': all, 'vethd-lanes/1': all }, 'on any, if nothing was said')
  t.match(free.doctor, /^workers +2: on any CPU; on any CPU$/m)

  const dealt = await start('--workers', '3', '--cpus', `${second},${first}`)
  const workers = [first, second, first].map((cpu, i) => [`vethd-lanes/${i}`, String(second === first ? first : cpu)])
  t.same(dealt.cpus, { node: all, ...Object.fromEntries(workers) }, 'dealt out one by one; the main thread runs on any')
  t.match(dealt.doctor, `workers  3: on CPU ${first}; on CPU ${second}; on CPU ${first}\n`)

  const one = await start('--workers', '1', '--cpus', all)
  t.same(one.cpus, { node: all, 'vethd-lanes/0': all }, 'one worker has them all')
  const { cpus } = await start('--cpus', String(second))
  t.same(cpus, { node: all, 'vethd-lanes/0': String(second) }, 'no more workers than CPUs, if no number was said')
})

t.test('CPUs that it may not use end vethd with what it may', { skip }, async (t) => {
  const topology = Topology.of(t)
  const host = await topology.namespace('host')
  const [first] = native().getThreadAffinity()
  const { code, stderr } = await host.run([
    'taskset',
    '-c',
    String(first),
    process.execPath,
    VETHD,
    '--cpus',
    `${first},8000`,
  ])
  t.equal(code, 255)
  t.equal(stderr, `vethd: --cpus: this process may not run on CPU 8000, but on ${first}\n`)
})

for (const engine of ENGINES) {
  t.test(`a worker that polls busily does so after a frame, and then waits: ${engine} engine`, { skip }, async (t) => {
    const topology = Topology.of(t)
    const host = await topology.namespace('host')
    const daemon = await startDaemon(topology, host, { engine, args: ['--workers', '1', '--busy-poll', '20000'] })
    const subject = vethd(daemon, engine, 'offload')
    const [a] = await between(topology, subject, subject.newPair('left', 'right'))
    const used = () => [...daemon.cpuMs()].find(([thread]) => thread.endsWith('vethd-lanes/0'))![1]
    const before = used()
    await ping(a.ns, '10.0.0.2', '-c 10 -i 0.1 -w 5')
    const ms = used() - before
    t.ok(ms > 40 && ms < 400, `10 pings, 100 ms apart, 20 ms of polling after each: ${ms} ms of CPU`)
  })
}

for (const engine of ENGINES) {
  const elsewhere = native().getThreadAffinity().length < 2 && 'needs a second CPU'
  t.test(
    `while a direction merges, the other one has a worker for itself: ${engine} engine`,
    {
      skip: skip || missing('ethtool') || elsewhere,
    },
    async (t) => {
      const topology = Topology.of(t)
      const args = ['--cpus', native().getThreadAffinity().slice(0, 2).join()]
      const daemon = await startDaemon(topology, await topology.namespace('host'), { engine, args })
      const subject = vethd(daemon, engine, 'offload')
      const [a, b] = await between(topology, subject, subject.newPair('left', 'right'))
      await serveTransfers(b.ns)
      /** What each worker uses, in ms, to carry some megabytes and what acknowledges them. */
      const usedByEach = async () => {
        const used = () => [...daemon.cpuMs()].flatMap(([thread, ms]) => (thread.includes('vethd-lanes/') ? ms : []))
        const before = used()
        await transfer(a.ns, 'tcp', '10.0.0.2', 8_000_000)
        return used().map((ms, i) => ms - (before[i] ?? 0))
      }
      /** Of the workers, those that carried any of it. */
      const busy = async () => (await usedByEach()).filter((ms) => ms > 1).length
      t.equal(await busy(), 1, 'one carries both at first')

      await a.ns.do('ethtool -K left tso off')
      await b.ns.do('ethtool -K right gro on')
      await until('a second worker', async () => /^workers +2: /m.test(await daemon.must('doctor')))
      await until('both to work', async () => (await busy()) === 2)
      await b.ns.do('ethtool -K right gro off')
      await until('one to carry both again', async () => (await busy()) === 1)
      const [near, far] = await accounts(subject, a, b)
      t.equal(unexplained(ledger(near, far)), far.stats!.vethd.gro.frames.merged, 'the others came as part of one')
    },
  )
}

/** The number of the worker that carries a flow of its own. */
async function workerOf(daemon: Daemon, from: Namespace, port: number): Promise<number> {
  const used = () =>
    [...daemon.cpuMs()].flatMap(([thread, ms]) => {
      const number = /vethd-lanes\/(\d)$/.exec(thread)?.[1]
      return number === undefined ? [] : [{ number: Number(number), ms }]
    })
  const before = used()
  await from.do(['python3', FLOWS, 'send', '10.0.0.2', '2000', String(port)])
  const during = used().map(({ number, ms }, i) => ({ number, ms: ms - before[i].ms }))
  const [most, next] = during.sort((x, y) => y.ms - x.ms)
  if (next.ms > most.ms / 5) throw new Error(`port ${port}: both workers ran: ${JSON.stringify(during)}`)
  return most.number
}

for (const engine of ENGINES) {
  t.test(`two queues are served by two workers, and no flow loses its order: ${engine} engine`, { skip }, async (t) => {
    const topology = Topology.of(t)
    const host = await topology.namespace('host')
    const daemon = await startDaemon(topology, host, { engine, args: ['--workers', '2'] })
    const subject = vethd(daemon, engine, 'offload')
    const queues = 'numtxqueues 2 numrxqueues 2'
    const [a, b] = await between(topology, subject, `link add left ${queues} type veth peer name right ${queues}`)

    const flows = new Map<number, number>()
    for (let port = FIRST_PORT; flows.size < 2 && port < FIRST_PORT + FLOWS_TRIED; port++)
      flows.set(await workerOf(daemon, a.ns, port), port)
    t.same([...flows.keys()].sort(), [0, 1], 'each worker carries a flow')

    const ports = [...flows.values()].map(String)
    const receiver = b.ns.start(['python3', FLOWS, 'receive', ...ports])
    await receiver.line(/^ready/m)
    await a.ns.do(['python3', FLOWS, 'send', '10.0.0.2', '12000', ...ports])
    const books = ledger(...(await accounts(subject, a, b)))
    t.equal(unexplained(books), 0, `every frame is accounted for: ${JSON.stringify(books)}`)
    receiver.feed('')
    const { stdout } = await receiver.exit()
    for (const line of stdout.trim().split('\n').slice(1)) {
      const [port, came, late] = line.split(' ').map(Number)
      t.ok(came > 1000, `port ${port}: ${came} of 12000 datagrams came`)
      t.equal(late, 0, `port ${port}: none behind a later one`)
    }
    t.equal((await daemon.stop()).code, 0)
  })
}
