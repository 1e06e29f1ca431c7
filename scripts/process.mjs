/**
 * What the entry scripts share about processes: running a step to its end, and handing back what root wrote.
 *
 * Dependency-free: it runs before node_modules exists. Neighbours: setup.mjs, build-ts.mjs, start.mjs, test.mjs.
 *
 * Invariant: whichever way the process ends (done, failed, SIGINT), a child was told, and nothing in the clone belongs
 * to root that did not before.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, realpathSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The clone's own folder. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** What set-up and tests write into the clone. */
const WRITTEN = ['node_modules', 'dist', 'native-bindings/build', '.tap']

/** A step that failed in a way its own output has explained, or `message` does. */
export class StepFailed extends Error {
  constructor(message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/** What a shell would report for an ended child: its exit code, or 128 + the signal's number. */
export function exitStatus(code, signal) {
  return code ?? 128 + constants.signals[signal]
}

/**
 * Passes SIGINT, SIGTERM and SIGHUP on to `child` while it runs, instead of dying before it, and to `onSignal`. From a
 * terminal the child gets SIGINT more than once (from the terminal, and from here): it must not mind. package.json
 * starts the entry scripts with `exec`, since what npm passes on would otherwise end its shell and not get here.
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

/** Runs a command in the clone with this terminal, and throws StepFailed unless it ends with 0 and uninterrupted. */
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

/** Gives what root wrote into the clone to whoever the clone belongs to. Nothing to do for root's own clone. */
export function returnOwnership() {
  const { uid, gid } = statSync(root)
  if (process.getuid() !== 0 || uid === 0) return
  const written = WRITTEN.map((path) => join(root, path)).filter((path) => existsSync(path))
  if (written.length > 0) spawnSync('chown', ['-R', '-h', `${uid}:${gid}`, ...written], { stdio: 'inherit' })
}

/** Whether node was asked to run the module of this `import.meta`, rather than importing it. */
export function isMain(meta) {
  return realpathSync(process.argv[1]) === meta.filename
}

/** Runs an entry script's `main`: one clear line when it fails, its exit code, and the clone's ownership restored. */
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
