/**
 * The counters of each end, and the check that they balance (the ledger).
 *
 * Only this file knows the JSON of `ip -s -j link show` and of `vethctl -j stats`. Invariant of the ledger: a device
 * sent or dropped every frame of its stack, and every sent frame arrived at the peer or is in a drop counter with a
 * reason.
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
  /** Only from vethctl: the device's present namespace, and the name of its peer. */
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

/** `vethctl -s -j link show` of the device; for kernel veth, the output of ip. */
export async function subjectLink(subject: Subject, { ns, dev }: End): Promise<LinkJson> {
  const where = ns === subject.host ? '' : `-n ${ns.name} `
  return JSON.parse(await subject.do(`${where}-s -j link show dev ${dev}`))[0]
}

export async function vethdStats(subject: Subject, { ns, dev }: End): Promise<StatsJson> {
  const where = ns === subject.host ? '' : `-n ${ns.name} `
  return JSON.parse(await subject.do(`${where}-j stats ${dev}`))[0]
}

/** Reads until two successive readings are equal. They are 100 ms apart by default. */
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

/** The counters of one end: from plain ip, from the subject's own `link show`, and from vethd's `stats`. */
export interface Account {
  dev: string
  ip: LinkJson
  shown: LinkJson
  /** Undefined for the kernel. */
  stats?: StatsJson
}

/** Reads the counters of both ends at rest: the output of plain ip is the same before and after. */
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

/** The frames that the stack of `from` sent to `to`, and where they ended. */
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
