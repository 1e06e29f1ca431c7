/**
 * A host with a daemon, and beside it a namespace in which the kernel's own veth plays the same part: what `ip` says
 * there is what vethctl has to say here.
 *
 * Neighbours: test/device/harness, whose topologies, processes and daemon these are.
 */
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { type Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { Client } from '../../src/client/client.js'
import { type Daemon, type DaemonOptions, startDaemon, VETHCTL, VETHD } from '../device/harness/daemon.js'
import { type Output, type Process, run, until } from '../device/harness/processes.js'
import { type Namespace, Topology } from '../device/harness/topology.js'

export { missing } from '../device/harness/topology.js'
export { VETHCTL, VETHD }

export interface Rig {
  topology: Topology
  host: Namespace
  daemon: Daemon
  /** vethctl in the host's namespace; a string is split at its blanks. */
  vethctl(words: string | string[], input?: string): Promise<Output>
  /** The same, where it has to succeed: its stdout. */
  must(words: string | string[]): Promise<string>
  /** What vethctl does in the host's namespace, without a process of its own: `-n` says where. */
  inProcess(words: string | string[]): Promise<Output>
}

export const split = (words: string | string[]) => (typeof words === 'string' ? words.split(' ') : words)

export async function startRig(t: Test, options: DaemonOptions = {}): Promise<Rig> {
  const topology = Topology.of(t)
  const host = await topology.namespace('h')
  return rigOf(topology, host, await startDaemon(topology, host, options))
}

let shared: Promise<Daemon> | undefined

/** In a namespace of its own. It ends with the process: a topology undoes itself then. */
async function startShared(): Promise<Daemon> {
  const topology = new Topology()
  const daemon = await startDaemon(topology, await topology.namespace('d'))
  daemon.process.unref()
  return daemon
}

/**
 * A rig with a host of its own and the daemon that all such rigs of a file share, one after the other: a start costs nearly a
 * second of CPU. The daemon has no pair yet, but it has had some: the next one's id is not 1.
 */
export async function joinRig(t: Test): Promise<Rig> {
  shared ??= startShared()
  const daemon = await shared
  const topology = Topology.of(t)
  const client = new Client(daemon.socket)
  await until('the pairs of the test before to be gone', async () => (await client.pairs()).pairs.length === 0)
  client.close()
  return rigOf(topology, await topology.namespace('h'), daemon)
}

/** A rig with a daemon that runs already, in whatever namespace. */
export function rigOf(topology: Topology, host: Namespace, daemon: Daemon): Rig {
  const vethctl = (words: string | string[], input?: string) =>
    host.run([process.execPath, VETHCTL, '--socket', daemon.socket, ...split(words)], input)
  const must = async (words: string | string[]) => {
    const { code, stdout, stderr } = await vethctl(words)
    if (code !== 0) throw new Error(`vethctl ${split(words).join(' ')} ended with ${code}\n${stderr}`)
    return stdout
  }
  const inProcess = (words: string | string[]) => daemon.inProcess(split(words), host)
  return { topology, host, daemon, vethctl, must, inProcess }
}

/** A folder that goes with the topology; below /tmp, since the path of a unix socket is short. */
export async function temporaryFolder(topology: Topology): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vethd-'))
  topology.defer(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Starts vethd without waiting for it, behind the words of a launcher. */
export function startVethd(
  topology: Topology,
  args: string[],
  launcher: string[] = [],
  env?: NodeJS.ProcessEnv,
): Process {
  return topology.start([...launcher, process.execPath, VETHD, ...args], env)
}

/** What the control API answered. */
export interface Answer {
  status: number
  type: string
  // biome-ignore lint/suspicious/noExplicitAny: what a server answered is looked at, not trusted
  body: any
}

/** One request on a connection of its own, or one of `agent`. */
export function send(
  socketPath: string,
  method: string,
  path: string,
  body?: string,
  agent: Agent | false = false,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    const outgoing = request({ socketPath, method, path, headers, agent }, async (incoming) => {
      let text = ''
      for await (const chunk of incoming) text += chunk
      const type = incoming.headers['content-type'] ?? ''
      resolve({ status: incoming.statusCode!, type, body: text === '' ? undefined : JSON.parse(text) })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

export { run }
