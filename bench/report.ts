/**
 * Results as text, one number per line: WORKLOAD/SUBJECT[:BASE][/WHAT] VALUE UNIT (interval).
 *
 * Neighbours: main.ts prints it; goals.ts and docs.ts take their medians and ratios from here.
 */
import type { BlockJson, Figure, Results, WorkloadJson } from './results.js'
import { interval, median } from './stats.js'

/** The median over blocks, and its bootstrap interval. */
export interface Estimate {
  median: number
  low: number
  high: number
  blocks: number
}

/** The subjects to which the ratios of `subject` are printed. */
function bases(subject: string): string[] {
  const all = ['veth', 'c-loop', ...(subject.startsWith('vethd-') ? ['vethd-uring'] : [])]
  return all.filter((base) => base !== subject)
}

function blocksOf({ blocks }: Results, workload: string): BlockJson[] {
  return blocks.filter((block) => block.workload === workload && !block.thrownAway)
}

function estimateOf(sample: number[]): Estimate | undefined {
  if (sample.length === 0) return undefined
  const [low, high] = interval(sample)
  return { median: median(sample), low, high, blocks: sample.length }
}

/** One number of a subject under a workload, over all blocks that have it. */
export function estimate(
  results: Results,
  workload: string,
  subject: string,
  number: (figure: Figure) => number | undefined = ({ value }) => value,
): Estimate | undefined {
  const figures = blocksOf(results, workload).flatMap(({ figures }) => figures[subject] ?? [])
  return estimateOf(figures.flatMap((figure) => number(figure) ?? []))
}

/** The value of `subject` divided by that of `base` in the same block, where both saw the same machine. */
export function ratio(
  results: Results,
  workload: string,
  subject: string,
  base: string,
  { baseWorkload = workload } = {},
): Estimate | undefined {
  const below = new Map(blocksOf(results, baseWorkload).map(({ block, figures }) => [block, figures[base]?.value]))
  return estimateOf(
    blocksOf(results, workload).flatMap(({ block, figures }) => {
      const [value, baseValue] = [figures[subject]?.value, below.get(block)]
      return value !== undefined && baseValue ? value / baseValue : []
    }),
  )
}

/** Why a subject has no value under a workload: the reason of the first block. */
export function refusal(results: Results, workload: string, subject: string): string | undefined {
  const figures = blocksOf(results, workload).flatMap(({ figures }) => figures[subject] ?? [])
  return figures.find(({ refused }) => refused !== undefined)?.refused
}

/** Three significant digits, but never fewer than the integer part has. */
export function show(value: number): string {
  return value >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(3)))
}

function line(name: string, { median, low, high, blocks }: Estimate, unit: string): string {
  return `${name.padEnd(46)} ${show(median).padStart(8)} ${unit}  (${show(low)}–${show(high)}, ${blocks} blocks)`
}

/** The machine, the code and the settings of a run, in one line. */
export function circumstances({ machine, commit, date, settings }: Results): string {
  const caches = Object.entries(machine.caches).map(([level, kib]) => `, ${level} ${kib} KiB`)
  return [
    `${machine.cpu}, ${machine.cpus} CPUs${caches.join('')}`,
    `Linux ${machine.kernel}, Node ${machine.node}`,
    `commit ${commit}, ${date}`,
    settings.pinned ? 'client on CPU 0, server on CPU 1' : 'endpoints not pinned',
    `each figure measured ${settings.blocks} × ${settings.seconds} s`,
  ].join('; ')
}

export function reportLines(results: Results): string[] {
  const { settings, subjects, workloads, memory } = results
  const lines = [
    `# ${circumstances(results)}`,
    ...(settings.gate ? [] : ['# measured on a machine that may be busy: do not rely on these figures']),
    ...results.blocks.flatMap(({ block, workload, thrownAway }) =>
      thrownAway ? `# block ${block} of ${workload} was thrown away: ${thrownAway}` : [],
    ),
  ]
  for (const workload of workloads) {
    for (const { name } of subjects) lines.push(...linesOf(results, workload, name))
  }
  for (const [name, kib] of Object.entries(memory)) {
    if (kib > 0) lines.push(`${`memory/${name}`.padEnd(46)} ${String(kib).padStart(8)} KiB PSS`)
  }
  return lines
}

function linesOf(results: Results, { name, unit, cpuUnit }: WorkloadJson, subject: string): string[] {
  const id = `${name}/${subject}`
  const refused = refusal(results, name, subject)
  if (refused) return [`${id.padEnd(46)}        - ${refused}`]
  const lines: string[] = []
  const add = (what: string, found: Estimate | undefined, unit: string) => found && lines.push(line(what, found, unit))
  add(id, estimate(results, name, subject), unit)
  for (const base of bases(subject)) {
    add(`${id}:${base}`, ratio(results, name, subject, base), 'ratio')
  }
  add(
    `${id}/cpu`,
    estimate(results, name, subject, ({ cpu }) => cpu),
    cpuUnit ?? '',
  )
  add(
    `${id}/p99`,
    estimate(results, name, subject, ({ more }) => more?.p99),
    unit,
  )
  add(
    `${id}/retransmits`,
    estimate(results, name, subject, ({ retransmits }) => retransmits || undefined),
    'segments',
  )
  for (const reason of lossReasons(results, name, subject)) {
    add(`${id}/lost:${reason}`, estimate(results, name, subject, lostTo(reason)), '% of sent')
  }
  return lines
}

/** All reasons for which a block lost datagrams. */
export function lossReasons(results: Results, workload: string, subject: string): string[] {
  const figures = blocksOf(results, workload).flatMap(({ figures }) => figures[subject] ?? [])
  return [...new Set(figures.flatMap(({ loss }) => Object.keys(loss?.lost ?? {})))].sort()
}

/** The percentage of the datagrams sent that was lost for this reason. */
export function lostTo(reason: string): (figure: Figure) => number | undefined {
  return ({ loss }) => loss && (100 * (loss.lost[reason] ?? 0)) / loss.sent
}
