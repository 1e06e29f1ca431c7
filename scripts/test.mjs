/**
 * `npm test [PATH…]`: sets the clone up, runs the tests, and sums up. `npm run test:long` runs test/long/ alike.
 *
 * A PATH is a folder or a file below test/ (`device`, `unit/frame`, `device/native.test.ts`); none means all of them but
 * test/long/. Files are found by their sources, so a compiled test whose source is gone never runs. Neighbours: setup.mjs before
 * it, test-file.mjs runs one file.
 *
 * Invariant: the last line is `N passed, N failed` with tap's own counts, and the exit code is 0 only when none failed.
 */
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { exitStatus, root, runMain, StepFailed } from './process.mjs'
import { setUp } from './setup.mjs'

/** Folders of test/ in the order of the report; `root`: whether they need it. */
const FOLDERS = [
  { name: 'unit', root: false },
  { name: 'abi', root: false },
  { name: 'docs', root: true },
  { name: 'device', root: true },
  { name: 'daemon', root: true },
  { name: 'oracle', root: true },
  { name: 'bench', root: true },
]

/** Long tests (`npm run test:long`): soaks, a million cases, statistics of time, recipes with large packages. */
const LONG_FOLDERS = [{ name: 'long', root: true }]

/** Files that run in parallel: more than CPUs, because each waits a third of its time. The longest run first. */
const JOBS = Math.max(3, availableParallelism())
const FIRST =
  /^(oracle\/|device\/pair-(traffic|exit|tunnel|gro)|device\/workers|daemon\/(exec|lifecycle|bystanders|ping)|docs\/readme|bench\/smoke)/
/** Files marked `asleep` mostly wait; they run in parallel with others. */
const ASLEEP = /^device\/pair-idle/
/** Files that measure time, or how idle the machine is: they run one by one, after the others. */
const ALONE = /^(bench\/gate|long\/)/

/** Seconds for the whole run, with set-up and compiling: the goal, and the limit at which CI fails. */
const BUDGET = { default: [480, 600], long: [1500, 1800] }

/** A file that takes longer hangs, and is killed. */
const FILE_LIMIT_SECONDS = { default: 300, long: 1500 }

/** Skips that CI accepts, with their reasons. Any other skip fails there. */
const ACCEPTED_SKIPS = [
  { file: /^device\/pair-(degraded|xdp)/, reason: 'a kernel before 6.17 has no super-frames in tunnels' },
]

await runMain(async () => {
  const startedAt = performance.now()
  const words = process.argv.slice(2)
  const isLong = words[0] === '--long'
  const kind = isLong ? 'long' : 'default'
  const paths = isLong ? words.slice(1) : words
  const folders = selectFolders(isLong ? LONG_FOLDERS : FOLDERS, paths)
  const needsRoot = folders.some((folder) => folder.root)
  if (needsRoot && process.getuid() !== 0) {
    throw new StepFailed('these tests make network devices and need root: run "sudo npm test", or "npm run test:unit"')
  }
  await setUp(isLong ? 'long' : needsRoot ? 'test' : 'unit')
  // The system's own programs first: a version manager's stand-in for python3 takes ten times as long to start.
  process.env.PATH = `/usr/bin:/bin:${process.env.PATH}`
  // With this, each start of node reads all certificates first, which more than doubles its CPU time. No test uses TLS.
  delete process.env.NODE_EXTRA_CA_CERTS
  const { runTestFile, signalRunning } = await import('./test-file.mjs')

  let interrupted
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      interrupted = signal
      signalRunning(signal)
    })
  }
  const files = folders.flatMap((folder) => folder.files.map((source) => ({ source, folder })))
  const runAll = async (queue, jobs) => {
    const work = async () => {
      while (queue.length > 0 && !interrupted) {
        const { source, folder } = queue.shift()
        addReport(folder, await runOne(source, FILE_LIMIT_SECONDS[kind], runTestFile))
      }
    }
    await Promise.all(Array.from({ length: jobs }, work))
  }
  const those = (pattern) => files.filter(({ source }) => pattern.test(source))
  const others = files.filter(({ source }) => ![FIRST, ASLEEP, ALONE].some((pattern) => pattern.test(source)))
  await Promise.all([runAll([...those(FIRST), ...others], JOBS), runAll(those(ASLEEP), 1)])
  await runAll(those(ALONE), 1)
  const isWhole = paths.length === 0
  const exitCode = sumUp(folders, isWhole ? BUDGET[kind] : undefined, (performance.now() - startedAt) / 1000)
  return interrupted ? exitStatus(null, interrupted) : exitCode
})

/** Those of the `candidates` that have a test below one of `paths`, each with the sources of its tests. */
function selectFolders(candidates, paths) {
  const sources = readdirSync(join(root, 'test'), { recursive: true }).filter((path) => path.endsWith('.test.ts'))
  const wanted = paths.map((path) => (path.startsWith('test/') ? relative('test', path) : path))
  for (const path of wanted) {
    if (!existsSync(join(root, 'test', path))) throw new StepFailed(`no test/${path}`)
  }
  const known = [...FOLDERS, ...LONG_FOLDERS].map(({ name }) => name)
  const unknown = sources.find((source) => !known.includes(source.split('/')[0]))
  if (unknown !== undefined) throw new StepFailed(`test/${unknown} is in a folder that scripts/test.mjs does not know`)
  const isWanted = (source) => wanted.length === 0 || wanted.some((path) => `${source}/`.startsWith(`${path}/`))
  const folders = candidates
    .map((folder) => ({
      ...folder,
      files: sources.filter((source) => source.startsWith(`${folder.name}/`) && isWanted(source)).sort(),
      passed: 0,
      failed: 0,
      skipped: 0,
      seconds: 0,
    }))
    .filter((folder) => folder.files.length > 0)
  if (folders.length === 0) throw new StepFailed('no test matches')
  return folders
}

async function runOne(source, limitSeconds, runTestFile) {
  const report = await runTestFile(join('test', source), limitSeconds)
  for (const { fullname, name, skip } of isCi() ? report.skips : []) {
    if (ACCEPTED_SKIPS.some(({ file }) => file.test(source))) continue
    report.failures.push({ fullname: `skipped: ${fullname || name} (${skip})`, diag: { reason: 'CI skips nothing' } })
  }
  const { passed, failures, skips, output, seconds } = report
  const counts = `${passed} passed${failures.length ? `, ${failures.length} failed` : ''}`
  console.log(`${failures.length ? 'FAIL' : '  ok'}  ${source}  ${counts}  ${seconds.toFixed(1)} s`)
  for (const { fullname, name, skip } of skips) console.log(`      skipped: ${fullname || name} (${skip})`)
  for (const { fullname, name, diag } of failures) {
    console.log(`\n      ${fullname || name}`)
    // Where it happened stands in the stack already.
    const { at: _at, tapCaught: _how, ...details } = diag ?? {}
    for (const [key, value] of Object.entries(details)) console.log(indent(`${key}: ${readable(value)}`, 8))
  }
  if (failures.length && output) console.log(`\n      it printed:\n${indent(output, 8)}`)
  if (failures.length) console.log()
  return report
}

function readable(value) {
  if (typeof value !== 'string') return JSON.stringify(value)
  return value.includes('\n') ? `\n${indent(value, 2)}` : value
}

function indent(text, columns) {
  return text.trimEnd().replace(/^/gm, ' '.repeat(columns))
}

function addReport(folder, report) {
  folder.passed += report.passed
  folder.failed += report.failures.length
  folder.skipped += report.skips.length
  folder.seconds += report.seconds
}

function isCi() {
  return process.env.CI === 'true'
}

/** Prints the table of folders, what ran over the budget, and the closing line. The exit code. */
function sumUp(folders, budget, seconds) {
  printTable([
    ['folder', 'files', 'passed', 'failed', 'skipped', 'time of all files'],
    ...folders.map(({ name, files, passed, failed, skipped, seconds }) =>
      [name, files.length, passed, failed, skipped, `${seconds.toFixed(1)} s`].map(String),
    ),
  ])
  let tooSlow = 0
  if (budget !== undefined) {
    const [wanted, most] = budget
    console.log(`\n${seconds.toFixed(0)} s of ${wanted} s, set-up included`)
    if (isCi() && seconds > most) {
      console.log(`FAIL  the tests took longer than ${most} s`)
      tooSlow = 1
    }
  }
  const sum = (key) => folders.reduce((total, folder) => total + folder[key], 0)
  const failed = sum('failed') + tooSlow
  const skipped = sum('skipped')
  console.log(`\n${sum('passed')} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  return failed === 0 ? 0 : 1
}

/** The first column to the left, numbers to the right. */
function printTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  console.log()
  for (const row of rows) {
    console.log(row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '))
  }
}
