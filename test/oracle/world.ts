/**
 * One subject (kernel veth, or vethd with one engine) and the namespaces in which it plays the table's rows: `host`, where
 * commands are typed, and `a`, `b`, `c`. Worlds share nothing, so the same row is played in all of them at once.
 *
 * Neighbours: steps.ts acts in a world, probes.ts looks at it. Between two rows everything but the subject is renewed.
 */
import { closeSync } from 'node:fs'
import { Client } from '../../src/client/client.js'
import { deleteLink, getLink, listLinks } from '../../src/netlink/link.js'
import { resolveNetns } from '../../src/netlink/netns.js'
import { inNetns, type NetlinkError } from '../../src/netlink/rtnetlink.js'
import { type Daemon, type Engine, startDaemon } from '../device/harness/daemon.js'
import { ExecShell } from '../device/harness/exec-shell.js'
import { type Output, type Process, until } from '../device/harness/processes.js'
import type { Namespace, Topology } from '../device/harness/topology.js'

const NAMESPACES = ['host', 'a', 'b', 'c']

export class World {
  readonly name: string
  readonly topology: Topology
  /** Absent for the kernel. */
  readonly daemon?: Daemon
  /** The daemon's API, to look at vethd without the start of a vethctl each time. */
  readonly api?: Client
  /** Where commands are typed to `ip`; absent where they are typed to vethctl. */
  readonly #exec?: ExecShell
  readonly #namespaces = new Map<string, Namespace>()
  /** What `watch` and `listen` started in this row, by `frames a v1` or `events c`. */
  readonly recorders = new Map<string, Process>()

  /** What `background` started. */
  background?: Process

  private constructor(name: string, topology: Topology, host: Namespace, daemon?: Daemon, exec?: ExecShell) {
    this.name = name
    this.#exec = exec
    this.topology = topology
    this.daemon = daemon
    if (daemon) this.api = new Client(daemon.socket)
    this.#namespaces.set('host', host)
  }

  /** `throughIp`: commands are typed to `ip`, in a `vethctl exec`. */
  static async make(topology: Topology, engine?: Engine, throughIp = false): Promise<World> {
    const host = await makeNamespace(topology, 'host')
    const daemon = engine && (await startDaemon(topology, host, { engine }))
    const name = engine === undefined ? 'kernel veth' : `vethd, ${engine}${throughIp ? ', by ip' : ''}`
    const exec = throughIp ? new ExecShell(topology, host, daemon!) : undefined
    const world = new World(name, topology, host, daemon, exec)
    await world.renew()
    return world
  }

  ns(label: string): Namespace {
    const found = this.#namespaces.get(label)
    if (found === undefined) throw new Error(`there is no namespace "${label}" in the table`)
    return found
  }

  /** Replaces `{a}` by the real name of namespace `a`. */
  expand(text: string): string {
    return text.replace(/\{(\w+)\}/g, (_, label) => this.ns(label).name)
  }

  /** The other way round, for texts that are compared. */
  collapse(text: string): string {
    return [...this.#namespaces].reduce((so, [label, { name }]) => so.replaceAll(name, `{${label}}`), text)
  }

  /** `link …`, `-n NS link …` of `ip`, typed in `host`. */
  type(command: string): Promise<Output> {
    const words = this.expand(command).split(' ')
    if (this.daemon === undefined) return this.ns('host').run(['ip', ...words])
    return this.#exec ? this.#exec.run(['ip', ...words]) : this.daemon.inProcess(words)
  }

  /** A shell command in a namespace. */
  shell(label: string, command: string): Promise<Output> {
    return this.ns(label).run(['sh', '-c', this.expand(command)])
  }

  forget(label: string): Promise<void> {
    const ns = this.ns(label)
    this.#namespaces.delete(label)
    return ns.delete()
  }

  /** Ends what the row left behind. */
  async renew(): Promise<void> {
    for (const recorder of this.recorders.values()) recorder.signal('SIGKILL')
    this.recorders.clear()
    for (const label of NAMESPACES) {
      const ns = this.#namespaces.get(label)
      if (ns === undefined) this.#namespaces.set(label, await makeNamespace(this.topology, label))
      else empty(ns)
    }
    const { api } = this
    if (api) await until('vethd to have no pair left', async () => (await api.pairs()).pairs.length === 0)
  }
}

/** Deletes what is left; a peer goes with its other end, that of vethd a moment later. */
function empty(ns: Namespace): void {
  const fd = resolveNetns(ns.name)
  try {
    inNetns(fd, (rtnl) => {
      for (const { name, index } of listLinks(rtnl)) {
        if (name === 'lo' || getLink(rtnl, { index }) === undefined) continue
        try {
          deleteLink(rtnl, index)
        } catch (error) {
          if ((error as NetlinkError).code !== 'ENODEV') throw error
        }
      }
    })
  } finally {
    closeSync(fd)
  }
}

/** Without IPv6, whose own packets would be counted too; a row that is about it switches it on for a device. */
async function makeNamespace(topology: Topology, label: string): Promise<Namespace> {
  const ns = await topology.namespace(label)
  await ns.sysctl('net.ipv6.conf.default.disable_ipv6', 1)
  return ns
}
