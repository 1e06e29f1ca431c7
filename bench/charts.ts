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

const unquoted = (title: string) => title.replaceAll('`', '')

/**
 * A panel for each CPU model, with a bar for each subject and workload: speed as a multiple of kernel veth's. Round trips
 * are inverted, so that a longer bar is always better.
 */
export function speedChart(models: Of<Results>[]): string {
  const bars = models.flatMap(({ cpu, measured }) =>
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
  const workloads = [...new Set(bars.map(({ workload }) => workload))]
  const subjects = [...new Set(bars.map(({ subject }) => subject))]
  const facets = { fx: 'cpu', fy: 'workload' }
  return svg({
    width: 460 + 400 * models.length,
    height: 80 + workloads.length * (subjects.length * 12 + 8),
    marginLeft: 150,
    marginRight: 270,
    marginTop: 40,
    x: { type: 'log', label: 'times the speed of kernel veth', tickFormat: '~g', grid: true },
    y: { label: null, domain: subjects, tickSize: 0 },
    fx: { label: null, domain: models.map(({ cpu }) => cpu) },
    fy: { label: null, domain: workloads, padding: 0.08 },
    color: { domain: subjects, scheme: 'Observable10' },
    marks: [
      Plot.ruleX([1]),
      Plot.ruleY(bars, { x1: 1, x2: 'speed', y: 'subject', stroke: 'subject', strokeWidth: 8, ...facets }),
      Plot.ruleY(bars, { x1: 'low', x2: 'high', y: 'subject', strokeWidth: 1.5, ...facets }),
    ],
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
