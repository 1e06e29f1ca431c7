/**
 * Runs one compiled test file as a program of its own and parses its TAP output.
 *
 * Neighbour: test.mjs, which chooses the files, sums up and checks the time budgets. Needs node_modules (tap-parser).
 *
 * Invariant: when the promise settles, no process of the file's process group is left, and none of its network
 * namespaces (`vdPID.…`), however the file ended.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Parser } from 'tap-parser'
import { exitStatus, root } from './process.mjs'

/** Process group ids of the running files. */
const running = new Set()

/** Passes a signal on to every running file, because these are not in the terminal's process group. */
export function signalRunning(signal) {
  for (const group of running) killGroup(group, signal)
}

/**
 * Runs `source` (`test/unit/x.test.ts`), ending it after `limitSeconds`.
 * @returns {Promise<{passed: number, failures: object[], skips: object[], output: string, seconds: number}>}
 * `failures` and `skips` are tap-parser results; `output` is the part of the file's output that is not TAP.
 */
export async function runTestFile(source, limitSeconds) {
  const report = { passed: 0, failures: [], skips: [], output: '', seconds: 0 }
  const startedAt = performance.now()
  const compiled = join(root, 'dist', source.replace(/\.ts$/, '.js'))
  const child = spawn(process.execPath, ['--enable-source-maps', compiled], {
    cwd: root,
    detached: true,
    env: { ...process.env, TAP_TIMEOUT: String(limitSeconds) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child.pid)
  const parsed = parse(child.stdout, report)
  child.stderr.on('data', (text) => {
    report.output += text
  })

  const ended = new Promise((done) => {
    child.once('exit', (code, signal) => done({ code, signal }))
  })
  // tap's own time limit comes first and names the test that hung. This limit is for a file that ignores tap's.
  const watchdog = setTimeout(() => endGroup(child.pid), (limitSeconds + 10) * 1000)
  const { code, signal } = await ended
  clearTimeout(watchdog)
  await reportLeftovers(child.pid, report)
  deleteNamespaces(child.pid, report)
  running.delete(child.pid)
  judge(await parsed, code, signal, report)
  report.seconds = (performance.now() - startedAt) / 1000
  return report
}

function parse(stdout, report) {
  return new Promise((done) => {
    const parser = new Parser(done)
    parser.on('pass', () => report.passed++)
    parser.on('fail', (result) => report.failures.push(result))
    parser.on('skip', (result) => report.skips.push(result))
    parser.on('todo', (result) => report.failures.push({ ...result, diag: { reason: 'a test that is still to do' } }))
    parser.on('extra', (text) => {
      report.output += text
    })
    stdout.pipe(parser)
  })
}

/** Adds a failure that no test point reports: a crash, a time-out, a broken plan, no test at all. */
function judge(results, code, signal, report) {
  const { plan } = results
  const ranNone = report.passed + report.failures.length + report.skips.length === 0
  if (ranNone && plan.skipAll && plan.skipReason !== 'no tests found' && code === 0) {
    report.skips.push({ fullname: 'the whole file', skip: plan.skipReason })
  } else if (report.failures.length === 0 && (code !== 0 || !results.ok)) {
    const reason = signal ? `ended by ${signal}` : `ended with exit code ${exitStatus(code, signal)}`
    report.failures.push({ fullname: 'the whole file', diag: { reason } })
  } else if (ranNone) {
    report.failures.push({ fullname: 'the whole file', diag: { reason: 'it ran no test' } })
  }
}

/**
 * Reports processes that outlive their test file as failures of that file. A process that is just ending gets a second.
 */
async function reportLeftovers(group, report) {
  const deadline = performance.now() + 1000
  for (let left = processesOf(group); left !== ''; left = processesOf(group)) {
    if (performance.now() > deadline) {
      report.failures.push({ fullname: 'no process is left behind', diag: { found: left } })
      await endGroup(group)
      return
    }
    await delay(20)
  }
}

/** Deletes namespaces that a test has left, which happens if it is interrupted while `ip netns add` runs. */
function deleteNamespaces(pid, report) {
  const left = existsSync('/run/netns') ? readdirSync('/run/netns').filter((name) => name.startsWith(`vd${pid}.`)) : []
  if (left.length === 0) return
  report.failures.push({ fullname: 'no network namespace is left behind', diag: { found: left.join(' ') } })
  for (const name of left) spawnSync('ip', ['netns', 'del', name])
}

/** The processes of a group, without zombies. */
function processesOf(group) {
  if (!killGroup(group, 0)) return ''
  const all = spawnSync('ps', ['-e', '-o', 'pgid=,pid=,stat=,args='], { encoding: 'utf8' }).stdout
  const isLeft = (line) => Number.parseInt(line, 10) === group && !/^ *\d+ +\d+ +Z/.test(line)
  return all.split('\n').filter(isLeft).join('\n')
}

async function endGroup(group) {
  killGroup(group, 'SIGTERM')
  await delay(2000)
  killGroup(group, 'SIGKILL')
}

/** Sends a signal to a group. Returns false if the group has no process any more. */
function killGroup(group, signal) {
  try {
    return process.kill(-group, signal)
  } catch {
    return false
  }
}
