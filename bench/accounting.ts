/**
 * Accounts for every frame of a measurement: it arrived, or a counter says why not.
 *
 *     datagrams   sent (UdpOutDatagrams + UdpSndbufErrors)
 *                   = read by the receiver (UdpInDatagrams)
 *                   + dropped by the receiver's socket (UdpInErrors, which include UdpRcvbufErrors)
 *                   + dropped by the sender's qdisc, by the device's ring, or by the subject, by reason
 *     frames      tx_packets + tx_dropped of one device
 *                   = rx_packets of the other device + frames that the subject merged into others (GRO)
 *                   + frames dropped by the ring and by the subject, by reason
 *
 * All counters are the kernel's or the subject's. iperf3's own loss figures are wrong under heavy loss. Counters are read
 * when no frame is in flight, through /proc/PID/net of a process in the namespace.
 *
 * Neighbours: run.ts takes an account before and after each measurement, and refuses a figure that does not balance.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { type DeviceCounters, type End, type Link, readDevices } from './link.js'
import type { Fate } from './subjects/subject.js'

const REST_MS = 40
const REST_WITHIN_MS = 5000

interface Host {
  device: DeviceCounters
  udp: Record<string, number>
  tcp: Record<string, number>
}

export interface Account {
  client: Host
  server: Host
  /** By device. For a subject without counters of its own, the drops are those that the kernel counted. */
  fates: Record<string, Fate>
  /** Dropped by the client's qdisc, before its device. */
  qdisc: number
}

/** Datagrams from the client to the server. `sent` is the sum of the others. */
export interface Loss {
  sent: number
  delivered: number
  /** By reason: `socket` is the receiver's socket, `qdisc` the sender's; all others lie between the devices. */
  lost: Record<string, number>
  unexplained: number
}

export async function account(link: Link): Promise<Account> {
  const { client, server } = await atRest(link)
  const known = ({ device }: Host): Fate => ({ drops: { ring: device.txDropped }, merged: 0 })
  const fates = link.fates ? await link.fates() : { [link.client.dev]: known(client), [link.server.dev]: known(server) }
  const qdiscs = JSON.parse(await link.client.ns.do(`tc -s -j qdisc show dev ${link.client.dev}`)) as {
    drops: number
  }[]
  return { client, server, fates, qdisc: qdiscs.reduce((sum, { drops }) => sum + drops, 0) }
}

/** Reads both ends until two readings are equal: then no frame is in flight. */
async function atRest(link: Link): Promise<{ client: Host; server: Host }> {
  const read = () => ({ client: readHost(link.client), server: readHost(link.server) })
  const deadline = performance.now() + REST_WITHIN_MS
  for (let before = read(); ; ) {
    await sleep(REST_MS)
    const now = read()
    if (isDeepStrictEqual(before, now)) return now
    if (performance.now() > deadline) throw new Error(`${link.subject.name} is not at rest after ${REST_WITHIN_MS} ms`)
    before = now
  }
}

function readHost({ pid, dev }: End): Host {
  const snmp = readFileSync(`/proc/${pid}/net/snmp`, 'utf8')
  return { device: readDevices(pid)[dev], udp: protocol(snmp, 'Udp'), tcp: protocol(snmp, 'Tcp') }
}

/** A pair of rows of /proc/net/snmp: "Udp: InDatagrams NoPorts …" and "Udp: 12 0 …". */
function protocol(snmp: string, name: string): Record<string, number> {
  const [names, values] = snmp
    .split('\n')
    .filter((row) => row.startsWith(`${name}: `))
    .map((row) => row.split(' ').slice(1))
  return Object.fromEntries(names.map((key, i) => [key, Number(values[i])]))
}

export function datagrams(before: Account, after: Account, dev: string): Loss {
  const of = (host: 'client' | 'server', ...names: string[]) =>
    names.reduce((sum, name) => sum + after[host].udp[name] - before[host].udp[name], 0)
  const sent = of('client', 'OutDatagrams', 'SndbufErrors')
  const delivered = of('server', 'InDatagrams')
  const lost: Record<string, number> = {
    socket: of('server', 'InErrors', 'NoPorts'),
    qdisc: after.qdisc - before.qdisc,
  }
  for (const [reason, count] of Object.entries(dropsBetween(before, after, dev))) lost[reason] = count
  return { sent, delivered, lost: nonZero(lost), unexplained: sent - delivered - sum(lost) }
}

/** Frames that neither arrived nor were counted as dropped, in both directions together. */
export function unexplainedFrames(before: Account, after: Account, link: Link): number {
  const count = (host: 'client' | 'server', name: keyof DeviceCounters) =>
    after[host].device[name] - before[host].device[name]
  const oneWay = (from: 'client' | 'server', to: 'client' | 'server') =>
    count(from, 'txPackets') +
    count(from, 'txDropped') -
    count(to, 'rxPackets') -
    (after.fates[link[to].dev].merged - before.fates[link[to].dev].merged) -
    sum(dropsBetween(before, after, link[from].dev))
  const [there, back] = [oneWay('client', 'server'), oneWay('server', 'client')]
  return Math.abs(there) + Math.abs(back)
}

export function retransmits(before: Account, after: Account): number {
  return (['client', 'server'] as const).reduce(
    (sum, host) => sum + after[host].tcp.RetransSegs - before[host].tcp.RetransSegs,
    0,
  )
}

function dropsBetween(before: Account, after: Account, dev: string): Record<string, number> {
  return Object.fromEntries(
    Object.entries(after.fates[dev].drops).map(([reason, count]) => [
      reason,
      count - (before.fates[dev].drops[reason] ?? 0),
    ]),
  )
}

function nonZero(counts: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0))
}

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
