/**
 * One TCP stream between two network namespaces through vethd, beside a C loop over two TAPs and kernel veth.
 *
 *   a ── left ═══ right ── b       iperf3 -c in a on CPU 0, iperf3 -s in b on CPU 1
 *
 * The subjects take turns, A B C D D C B A, and a ratio is taken within one such turn of four before the median is
 * taken over the turns: whatever else the machine does hits all subjects of a turn alike.
 *
 *   node dist/bench/tcp-ratio.js          prints one number a line: WHAT VALUE UNIT
 */
import { release } from 'node:os'
import { startDaemon } from '../test/device/harness/daemon.js'
import { kernelVeth, type Subject, vethd } from '../test/device/harness/subject.js'
import { type Namespace, Topology } from '../test/device/harness/topology.js'
import { quantile } from '../test/device/harness/traffic.js'
import { startCLoop } from './c-loop.js'
import { quietMachine } from './quiet.js'

const ROUNDS = 3
const SECONDS = 3

/** Makes a joined pair of devices, left and right, in the host namespace. */
type MakePair = (topology: Topology, host: Namespace) => Promise<void>

const SUBJECTS: Record<string, MakePair> = {
  veth: (_, host) => addPair(kernelVeth(host)),
  'c-loop': (topology, host) => startCLoop(topology, host, 'left', 'right'),
  'vethd-uring': async (topology, host) => {
    await addPair(vethd(await startDaemon(topology, host, { engine: 'uring' }), 'uring', 'offload'))
  },
  'vethd-poll': async (topology, host) => {
    await addPair(vethd(await startDaemon(topology, host, { engine: 'poll' }), 'poll', 'offload'))
  },
}
const RATIOS = [
  ['vethd-uring', 'c-loop'],
  ['vethd-poll', 'c-loop'],
  ['vethd-uring', 'veth'],
  ['vethd-poll', 'veth'],
  ['c-loop', 'veth'],
]

async function addPair(subject: Subject): Promise<void> {
  await subject.do(subject.newPair('left', 'right'))
}

/** The client's namespace, with a server waiting in the other. */
async function connect(topology: Topology, makePair: MakePair): Promise<Namespace> {
  const host = await topology.namespace('host')
  await makePair(topology, host)
  const [a, b] = [await topology.namespace('a'), await topology.namespace('b')]
  for (const [ns, dev, address] of [
    [a, 'left', '10.0.0.1/24'],
    [b, 'right', '10.0.0.2/24'],
  ] as const) {
    await host.do(`ip link set ${dev} netns ${ns.name}`)
    await ns.do(`ip addr add ${address} dev ${dev}`)
    await ns.do(`ip link set ${dev} up`)
  }
  await b.start('taskset -c 1 iperf3 -s --forceflush').line(/Server listening/)
  await a.do('ping -n -q -c 3 -i 0.1 -W 1 10.0.0.2')
  return a
}

/** Gbit/s that the receiver saw. Cubic is asked for by name: namespaces inherit whatever the machine prefers. */
async function measure(client: Namespace): Promise<number> {
  const report = JSON.parse(await client.do(`taskset -c 0 iperf3 -c 10.0.0.2 -C cubic -t ${SECONDS} -J`))
  return report.end.sum_received.bits_per_second / 1e9
}

const topology = new Topology()
const names = Object.keys(SUBJECTS)
const clients: Record<string, Namespace> = {}
for (const [name, makePair] of Object.entries(SUBJECTS)) clients[name] = await connect(topology, makePair)

const turns: Record<string, number>[] = []
for (let turn = 0; turn < 2 * ROUNDS; turn++) {
  await quietMachine()
  const rates: Record<string, number> = {}
  for (const name of turn % 2 ? names.toReversed() : names) rates[name] = await measure(clients[name])
  turns.push(rates)
}
topology.undo()

const show = (what: string, sample: number[], unit: string) => {
  const [low, median, high] = [0, 0.5, 1].map((p) => quantile(sample, p).toFixed(2))
  console.log(`${what.padEnd(32)} ${median.padStart(6)} ${unit}  (${low}–${high}, ${sample.length} turns)`)
}
console.log(`# Linux ${release()}, Node ${process.version}, one TCP stream, ${SECONDS} s each`)
for (const name of names)
  show(
    `tcp-1-stream/${name}`,
    turns.map((rates) => rates[name]),
    'Gbit/s',
  )
for (const [subject, yardstick] of RATIOS) {
  show(
    `tcp-1-stream/${subject}:${yardstick}`,
    turns.map((rates) => rates[subject] / rates[yardstick]),
    'ratio',
  )
}
