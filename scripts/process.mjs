/**
 * Process helpers of the entry scripts: running a step to its end, and restoring the ownership of files that root
 * wrote.
 *
 * It has no dependencies, because it runs before node_modules exists. Neighbours: setup.mjs, build-ts.mjs, start.mjs,
 * test.mjs.
 *
 * Invariant: however the process ends (done, failed, SIGINT), its child gets the signal, and no further file of the
 * clone belongs to root.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, realpathSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root folder of the clone. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** The paths in the clone that set-up and tests write to. */
const WRITTEN = ['node_modules', 'dist', 'native-bindings/build', '.tap']

/** A failed step. Its output or `message` explains the failure. */
export class StepFailed extends Error {
  constructor(message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/** The exit status of a child as a shell reports it: its exit code, or 128 + the signal's number. */
export function exitStatus(code, signal) {
  return code ?? 128 + constants.signals[signal]
}

/**
 * Passes SIGINT, SIGTERM and SIGHUP on to `child` and to `onSignal` while the child runs, so that this process does not
 * end before it. In a terminal the child gets SIGINT twice, from the terminal and from here, and must accept that.
 * package.json starts the entry scripts with `exec`: otherwise a signal from npm would end only the shell between them.
 */
export function forwardSignals(child, onSignal = () => {}) {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  const forward = (signal) => {
    onSignal(signal)
    child.kill(signal)
  }
  for (const signal of signals) process.on(signal, forward)
  child.once('close', () => {
    for (const signal of signals) process.off(signal, forward)
  })
}

/**
 * Runs a command in the clone with this terminal. Throws StepFailed if it exits with another code than 0 or by a
 * signal.
 */
export async function run(command, args, env = {}) {
  const child = spawn(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  let interrupted
  forwardSignals(child, (signal) => {
    interrupted = signal
  })
  const status = await new Promise((done, fail) => {
    child.once('error', (error) => fail(new StepFailed(`cannot run ${command}: ${error.message}`)))
    child.once('close', (code, signal) => done(exitStatus(code, signal)))
  })
  if (interrupted) throw new StepFailed('interrupted: the next start goes on from here', exitStatus(null, interrupted))
  if (status !== 0) throw new StepFailed(`"${[command, ...args].join(' ')}" failed`, status)
}

/** Gives the files that root wrote into the clone to the owner of the clone. Does nothing if root owns the clone. */
export function returnOwnership() {
  const { uid, gid } = statSync(root)
  if (process.getuid() !== 0 || uid === 0) return
  const written = WRITTEN.map((path) => join(root, path)).filter((path) => existsSync(path))
  if (written.length > 0) spawnSync('chown', ['-R', '-h', `${uid}:${gid}`, ...written], { stdio: 'inherit' })
}

/** Whether node runs the module of this `import.meta` as its main program. */
export function isMain(meta) {
  return realpathSync(process.argv[1]) === meta.filename
}

/**
 * Runs an entry script's `main`. Prints one clear line if it fails, restores the clone's ownership, and sets the exit
 * code.
 */
export async function runMain(main) {
  process.on('exit', returnOwnership)
  try {
    process.exitCode = await main()
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    console.error(`vethd: ${error.message}`)
    process.exitCode = error.exitCode
  }
}
