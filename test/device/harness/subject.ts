/**
 * The subjects of the acceptance suite: kernel veth, which is the oracle, and vethd with each engine and checksum mode.
 *
 * All accept iproute2's command line. So a subject is little more than the program before
 * `link add veth1 type veth peer name veth2`.
 *
 * Neighbours: daemon.ts runs vethd and vethctl, counters.ts reads the counters of a subject.
 */
import { type Daemon, type Engine, startDaemon } from './daemon.js'
import type { Namespace, Topology } from './topology.js'

export type ChecksumMode = 'offload' | 'software' | 'verify'

export const ENGINES: Engine[] = ['uring', 'poll']
export const CHECKSUM_MODES: ChecksumMode[] = ['offload', 'software', 'verify']

export interface Subject {
  readonly name: string
  /** The namespace that acts as the host: commands run in it, and new pairs appear in it. */
  readonly host: Namespace
  /** Undefined for the kernel. */
  readonly daemon?: Daemon
  /** The kernel's veth always passes NEEDS_CSUM through. */
  readonly checksum: ChecksumMode
  /** Runs one command, such as `link set veth1 up`. It must succeed. */
  do(command: string): Promise<string>
  /** Runs commands by `-batch`. All must succeed. */
  batch(commands: string[]): Promise<void>
  /** The command that makes a pair. */
  newPair(dev: string, peer: string): string
}

export function kernelVeth(host: Namespace): Subject {
  return {
    name: 'kernel veth',
    host,
    checksum: 'offload',
    do: (command) => host.do(`ip ${command}`),
    batch: async (commands) => {
      await host.do(['ip', '-batch', '-'], commands.join('\n'))
    },
    newPair: (dev, peer) => `link add ${dev} type veth peer name ${peer}`,
  }
}

export function vethd(daemon: Daemon, engine: Engine, checksum: ChecksumMode): Subject {
  return {
    name: `vethd, ${engine} engine, checksum ${checksum}`,
    host: daemon.host,
    daemon,
    checksum,
    do: (command) => daemon.must(command),
    batch: async (commands) => {
      await daemon.must('-batch -', commands.join('\n'))
    },
    newPair: (dev, peer) => `link add ${dev} type veth checksum ${checksum} peer name ${peer}`,
  }
}

/** The oracle, and vethd with each engine in each checksum mode: one daemon per engine, all in one host. */
export async function startSubjects(
  topology: Topology,
  host: Namespace,
  modes: ChecksumMode[] = CHECKSUM_MODES,
): Promise<Subject[]> {
  const daemons = await Promise.all(ENGINES.map((engine) => startDaemon(topology, host, { engine })))
  const shapes = ENGINES.flatMap((engine, i) => modes.map((checksum) => vethd(daemons[i], engine, checksum)))
  return [kernelVeth(host), ...shapes]
}

/** Ends the daemons of these subjects. Returns the exit code of each. */
export async function stopSubjects(subjects: Subject[]): Promise<number[]> {
  const daemons = new Set(subjects.flatMap(({ daemon }) => daemon ?? []))
  return Promise.all([...daemons].map(async (daemon) => (await daemon.stop()).code))
}
