/**
 * What the acceptance suite is run against: kernel veth, which is the oracle, and vethd in each of its shapes.
 *
 * Both take the same command line: iproute2's. So a subject is little more than the program that is typed in front of
 * `link add veth1 type veth peer name veth2`.
 *
 * Neighbours: daemon.ts runs vethd and vethctl, counters.ts reads what a subject counted.
 */
import { type Daemon, type Engine, startDaemon } from './daemon.js'
import type { Namespace, Topology } from './topology.js'

export type ChecksumMode = 'offload' | 'software' | 'verify'

export interface Subject {
  readonly name: string
  /** The namespace that plays the host: where commands are typed and new pairs appear. */
  readonly host: Namespace
  /** Absent for the kernel. */
  readonly daemon?: Daemon
  /** The word behind `checksum`; the kernel's veth always passes NEEDS_CSUM through. */
  readonly checksum: ChecksumMode
  /** Types one command, `link set veth1 up`; it has to succeed. */
  do(command: string): Promise<string>
  /** Gives commands, one a line, to `-batch`; all of them have to succeed. */
  batch(commands: string[]): Promise<void>
  /** Makes a pair in the host namespace. */
  addPair(dev: string, peer: string): Promise<void>
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
    addPair: async (dev, peer) => {
      await host.do(`ip link add ${dev} type veth peer name ${peer}`)
    },
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
    addPair: async (dev, peer) => {
      await daemon.must(`link add ${dev} type veth checksum ${checksum} peer name ${peer}`)
    },
  }
}

/** Which subjects a suite runs against: the oracle, and one vethd for each engine and checksum mode. */
export interface Shape {
  name: string
  engine?: Engine
  checksum: ChecksumMode
}

export const ENGINES: Engine[] = ['uring', 'poll']

export const SHAPES: Shape[] = [
  { name: 'kernel veth', checksum: 'offload' },
  ...ENGINES.flatMap((engine) =>
    (['offload', 'software', 'verify'] as const).map((checksum) => ({
      name: `vethd, ${engine} engine, checksum ${checksum}`,
      engine,
      checksum,
    })),
  ),
]

/** Makes the subject of a shape, with a daemon of its own unless it is the kernel. */
export async function startSubject(topology: Topology, host: Namespace, shape: Shape): Promise<Subject> {
  if (!shape.engine) return kernelVeth(host)
  return vethd(await startDaemon(topology, host, { engine: shape.engine }), shape.engine, shape.checksum)
}
