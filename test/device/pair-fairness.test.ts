/**
 * A flood in one pair does not starve another pair of the same worker.
 *
 *     flood1 ── in1 ═══ out1 ── flood2      iperf3 -u without limit
 *    trickle1 ── in2 ═══ out2 ── trickle2   200 pings
 */
import t from 'tap'
import { atRest, ledger, unexplained } from './harness/counters.js'
import { startDaemon } from './harness/daemon.js'
import { ENGINES, kernelVeth, type Subject, vethd } from './harness/subject.js'
import { DEADLINE_MS, missing, type Namespace, Topology } from './harness/topology.js'
import { ping, quantile } from './harness/traffic.js'

const PINGS = 200
const MEDIAN_BELOW_MS = 1

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'ping', 'iperf3')

/** A pair between two new namespaces, 10.0.N.1 and 10.0.N.2. */
async function between(topology: Topology, subject: Subject, n: number): Promise<[Namespace, Namespace]> {
  await subject.do(subject.newPair(`in${n}`, `out${n}`))
  const ends: Namespace[] = []
  for (const [i, dev] of [`in${n}`, `out${n}`].entries()) {
    const ns = await topology.namespace(dev)
    await subject.do(`link set ${dev} netns ${ns.name}`)
    await subject.do(`-n ${ns.name} link set ${dev} up`)
    await ns.do(`ip addr add 10.0.${n}.${i + 1}/24 dev ${dev}`)
    ends.push(ns)
  }
  await ping(ends[0], `10.0.${n}.2`)
  return [ends[0], ends[1]]
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

    await t.test(`the median of ${PINGS} pings beside an unlimited UDP flood is below a millisecond`, async (t) => {
      const server = flood2.start('iperf3 -s -1 --forceflush')
      await server.line(/Server listening/)
      const flood = flood1.start('iperf3 -c 10.0.1.2 -u -b 0 -l 200 -t 30 --forceflush')
      await flood.line(/connected to/)
      const times = await ping(trickle1, '10.0.2.2', `-c ${PINGS} -i 0.005 -w 20`)
      t.equal(flood.ended, false, 'the flood outlasted the pings')
      const [p50, p95] = [quantile(times, 0.5), quantile(times, 0.95)]
      t.comment(`p50 ${p50} ms, p95 ${p95} ms`)
      t.ok(p50 < MEDIAN_BELOW_MS, `p50 ${p50} ms`)
      flood.signal('SIGINT')
      await flood.exit()
    })

    await t.test('the flood lost nothing that no counter explains', async (t) => {
      const books = await atRest(() => ledger(subject, { ns: flood1, dev: 'in1' }, { ns: flood2, dev: 'out1' }))
      t.comment(JSON.stringify(books))
      t.equal(unexplained(books), 0)
    })

    if (subject.daemon) t.equal((await subject.daemon.stop()).code, 0)
  })
}
