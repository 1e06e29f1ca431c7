/**
 * `vethctl stats` as text and as JSON.
 *
 * Neighbours: api/schema.ts (DeviceStats), commands/stats.ts. Counters are decimal strings from the API to
 * the output, so all their digits are printed.
 */
import type { DeviceStats } from '../api/schema.js'
import type { Json } from './json.js'
import { exact, membershipText, nonZero } from './link-format.js'

/** Members in the API's order, counters as numbers. */
export function statsJson(stats: DeviceStats): Json {
  const { kernel, vethd, veth, ...membership } = stats
  return { ...membership, kernel: exact(kernel), vethd: exact(vethd), veth: exact(veth) }
}

/**
 * ```text
 * veth1: pair 1/a netns t1 peer veth2 checksum offload
 *                        packets           bytes         dropped          errors
 *     kernel rx               12            1080               0               0
 *     …
 *     drops       peer_down 2
 * ```
 */
export function statsText(stats: DeviceStats): string {
  const { kernel, vethd, veth } = stats
  const none = ''
  const rows = [
    ['', 'packets', 'bytes', 'dropped', 'errors'],
    ['kernel rx', kernel.rx.packets, kernel.rx.bytes, kernel.rx.dropped, kernel.rx.errors],
    ['kernel tx', kernel.tx.packets, kernel.tx.bytes, kernel.tx.dropped, kernel.tx.errors],
    ['veth rx', veth.rx.packets, veth.rx.bytes, veth.rx.dropped, none],
    ['veth tx', veth.tx.packets, veth.tx.bytes, veth.tx.dropped, none],
    ['read from', vethd.read.packets, vethd.read.bytes, none, none],
    ['written to', vethd.written.packets, vethd.written.bytes, none, none],
  ]
  const width = rows[0].map((_, column) => Math.max(7, ...rows.map((row) => row[column].length)))
  const table = rows.map(([title, ...cells]) => {
    const line = cells.map((cell, i) => cell.padStart(width[i + 1])).join('  ')
    return `    ${title.padEnd(16)}${line}`.trimEnd()
  })
  const lists = [
    ['drops', vethd.drops],
    ['checksum errors', vethd.checksum_errors],
    ['classes', vethd.classes],
    ['protocols', vethd.protocols],
    ...(isCounting(vethd.gro.frames) ? groLists(vethd.gro) : []),
  ] as const
  const counted = lists.map(([title, counters]) => `    ${title.padEnd(16)}${nonZero(counters)}`)
  return `${stats.ifname}: ${membershipText(stats)}\n${[...table, ...counted].join('\n')}\n`
}

/** GRO is usually off, and then its counters are omitted. */
function isCounting(counters: Record<string, string>): boolean {
  return Object.values(counters).some((count) => count !== '0')
}

function groLists({ frames, runs }: DeviceStats['vethd']['gro']) {
  return [
    ['gro frames', frames],
    ['gro runs', runs],
  ] as const
}
