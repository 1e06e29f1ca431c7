/**
 * A rig for `vethctl exec`: a host, and a namespace in which the same is done plainly, with kernel veth.
 */
import type { Test } from 'tap'
import { ExecShell } from '../device/harness/exec-shell.js'
import type { Output } from '../device/harness/processes.js'
import type { Namespace } from '../device/harness/topology.js'
import { joinRig, type Rig, run, split } from './harness.js'

export interface ExecRig extends Rig {
  kernel: Namespace
  /** A command through `vethctl exec`, in the host's namespace. */
  exec(command: string | string[], input?: string): Promise<Output>
  /** The same in a shell that one exec runs, with nothing on stdin: node is not started for each. */
  typed(command: string | string[]): Promise<Output>
}

export async function startExecRig(t: Test): Promise<ExecRig> {
  const rig = await joinRig(t)
  const { topology, daemon } = rig
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
