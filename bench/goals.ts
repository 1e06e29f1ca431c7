/**
 * The goals of vethd, the same for every CPU model, and whether a run met them. Speed is judged by the median of the
 * ratios within a block.
 *
 * Neighbours: report.ts takes the ratios; docs.ts makes a table of the outcomes; explanations.ts says why a CPU model
 * misses a goal.
 */
import { type Estimate, ratio, refusal, show } from './report.js'
import type { Results } from './results.js'
import type { ScaleJson } from './scale.js'
import { median } from './stats.js'

export interface Outcome {
  what: string
  goal: string
  measured: string
  /** Absent if the run has no figure to judge by. */
  met?: boolean
}

interface Goal {
  what: string
  workload: string
  /** The C loop, veth, or the io_uring engine. */
  base: string
  /** Default: the io_uring engine. */
  subject?: string
  /** If the base runs another workload. */
  baseWorkload?: string
  atLeast?: number
  atMost?: number
}

const URING = 'vethd-uring'
const POLL = 'vethd-poll'

const GOALS: Goal[] = [
  { what: 'TCP, 1 stream, to the C loop', workload: 'tcp-1', base: 'c-loop', atLeast: 1 },
  { what: 'TCP, 4 streams, to the C loop', workload: 'tcp-4', base: 'c-loop', atLeast: 1 },
  { what: 'TCP, 1 stream, to kernel veth', workload: 'tcp-1', base: 'veth', atLeast: 0.45 },
  { what: 'TCP, 4 streams, to kernel veth', workload: 'tcp-4', base: 'veth', atLeast: 0.42 },
  { what: 'UDP 64 B delivered, to kernel veth', workload: 'udp-64', base: 'veth', atLeast: 0.8 },
  {
    what: 'TCP, TSO off, `gro on`, to kernel veth with `gro off`',
    workload: 'tcp-no-tso-gro',
    base: 'veth',
    baseWorkload: 'tcp-no-tso',
    atLeast: 0.75,
  },
  { what: 'TCP round trip, idle, to kernel veth', workload: 'tcp-rtt', base: 'veth', atMost: 1.1 },
  {
    what: 'TCP round trip during a bulk transfer, to kernel veth',
    workload: 'tcp-rtt-loaded',
    base: 'veth',
    atMost: 2,
  },
  {
    what: 'TCP round trip during a bulk transfer, poll engine, to kernel veth',
    workload: 'tcp-rtt-loaded',
    subject: POLL,
    base: 'veth',
    atMost: 4,
  },
  { what: 'TCP connections per second, to kernel veth', workload: 'connections', base: 'veth', atLeast: 0.7 },
  { what: 'TCP, 1 stream, poll engine to io_uring', workload: 'tcp-1', subject: POLL, base: URING, atLeast: 0.9 },
  { what: 'UDP 64 B delivered, poll engine to io_uring', workload: 'udp-64', subject: POLL, base: URING, atLeast: 0.9 },
]

export function outcomes(results: Results): Outcome[] {
  return GOALS.map((goal) => outcome(results, goal))
}

function outcome(results: Results, goal: Goal): Outcome {
  const { what, workload, subject = URING, base, baseWorkload = workload, atLeast, atMost } = goal
  const limit = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`
  const found = ratio(results, workload, subject, base, { baseWorkload })
  if (!found) return { what, goal: limit, measured: noFigure(results, workload, subject, base) }
  const met = atLeast === undefined ? found.median <= atMost! : found.median >= atLeast
  return { what, goal: limit, measured: withInterval(found), met }
}

export function withInterval({ median, low, high }: Estimate): string {
  return `${show(median)} (${show(low)}–${show(high)})`
}

function noFigure(results: Results, workload: string, subject: string, base: string): string {
  const refused = [subject, base].find((name) => refusal(results, workload, name))
  return refused ? `no figure for ${refused}: ${refusal(results, workload, refused)}` : 'not measured'
}

const MOST_PAIRS = 1000
const OWN_SECONDS = 10
/**
 * The kernel moves a device to another namespace under the lock of all of rtnetlink, and waits there for RCU. Kernel
 * veth pays the same. Both ends of a pair are moved once.
 */
const MOVE_SECONDS = 0.016
const CREATE_SECONDS = OWN_SECONDS + 2 * MOST_PAIRS * MOVE_SECONDS

export function scaleOutcomes({ steps, fairness }: ScaleJson): Outcome[] {
  const most = steps.find(({ pairs }) => pairs === MOST_PAIRS)
  const one = steps.find(({ pairs }) => pairs === 1)
  const atMost = (what: string, value: number | undefined, limit: number, unit = '', words = `≤ ${limit}${unit}`) =>
    value === undefined
      ? { what, goal: words, measured: 'not measured' }
      : { what, goal: words, measured: `${show(value)}${unit}`, met: value <= limit }
  const memory = most && one && (most.pssKiB - one.pssKiB) / 1024
  const busy = most && median(most.busy)
  return [
    atMost(
      '1,000 pairs created',
      most?.createSeconds,
      CREATE_SECONDS,
      ' s',
      `≤ ${CREATE_SECONDS} s: ${OWN_SECONDS} s, and 16 ms of the kernel for each of the 2,000 moves`,
    ),
    atMost('1,000 pairs removed', most?.removeSeconds, 10, ' s'),
    atMost('PSS of 1,000 pairs, above that of one', memory, 100, ' MiB'),
    atMost('CPU time of 1,000 idle pairs', most?.idlePercent, 1, ' %'),
    {
      what: 'TCP of one busy pair among 999 idle ones, to a pair alone',
      goal: '≥ 0.95',
      measured: busy === undefined ? 'not measured' : show(busy),
      ...(busy !== undefined && { met: busy >= 0.95 }),
    },
    atMost(`${fairness.pairs} busy pairs, fastest to slowest`, fairness.fastest / fairness.slowest, 2),
  ]
}
