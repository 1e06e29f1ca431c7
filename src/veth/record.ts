/**
 * What a pair is, in one value that JSON holds: all that cannot be read back from its devices' fds or from the kernel.
 *
 * The values are live. Whoever changes a pair changes its record, so that it can be written down at any moment.
 * Neighbour: device.ts, where Pair and Device keep theirs.
 */
import type { ChecksumMode } from '../messages.js'

export interface PairRecord {
  /** What stays the same whatever the devices are called; ends are `ID/a` and `ID/b`. */
  readonly id: number
  readonly checksum: ChecksumMode
  /** ISO 8601, UTC. */
  readonly createdAt: string
  readonly ends: { a: EndRecord; b: EndRecord }
}

export interface EndRecord {
  /** What it was called when it was last looked at, and before that what it was asked to be called. */
  name: string
  /** The link layer address that it was born with. */
  readonly address: string
  /** How many queues it has, each with an fd of its own. */
  readonly queues: number
  /** TUN_F_* that tun was told we take. The user may have switched off some of them. */
  offloads: number
  /** Offloads that come back when the peer's XDP program goes; null: there is none. */
  withheld: number | null
  /** Super-frames (TUN_F_*) that this device's kernel refused, although it offers them. */
  refusedSuperFrames: number
  /** How long received frames may be held to be merged, past the burst that they came with, in µs. */
  groFlushUs: number
  /** Slots of its ring where vethd chose them (follow/ring.ts); null: somebody else did. */
  ring: number | null
  /** Frames that the kernel dropped in all times without carrier, and its tx_dropped when the present one began. */
  carrierDrops: number
  carrierDropsBase: number
}
