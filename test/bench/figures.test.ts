/** Computations from measurements: medians, intervals, ratios within a block, goals, and the printed lines. */
import t from 'tap'
import { stolenTooMuch } from '../../bench/gate.js'
import { outcomes, scaleOutcomes } from '../../bench/goals.js'
import { estimate, ratio, reportLines } from '../../bench/report.js'
import { interval, median } from '../../bench/stats.js'
import { otherCongestionControl } from '../../bench/workloads/tcp.js'
import { results, scaleResults } from './made-up.js'

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

t.test('a goal is judged by the median, and says so if there is no figure', async (t) => {
  const of = (...[rows]: Parameters<typeof results>) =>
    outcomes(results(rows)).find(({ what }) => what === 'TCP, 1 stream, to the C loop')
  t.match(of([[10, 10]]), { goal: '≥ 1', measured: '1 (1–1)', met: true })
  t.match(of([[9, 10]]), { met: false })
  const refused: Parameters<typeof results>[0] = [
    [10, 10, { figures: { 'vethd-uring': { refused: '3 frames lost' }, 'c-loop': { value: 1 } } }],
  ]
  t.match(of(refused), { measured: 'no figure for vethd-uring: 3 frames lost', met: undefined })
  t.ok(reportLines(results(refused)).some((line) => /^tcp-1\/vethd-uring +- 3 frames lost$/.test(line)))
})

t.test('the time to create 1,000 pairs may contain 16 ms of the kernel for each of 2,000 moves', async (t) => {
  const of = (seconds: number) =>
    scaleOutcomes(scaleResults(seconds)).find(({ what }) => what === '1,000 pairs created')
  t.match(of(41.9), { goal: /16 ms of the kernel for each of the 2,000 moves/, measured: '41.9 s', met: true })
  t.match(of(42.1), { met: false })
})

t.test("the host's own congestion control has rows of its own, unless it is cubic", async (t) => {
  t.same(
    otherCongestionControl('bbr').map(({ name }) => name),
    ['tcp-1-bbr', 'tcp-4-bbr', 'tcp-reverse-bbr', 'tcp-both-bbr', 'tcp-no-tso-bbr', 'tcp-no-tso-gro-bbr'],
  )
  t.same(otherCongestionControl('cubic'), [])
})

t.test("the poll engine's ratio to io_uring is printed", async (t) => {
  const measured = results([[10, 10, { figures: { 'vethd-uring': { value: 10 }, 'vethd-poll': { value: 9 } } }]])
  t.ok(reportLines(measured).some((line) => /^tcp-1\/vethd-poll:vethd-uring +0\.9 ratio/.test(line)))
})
