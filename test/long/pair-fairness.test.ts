/**
 * A flood in one pair does not starve another pair of the same worker.
 *
 *     flood1 ── in1 ═══ out1 ── flood2      iperf3 -u without limit
 *    trickle1 ── in2 ═══ out2 ── trickle2   200 pings
 */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { accounts, ledger, unexplained } from '../device/harness/counters.js'
import { startDaemon } from '../device/harness/daemon.js'
import { ENGINES, kernelVeth, type Subject, vethd } from '../device/harness/subject.js'
import { DEADLINE_MS, missing, type Namespace, Topology } from '../device/harness/topology.js'
import { ping, quantile } from '../device/harness/traffic.js'

const PINGS = 200
const MEDIAN_BELOW_MS = 1

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'ping', 'iperf3', 'setpriv')

/** A pair between two new namespaces, 10.0.N.1 and 10.0.N.2. */
async function between(topology: Topology, subject: Subject, n: number): Promise<[Namespace, Namespace]> {
  const devs = [`in${n}`, `out${n}`]
  const [near, far] = [await topology.namespace(devs[0]), await topology.namespace(devs[1])]
  const moves = [near, far].map((ns, i) => `link set ${devs[i]} netns ${ns.name}`)
  await subject.batch([subject.newPair(devs[0], devs[1]), ...moves])
  for (const [i, ns] of [near, far].entries()) {
    await ns.do(`ip addr add 10.0.${n}.${i + 1}/24 dev ${devs[i]}`)
    await ns.do(`ip link set ${devs[i]} up`)
  }
  await ping(near, `10.0.${n}.2`)
  return [near, far]
}

for (const engine of [undefined, ...ENGINES]) {
  t.test(engine ? `vethd, ${engine} engine, one worker` : 'kernel veth', { skip }, async (t) => {
    const topology = Topology.of(t)
    const host = await topology.namespace('host')
    const subject = engine
      ? vethd(await startDaemon(topology, host, { engine, args: ['--workers', '1'] }), engine, 'offload')
      : kernelVeth(host)
    const [flood1, flood2] = await between(topology, subject, 1)
    const [trickle1] = await between(topology, subject, 2)

    await t.test(
      `beside an unlimited UDP flood the median of ${PINGS} pings is below ${MEDIAN_BELOW_MS} ms`,
      async (t) => {
        const server = flood2.start('iperf3 -s -1 --forceflush')
        await server.line(/Server listening/)
        const flood = flood1.start('iperf3 -c 10.0.1.2 -u -b 0 -l 200 -t 30 --forceflush')
        await flood.line(/connected to/)
        const times = await ping(trickle1, '10.0.2.2', `-c ${PINGS} -i 0.005 -w 10`)
        t.equal(flood.ended, false, 'the flood outlasted the pings')
        const [p50, p90] = [quantile(times, 0.5), quantile(times, 0.9)]
        t.ok(p50 < MEDIAN_BELOW_MS, `p50 ${p50} ms`)
        t.comment(`p50 ${p50} ms, p90 ${p90} ms`)
        flood.signal('SIGINT')
        await flood.exit()
      },
    )

    await t.test('the flood lost nothing that no counter explains', async (t) => {
      const books = ledger(...(await accounts(subject, { ns: flood1, dev: 'in1' }, { ns: flood2, dev: 'out1' })))
      t.comment(JSON.stringify(books))
      t.equal(unexplained(books), 0)
    })

    if (subject.daemon) t.equal((await subject.daemon.stop()).code, 0)
  })
}

/** The nice values of a process' threads, by their names (proc(5), stat: the 19th field, behind the name in brackets). */
function niceOfThreads(pid: number): Record<string, number> {
  const stats = readdirSync(`/proc/${pid}/task`).map((tid) => readFileSync(`/proc/${pid}/task/${tid}/stat`, 'utf8'))
  return Object.fromEntries(
    stats.map((stat) => [/\((.*)\)/.exec(stat)![1], Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])]),
  )
}

t.test('a worker is preferred to ordinary threads', { skip }, async (t) => {
  const topology = Topology.of(t)
  const host = await topology.namespace('host')
  const threads = async (launcher: string[]) => {
    const daemon = await startDaemon(topology, host, { launcher, args: ['--workers', '1'] })
    return { nice: niceOfThreads(daemon.process.pid), log: daemon.log }
  }
  t.match((await threads([])).nice, { 'vethd-lanes/0': -5, node: 0 }, 'and the main thread is not')
  t.match(
    (await threads(['nice', '-n', '-7'])).nice,
    { 'vethd-lanes/0': -7, node: -7 },
    'one that is already, stays so',
  )
  const without = await threads(['setpriv', '--bounding-set', '-sys_nice'])
  t.match(without.nice, { 'vethd-lanes/0': 0 }, 'without CAP_SYS_NICE it is not')
  t.ok(
    without.log.some(({ msg }) => /CAP_SYS_NICE/.test(msg)),
    'and the log says so',
  )
})
