/**
 * Figures as text: one number a line, WORKLOAD/SUBJECT[:YARDSTICK][/WHAT] VALUE UNIT (interval), for eyes and for grep.
 *
 * Neighbours: main.ts prints it; goals.ts and docs.ts take their medians and ratios from here.
 */
import type { BlockJson, Figure, Results, WorkloadJson } from './results.js'
import { interval, median } from './stats.js'

/** A median over blocks, and its bootstrap interval. */
export interface Estimate {
  median: number
  low: number
  high: number
  blocks: number
}

/** What a ratio is taken to: within a block, so that both saw the same machine. */
export const YARDSTICKS = ['veth', 'c-loop']

export type Key = 'value' | 'cpu'

function blocksOf({ blocks }: Results, workload: string): BlockJson[] {
  return blocks.filter((block) => block.workload === workload && !block.thrownAway)
}

function estimateOf(sample: number[]): Estimate | undefined {
  if (sample.length === 0) return undefined
  const [low, high] = interval(sample)
  return { median: median(sample), low, high, blocks: sample.length }
}

/** A number of a subject under a workload, over all blocks that have it. */
export function estimate(
  results: Results,
  workload: string,
  subject: string,
  number: (figure: Figure) => number | undefined = ({ value }) => value,
): Estimate | undefined {
  const figures = blocksOf(results, workload).flatMap(({ figures }) => figures[subject] ?? [])
  return estimateOf(figures.flatMap((figure) => number(figure) ?? []))
}

/** One subject's number to another's, block by block; `baseWorkload` may be another one of the same block. */
export function ratio(
  results: Results,
  workload: string,
  subject: string,
  base: string,
  { key = 'value' as Key, baseWorkload = workload } = {},
): Estimate | undefined {
  const bases = new Map(blocksOf(results, baseWorkload).map(({ block, figures }) => [block, figures[base]?.[key]]))
  return estimateOf(
    blocksOf(results, workload).flatMap(({ block, figures }) => {
      const [above, below] = [figures[subject]?.[key], bases.get(block)]
      return above !== undefined && below ? above / below : []
    }),
  )
}

/** Why a subject has no figure under a workload: the first reason that was given. */
export function refusal(results: Results, workload: string, subject: string): string | undefined {
  const figures = blocksOf(results, workload).flatMap(({ figures }) => figures[subject] ?? [])
  return figures.find(({ refused }) => refused !== undefined)?.refused
}

/** Three significant digits, and no fewer than the whole part. */
export function show(value: number): string {
  return value >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(3)))
}

function line(name: string, { median, low, high, blocks }: Estimate, unit: string): string {
  return `${name.padEnd(46)} ${show(median).padStart(8)} ${unit}  (${show(low)}–${show(high)}, ${blocks} blocks)`
}

export function reportLines(results: Results): string[] {
  const { machine, settings, subjects, workloads, memory } = results
  const where = settings.pinned ? 'client on CPU 0, server on CPU 1' : 'endpoints not pinned'
  const lines = [
    `# ${machine.cpu}, ${machine.cpus} CPUs, Linux ${machine.kernel}, Node ${machine.node}; ${where}`,
    ...(settings.gate ? [] : ['# on a machine that may be busy: these figures mean little']),
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
  for (const base of YARDSTICKS.filter((base) => base !== subject)) {
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

/** The reasons for which datagrams were lost in any block. */
export function lossReasons(results: Results, workload: string, subject: string): string[] {
  const figures = blocksOf(results, workload).flatMap(({ figures }) => figures[subject] ?? [])
  return [...new Set(figures.flatMap(({ loss }) => Object.keys(loss?.lost ?? {})))].sort()
}

/** The part of what was sent that was lost for a reason, in percent. */
export function lostTo(reason: string): (figure: Figure) => number | undefined {
  return ({ loss }) => loss && (100 * (loss.lost[reason] ?? 0)) / loss.sent
}
