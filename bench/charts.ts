/**
 * The charts of docs/benchmarks.md, as SVG: Observable Plot, with linkedom in the place of a browser.
 *
 * Neighbours: docs.ts writes them.
 */
import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'
import { ratio } from './report.js'
import type { Results } from './results.js'
import type { ScaleJson } from './scale.js'

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

/** A bar a subject and workload: how many times kernel veth's speed. Round trips are turned round: shorter is more. */
export function speedChart(results: Results): string {
  const bars = results.workloads.flatMap(({ name, title, better }) =>
    results.subjects.flatMap((subject) => {
      const found = subject.name === 'veth' ? undefined : ratio(results, name, subject.name, 'veth')
      if (!found) return []
      const turned = (value: number) => (better === 'higher' ? value : 1 / value)
      const [low, high] = [turned(found.low), turned(found.high)].sort((a, b) => a - b)
      return { workload: title.replaceAll('`', ''), subject: subject.title, speed: turned(found.median), low, high }
    }),
  )
  const titles = results.workloads.map(({ title }) => title.replaceAll('`', ''))
  const names = results.subjects
    .map(({ title }) => title)
    .filter((title) => bars.some(({ subject }) => subject === title))
  return svg({
    height: 60 + bars.length * 14 + titles.length * 6,
    marginLeft: 300,
    marginRight: 110,
    x: { type: 'log', label: 'times kernel veth (1: as fast)', tickFormat: '~g', grid: true },
    y: { axis: null, domain: names },
    fy: { label: null, domain: titles, padding: 0.12 },
    color: { domain: names, scheme: 'Observable10' },
    marks: [
      Plot.ruleX([1]),
      Plot.ruleY(bars, { x1: 1, x2: 'speed', y: 'subject', fy: 'workload', stroke: 'subject', strokeWidth: 9 }),
      Plot.ruleY(bars, { x1: 'low', x2: 'high', y: 'subject', fy: 'workload', strokeWidth: 1.5 }),
      Plot.text(bars, {
        x: (bar) => Math.max(1, bar.high),
        y: 'subject',
        fy: 'workload',
        text: 'subject',
        textAnchor: 'start',
        dx: 4,
      }),
    ],
  })
}

const SCALE_HEIGHT = 420
/** Of that, a line of text, and what the axis takes. */
const [TEXT_LINE, AXIS] = [14, 50]

/** What N pairs cost, each curve in its own unit; both axes logarithmic. */
export function scaleChart({ steps }: ScaleJson): string {
  const mib = (kib: number) => kib / 1024
  const curves = steps.flatMap(({ pairs, veth, ...step }) =>
    [
      { what: 'made, s', cost: step.createSeconds },
      { what: 'removed, s', cost: step.removeSeconds },
      { what: "daemon's memory, MiB", cost: mib(step.pssKiB) },
      { what: "kernel's memory, MiB", cost: mib(step.kernelKiB) },
      { what: "veth: kernel's memory, MiB", cost: mib(veth.kernelKiB) },
      { what: 'at rest, % of a CPU', cost: step.idlePercent },
    ].flatMap((curve) => (curve.cost > 0 ? { pairs, ...curve } : [])),
  )
  return svg({
    height: SCALE_HEIGHT,
    marginRight: 190,
    x: { type: 'log', label: 'pairs', tickFormat: '~g', ticks: steps.map(({ pairs }) => pairs) },
    y: { type: 'log', label: 'cost', tickFormat: '~g', grid: true },
    color: { scheme: 'Observable10' },
    marks: [
      Plot.line(curves, { x: 'pairs', y: 'cost', stroke: 'what', marker: 'dot' }),
      Plot.text(spread(curves), { x: 'pairs', y: 'cost', fill: 'what', text: 'what', textAnchor: 'start', dx: 8 }),
    ],
  })
}

interface Point {
  what: string
  pairs: number
  cost: number
}

/** Each curve's last point, moved up where its label would stand on the one below. */
function spread(curves: Point[]): Point[] {
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
