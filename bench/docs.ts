/**
 * Makes docs/benchmarks.md and its charts from docs/benchmarks.json. No figure on the page is typed.
 *
 * The page's prose is written by hand. Generated parts stand between `<!-- NAME: generated -->` and `<!-- /NAME -->`.
 * Every table shows all CPU models that have results.
 *
 * Neighbours: tables.ts makes the tables, charts.ts the charts; test/docs/benchmarks.test.ts checks that the page in the
 * repository is up to date.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../test/device/harness/daemon.js'
import { type Of, scaleChart, speedChart } from './charts.js'
import { EXPLANATIONS, type Explanation } from './explanations.js'
import { type Outcome, outcomes, scaleOutcomes } from './goals.js'
import { circumstances } from './report.js'
import { type Benchmarks, type ModelJson, type Results, readBenchmarks } from './results.js'
import type { ScaleJson } from './scale.js'
import * as tables from './tables.js'

export const DOCS = join(ROOT, 'docs')
const PAGE = 'benchmarks.md'
const SPEED_CHART = 'benchmarks-speed.svg'
const SCALE_CHART = 'benchmarks-scale.svg'

export function writeDocs(): void {
  for (const [name, text] of Object.entries(makeDocs(readFileSync(join(DOCS, PAGE), 'utf8')))) {
    writeFileSync(join(DOCS, name), text)
  }
}

export function readCheckedIn(): Benchmarks {
  return readBenchmarks(join(DOCS, 'benchmarks.json'))
}

/** The files made from these results and from the page's prose. */
export function makeDocs(
  page: string,
  benchmarks = readCheckedIn(),
  explanations: Explanation[] = EXPLANATIONS,
): Record<string, string> {
  const [pinned, unpinned, scale] = [
    all(benchmarks, 'pinned'),
    all(benchmarks, 'unpinned'),
    all(benchmarks, 'scale'),
  ] as const
  const parts: Record<string, string> = {
    goals: goals(judge(pinned, outcomes), explanations),
    figures: figures(pinned),
    unpinned: inParagraphs(conditions(unpinned), tables.besideVeth(unpinned), tables.refusals(unpinned)),
    scale: inParagraphs(scaleConditions(scale), goals(judge(scale, scaleOutcomes), explanations), scaleFigures(scale)),
  }
  const filled = Object.entries(parts).reduce((text, [name, part]) => fill(text, name, part), page)
  return {
    [PAGE]: filled,
    ...(pinned.length > 0 && { [SPEED_CHART]: speedChart(pinned) }),
    ...(scale.length > 0 && { [SCALE_CHART]: scaleChart(scale) }),
  }
}

/** The results of one kind, of all CPU models that have them. */
function all<Kind extends keyof ModelJson>(benchmarks: Benchmarks, kind: Kind): Of<NonNullable<ModelJson[Kind]>>[] {
  return Object.entries(benchmarks).flatMap(([cpu, model]) => {
    const measured = model[kind]
    return measured ? { cpu, measured } : []
  })
}

/** Goals that a CPU model misses although no explanation says why: "GOAL, on CPU". */
export function unexplained(benchmarks: Benchmarks, explanations: Explanation[] = EXPLANATIONS): string[] {
  const judged = [...judge(all(benchmarks, 'pinned'), outcomes), ...judge(all(benchmarks, 'scale'), scaleOutcomes)]
  return judged.flatMap(({ cpu, measured }) =>
    missed(measured).flatMap(({ what }) => (explanationOf(cpu, what, explanations) ? [] : `${what}, on ${cpu}`)),
  )
}

function judge<Measured>(models: Of<Measured>[], outcomesOf: (measured: Measured) => Outcome[]): Of<Outcome[]>[] {
  return models.map(({ cpu, measured }) => ({ cpu, measured: outcomesOf(measured) }))
}

const missed = (outcomes: Outcome[]) => outcomes.filter(({ met }) => met === false)

function explanationOf(cpu: string, what: string, explanations: Explanation[]): Explanation | undefined {
  return explanations.find((explanation) => explanation.cpu === cpu && explanation.goal === what)
}

function goals(models: Of<Outcome[]>[], explanations: Explanation[]): string {
  const reasons = models.flatMap(({ cpu, measured }) =>
    missed(measured).map((outcome) => {
      const { why, profile } = explanationOf(cpu, outcome.what, explanations) ?? { why: 'No explanation yet.' }
      const heading = `**${outcome.what}, on ${cpu}: ${outcome.measured} instead of ${outcome.goal}.**\n${why}`
      return profile ? `${heading}\n\n\`\`\`\n${profile.trim()}\n\`\`\`` : heading
    }),
  )
  return inParagraphs(tables.goals(models), reasons)
}

function conditions(models: Of<Results>[]): string[] {
  return models.flatMap(({ measured }) => {
    const gone = measured.blocks.filter(({ thrownAway }) => thrownAway)
    return [
      `${circumstances(measured)}; ${gone.length} of ${measured.blocks.length} block rows thrown away.`,
      ...(measured.settings.gate
        ? []
        : ['**Measured with `--anyway` on a busy machine: do not rely on these figures.**']),
      ...new Set(gone.map(({ block, workload, thrownAway }) => `Block ${block} of \`${workload}\`: ${thrownAway}.`)),
    ]
  })
}

function figures(models: Of<Results>[]): string {
  return inParagraphs(
    conditions(models),
    `![Speed of each subject under each workload, as a multiple of kernel veth's](${SPEED_CHART})`,
    '### Medians',
    tables.medians(models),
    tables.refusals(models),
    '### Ratios to kernel veth',
    'The median of the ratios within a block, and its 95 % interval.',
    tables.besideVeth(models),
    '### Ratios to the C loop and between the engines',
    tables.otherRatios(models),
    '### CPU time',
    'CPU seconds of the whole machine for each GB of TCP or each million datagrams.',
    tables.cpuTime(models),
    '### TCP retransmits',
    'Segments retransmitted during one measurement.',
    tables.retransmits(models),
    '### Where do the datagrams of an unlimited sender go?',
    'In percent of the datagrams sent.',
    tables.losses(models),
    '### Memory',
    'PSS of the processes, in MiB.',
    tables.memory(models),
  )
}

function scaleConditions(models: Of<ScaleJson>[]): string[] {
  return models.flatMap(({ measured: { machine, commit, date, stopped } }) => [
    `${machine.cpu}, ${machine.cpus} CPUs; commit ${commit}, ${date}.`,
    ...(stopped ? [`The series ended early: ${stopped}.`] : []),
  ])
}

function scaleFigures(models: Of<ScaleJson>[]): string[] {
  return [tables.scale(models), `![Costs of N pairs](${SCALE_CHART})`]
}

function inParagraphs(...parts: (string | string[])[]): string {
  return parts.flat().join('\n\n')
}

function fill(page: string, name: string, part: string): string {
  const [begin, end] = [`<!-- ${name}: generated -->`, `<!-- /${name} -->`]
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${PAGE} has no place for ${name}: "${begin}" and "${end}"`)
  return `${page.slice(0, from + begin.length)}\n\n${part}\n\n${page.slice(to)}`
}
