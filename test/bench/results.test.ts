/** The results file keeps what was measured on each CPU model; the page shows all of them. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeDocs, unexplained } from '../../bench/docs.js'
import { readBenchmarks, storeResults } from '../../bench/results.js'
import { ROOT } from '../device/harness/daemon.js'
import { run } from '../device/harness/processes.js'
import { results, scaleResults } from './made-up.js'

const [FIRST, SECOND] = ['First CPU', 'Second CPU']

/** The smallest page that has a place for each generated part. */
const PAGE = ['goals', 'figures', 'unpinned', 'scale']
  .map((name) => `<!-- ${name}: generated -->\n<!-- /${name} -->\n`)
  .join('')

t.test('results are read as they were written, with a line for each block', async (t) => {
  const path = join(t.testdir({}), 'results.json')
  const pinned = results([
    [1.5, 2],
    [3, 4],
  ])
  const unpinned = results([[5, 6]])
  storeResults(path, FIRST, { pinned, unpinned })
  t.same(readBenchmarks(path), { [FIRST]: { pinned, unpinned } })
  t.equal(readFileSync(path, 'utf8').match(/^ +\{"block":/gm)?.length, 3)
})

t.test('a run replaces only its own kind of results, of its own CPU model', async (t) => {
  const path = join(t.testdir({}), 'results.json')
  const first = { pinned: results([[1, 1]], FIRST), scale: scaleResults(1, FIRST) }
  const second = { pinned: results([[2, 1]], SECOND), unpinned: results([[3, 1]], SECOND) }
  storeResults(path, FIRST, first)
  storeResults(path, SECOND, second)
  const anew = results([[4, 1]], SECOND)
  storeResults(path, SECOND, { pinned: anew })
  t.same(readBenchmarks(path), { [FIRST]: first, [SECOND]: { ...second, pinned: anew } })
})

t.test('the page shows each CPU model beside the others, with commit, date and verdict of its own', async (t) => {
  const second = { ...results([[8, 10]], SECOND), commit: 'def5678', date: '2026-02-02' }
  const page = makeDocs(PAGE, {
    [FIRST]: { pinned: results([[12, 10]], FIRST), scale: scaleResults(20, FIRST) },
    [SECOND]: { pinned: second, scale: scaleResults(50, SECOND) },
  })['benchmarks.md']
  t.match(page, /^First CPU, 2 CPUs, L1d 32 KiB, L2 512 KiB, L3 32768 KiB; .* commit abc1234, 2026-01-01;/m)
  t.match(page, /^Second CPU, .* commit def5678, 2026-02-02;/m)
  t.match(page, '|  | goal | First CPU | Second CPU |')
  t.match(page, '| TCP, 1 stream, to the C loop | ≥ 1 | 1.2 (1.2–1.2), met | 0.8 (0.8–0.8), **not met** |')
  t.match(page, /^\| 1,000 pairs created \| .* \| 20 s, met \| 50 s, \*\*not met\*\* \|$/m)
  t.match(page, /^\| TCP, 1 stream, Gbit\/s \| First CPU \| 12 .*\n\| TCP, 1 stream, Gbit\/s \| Second CPU \| 8 /m)
})

t.test('a missed goal has its explanation and profile below it; one that is met has none', async (t) => {
  const goal = 'TCP, 1 stream, to the C loop'
  const explanations = [FIRST, SECOND].map((cpu) => ({ cpu, goal, why: `why ${cpu}`, profile: '40 %  copying' }))
  const benchmarks = { [FIRST]: { pinned: results([[12, 10]]) }, [SECOND]: { pinned: results([[8, 10]]) } }
  const page = makeDocs(PAGE, benchmarks, explanations)['benchmarks.md']
  t.match(
    page,
    `**${goal}, on ${SECOND}: 0.8 (0.8–0.8) instead of ≥ 1.**\nwhy ${SECOND}\n\n\`\`\`\n40 %  copying\n\`\`\``,
  )
  t.notMatch(page, `why ${FIRST}`)
  t.same(unexplained(benchmarks, explanations), [])
  t.same(unexplained(benchmarks, []), [`${goal}, on ${SECOND}`])
})

t.test('a file that holds something else is refused before anything is measured', async (t) => {
  const path = join(t.testdir({}), 'other.json')
  writeFileSync(path, '{"date": "2026-01-01", "blocks": []}')
  t.throws(() => readBenchmarks(path), { message: /is not a results file/ })
  const { code, stderr } = await run([process.execPath, join(ROOT, 'dist/bench/main.js'), '--json', path])
  t.equal(code, 1)
  t.match(stderr, /^bench: --json: .*other\.json is not a results file/)
})
