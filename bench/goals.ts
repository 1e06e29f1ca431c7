/**
 * Where vethd must get, and whether it got there: medians of the ratio within a block.
 *
 * Neighbours: report.ts takes the ratios; docs.ts makes a table of the outcomes.
 */
import { type Key, ratio, refusal, show } from './report.js'
import type { Results } from './results.js'
import type { ScaleJson } from './scale.js'
import { median } from './stats.js'

export interface Outcome {
  what: string
  goal: string
  measured: string
  /** Absent: there is no figure to judge by. */
  met?: boolean
}

interface Goal {
  what: string
  workload: string
  subject?: string
  base: string
  /** When the yardstick's own workload is another one. */
  baseWorkload?: string
  key?: Key
  atLeast?: number
  atMost?: number
}

const URING = 'vethd-uring'

const GOALS: Goal[] = [
  { what: 'TCP, 1 stream, to the C loop', workload: 'tcp-1', base: 'c-loop', atLeast: 1.05 },
  { what: 'TCP, 4 streams, to the C loop', workload: 'tcp-4', base: 'c-loop', atLeast: 1.05 },
  { what: 'TCP, 1 stream, to kernel veth', workload: 'tcp-1', base: 'veth', atLeast: 0.55 },
  { what: 'TCP, 4 streams, to kernel veth', workload: 'tcp-4', base: 'veth', atLeast: 0.5 },
  {
    what: 'TCP, 1 stream, with placement, to kernel veth',
    workload: 'tcp-1',
    subject: 'vethd-placed',
    base: 'veth',
    atLeast: 0.6,
  },
  {
    what: 'TCP, 4 streams, with placement, to kernel veth',
    workload: 'tcp-4',
    subject: 'vethd-placed',
    base: 'veth',
    atLeast: 0.6,
  },
  { what: 'CPU seconds a GB, 1 stream, to the C loop', workload: 'tcp-1', base: 'c-loop', key: 'cpu', atMost: 1 },
  { what: 'CPU seconds a GB, 4 streams, to the C loop', workload: 'tcp-4', base: 'c-loop', key: 'cpu', atMost: 1 },
  { what: 'TCP, 1 stream, to socat', workload: 'tcp-1', base: 'socat', atLeast: 20 },
  {
    what: 'TCP, TSO off, `gro on`, to kernel veth with `gro off`',
    workload: 'tcp-no-tso-gro',
    base: 'veth',
    baseWorkload: 'tcp-no-tso',
    atLeast: 0.9,
  },
  { what: 'UDP 64 B delivered, to the C loop', workload: 'udp-64', base: 'c-loop', atLeast: 1.4 },
  { what: 'UDP 64 B delivered, to kernel veth', workload: 'udp-64', base: 'veth', atLeast: 0.75 },
  { what: 'highest UDP 64 B rate, to kernel veth', workload: 'udp-64-highest', base: 'veth', atLeast: 0.8 },
  {
    what: 'highest UDP 64 B rate with `gro on`, to kernel veth with `gro off`',
    workload: 'udp-64-highest-gro',
    base: 'veth',
    baseWorkload: 'udp-64-highest',
    atLeast: 1,
  },
  { what: 'TCP round trip, idle, to kernel veth', workload: 'tcp-rtt', base: 'veth', atMost: 1.25 },
  { what: 'poll engine to io_uring, TCP', workload: 'tcp-1', subject: 'vethd-poll', base: URING, atLeast: 0.95 },
  { what: 'poll engine to io_uring, UDP 64 B', workload: 'udp-64', subject: 'vethd-poll', base: URING, atLeast: 0.8 },
]

export function outcomes(results: Results): Outcome[] {
  const each = GOALS.map((goal) => outcome(results, goal))
  return [...each, ...['socat', 'vde'].map((peer) => fasterInEveryRow(results, peer))]
}

function outcome(results: Results, goal: Goal): Outcome {
  const { what, workload, subject = URING, base, baseWorkload = workload, key = 'value', atLeast, atMost } = goal
  const found = ratio(results, workload, subject, base, { key, baseWorkload })
  const limit = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`
  if (!found) return { what, goal: limit, measured: noFigure(results, workload, subject, base) }
  const met = atLeast === undefined ? found.median <= atMost! : found.median >= atLeast
  return { what, goal: limit, measured: `${show(found.median)} (${show(found.low)}–${show(found.high)})`, met }
}

function noFigure(results: Results, workload: string, subject: string, base: string): string {
  const who = [subject, base].find((name) => refusal(results, workload, name))
  return who ? `${who} has none: ${refusal(results, workload, who)}` : 'not measured'
}

/** The workload that is closest to being lost to a peer. One in which the peer has no figure is not lost. */
function fasterInEveryRow(results: Results, peer: string): Outcome {
  const what = `faster than ${peer} in every row: the closest`
  const rows = results.workloads.flatMap(({ name, better }) => {
    const found = ratio(results, name, URING, peer)
    return found ? { name, advantage: better === 'higher' ? found.median : 1 / found.median } : []
  })
  if (rows.length === 0) return { what, goal: '> 1', measured: 'not measured' }
  const closest = rows.reduce((a, b) => (a.advantage < b.advantage ? a : b))
  return { what, goal: '> 1', measured: `${show(closest.advantage)} (${closest.name})`, met: closest.advantage > 1 }
}

const MOST_PAIRS = 1000

export function scaleOutcomes({ steps, fairness }: ScaleJson): Outcome[] {
  const most = steps.find(({ pairs }) => pairs === MOST_PAIRS)
  const one = steps.find(({ pairs }) => pairs === 1)
  const judge = (
    what: string,
    goal: string,
    value: number | undefined,
    unit: string,
    met: (value: number) => boolean,
  ) =>
    value === undefined
      ? { what, goal, measured: 'not measured' }
      : { what, goal, measured: `${show(value)}${unit}`, met: met(value) }
  const more = most && one && (most.pssKiB - one.pssKiB) / 1024
  return [
    judge('1,000 pairs created', '≤ 10 s', most?.createSeconds, ' s', (value) => value <= 10),
    judge('1,000 pairs removed', '≤ 10 s', most?.removeSeconds, ' s', (value) => value <= 10),
    judge('more memory than with one pair (PSS)', '≤ 100 MiB', more, ' MiB', (value) => value <= 100),
    judge('CPU at rest', '< 1 %', most?.idlePercent, ' %', (value) => value < 1),
    judge('one busy pair among 999 idle ones', '≥ 0.95', most && median(most.busy), '', (value) => value >= 0.95),
    judge(
      `${fairness.pairs} busy pairs, fastest to slowest`,
      '≤ 2',
      fairness.fastest / fairness.slowest,
      '',
      (value) => value <= 2,
    ),
  ]
}
