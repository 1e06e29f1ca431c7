/**
 * Real traffic by real tools: ping, arping, iperf3 and transfer.ts, and what they measured.
 *
 * Neighbours: topology.ts runs them. Every helper throws the tool's own output when the tool was not content.
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
 * Round-trip times in milliseconds. Throws unless as many answers came as were asked for: with a deadline (-w) ping
 * does not give the last one up after twice the longest time so far. What was lost on the way is the ledger's business.
 */
export async function ping(from: Namespace, to: string, options = '-c 5 -i 0.01 -w 5'): Promise<number[]> {
  const text = await from.do(`ping -n ${options} ${to}`)
  return [...text.matchAll(/time=([\d.]+) ms/g)].map((found) => Number(found[1]))
}

/** A flood of pings that has begun to be answered; it is the caller's to end. */
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

/** A server for transfer() in `ns`, until it is stopped or its topology ends. */
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
  /** Bits a second that the receiver saw. */
  bitsPerSecond: number
  /** UDP: datagrams that the sender sent. */
  packets: number
  /** TCP: segments that the sender sent again. */
  retransmits: number
}

/** One run of `iperf3 options` from one namespace to an address of another. */
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

/** The p-quantile of a sample, 0 ≤ p ≤ 1: the smallest value that at least that part of the sample does not exceed. */
export function quantile(sample: number[], p: number): number {
  const sorted = [...sample].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)]
}
