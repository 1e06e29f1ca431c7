/**
 * How far the frames of one echo came, from the counters of a pair before it was sent and after it was answered or given
 * up.
 *
 *     sent ─▶ ring ─▶ read ─▶ verdict ─▶ written          one lane; the answer comes back by the other one
 *       │       │                │           │
 *       │       │                └───────────┴── drops that vethd counts
 *       │       └── drops that the kernel counts in the sender's call
 *       └── the stack did not hand it to the device: counted nowhere
 *
 * The counters are of all frames, and others may pass meanwhile. What is said of the echo is what the numbers prove:
 * - Fewer such frames (IP version, unicast, bytes) were read than the echo has: it was not read as a whole. If none was dropped before it could be read, the
 *   stack did not hand it over; else it was dropped there.
 * - Nothing was dropped: the echo was not dropped either.
 * - More was dropped than there were other frames: the echo was. Otherwise it may have been (`certain` is false).
 */
import type { DeviceStats } from '../../api/schema.js'
import type { Family } from './echo.js'

/** The counters of both ends at one time: `near` is the one that echoes are sent through. */
export interface Snapshot {
  near: DeviceStats
  far: DeviceStats
}

/** What one lane counted between two snapshots. */
export interface LaneWindow {
  /** Dropped by the kernel before vethd could read them. */
  unread: number
  read: number
  readBytes: number
  /** What was read, by protocol. */
  protocols: Record<string, number>
  /** What was read, to the peer's link layer address, and to another one. */
  host: number
  otherhost: number
  written: number
  drops: Record<string, number>
}

export const STAGES = ['sent', 'ring', 'read', 'verdict', 'written'] as const
export type Stage = (typeof STAGES)[number]

/** How far the frames of an echo came in one lane. */
export interface Passage {
  passed: Stage[]
  /** Where they ended, as a reason of `drops`, `not_handed` or `held`; undefined when they were written to the peer. */
  stop?: { reason: string; certain: boolean; count: number; of: number }
  /** What eth_type_trans made of them: `host ipv4`. */
  verdict: string
  /** Frames of others that were read in this time, by protocol. */
  others: Record<string, number>
}

export function laneWindow(before: Snapshot, after: Snapshot, from: 'near' | 'far'): LaneWindow {
  const to = from === 'near' ? 'far' : 'near'
  const grown = (read: (stats: DeviceStats) => string | undefined, end: 'near' | 'far' = from) =>
    Number(BigInt(read(after[end]) ?? 0) - BigInt(read(before[end]) ?? 0))
  const grownOf = (read: (stats: DeviceStats) => Record<string, string>) => {
    const counts = Object.keys(read(after[from])).map((name) => [name, grown((stats) => read(stats)[name])] as const)
    return Object.fromEntries(counts.filter(([, count]) => count > 0))
  }
  const drops = grownOf(({ vethd }) => vethd.drops)
  return {
    unread: grown(({ kernel }) => kernel.tx.dropped) + (drops.undescribed ?? 0),
    read: grown(({ vethd }) => vethd.read.packets),
    readBytes: grown(({ vethd }) => vethd.read.bytes),
    protocols: grownOf(({ vethd }) => vethd.protocols),
    host: grown(({ vethd }) => vethd.classes.host),
    otherhost: grown(({ vethd }) => vethd.classes.otherhost),
    written: grown(({ vethd }) => vethd.written.packets, to) + grown(({ vethd }) => vethd.gro.frames.merged, to),
    drops,
  }
}

/** Reasons for which a frame is dropped when it is written, and not before. */
const AT_THE_WRITE = ['peer_down', 'peer_gone', 'no_memory', 'write_error']

/** How far an echo of so many `packets` and `bytes` came in a lane, by the counters of the lane alone. */
export function passage(window: LaneWindow, packets: number, bytes: number, family: Family): Passage {
  const { unread, read, readBytes, host, otherhost, written, drops } = window
  const protocol = `ipv${family}`
  const ofFamily = window.protocols[protocol] ?? 0
  const others = { ...window.protocols, [protocol]: ofFamily - packets }
  for (const name in others) if (others[name] <= 0) delete others[name]
  const verdict = `${host > 0 || otherhost === 0 ? 'host' : 'otherhost'} ${protocol}`
  const upTo = (stages: number, stop?: Passage['stop']) => ({ passed: STAGES.slice(0, stages), stop, verdict, others })

  const of = unread + read
  const count = Object.values(drops).reduce((sum, each) => sum + each, 0)
  // what asks for a neighbour is multicast, an echo never
  const isRead = Math.min(ofFamily, host + otherhost) >= packets && readBytes >= bytes
  if (!isRead && unread === 0) return upTo(0, { reason: 'not_handed', certain: true, count: 0, of })
  if (count > 0) {
    const [reason] = Object.entries(drops).sort(([, a], [, b]) => b - a)[0]
    const stages = unread > 0 ? 1 : AT_THE_WRITE.includes(reason) ? 4 : 3
    return upTo(stages, { reason, certain: !isRead || count > of - packets, count, of })
  }
  if (written < packets) return upTo(4, { reason: 'held', certain: true, count: read - written, of })
  return upTo(STAGES.length)
}
