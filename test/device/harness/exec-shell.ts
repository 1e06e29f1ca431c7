/**
 * A shell in a `vethctl exec`, which runs one command after the other: an exec of its own for each would start node as often.
 *
 * Neighbours: daemon.ts, whose vethctl this is; world.ts of the oracle and exec-harness.ts type their commands here.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Daemon } from './daemon.js'
import type { Output, Process } from './processes.js'
import type { Namespace, Topology } from './topology.js'

const COMMAND_DEADLINE_MS = 30_000

export class ExecShell {
  readonly #shell: Process
  readonly #stdout: string
  readonly #stderr: string
  #commands = 0

  constructor(topology: Topology, host: Namespace, daemon: Daemon) {
    const folder = mkdtempSync(join(tmpdir(), 'vethd-exec-'))
    topology.defer(() => rmSync(folder, { recursive: true, force: true }))
    this.#stdout = join(folder, 'stdout')
    this.#stderr = join(folder, 'stderr')
    this.#shell = host.start(daemon.words('exec -- sh'))
  }

  /** Runs one command, with nothing on its stdin. */
  async run(words: readonly string[]): Promise<Output> {
    const quoted = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
    const number = ++this.#commands
    const command = `${quoted} </dev/null >${this.#stdout} 2>${this.#stderr}`
    this.#shell.feed(`${command}; echo ${number} ended with $?\n`, true)
    const [, code] = await this.#shell.line(new RegExp(`^${number} ended with (\\d+)$`, 'm'), COMMAND_DEADLINE_MS)
    const [stdout, stderr] = [this.#stdout, this.#stderr].map((path) => readFileSync(path, 'utf8'))
    return { code: Number(code), stdout, stderr }
  }
}
