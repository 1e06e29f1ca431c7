/**
 * Commands and long-lived processes of the device tests.
 *
 * Neighbours: topology.ts runs these inside network namespaces, daemon.ts starts vethd by them. Invariants: a process
 * is ended by the pid that spawn() returned, never by name. Every wait for a process has a deadline. No process
 * outlives the test.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Output {
  /** Exit code, or 128 + the signal's number as a shell shows it. */
  code: number
  stdout: string
  stderr: string
}

const SIGNAL_NUMBERS: Record<string, number> = { SIGINT: 2, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15, SIGABRT: 6 }
const COMMAND_DEADLINE_MS = 60_000

/** The running processes. They are killed when the test ends, however it ends. */
const running = new Set<Process>()
process.on('exit', () => {
  for (const started of running) started.signal('SIGKILL')
})

/**
 * Calls `probe` every 5 ms until its result is truthy. After the deadline it throws an error that names what it waited
 * for.
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  withinMs = 5000,
): Promise<Exclude<Awaited<T>, undefined | false | null>> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const answer = await probe()
    if (answer) return answer as Exclude<Awaited<T>, undefined | false | null>
    if (performance.now() > deadline) throw new Error(`waited ${withinMs} ms in vain for ${what}`)
    await sleep(5)
  }
}

/** A process that runs in the background: its output so far, its lines as they come, its end. */
export class Process {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #closed: Promise<unknown>
  readonly #argv: string[]
  readonly #watchers = new Set<() => void>()
  stdout = ''
  stderr = ''
  ended = false

  constructor(argv: string[], env: NodeJS.ProcessEnv = process.env) {
    this.#argv = argv
    this.#child = spawn(argv[0], argv.slice(1), { env })
    running.add(this)
    this.#closed = once(this.#child, 'close').then(() => {
      running.delete(this)
      this.ended = true
      this.#tell()
    })
    this.#closed.catch(() => {}) // an error such as ENOENT: exit() throws it
    this.#child.stdin.on('error', () => {}) // EPIPE: the process ended without reading; its exit code tells why
    this.#child.stdout.setEncoding('utf8').on('data', (text) => {
      this.stdout += text
      this.#tell()
    })
    this.#child.stderr.setEncoding('utf8').on('data', (text) => {
      this.stderr += text
    })
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Lets the test's own process end while this one runs. The topology then ends this one. */
  unref(): void {
    this.#child.unref()
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) (stream as Socket).unref()
  }

  /** Writes to the stdin of the process, and closes it after the last text. */
  feed(text: string, more = false): void {
    if (more) this.#child.stdin.write(text)
    else this.#child.stdin.end(text)
  }

  /** Waits for the first line of stdout that matches `pattern`. It may have come already. */
  async line(pattern: RegExp, withinMs = 5000): Promise<RegExpExecArray> {
    const complete = () => pattern.exec(this.stdout.slice(0, this.stdout.lastIndexOf('\n') + 1))
    return new Promise((resolve, reject) => {
      const settle = (outcome: () => void) => {
        clearTimeout(timer)
        this.#watchers.delete(look)
        outcome()
      }
      const look = () => {
        const found = complete()
        if (found) settle(() => resolve(found))
        else if (this.ended) settle(() => reject(this.#complaint(`ended without saying ${pattern}`)))
      }
      const timer = setTimeout(
        () => settle(() => reject(this.#complaint(`did not say ${pattern} within ${withinMs} ms`))),
        withinMs,
      )
      this.#watchers.add(look)
      look()
    })
  }

  /** Waits for the end of the process. After the deadline the process is killed and the wait fails. */
  async exit(withinMs = COMMAND_DEADLINE_MS): Promise<Output> {
    let late = false
    const timer = setTimeout(() => {
      late = true
      this.#child.kill('SIGKILL')
    }, withinMs)
    await this.#closed.finally(() => clearTimeout(timer))
    if (late) throw this.#complaint(`still ran after ${withinMs} ms`)
    const { exitCode, signalCode } = this.#child
    return { code: exitCode ?? 128 + (SIGNAL_NUMBERS[signalCode!] ?? 0), stdout: this.stdout, stderr: this.stderr }
  }

  /** Sends a signal, unless the process has ended (its pid may be another process by now). */
  signal(signal: NodeJS.Signals): void {
    if (!this.ended) this.#child.kill(signal)
  }

  #tell(): void {
    for (const watcher of [...this.#watchers]) watcher()
  }

  #complaint(what: string): Error {
    return new Error(`"${this.#argv.join(' ')}" ${what}\n${this.stdout.slice(-2000)}${this.stderr.slice(-2000)}`)
  }
}

/** Runs a command to its end, whatever its exit code. */
export async function run(argv: string[], input = ''): Promise<Output> {
  const command = new Process(argv)
  command.feed(input)
  return command.exit()
}

/** Runs a command that must succeed. Returns its stdout. */
export async function must(argv: string[], input = ''): Promise<string> {
  const { code, stdout, stderr } = await run(argv, input)
  if (code !== 0) throw new Error(`"${argv.join(' ')}" ended with ${code}\n${stdout}${stderr}`)
  return stdout
}
