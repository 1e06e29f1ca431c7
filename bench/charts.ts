/**
 * The charts of docs/benchmarks.md, as SVG. Observable Plot draws them; linkedom takes the place of a browser.
 *
 * Neighbours: docs.ts writes them.
 */
import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'
import { ratio } from './report.js'
import type { Results } from './results.js'
import type { ScaleJson } from './scale.js'

/** A measurement of one CPU model. */
export interface Of<Measured> {
  cpu: string
  measured: Measured
}

const WIDTH = 860

function svg(options: Plot.PlotOptions): string {
  const { document } = parseHTML('<html></html>')
  const style = { background: 'white', fontSize: '11px' }
  const plot = Plot.plot({
    document: document as unknown as Plot.PlotOptions['document'],
    width: WIDTH,
    style,
    ...options,
  })
  plot.setAttribute('xmlns', 'http://www.w3.org/2000/svg')
  return `${plot.outerHTML}\n`
}

/** Width of the workloads' titles. */
const WORKLOAD_TITLES = 300

const unquoted = (title: string) => title.replaceAll('`', '')

/**
 * A panel for each CPU model, with a point for each subject and workload: speed as a multiple of kernel veth's. Round trips
 * are inverted, so that right is always better.
 */
export function speedChart(models: Of<Results>[]): string {
  const points = models.flatMap(({ cpu, measured }) =>
    measured.workloads.flatMap(({ name, title, better }) =>
      measured.subjects.flatMap((subject) => {
        const found = subject.name === 'veth' ? undefined : ratio(measured, name, subject.name, 'veth')
        if (!found) return []
        const speed = (value: number) => (better === 'higher' ? value : 1 / value)
        const [low, high] = [speed(found.low), speed(found.high)].sort((a, b) => a - b)
        const [workload, label] = [unquoted(title), unquoted(subject.title)]
        return { cpu, workload, subject: label, speed: speed(found.median), low, high }
      }),
    ),
  )
  const workloads = [...new Set(points.map(({ workload }) => workload))]
  const subjects = [...new Set(points.map(({ subject }) => subject))]
  const place = { y: 'subject', fx: 'cpu', fy: 'workload', stroke: 'subject' }
  return svg({
    width: WORKLOAD_TITLES + 20 + Math.max(560, 400 * models.length),
    height: 120 + workloads.length * (subjects.length * 5 + 8),
    marginLeft: WORKLOAD_TITLES,
    marginTop: 60,
    marginBottom: 40,
    x: { type: 'log', label: 'times the speed of kernel veth', tickFormat: '~g', grid: true },
    y: { axis: null, domain: subjects },
    fx: { label: null, domain: models.map(({ cpu }) => cpu) },
    fy: { label: null, axis: 'left', domain: workloads, padding: 0.1 },
    color: { domain: subjects, scheme: 'Observable10' },
    marks: [
      Plot.frame({ stroke: '#ddd' }),
      Plot.ruleX([1]),
      Plot.ruleY(points, { x1: 'low', x2: 'high', strokeWidth: 1.5, ...place }),
      Plot.dot(points, { x: 'speed', fill: 'subject', r: 2.5, ...place }),
      ...legend(subjects),
    ],
  })
}

/** A line above the panels. Plot's own legends are HTML. */
function legend(subjects: string[]): Plot.Markish[] {
  let dx = -WORKLOAD_TITLES + 16
  return subjects.flatMap((subject) => {
    const at = { frameAnchor: 'top-left', facet: 'super', dy: -48 } as const
    const entry = [
      Plot.dot([subject], { ...at, dx, fill: [subject], r: 4 }),
      Plot.text([subject], { ...at, dx: dx + 10, dy: at.dy - 6, text: [subject], textAnchor: 'start' }),
    ]
    dx += 34 + 6 * subject.length
    return entry
  })
}

const SCALE_HEIGHT = 420
/** The height of a line of text and of the axis, within SCALE_HEIGHT. */
const [TEXT_LINE, AXIS] = [14, 50]

/** The costs of N pairs, a panel for each CPU model and a curve for each cost; both axes are logarithmic. */
export function scaleChart(models: Of<ScaleJson>[]): string {
  const curves = models.map(({ cpu, measured }) => scaleCurves(cpu, measured))
  return svg({
    height: SCALE_HEIGHT * models.length,
    marginRight: 210,
    x: { type: 'log', label: 'pairs', tickFormat: '~g', ticks: models[0].measured.steps.map(({ pairs }) => pairs) },
    y: { type: 'log', label: 'cost', tickFormat: '~g', grid: true },
    fy: { label: null, axis: 'left', tickFormat: () => '' },
    color: { scheme: 'Observable10' },
    marks: [
      Plot.text(models, { fy: 'cpu', text: 'cpu', frameAnchor: 'top-left', dx: 6, dy: 4, fontWeight: 'bold' }),
      Plot.line(curves.flat(), { x: 'pairs', y: 'cost', fy: 'cpu', stroke: 'what', marker: 'dot' }),
      Plot.text(curves.flatMap(labelled), {
        x: 'pairs',
        y: 'cost',
        fy: 'cpu',
        fill: 'what',
        text: 'what',
        textAnchor: 'start',
        dx: 8,
      }),
    ],
  })
}

interface Point {
  cpu: string
  what: string
  pairs: number
  cost: number
}

function scaleCurves(cpu: string, { steps }: ScaleJson): Point[] {
  const mib = (kib: number) => kib / 1024
  return steps.flatMap(({ pairs, veth, ...step }) =>
    [
      { what: 'creation, s', cost: step.createSeconds },
      { what: 'removal, s', cost: step.removeSeconds },
      { what: "daemon's memory, MiB", cost: mib(step.pssKiB) },
      { what: "kernel's memory, MiB", cost: mib(step.kernelKiB) },
      { what: "kernel's memory for veth, MiB", cost: mib(veth.kernelKiB) },
      { what: 'CPU time when idle, %', cost: step.idlePercent },
    ].flatMap((curve) => (curve.cost > 0 ? { cpu, pairs, ...curve } : [])),
  )
}
/** The last point of each curve, moved up if its label would cover the one below. */
function labelled(curves: Point[]): Point[] {
  const costs = curves.map(({ cost }) => cost)
  const decades = Math.log10(Math.max(...costs) / Math.min(...costs))
  const apart = 10 ** ((decades * TEXT_LINE) / (SCALE_HEIGHT - AXIS))
  const ends = [...new Map(curves.map((point) => [point.what, point])).values()].sort((a, b) => a.cost - b.cost)
  let below = 0
  return ends.map((point) => {
    below = Math.max(point.cost, below * apart)
    return { ...point, cost: below }
  })
}
