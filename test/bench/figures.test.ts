/** What is made of measurements: medians, intervals, ratios within a block, and the lines that are printed. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { stolenTooMuch } from '../../bench/gate.js'
import { outcomes } from '../../bench/goals.js'
import { estimate, ratio, reportLines } from '../../bench/report.js'
import { type BlockJson, type Results, readResults, writeResults } from '../../bench/results.js'
import { interval, median } from '../../bench/stats.js'

const WORKLOAD = { name: 'tcp-1', title: 'TCP', unit: 'Gbit/s', better: 'higher' as const, cpuUnit: 's/GB' }

/** A row a block: what `vethd-uring` and `c-loop` did. */
function results(rows: [uring: number, loop: number, more?: Partial<BlockJson>][]): Results {
  return {
    date: '2026-01-01',
    machine: { kernel: '6.18', node: 'v20', cpu: 'CPU', cpus: 2 },
    settings: { seconds: 1, blocks: rows.length, pinned: true, gate: true },
    subjects: ['vethd-uring', 'c-loop'].map((name) => ({ name, title: name })),
    workloads: [WORKLOAD],
    blocks: rows.map(([uring, loop, more], i) => ({
      block: i + 1,
      workload: 'tcp-1',
      figures: { 'vethd-uring': { value: uring }, 'c-loop': { value: loop } },
      ...more,
    })),
    memory: {},
  }
}

t.test('a median is the middle one, or the mean of the middle two', async (t) => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 3, 2]), 2.5)
})

t.test('an interval holds the median, narrows with the sample, and is the same each time', async (t) => {
  const few = [1, 2, 3, 4, 5]
  const many = Array.from({ length: 200 }, (_, i) => few[i % 5])
  const [low, high] = interval(few)
  t.ok(low < 3 && 3 < high && low >= 1 && high <= 5)
  t.same(interval(many), [3, 3])
  t.same(interval(few), [low, high])
  t.same(interval([7]), [7, 7])
})

t.test('a ratio is taken within each block, so that a machine that slows down changes nothing', async (t) => {
  const slowing = results([
    [20, 10],
    [10, 5],
    [2, 1],
  ])
  t.match(ratio(slowing, 'tcp-1', 'vethd-uring', 'c-loop'), { median: 2, low: 2, high: 2, blocks: 3 })
})

t.test('a block that was thrown away counts nowhere, and is told', async (t) => {
  const measured = results([
    [20, 10],
    [1, 10, { thrownAway: '5.0 % of the CPU time was stolen' }],
  ])
  t.match(estimate(measured, 'tcp-1', 'vethd-uring'), { median: 20, blocks: 1 })
  t.match(ratio(measured, 'tcp-1', 'vethd-uring', 'c-loop'), { median: 2, blocks: 1 })
  t.ok(reportLines(measured).includes('# block 2 of tcp-1 was thrown away: 5.0 % of the CPU time was stolen'))
})

t.test('more than 2 % of stolen CPU time is too much', async (t) => {
  t.equal(stolenTooMuch({ busy: 50, idle: 48, stolen: 2 }), undefined)
  t.equal(stolenTooMuch({ busy: 50, idle: 47, stolen: 3 }), 0.03)
})

t.test('a goal is met by the median, and says when there is nothing to judge by', async (t) => {
  const of = (measured: Results) => outcomes(measured).find(({ what }) => what === 'TCP, 1 stream, to the C loop')
  t.match(of(results([[11, 10]])), { goal: '≥ 1.05', measured: /^1\.1 /, met: true })
  t.match(of(results([[10, 10]])), { met: false })
  const refused = results([
    [10, 10, { figures: { 'vethd-uring': { refused: '3 frames lost' }, 'c-loop': { value: 1 } } }],
  ])
  t.match(of(refused), { measured: 'vethd-uring has none: 3 frames lost', met: undefined })
  t.ok(reportLines(refused).some((line) => /^tcp-1\/vethd-uring +- 3 frames lost$/.test(line)))
})

t.test('results are read as they were written, those of endpoints that are not pinned among them', async (t) => {
  const path = join(t.testdir({}), 'results.json')
  const pinned = results([
    [1.5, 2],
    [3, 4],
  ])
  writeResults(path, pinned)
  t.same(readResults(path), pinned)
  const both = { ...pinned, unpinned: results([[5, 6]]) }
  writeResults(path, both)
  t.same(readResults(path), both)
  t.equal(readFileSync(path, 'utf8').match(/^ +\{"block":/gm)?.length, 3, 'a line a block')
})
