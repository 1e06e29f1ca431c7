/**
 * A rig for `vethctl exec`: a host, and a namespace in which the same is done plainly, with kernel veth.
 *
 * All rigs of a file share one daemon, which lives in a namespace of its own: a daemon's start costs a second of CPU.
 */
import type { Test } from 'tap'
import { type Daemon, startDaemon } from '../device/harness/daemon.js'
import { ExecShell } from '../device/harness/exec-shell.js'
import type { Output } from '../device/harness/processes.js'
import { type Namespace, Topology } from '../device/harness/topology.js'
import { type Rig, rigOf, run, split } from './harness.js'

export interface ExecRig extends Rig {
  kernel: Namespace
  /** A command through `vethctl exec`, in the host's namespace. */
  exec(command: string | string[], input?: string): Promise<Output>
  /** The same in a shell that one exec runs, with nothing on stdin: node is not started for each. */
  typed(command: string | string[]): Promise<Output>
}

let shared: Promise<Daemon> | undefined

/** Ends with the process: a topology undoes itself then. */
async function startShared(): Promise<Daemon> {
  const topology = new Topology()
  const daemon = await startDaemon(topology, await topology.namespace('d'))
  daemon.process.unref()
  return daemon
}

export async function startExecRig(t: Test): Promise<ExecRig> {
  shared ??= startShared()
  const topology = Topology.of(t)
  const daemon = await shared
  const rig = rigOf(topology, await topology.namespace('h'), daemon)
  const kernel = await topology.namespace('k')
  let shell: ExecShell | undefined
  return {
    ...rig,
    kernel,
    exec: (command, input) => rig.vethctl(['exec', '--', ...split(command)], input),
    typed(command) {
      shell ??= new ExecShell(topology, rig.host, daemon)
      return shell.run(split(command))
    },
  }
}

/** Runs what `command` says for a namespace, plainly in the kernel's and through exec in the host's. */
export async function besideKernel(
  { host, kernel, exec, typed }: ExecRig,
  command: (ns: Namespace) => string[],
  input?: string,
): Promise<{ kernel: Output; ours: Output }> {
  const plainly = await run(kernel.argv(command(kernel)), input)
  return { kernel: plainly, ours: await (input === undefined ? typed(command(host)) : exec(command(host), input)) }
}

/** An output without the lines that vethctl adds to what ip says, and without ip's empty ones. */
export function ipsWords({ code, stdout, stderr }: Output): Output {
  const said = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('vethctl: '))
  return { code, stdout, stderr: said.join('\n') }
}
