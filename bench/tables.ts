/**
 * The tables of docs/benchmarks.md. Each has the rows of all CPU models, one below the other, so that they can be compared.
 *
 * Neighbours: report.ts has the numbers, docs.ts puts the tables on the page.
 */
import type { Of } from './charts.js'
import { type Outcome, withInterval } from './goals.js'
import { type Estimate, estimate, lossReasons, lostTo, ratio, refusal, show } from './report.js'
import type { Results, WorkloadJson } from './results.js'
import type { ScaleJson } from './scale.js'
import { median } from './stats.js'

type Models = Of<Results>[]
type Subject = Results['subjects'][number]

/** The second kernel veth shows the noise of a run. Only the table of its ratios needs it. */
const notRepeated = ({ name }: Subject) => name !== 'veth-again'

export function goals(models: Of<Outcome[]>[]): string {
  if (models.length === 0) return 'Not measured yet.'
  const verdict = ({ met }: Outcome) => (met === undefined ? '' : met ? ', met' : ', **not met**')
  const rows = models[0].measured.map(({ what, goal }, i) => [
    what,
    goal,
    ...models.map(({ measured }) => `${measured[i].measured}${verdict(measured[i])}`),
  ])
  return table(['', 'goal', ...models.map(({ cpu }) => cpu)], rows)
}

export function medians(models: Models): string {
  return bySubject(models, {
    title: ({ title, unit }) => `${title}, ${unit}`,
    cell: (results, { name }, subject) => estimate(results, name, subject),
  })
}

export function besideVeth(models: Models): string {
  return bySubject(models, {
    only: ({ name }) => name !== 'veth',
    cell: (results, { name }, subject) => ratio(results, name, subject, 'veth'),
    format: withInterval,
  })
}

/** Subject and base of each column. */
const OTHER_RATIOS = [
  { title: 'io_uring to the C loop', subject: 'vethd-uring', base: 'c-loop' },
  { title: 'poll to the C loop', subject: 'vethd-poll', base: 'c-loop' },
  { title: 'poll to io_uring', subject: 'vethd-poll', base: 'vethd-uring' },
]

export function otherRatios(models: Models): string {
  const rows = rowsOf(models).map(({ cpu, measured, workload }) => [
    workload.title,
    ...cpuCell(models, cpu),
    ...OTHER_RATIOS.map(({ subject, base }) => {
      const found = ratio(measured, workload.name, subject, base)
      return found ? withInterval(found) : ''
    }),
  ])
  return table(['', ...cpuCell(models, 'CPU'), ...OTHER_RATIOS.map(({ title }) => title)], rows)
}

export function cpuTime(models: Models): string {
  return bySubject(models, {
    has: ({ cpuUnit }) => cpuUnit !== undefined,
    title: ({ title, cpuUnit }) => `${title}, ${cpuUnit}`,
    cell: (results, { name }, subject) => estimate(results, name, subject, ({ cpu }) => cpu),
  })
}

export function retransmits(models: Models): string {
  return bySubject(models, {
    has: ({ cpuUnit }) => cpuUnit === 's/GB',
    cell: (results, { name }, subject) => estimate(results, name, subject, ({ retransmits }) => retransmits),
  })
}

export function losses(models: Models): string {
  const rows = rowsOf(models, ({ cpuUnit }) => cpuUnit === 's/Mpacket').flatMap(({ cpu, measured, workload }) =>
    measured.subjects.filter(notRepeated).flatMap(({ name, title }) => {
      const delivered = estimate(
        measured,
        workload.name,
        name,
        ({ loss }) => loss && (100 * loss.delivered) / loss.sent,
      )
      if (!delivered) return []
      const lost = lossReasons(measured, workload.name, name).map((reason) => {
        const share = estimate(measured, workload.name, name, lostTo(reason))
        return `${reason} ${show(share?.median ?? 0)}`
      })
      return [[workload.title, ...cpuCell(models, cpu), title, show(delivered.median), lost.join(', ')]]
    }),
  )
  return table(['', ...cpuCell(models, 'CPU'), 'subject', 'delivered', 'lost, by reason'], rows)
}

export function memory(models: Models): string {
  const subjects = subjectsOf(models).filter(({ name }) => models.some(({ measured }) => measured.memory[name]))
  const rows = models.map(({ cpu, measured }) => [
    ...cpuCell(models, cpu),
    ...subjects.map(({ name }) => (measured.memory[name] ? show(measured.memory[name] / 1024) : '')),
  ])
  return table([...cpuCell(models, 'CPU'), ...subjects.map(({ title }) => title)], rows)
}

/** Why a subject has no figures: for each reason, the workloads. The counts that a reason begins with are left out. */
export function refusals(models: Models): string[] {
  return models.flatMap(({ cpu, measured }) =>
    measured.subjects.flatMap(({ name, title }) => {
      const workloads = new Map<string, string[]>()
      for (const workload of measured.workloads) {
        const reason = refusal(measured, workload.name, name)?.replace(/^\d+ /, '')
        if (reason) workloads.set(reason, [...(workloads.get(reason) ?? []), `\`${workload.name}\``])
      }
      return [...workloads].map(
        ([reason, names]) => `No figure for ${title} on ${cpu}, ${reason}: ${names.join(', ')}.`,
      )
    }),
  )
}

export function scale(models: Of<ScaleJson>[]): string {
  const mib = (kib: number) => show(kib / 1024)
  const numbers = [...new Set(models.flatMap(({ measured }) => measured.steps.map(({ pairs }) => pairs)))]
  const rows = numbers.flatMap((number) =>
    models.flatMap(({ cpu, measured }) =>
      measured.steps
        .filter(({ pairs }) => pairs === number)
        .map(({ pairs, veth, busy, ...step }) => [
          String(pairs),
          ...cpuCell(models, cpu),
          show(step.createSeconds),
          show(veth.createSeconds),
          show(step.removeSeconds),
          show(veth.removeSeconds),
          mib(step.pssKiB),
          mib(step.kernelKiB),
          mib(veth.kernelKiB),
          show(step.idlePercent),
          show(median(busy)),
        ]),
    ),
  )
  const heading = [
    'pairs',
    ...cpuCell(models, 'CPU'),
    'creation, s',
    'veth',
    'removal, s',
    'veth',
    "daemon's memory, MiB",
    "kernel's memory, MiB",
    'veth',
    'CPU time when idle, %',
    'TCP of a busy pair, to a pair alone',
  ]
  return table(heading, rows)
}

/** The cell of a row, or of the heading, that names the CPU model. There is no such column for one model alone. */
function cpuCell(models: unknown[], cell: string): string[] {
  return models.length > 1 ? [cell] : []
}

interface Row {
  cpu: string
  measured: Results
  workload: WorkloadJson
}

/** The rows of a table: each workload on each CPU model. */
function rowsOf(models: Models, has: (workload: WorkloadJson) => boolean = () => true): Row[] {
  const names = [...new Set(models.flatMap(({ measured }) => measured.workloads.map(({ name }) => name)))]
  return names.flatMap((name) =>
    models.flatMap(({ cpu, measured }) =>
      measured.workloads
        .filter((workload) => workload.name === name && has(workload))
        .map((workload) => ({ cpu, measured, workload })),
    ),
  )
}

function subjectsOf(models: Models): Subject[] {
  return [
    ...new Map(models.flatMap(({ measured }) => measured.subjects).map((subject) => [subject.name, subject])).values(),
  ]
}

interface Columns {
  cell: (results: Results, workload: WorkloadJson, subject: string) => Estimate | undefined
  format?: (estimate: Estimate) => string
  title?: (workload: WorkloadJson) => string
  /** Workloads that the table has. */
  has?: (workload: WorkloadJson) => boolean
  /** Subjects that have a column. */
  only?: (subject: Subject) => boolean
}

/** A table with a column for each subject. */
function bySubject(models: Models, columns: Columns): string {
  if (models.length === 0) return 'Not measured yet.'
  const { cell, format = ({ median }) => show(median), title = ({ title }) => title, has, only = notRepeated } = columns
  const subjects = subjectsOf(models).filter(only)
  const rows = rowsOf(models, has).map(({ cpu, measured, workload }) => [
    title(workload),
    ...cpuCell(models, cpu),
    ...subjects.map(({ name }) => {
      const found = cell(measured, workload, name)
      if (found) return format(found)
      return refusal(measured, workload.name, name) ? 'no figure' : ''
    }),
  ])
  return table(['', ...cpuCell(models, 'CPU'), ...subjects.map(({ title }) => title)], rows)
}

function table(heading: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(heading), line(heading.map(() => '---')), ...rows.map(line)].join('\n')
}
