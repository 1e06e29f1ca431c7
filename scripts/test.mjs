/**
 * `npm test [PATH…]`: sets the clone up, runs the tests folder by folder, and sums up.
 *
 * A PATH is a folder or a file below test/ (`device`, `unit/frame`, `device/native.test.ts`); none means all of them.
 * Files are found by their sources, so a compiled test whose source is gone never runs. Neighbours: setup.mjs before
 * it, test-file.mjs runs one file.
 *
 * Invariant: the last line is `N passed, N failed` with tap's own counts, and the exit code is 0 only when none failed.
 */
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { exitStatus, root, runMain, StepFailed } from './process.mjs'
import { setUp } from './setup.mjs'

/**
 * Folders of test/ in the order they run. `budget` is in seconds; `jobs` files run at once, the `long` ones first, and
 * beside them those that are `asleep` most of their time, and after them, one by one, those that are `alone` because they
 * measure time; `root` is whether they need it.
 */
const FOLDERS = [
  { name: 'unit', budget: 60, jobs: availableParallelism(), root: false },
  { name: 'abi', budget: 5, jobs: 1, root: false },
  { name: 'docs', budget: 60, jobs: 1, root: true },
  {
    name: 'device',
    budget: 240,
    jobs: 2,
    root: true,
    long: /pair-(traffic|exit)/,
    asleep: /pair-idle/,
    alone: /pair-(fairness|lifetime|follows)/,
  },
  { name: 'daemon', budget: 120, jobs: 2, root: true },
  { name: 'bench', budget: 30, jobs: 1, root: true },
  { name: 'oracle', budget: 180, jobs: 1, root: true },
]
const OTHER_FOLDER = { budget: 60, jobs: 1, root: true }

/** A file that takes this many times its folder's budget hangs, and is ended. */
const HANGS_AFTER = 2

/** In CI a folder fails beyond this many times its budget; elsewhere it is only said: machines differ. */
const CI_TOLERANCE = 1.5

await runMain(async () => {
  const folders = selectFolders(process.argv.slice(2))
  const needsRoot = folders.some((folder) => folder.root)
  if (needsRoot && process.getuid() !== 0) {
    throw new StepFailed(
      'these tests make network devices, which takes root: run "sudo npm test", or "npm run test:unit"',
    )
  }
  await setUp(needsRoot ? 'test' : 'unit')
  const { runTestFile, signalRunning } = await import('./test-file.mjs')

  let interrupted
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      interrupted = signal
      signalRunning(signal)
    })
  }
  for (const folder of folders) {
    const startedAt = performance.now()
    const runAll = async (files, jobs) => {
      const work = async () => {
        while (files.length > 0 && !interrupted) addReport(folder, await runOne(files.shift(), folder, runTestFile))
      }
      await Promise.all(Array.from({ length: jobs }, work))
    }
    const [asleep, alone, long] = ['asleep', 'alone', 'long'].map((kind) => (file) => folder[kind]?.test(file) ?? false)
    const together = folder.files.filter((file) => !alone(file) && !asleep(file))
    await Promise.all([
      runAll([...together.filter(long), ...together.filter((file) => !long(file))], folder.jobs),
      runAll(folder.files.filter(asleep), 1),
    ])
    await runAll(folder.files.filter(alone), 1)
    folder.seconds = (performance.now() - startedAt) / 1000
  }
  const exitCode = sumUp(folders)
  return interrupted ? exitStatus(null, interrupted) : exitCode
})

/** The folders that have a test below one of `paths`, each with the sources of its tests. */
function selectFolders(paths) {
  const sources = readdirSync(join(root, 'test'), { recursive: true }).filter((path) => path.endsWith('.test.ts'))
  const wanted = paths.map((path) => (path.startsWith('test/') ? relative('test', path) : path))
  for (const path of wanted) {
    if (!existsSync(join(root, 'test', path))) throw new StepFailed(`no test/${path}`)
  }
  const isWanted = (source) => wanted.length === 0 || wanted.some((path) => `${source}/`.startsWith(`${path}/`))
  const known = FOLDERS.map((folder) => folder.name)
  const found = [...new Set(sources.map((source) => source.split('/')[0]))].sort()
  const folders = [
    ...FOLDERS,
    ...found.filter((name) => !known.includes(name)).map((name) => ({ name, ...OTHER_FOLDER })),
  ]
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

async function runOne(source, folder, runTestFile) {
  const report = await runTestFile(join('test', source), Math.max(30, HANGS_AFTER * folder.budget))
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
}

/** Prints the table of folders, what ran over its budget, and the closing line. The exit code. */
function sumUp(folders) {
  const strict = process.env.CI === 'true'
  const overruns = folders.filter((folder) => folder.seconds > folder.budget)
  const tooSlow = overruns.filter((folder) => strict && folder.seconds > CI_TOLERANCE * folder.budget)
  printTable([
    ['folder', 'files', 'passed', 'failed', 'skipped', 'time', 'budget'],
    ...folders.map(({ name, files, passed, failed, skipped, seconds, budget }) =>
      [name, files.length, passed, failed, skipped, `${seconds.toFixed(1)} s`, `${budget} s`].map(String),
    ),
  ])
  for (const { name, seconds, budget } of overruns) {
    const rule = `in CI a folder fails beyond ${CI_TOLERANCE} times its budget`
    console.log(`\nOVER BUDGET: ${name} took ${seconds.toFixed(1)} s of ${budget} s (${rule})`)
  }
  const sum = (key) => folders.reduce((total, folder) => total + folder[key], 0)
  const failed = sum('failed') + tooSlow.length
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
