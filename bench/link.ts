/**
 * Connects a subject: moves its two devices into two network namespaces and starts the endpoints there.
 *
 *     client, CPU 0 ── left ═══ subject ═══ right ── server, CPU 1
 *          10.0.0.1                                10.0.0.2
 *
 * Neighbours: subjects/ make the devices, workloads/ send traffic, accounting.ts reads the counters.
 */
import { readFileSync } from 'node:fs'
import { must, type Process, run } from '../test/device/harness/processes.js'
import type { Namespace, Topology } from '../test/device/harness/topology.js'
import { compile } from './compile.js'
import { type Joined, LEFT, RIGHT, type Subject } from './subjects/subject.js'

export const CLIENT_ADDRESS = '10.0.0.1'
export const SERVER_ADDRESS = '10.0.0.2'
const SINK_PORT = '7000'
const SERVE_PORT = '7001'

export interface End {
  ns: Namespace
  dev: string
  /** A process in the namespace; /proc/PID/net shows its counters. */
  pid: number
}

export interface Link extends Joined {
  subject: Subject
  client: End
  server: End
  /** Prints a line if a datagram's payload differs from what was sent. */
  sink: Process
  /** Runs a command in the client's namespace, on its CPU; returns its stdout. */
  run(command: string): Promise<string>
  /** Starts such a command in the background. */
  start(command: string): Process
  /** Runs bench/traffic.c as client; returns the numbers that it prints. */
  traffic(what: 'flood' | 'connect' | 'round-trip tcp' | 'round-trip udp', ...args: number[]): Promise<number[]>
}

export async function connect(topology: Topology, subject: Subject, pinned: boolean): Promise<Link> {
  const host = await topology.namespace('host')
  const joined = await subject.join(topology, host)
  const traffic = await compile(topology, 'traffic')
  const on = (cpu: number) => (pinned ? `taskset -c ${cpu} ` : '')

  const [client, server] = [await endpoint(topology, host, LEFT), await endpoint(topology, host, RIGHT)]
  for (const [{ ns, dev }, address] of [
    [client, CLIENT_ADDRESS],
    [server, SERVER_ADDRESS],
  ] as const) {
    await ns.do(`ip addr add ${address}/24 dev ${dev}`)
    await ns.do(`ip link set ${dev} up`)
  }
  const sink = server.ns.start(`${on(1)}${traffic} sink ${SINK_PORT}`)
  await sink.line(/^ready/m)
  await server.ns.start(`${on(1)}${traffic} serve ${SERVE_PORT}`).line(/^ready/m)
  await server.ns.start(`${on(1)}iperf3 -s --forceflush`).line(/Server listening/)
  await client.ns.do(`ping -n -q -c 3 -i 0.1 -w 5 ${SERVER_ADDRESS}`)

  const argv = (command: string) => client.ns.argv(`${on(0)}${command}`)
  return {
    ...joined,
    subject,
    client,
    server,
    sink,
    run: (command) => must(argv(command)),
    start: (command) => topology.start(argv(command)),
    traffic: async (what, ...args) => {
      const port = what === 'flood' ? SINK_PORT : SERVE_PORT
      const { code, stdout, stderr } = await run(argv(`${traffic} ${what} ${SERVER_ADDRESS} ${port} ${args.join(' ')}`))
      if (code !== 0) throw new Error(stderr.trim())
      return stdout.trim().split(' ').map(Number)
    },
  }
}

/** A namespace with one of the devices. It has no IPv6, because IPv6 sends frames unasked. */
async function endpoint(topology: Topology, host: Namespace, dev: string): Promise<End> {
  const ns = await topology.namespace(dev)
  await ns.sysctl('net.ipv4.tcp_tw_reuse', 1) // otherwise the client runs out of ports within seconds
  await ns.sysctl('net.ipv4.ip_local_port_range', '10240 65535')
  await ns.sysctl('net.ipv6.conf.all.disable_ipv6', 1)
  await ns.sysctl('net.ipv6.conf.default.disable_ipv6', 1)
  await host.do(`ip link set ${dev} netns ${ns.name}`)
  const { pid } = ns.start('cat')
  return { ns, dev, pid }
}

export interface DeviceCounters {
  rxPackets: number
  txPackets: number
  txDropped: number
}

/** /proc/PID/net/dev: "NAME: rx_bytes rx_packets (6 more) tx_bytes tx_packets tx_errors tx_dropped …". */
export function readDevices(pid: number): Record<string, DeviceCounters> {
  const [, , ...rows] = readFileSync(`/proc/${pid}/net/dev`, 'utf8').trim().split('\n')
  return Object.fromEntries(
    rows.map((row) => {
      const [name, counters] = row.split(':')
      const words = counters.trim().split(/\s+/).map(Number)
      return [name.trim(), { rxPackets: words[1], txPackets: words[9], txDropped: words[11] }]
    }),
  )
}
