/**
 * vethd and vethctl for the tests: the built programs, in the namespace that acts as the host, with their own control
 * socket.
 *
 * Neighbours: topology.ts makes the namespace, subject.ts makes pairs by this file.
 * Invariant: a daemon ends with its topology at the latest, by its pid.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run as runVethctl } from '../../../src/cli/run.js'
import type { Output, Process } from './processes.js'
import type { Namespace, Topology } from './topology.js'

/** dist/, which has the compiled form of this file. */
const DIST = join(dirname(fileURLToPath(import.meta.url)), '../../..')
export const VETHD = join(DIST, 'daemon/main.js')
export const VETHCTL = join(DIST, 'src/cli/main.js')
/** The package's root. Files that tsc does not copy (Python, C) are used from there. */
export const ROOT = join(DIST, '..')

/** A start costs about a second of CPU time, and takes longer on a busy machine. */
const READY_WITHIN_MS = 20_000

export type Engine = 'uring' | 'poll'

export interface DaemonOptions {
  engine?: Engine | 'auto'
  /** Further arguments of vethd. */
  args?: string[]
  /** A command before `node`: a launcher that restricts the process. */
  launcher?: string[]
  /** A module that node loads first. */
  preload?: string
}

export interface LogLine {
  level: number
  msg: string
  [key: string]: unknown
}

/** Starts vethd in `host` and waits until its control socket answers. */
export async function startDaemon(topology: Topology, host: Namespace, options: DaemonOptions = {}): Promise<Daemon> {
  const folder = mkdtempSync(join(tmpdir(), 'vethd-test-'))
  topology.defer(() => rmSync(folder, { recursive: true, force: true }))
  const socket = join(folder, 'control.sock')
  const node = [process.execPath, ...(options.preload ? ['--import', options.preload] : [])]
  const engine = ['--engine', options.engine ?? 'auto']
  const vethd = [VETHD, '--socket', socket, ...engine, ...(options.args ?? [])]
  const daemon = host.start([...(options.launcher ?? []), ...node, ...vethd])
  await daemon.line(/"msg":"ready"/, READY_WITHIN_MS)
  return new Daemon(daemon, host, socket)
}

export class Daemon {
  readonly process: Process
  readonly host: Namespace
  readonly socket: string

  constructor(process: Process, host: Namespace, socket: string) {
    this.process = process
    this.host = host
    this.socket = socket
  }

  /** The log of the daemon so far. */
  get log(): LogLine[] {
    const lines = this.process.stdout.split('\n').filter((line) => line.startsWith('{'))
    return lines.map((line) => JSON.parse(line) as LogLine)
  }

  /** Runs vethctl in the host namespace. */
  vethctl(args: string, input?: string): Promise<Output> {
    return this.host.run(this.words(args), input)
  }

  /** Runs vethctl, which must succeed. Returns its stdout. */
  async must(args: string, input?: string): Promise<string> {
    if (input !== undefined) return this.host.do(this.words(args), input)
    const { code, stdout, stderr } = await this.inProcess(args.split(' '))
    if (code !== 0) throw new Error(`vethctl ${args} ended with ${code}\n${stdout}${stderr}`)
    return stdout
  }

  /**
   * Does the work of vethctl (in a namespace, with `-n`) without a new process, whose start costs 0.1 s of CPU time.
   */
  async inProcess(words: readonly string[], { name } = this.host): Promise<Output> {
    const output = { code: 0, stdout: '', stderr: '' }
    const to = (stream: 'stdout' | 'stderr') => (text: string) => {
      output[stream] += text
    }
    output.code = await runVethctl(['--socket', this.socket, '-n', name, ...words], to('stdout'), to('stderr'))
    return output
  }

  /** CPU time of each thread so far, in milliseconds, by id and name (the first field of schedstat, in nanoseconds). */
  cpuMs(): Map<string, number> {
    const tasks = `/proc/${this.process.pid}/task`
    const read = (tid: string, file: string) => readFileSync(`${tasks}/${tid}/${file}`, 'utf8').trim()
    return new Map(
      readdirSync(tasks).map((tid) => [
        `${tid} ${read(tid, 'comm')}`,
        Number(read(tid, 'schedstat').split(' ')[0]) / 1e6,
      ]),
    )
  }

  /** Ends the daemon and waits for it. Fails if that takes longer than a second. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Output> {
    this.process.signal(signal)
    return this.process.exit(1000)
  }

  /** The command line of vethctl for this daemon. */
  words(args: string): string[] {
    return [process.execPath, VETHCTL, '--socket', this.socket, ...args.split(' ')]
  }
}
