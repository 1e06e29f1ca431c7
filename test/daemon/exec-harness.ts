/** A rig for `vethctl exec`: a host with a daemon, and a namespace in which the same is done plainly, with kernel veth. */
import type { Test } from 'tap'
import type { Output } from '../device/harness/processes.js'
import type { Namespace } from '../device/harness/topology.js'
import { type Rig, run, split, startRig } from './harness.js'

export interface ExecRig extends Rig {
  kernel: Namespace
  /** A command through `vethctl exec`, in the host's namespace. */
  exec(command: string | string[], input?: string): Promise<Output>
}

export async function startExecRig(t: Test): Promise<ExecRig> {
  const rig = await startRig(t)
  const kernel = await rig.topology.namespace('k')
  return { ...rig, kernel, exec: (command, input) => rig.vethctl(['exec', '--', ...split(command)], input) }
}

/** Runs what `command` says for a namespace, plainly in the kernel's and through exec in the host's. */
export async function besideKernel(
  { host, kernel, exec }: ExecRig,
  command: (ns: Namespace) => string[],
  input?: string,
): Promise<{ kernel: Output; ours: Output }> {
  return { kernel: await run(kernel.argv(command(kernel)), input), ours: await exec(command(host), input) }
}

/** An output without the lines that vethctl adds to what ip says, and without ip's empty ones. */
export function ipsWords({ code, stdout, stderr }: Output): Output {
  const said = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('vethctl: '))
  return { code, stdout, stderr: said.join('\n') }
}
