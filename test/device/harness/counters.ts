/**
 * What each end counted, and whether the books balance.
 *
 * The only file that knows the JSON of `ip -s -j link show` and of `vethctl -j stats`.
 * Invariant (the ledger): everything that a device's stack handed to it was sent or dropped there, and every frame
 * that was sent arrived at the peer or stands in a drop counter with a reason.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Subject } from './subject.js'
import type { Namespace } from './topology.js'

/** One end of a pair, wherever it is now. */
export interface End {
  ns: Namespace
  dev: string
}

/** A device as `ip -s -j link show` prints it. */
export interface LinkJson {
  ifindex: number
  ifname: string
  flags: string[]
  mtu: number
  operstate: string
  address: string
  /** Of vethctl only: where the device is now, and what its peer is called. */
  vethd?: { netns: string | null; peer: string | null }
  stats64: { rx: Direction; tx: Direction }
}

interface Direction {
  bytes: number
  packets: number
  errors: number
  dropped: number
}

interface Count {
  packets: number
  bytes: number
}

/** A device as `vethctl -j stats` prints it. */
export interface StatsJson {
  ifname: string
  kernel: { rx: Direction; tx: Direction }
  vethd: {
    read: Count
    written: Count
    drops: Record<string, number>
    checksum_errors: Record<string, number>
    classes: Record<string, number>
    protocols: Record<string, number>
    gro: { frames: Record<string, number>; runs: Record<string, number> }
  }
  veth: { rx: Count & { dropped: number }; tx: Count & { dropped: number } }
}

/** Frames of one direction. Balanced: `sent = arrived + the sum of explained`. */
export interface Ledger {
  sent: number
  arrived: number
  explained: Record<string, number>
}

export async function kernelLink({ ns, dev }: End): Promise<LinkJson> {
  return JSON.parse(await ns.do(`ip -s -j link show dev ${dev}`))[0]
}

/** `vethctl -s -j link show` of the same device; of kernel veth, what ip says. */
export async function subjectLink(subject: Subject, { ns, dev }: End): Promise<LinkJson> {
  const where = ns === subject.host ? '' : `-n ${ns.name} `
  return JSON.parse(await subject.do(`${where}-s -j link show dev ${dev}`))[0]
}

export async function vethdStats(subject: Subject, { ns, dev }: End): Promise<StatsJson> {
  const where = ns === subject.host ? '' : `-n ${ns.name} `
  return JSON.parse(await subject.do(`${where}-j stats ${dev}`))[0]
}

/** Reads until two readings, 100 ms apart if nothing else is said, are alike. */
export async function atRest<T>(read: () => Promise<T>, apartMs = 100, withinMs = 10_000): Promise<T> {
  const deadline = Date.now() + withinMs
  let before = await read()
  for (;;) {
    await sleep(apartMs)
    const now = await read()
    if (isDeepStrictEqual(before, now)) return now
    if (Date.now() > deadline) throw new Error(`still counting after ${withinMs} ms: ${JSON.stringify([before, now])}`)
    before = now
  }
}

/** What was counted at one end: by plain ip, by the subject's own `link show`, and by vethd beyond that. */
export interface Account {
  dev: string
  ip: LinkJson
  shown: LinkJson
  /** Absent for the kernel. */
  stats?: StatsJson
}

/** The accounts of both ends, all of one moment of rest: plain ip reads the same before and after. */
export async function accounts(subject: Subject, a: End, b: End): Promise<[Account, Account]> {
  const read = async () => [await kernelLink(a), await kernelLink(b)]
  for (;;) {
    const ip = await atRest(read)
    const shown = await Promise.all([a, b].map((end) => subjectLink(subject, end)))
    const stats = subject.daemon && (await Promise.all([a, b].map((end) => vethdStats(subject, end))))
    const [first, second] = [a, b].map(({ dev }, i) => ({ dev, ip: ip[i], shown: shown[i], stats: stats?.[i] }))
    if (isDeepStrictEqual(await read(), ip)) return [first, second]
  }
}

/** The frames that `from` was given for `to`, and where they are now. */
export function ledger(from: Account, to: Account): Ledger {
  const { packets, dropped } = from.ip.stats64.tx
  const explained: Record<string, number> = from.stats ? from.stats.vethd.drops : { tx_dropped: dropped }
  const { undescribed = 0 } = explained // taken from the sender, and counted nowhere by the kernel
  return { sent: packets + dropped + undescribed, arrived: to.ip.stats64.rx.packets, explained }
}

/** Frames of a ledger that no counter explains: 0, or a bug. */
export function unexplained({ sent, arrived, explained }: Ledger): number {
  return sent - arrived - total(explained)
}

export function total(counters: Record<string, number>): number {
  return Object.values(counters).reduce((sum, count) => sum + count, 0)
}
