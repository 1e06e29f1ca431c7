/**
 * Real traffic by real tools (ping, arping, iperf3 and transfer.ts), and their results.
 *
 * Neighbours: topology.ts runs them. Every helper throws the tool's own output if the tool fails.
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type End, kernelLink } from './counters.js'
import { type Process, until } from './processes.js'
import type { Namespace } from './topology.js'

const TRANSFER = join(dirname(fileURLToPath(import.meta.url)), 'transfer.js')
const TRANSFER_PORT = 7007
const IPERF_PORT = 5201

/**
 * Round-trip times in milliseconds. Throws if any answer is missing. ping gets a deadline (-w), because otherwise it
 * gives up the last answer after twice the longest time so far. The ledger (counters.ts) checks which frames were lost
 * on the way.
 */
export async function ping(from: Namespace, to: string, options = '-c 5 -i 0.01 -w 5'): Promise<number[]> {
  const text = await from.do(`ping -n ${options} ${to}`)
  return [...text.matchAll(/time=([\d.]+) ms/g)].map((found) => Number(found[1]))
}

/** Starts a flood of pings and waits for the first answers. The caller ends it. */
export async function startFlood(from: End, to: string): Promise<Process> {
  const received = async () => (await kernelLink(from)).stats64.rx.packets
  const before = await received()
  const flood = from.ns.start(`ping -q -f ${to}`)
  await until('answers to a flood of pings', async () => (await received()) > before + 100)
  return flood
}

/** Throws unless an ARP request from `dev` was answered. */
export async function arping(from: Namespace, dev: string, to: string): Promise<void> {
  await from.do(`arping -f -c 3 -w 3 -I ${dev} ${to}`)
}

/** Starts a server for transfer() in `ns`. It runs until it is stopped or its topology ends. */
export async function serveTransfers(ns: Namespace): Promise<Process> {
  const server = ns.start([process.execPath, TRANSFER, 'serve', String(TRANSFER_PORT)])
  await server.line(/^ready/m)
  return server
}

/** Sends `amount` bytes of TCP or datagrams of UDP to a server and back, and checks each byte. */
export async function transfer(from: Namespace, protocol: 'tcp' | 'udp', to: string, amount: number): Promise<void> {
  await from.do([process.execPath, TRANSFER, protocol, to, String(TRANSFER_PORT), String(amount)])
}

export interface IperfResult {
  /** Bits per second at the receiver. */
  bitsPerSecond: number
  /** UDP: datagrams that the sender sent. */
  packets: number
  /** TCP: segments that the sender sent again. */
  retransmits: number
}

/** Runs `iperf3 options` once, from one namespace to an address of another. */
export async function iperf(from: Namespace, to: Namespace, address: string, options: string): Promise<IperfResult> {
  const server = to.start(`iperf3 -s -1 --forceflush -p ${IPERF_PORT}`)
  await server.line(/Server listening/)
  const { code, stdout, stderr } = await from.run(`iperf3 -c ${address} -p ${IPERF_PORT} -J ${options}`)
  if (code !== 0) throw new Error(`iperf3 ${options}: ${stdout}${stderr}`)
  await server.exit(5000)
  const { end } = JSON.parse(stdout)
  return {
    bitsPerSecond: (end.sum_received ?? end.sum).bits_per_second,
    packets: end.sum?.packets ?? 0,
    retransmits: end.sum_sent?.retransmits ?? 0,
  }
}

/**
 * The p-quantile of a sample, 0 ≤ p ≤ 1: the smallest value such that at least a share p of the sample is not above it.
 */
export function quantile(sample: number[], p: number): number {
  const sorted = [...sample].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)]
}
