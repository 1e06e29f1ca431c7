/**
 * Network namespaces of a test, and their clean-up.
 *
 * A device test changes only namespaces that it made itself. One of them acts as the host: it has the daemon, its
 * bridge, its nft rules and its forwarding. So the machine's own links, sysctls and rules never change, and devices can
 * have the names veth1 and veth2 of the documentation. Only the names of namespaces are shared with the machine; they
 * contain our pid.
 *
 * Neighbours: processes.ts, which this file uses; daemon.ts and subject.ts, which use this file. Invariant: everything
 * is undone once, in reverse order, also after a failure, an uncaught exception, SIGINT or SIGTERM. Every undo is
 * synchronous, because it must work while the process exits.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import type { Test } from 'tap'
import { must, type Output, Process, run, until } from './processes.js'

/** A test file that takes longer counts as hung: the budget of the whole folder. */
export const DEADLINE_MS = 240_000

/** One process for all of it: a suite makes a thousand namespaces. */
const SET_UP =
  'ip link set lo up && cd /proc/sys/net/ipv6/conf/default && echo 0 >accept_dad && echo 0 >router_solicitations'

const alive = new Set<Topology>()
let namespacesMade = 0

process.on('exit', () => {
  for (const topology of alive) topology.undo()
})
for (const [signal, number] of [
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGALRM', 14], // tap sends it to a file that takes too long
  ['SIGTERM', 15],
] as const) {
  process.on(signal, () => process.exit(128 + number))
}

/** Names the missing requirements of device tests, for tap's `skip`; false if none is missing. */
export function missing(...tools: string[]): string | false {
  if (process.getuid?.() !== 0) return 'needs root'
  if (!existsSync('/dev/net/tun')) return 'needs /dev/net/tun'
  const folders = (process.env.PATH ?? '').split(delimiter)
  const absent = tools.filter((tool) => !folders.some((folder) => existsSync(join(folder, tool))))
  return absent.length > 0 && `needs ${absent.join(', ')}`
}

export class Topology {
  readonly #undos: (() => void)[] = []

  /** A topology that ends with the test `t`. */
  static of(t: Test): Topology {
    const topology = new Topology()
    t.teardown(() => topology.undo())
    return topology
  }

  constructor() {
    alive.add(this)
  }

  /**
   * Makes a network namespace with its loopback up and IPv6 left to the test (no DAD delays, no router solicitations).
   */
  async namespace(label: string): Promise<Namespace> {
    const name = `vd${process.pid}.${namespacesMade++}${label}`
    this.defer(() => spawnSync('ip', ['netns', 'del', name]))
    await must(['ip', 'netns', 'add', name])
    const made = new Namespace(name, this)
    await made.do(['sh', '-c', SET_UP])
    return made
  }

  /** Starts a process that is killed by its pid when the topology ends. */
  start(argv: string[], env?: NodeJS.ProcessEnv): Process {
    const started = new Process(argv, env)
    this.defer(() => started.signal('SIGKILL'))
    return started
  }

  defer(undo: () => void): void {
    this.#undos.push(undo)
  }

  undo(): void {
    alive.delete(this)
    for (let undo = this.#undos.pop(); undo; undo = this.#undos.pop()) undo()
  }
}

/** A named network namespace. Commands are written as in a shell, as words without quotes. */
export class Namespace {
  readonly name: string
  readonly #topology: Topology

  constructor(name: string, topology: Topology) {
    this.name = name
    this.#topology = topology
  }

  /** The command line that runs a command in this namespace. */
  argv(command: string | string[]): string[] {
    return ['ip', 'netns', 'exec', this.name, ...(typeof command === 'string' ? command.split(' ') : command)]
  }

  run(command: string | string[], input?: string): Promise<Output> {
    return run(this.argv(command), input)
  }

  /** Runs a command that must succeed. Returns its stdout. */
  do(command: string | string[], input?: string): Promise<string> {
    return must(this.argv(command), input)
  }

  start(command: string | string[], env?: NodeJS.ProcessEnv): Process {
    return this.#topology.start(this.argv(command), env)
  }

  async sysctl(key: string, value: string | number): Promise<void> {
    await this.do(['sysctl', '-q', '-w', `${key}=${value}`])
  }

  /** The names of the namespace's devices, without the loopback. */
  async devices(): Promise<string[]> {
    const links = JSON.parse(await must(['ip', '-n', this.name, '-j', 'link', 'show'])) as { ifname: string }[]
    return links.map((link) => link.ifname).filter((name) => name !== 'lo')
  }

  async has(dev: string): Promise<boolean> {
    return (await this.devices()).includes(dev)
  }

  /** Deletes the namespace's name now. Processes inside keep the namespace alive. */
  async delete(): Promise<void> {
    await must(['ip', 'netns', 'del', this.name])
  }

  /** Watches devices appear and disappear. No event after the return is missed. */
  async watchLinks(): Promise<LinkWatch> {
    const monitor = this.start(['ip', '-o', 'monitor', 'link'])
    await until('ip monitor to listen', async () => listensToNetlink(monitor.pid))
    return new LinkWatch(monitor)
  }
}

/** Whether the process has joined a netlink multicast group: /proc/PID/net/netlink holds "sk Eth Pid Groups …". */
async function listensToNetlink(pid: number): Promise<boolean> {
  const table = await readFile(`/proc/${pid}/net/netlink`, 'utf8')
  return table.split('\n').some((row) => {
    const [, protocol, portid, groups] = row.trim().split(/\s+/)
    return protocol === '0' && Number(portid) === pid && Number.parseInt(groups, 16) !== 0
  })
}

/** The devices of one namespace as events. */
export class LinkWatch {
  /** `ip monitor` and its output so far. */
  readonly process: Process

  constructor(monitor: Process) {
    this.process = monitor
  }

  /** Resolves when the kernel reports that the device was deleted. */
  async gone(dev: string, withinMs = 5000): Promise<void> {
    await this.process.line(new RegExp(`^Deleted \\d+: ${dev}[@:]`, 'm'), withinMs)
  }
}
