/**
 * Helpers of the addon's tests: pipes, and programs and workers that load the addon anew.
 *
 * Invariant: nothing made here outlives its test.
 */
import { execFile, execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Test } from 'tap'

/** Where compiled code finds the addon's door: for programs and workers, which import it themselves. */
export const doorUrl = new URL('../../../native-bindings/index.js', import.meta.url).href

/** A folder of the test's own. */
export function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), `vethd-test-${process.pid}-`))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

/** A non-blocking pipe with both ends in one fd: what is written comes back, and an empty one reads EAGAIN. */
export function openPipe(t: Test): number {
  const path = join(temporaryFolder(t), 'pipe')
  execFileSync('mkfifo', [path])
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  t.teardown(() => closeSync(fd))
  return fd
}

export interface Ending {
  code: number | string | null
  stdout: string
  stderr: string
}

/** Runs a module whose `n` is the addon, in a process of its own, behind the words of a launcher. */
export function runProgram(source: string, launcher: string[] = []): Promise<Ending> {
  const module = `import { native } from '${doorUrl}'\nconst n = native()\n${source}`
  return new Promise((done) => {
    const [command, ...words] = [...launcher, process.execPath, '--input-type=module', '-e', module]
    execFile(command, words, { timeout: 10_000 }, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : (error.code ?? error.signal ?? null), stdout, stderr }),
    )
  })
}

/** Starts a worker that runs `source`, the body of an async function of `n` (the addon) and `parentPort`. */
export function startWorker(t: Test, source: string, workerData: unknown = null): Worker {
  const program = `
    const { parentPort, workerData } = require('node:worker_threads')
    import('${doorUrl}').then(async ({ native }) => { const n = native(); ${source} })`
  const worker = new Worker(program, { eval: true, workerData })
  t.teardown(() => worker.terminate())
  return worker
}

/** Collects garbage until `done`, giving finalizers their turn of the event loop. */
export async function collectUntil(done: () => boolean): Promise<boolean> {
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let round = 0; round < 20 && !done(); round++) {
    collect()
    await new Promise((next) => setImmediate(next))
  }
  return done()
}
