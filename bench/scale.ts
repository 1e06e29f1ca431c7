/**
 * The cost of 1 to 1000 pairs in one daemon: time, memory, and the speed of a busy pair among idle ones.
 *
 *     for each number of pairs:   create them through the API, 8 requests at a time → seconds
 *                                 measure memory, then CPU time during 10 s idle    → KiB, % of a CPU
 *                                 run TCP over the last pair, and over the only pair of another daemon → ratio
 *                                 remove them                                       → seconds
 *     once:                       flood 100 pairs at the same time                  → fastest to slowest
 *
 * All pairs are up. Their namespaces have no IPv6, because IPv6 sends frames unasked. The same number of kernel veths is
 * created, measured and removed. If a limit of the machine ends the series, the results say so in the daemon's words.
 *
 * Neighbours: run.ts measures one pair; charts.ts draws the curves.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from '../src/client/client.js'
import { type Daemon, startDaemon } from '../test/device/harness/daemon.js'
import { type Namespace, Topology } from '../test/device/harness/topology.js'
import { compile } from './compile.js'
import { connect, type Link, readDevices } from './link.js'
import { describeRun, pssKiB, type RunJson } from './machine.js'
import { show } from './report.js'
import { interval, median } from './stats.js'
import { LEFT, RIGHT } from './subjects/subject.js'
import { tcpStream } from './workloads/tcp.js'

const NUMBERS = [1, 10, 100, 1000]
const IDLE_SECONDS = 10
const SETTLE_MS = 500
const SETTLE_TRIES = 20
const TURNS = 5
const CLIENTS = 8
const FLOODED = 100
const FLOOD_SECONDS = 10
/** Not counted at either end, because not all senders run then. */
const FLOOD_MARGIN_SECONDS = 2
const GROUP = 77

export interface ScaleStep {
  pairs: number
  createSeconds: number
  removeSeconds: number
  pssKiB: number
  /** Growth of the kernel's memory. */
  kernelKiB: number
  /** Percent of one CPU that the idle daemon uses. */
  idlePercent: number
  /** TCP throughput of the busy pair to that of a pair alone in its daemon, one ratio per turn. */
  busy: number[]
  veth: { createSeconds: number; removeSeconds: number; kernelKiB: number }
}

export interface ScaleJson extends RunJson {
  steps: ScaleStep[]
  /** Frames that the slowest and the fastest of the flooded pairs delivered. */
  fairness: { pairs: number; seconds: number; slowest: number; fastest: number }
  /** Why the series ended early. */
  stopped?: string
}

type Tell = (line: string) => void

export async function measureScale(topology: Topology, tell: Tell): Promise<ScaleJson> {
  const alone = await connect(topology, manyPairs(1).subject, true)
  const steps: ScaleStep[] = []
  let stopped: string | undefined
  for (const pairs of NUMBERS) {
    tell(`# ${pairs} pairs`)
    const own = new Topology()
    try {
      steps.push(await measureStep(own, pairs, alone))
    } catch (error) {
      stopped = `${pairs} pairs: ${(error as Error).message.split('\n')[0]}`
      break
    } finally {
      own.undo()
    }
  }
  tell(`# ${FLOODED} pairs, all busy`)
  return { ...describeRun(), steps, fairness: await measureFairness(topology), stopped }
}

async function measureStep(topology: Topology, pairs: number, alone: Link): Promise<ScaleStep> {
  const veth = await weighVeth(topology, pairs)
  const many = manyPairs(pairs)
  const busyOne = await connect(topology, many.subject, true)
  const { daemon, made } = many.result()
  const idlePercent = await idle(daemon)
  const pss = pssKiB([daemon.process.pid])
  const busy: number[] = []
  for (let turn = 0; turn < TURNS; turn++) {
    const links = turn % 2 ? [busyOne, alone] : [alone, busyOne]
    const rates = new Map<Link, number>()
    for (const link of links) rates.set(link, (await tcpStream(link, 1)).value)
    busy.push(rates.get(busyOne)! / rates.get(alone)!)
  }
  const removeSeconds = await timed(async () => {
    await shared(
      daemon,
      [LEFT],
      async (client, dev) => void (await client.removeDevices([dev], busyOne.client.ns.name)),
    )
    await removePairs(daemon, made.names, daemon.host)
  })
  const { createSeconds, kernelKiB } = made
  return { pairs, createSeconds, removeSeconds, pssKiB: pss, kernelKiB, idlePercent, busy, veth }
}

interface Made {
  names: string[]
  createSeconds: number
  kernelKiB: number
}

/** A subject whose daemon has `pairs` pairs, one of which carries the traffic. */
function manyPairs(pairs: number) {
  let result: { daemon: Daemon; made: Made } | undefined
  return {
    result: () => result!,
    subject: {
      name: `${pairs} pairs`,
      title: `${pairs} pairs`,
      needs: [],
      join: async (topology: Topology, host: Namespace) => {
        await withoutIpv6(host)
        const daemon = await startDaemon(topology, host)
        const names = Array.from({ length: pairs - 1 }, (_, i) => `p${i}`)
        const before = kernelKiB()
        const createSeconds = await timed(async () => {
          await createPairs(daemon, names, host, host)
          const pair = { dev: { name: LEFT }, peer: { name: RIGHT } }
          await shared(daemon, [pair], async (client, pair) => void (await client.addPair(pair, host.name)))
        })
        await setUp(host, bothEnds(names))
        result = { daemon, made: { names, createSeconds, kernelKiB: kernelKiB() - before } }
        return { pids: [daemon.process.pid] }
      },
    },
  }
}

/** Creates pairs NAMEa and NAMEb, one end in each namespace. */
async function createPairs(daemon: Daemon, names: string[], a: Namespace, b: Namespace): Promise<void> {
  await shared(daemon, names, async (client, name) => {
    await client.addPair({ dev: { name: `${name}a`, netns: a.name }, peer: { name: `${name}b`, netns: b.name } })
  })
}

async function setUp(ns: Namespace, devices: string[]): Promise<void> {
  await ns.do('ip -batch -', devices.map((dev) => `link set ${dev} up`).join('\n'))
}

async function removePairs(daemon: Daemon, names: string[], ns: Namespace): Promise<void> {
  const packs = Array.from({ length: CLIENTS }, (_, i) => names.filter((_, at) => at % CLIENTS === i))
  await shared(daemon, packs, async (client, pack) => {
    if (pack.length > 0)
      await client.removeDevices(
        pack.map((name) => `${name}a`),
        ns.name,
      )
  })
}

/** Shares the items among clients. Each client has one request at a time. */
async function shared<T>(daemon: Daemon, items: T[], act: (client: Client, item: T) => Promise<void>): Promise<void> {
  const left = [...items]
  const work = async (client: Client) => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await act(client, item)
  }
  const clients = Array.from({ length: Math.min(CLIENTS, items.length) }, () => new Client(daemon.socket))
  try {
    await Promise.all(clients.map(work))
  } finally {
    for (const client of clients) client.close()
  }
}

async function weighVeth(topology: Topology, pairs: number): Promise<ScaleStep['veth']> {
  const ns = await topology.namespace('veth')
  await withoutIpv6(ns)
  const names = Array.from({ length: pairs }, (_, i) => `p${i}`)
  const before = kernelKiB()
  const add = (name: string) => `link add ${name}a group ${GROUP} type veth peer name ${name}b group ${GROUP}`
  const createSeconds = await timed(() => ns.do('ip -batch -', names.map(add).join('\n')))
  await setUp(ns, bothEnds(names))
  const grown = kernelKiB() - before
  const removeSeconds = await timed(() => ns.do(`ip link del group ${GROUP}`))
  return { createSeconds, removeSeconds, kernelKiB: grown }
}

/** Percent of one CPU that the daemon's threads use while no traffic flows. */
async function idle(daemon: Daemon): Promise<number> {
  const used = () => [...daemon.cpuMs().values()].reduce((sum, ms) => sum + ms, 0)
  // The daemon is still handling the link notifications of two thousand devices.
  for (let tries = 0, last = -1; tries < SETTLE_TRIES && used() - last > 1; tries++) {
    last = used()
    await sleep(SETTLE_MS)
  }
  const before = used()
  await sleep(IDLE_SECONDS * 1000)
  return (used() - before) / (IDLE_SECONDS * 10)
}

/** Floods all pairs at once, with one sender for each, and compares what arrived while all senders ran. */
async function measureFairness(topology: Topology): Promise<ScaleJson['fairness']> {
  const [host, a, b] = await Promise.all(['host', 'a', 'b'].map((label) => topology.namespace(label)))
  await Promise.all([a, b].map(withoutIpv6))
  const daemon = await startDaemon(topology, host)
  const names = Array.from({ length: FLOODED }, (_, i) => `p${i}`)
  await createPairs(daemon, names, a, b)
  for (const [ns, side, last] of [
    [a, 'a', 1],
    [b, 'b', 2],
  ] as const) {
    const add = names.map((name, i) => `addr add 10.1.${i}.${last}/24 dev ${name}${side}`)
    await ns.do('ip -batch -', add.join('\n'))
    await setUp(
      ns,
      names.map((name) => `${name}${side}`),
    )
  }
  const traffic = await compile(topology, 'traffic')
  const sink = b.start([traffic, 'sink', '7000'])
  await sink.line(/^ready/m)
  const each = `${traffic} flood 10.1.$i.2 7000 1400 0 ${FLOOD_SECONDS + 2 * FLOOD_MARGIN_SECONDS} >/dev/null &`
  const senders = a.start(['sh', '-c', `i=0; while [ $i -lt ${FLOODED} ]; do ${each} i=$((i+1)); done; echo all; wait`])
  await senders.line(/^all/m)
  await sleep(FLOOD_MARGIN_SECONDS * 1000)
  const before = readDevices(sink.pid)
  await sleep(FLOOD_SECONDS * 1000)
  const after = readDevices(sink.pid)
  await senders.exit()
  const arrived = names.map((name) => after[`${name}b`].rxPackets - before[`${name}b`].rxPackets)
  return {
    pairs: FLOODED,
    seconds: FLOOD_SECONDS,
    slowest: Math.min(...arrived),
    fastest: Math.max(...arrived),
  }
}

const bothEnds = (names: string[]) => names.flatMap((name) => [`${name}a`, `${name}b`])

async function withoutIpv6(ns: Namespace): Promise<void> {
  await ns.sysctl('net.ipv6.conf.all.disable_ipv6', 1)
  await ns.sysctl('net.ipv6.conf.default.disable_ipv6', 1)
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await act()
  return (performance.now() - begun) / 1000
}

/** Memory that the kernel uses itself: slabs, per-CPU areas, vmalloc, kernel stacks. */
function kernelKiB(): number {
  const meminfo = readFileSync('/proc/meminfo', 'utf8')
  const one = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(meminfo)?.[1] ?? 0)
  return ['Slab', 'Percpu', 'VmallocUsed', 'KernelStack'].map(one).reduce((sum, kib) => sum + kib)
}

/** One number per line, as report.ts has it. */
export function scaleLines({ steps, fairness, stopped }: ScaleJson): string[] {
  const line = (name: string, value: number, unit: string) => `${name.padEnd(46)} ${show(value).padStart(8)} ${unit}`
  const lines = steps.flatMap(({ pairs, busy, veth, ...step }) => {
    const [low, high] = interval(busy)
    return [
      line(`scale/${pairs}/create`, step.createSeconds, 's'),
      line(`scale/${pairs}/create/veth`, veth.createSeconds, 's'),
      line(`scale/${pairs}/remove`, step.removeSeconds, 's'),
      line(`scale/${pairs}/remove/veth`, veth.removeSeconds, 's'),
      line(`scale/${pairs}/pss`, step.pssKiB / 1024, 'MiB'),
      line(`scale/${pairs}/kernel`, step.kernelKiB / 1024, 'MiB'),
      line(`scale/${pairs}/kernel/veth`, veth.kernelKiB / 1024, 'MiB'),
      line(`scale/${pairs}/idle`, step.idlePercent, '% of a CPU'),
      `${line(`scale/${pairs}/busy:alone`, median(busy), 'ratio')}  (${show(low)}–${show(high)}, ${busy.length} turns)`,
    ]
  })
  const { pairs, slowest, fastest } = fairness
  lines.push(line(`scale/${pairs}-busy/fastest:slowest`, fastest / slowest, 'ratio'))
  if (stopped) lines.push(`# stopped at ${stopped}`)
  return lines
}
