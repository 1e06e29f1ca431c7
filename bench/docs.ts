/**
 * docs/benchmarks.md and its charts, made of docs/benchmarks.json: figures are generated, never typed.
 *
 * The page's prose is written by hand; what is generated stands between `<!-- NAME: generated -->` and `<!-- /NAME -->`.
 *
 * Neighbours: report.ts and goals.ts have the numbers, charts.ts the charts; test/docs/benchmarks.test.ts holds the
 * checked-in page to them.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../test/device/harness/daemon.js'
import { scaleChart, speedChart } from './charts.js'
import { type Outcome, outcomes, scaleOutcomes } from './goals.js'
import { type Estimate, estimate, lossReasons, lostTo, ratio, refusal, show } from './report.js'
import { type Results, readResults, type WorkloadJson } from './results.js'
import type { ScaleJson } from './scale.js'
import { median } from './stats.js'

export const DOCS = join(ROOT, 'docs')
const PAGE = 'benchmarks.md'
const SPEED_CHART = 'benchmarks-speed.svg'
const SCALE_CHART = 'benchmarks-scale.svg'

export function writeDocs(): void {
  for (const [name, text] of Object.entries(makeDocs(readFileSync(join(DOCS, PAGE), 'utf8')))) {
    writeFileSync(join(DOCS, name), text)
  }
}

/** The files that are made of the checked-in results, and of the page as it is. */
export function makeDocs(page: string, results = readResults(join(DOCS, 'benchmarks.json'))): Record<string, string> {
  const { scale, unpinned } = results
  const parts: Record<string, string> = {
    figures: figures(results),
    goals: outcomeTable(outcomes(results)),
    unpinned: unpinned ? unpinnedTable(unpinned) : 'Not measured yet.',
    scale: scale ? scaleTables(scale) : 'Not measured yet.',
  }
  const filled = Object.entries(parts).reduce((text, [name, part]) => fill(text, name, part), page)
  return {
    [PAGE]: filled,
    [SPEED_CHART]: speedChart(results),
    ...(scale && { [SCALE_CHART]: scaleChart(scale) }),
  }
}

function fill(page: string, name: string, part: string): string {
  const [begin, end] = [`<!-- ${name}: generated -->`, `<!-- /${name} -->`]
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${PAGE} has no place for ${name}: "${begin}" and "${end}"`)
  return `${page.slice(0, from + begin.length)}\n\n${part}\n\n${page.slice(to)}`
}

/** Where and when, and what of it does not count. */
function circumstances({ machine, settings, date, blocks }: Results): string[] {
  const gone = blocks.filter(({ thrownAway }) => thrownAway)
  const pinned = settings.pinned ? 'client on CPU 0, server on CPU 1' : 'endpoints not pinned'
  return [
    `${date}: ${machine.cpu}, ${machine.cpus} CPUs, Linux ${machine.kernel}, Node ${machine.node}; ${pinned}; ` +
      `${settings.blocks} blocks of ${settings.seconds} s each; ` +
      `${gone.length} of ${blocks.length} block rows thrown away.`,
    ...(settings.gate ? [] : ['**Measured with `--anyway`, on a machine that was busy: these figures mean little.**']),
    ...new Set(gone.map(({ block, workload, thrownAway }) => `Block ${block} of \`${workload}\`: ${thrownAway}.`)),
  ]
}

function figures(results: Results): string {
  return [
    ...circumstances(results),
    `![Each subject's speed under each workload, as a multiple of kernel veth's](${SPEED_CHART})`,
    '**Medians.**',
    subjectTable(results, (workload, subject) => estimate(results, workload.name, subject)),
    ...refusals(results),
    '**Beside kernel veth**: median of the ratio within a block, and its 95 % interval.',
    besideVeth(results),
    '**CPU seconds of the whole machine**, a GB of TCP or a million datagrams.',
    subjectTable(
      { ...results, workloads: results.workloads.flatMap((row) => (row.cpuUnit ? { ...row, unit: row.cpuUnit } : [])) },
      (workload, subject) => estimate(results, workload.name, subject, ({ cpu }) => cpu),
    ),
    '**Retransmitted segments** of a measurement.',
    subjectTable(
      {
        ...results,
        workloads: results.workloads.flatMap((row) => (row.cpuUnit === 's/GB' ? { ...row, unit: 'segments' } : [])),
      },
      (workload, subject) => estimate(results, workload.name, subject, ({ retransmits }) => retransmits),
    ),
    '**Where the datagrams of an unlimited sender went**, in percent of what was sent.',
    lossTable(results),
    '**Memory** of the processes (PSS): ' +
      results.subjects
        .flatMap(({ name, title }) => (results.memory[name] ? `${title} ${show(results.memory[name] / 1024)} MiB` : []))
        .join(', ') +
      '.',
  ].join('\n\n')
}

function besideVeth(results: Results): string {
  const others = { ...results, subjects: results.subjects.filter(({ name }) => name !== 'veth') }
  return subjectTable(others, (workload, subject) => ratio(results, workload.name, subject, 'veth'), true)
}

function unpinnedTable(results: Results): string {
  return [...circumstances(results), besideVeth(results), ...refusals(results)].join('\n\n')
}

/** A row a workload, a column a subject; with its interval where that is asked for. */
function subjectTable(
  results: Results,
  number: (workload: WorkloadJson, subject: string) => Estimate | undefined,
  withInterval = false,
): string {
  const { subjects, workloads } = results
  const cell = (workload: WorkloadJson, subject: string) => {
    const found = number(workload, subject)
    if (!found) return refusal(results, workload.name, subject) ? 'no figure' : ''
    return withInterval ? `${show(found.median)} (${show(found.low)}–${show(found.high)})` : show(found.median)
  }
  const rows = workloads.map((workload) => [
    withInterval ? workload.title : `${workload.title}, ${workload.unit}`,
    ...subjects.map(({ name }) => cell(workload, name)),
  ])
  return table(['', ...subjects.map(({ title }) => title)], rows)
}

/** Why a subject has no figure under a workload, for all that have none. */
function refusals(results: Results): string[] {
  const reasons = results.subjects.flatMap(({ name, title }) =>
    results.workloads.flatMap((workload) => {
      const reason = refusal(results, workload.name, name)
      return reason ? `${title} under ${workload.title} (${reason})` : []
    }),
  )
  return reasons.length > 0 ? [`No figure: ${reasons.join('; ')}.`] : []
}

function lossTable(results: Results): string {
  const floods = results.workloads.filter(({ cpuUnit }) => cpuUnit === 's/Mpacket')
  const rows = floods.flatMap(({ name, title }) =>
    results.subjects.flatMap((subject) => {
      const delivered = estimate(results, name, subject.name, ({ loss }) => loss && (100 * loss.delivered) / loss.sent)
      if (!delivered) return []
      const lost = lossReasons(results, name, subject.name).map((reason) => {
        const part = estimate(results, name, subject.name, lostTo(reason))
        return `${reason} ${show(part?.median ?? 0)}`
      })
      return [[title, subject.title, show(delivered.median), lost.join(', ')]]
    }),
  )
  return table(['', 'subject', 'delivered', 'lost, by reason'], rows)
}

function outcomeTable(outcomes: Outcome[]): string {
  const verdict = ({ met }: Outcome) => (met === undefined ? '' : met ? 'met' : '**not met**')
  return table(
    ['', 'goal', 'measured', ''],
    outcomes.map((outcome) => [outcome.what, outcome.goal, outcome.measured, verdict(outcome)]),
  )
}

function scaleTables(scale: ScaleJson): string {
  const mib = (kib: number) => show(kib / 1024)
  const rows = scale.steps.map(({ pairs, veth, busy, ...step }) => [
    String(pairs),
    show(step.createSeconds),
    show(veth.createSeconds),
    show(step.removeSeconds),
    show(veth.removeSeconds),
    mib(step.pssKiB),
    mib(step.kernelKiB),
    mib(veth.kernelKiB),
    show(step.idlePercent),
    show(median(busy)),
  ])
  const heading = [
    'pairs',
    'made, s',
    'veth',
    'removed, s',
    'veth',
    "daemon's memory, MiB",
    "kernel's, MiB",
    'veth',
    'at rest, % of a CPU',
    'a busy pair, to one alone',
  ]
  return [
    ...(scale.stopped ? [`The series ended early: ${scale.stopped}.`] : []),
    outcomeTable(scaleOutcomes(scale)),
    table(heading, rows),
    `![What N pairs cost](${SCALE_CHART})`,
  ].join('\n\n')
}

function table(heading: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(heading), line(heading.map(() => '---')), ...rows.map(line)].join('\n')
}
