/**
 * A pair as a JSON value: everything that cannot be read back from the fds of its devices or from the kernel.
 *
 * Invariant: the record is always current. Code that changes a pair changes its record, so it can be stored at any
 * moment. Neighbour: device.ts, whose Pair and Device hold their records.
 */
import type { ChecksumMode } from '../messages.js'

export interface PairRecord {
  /** Stays the same when devices are renamed or moved. The ends are `ID/a` and `ID/b`. */
  readonly id: number
  readonly checksum: ChecksumMode
  /** ISO 8601, UTC. */
  readonly createdAt: string
  readonly ends: { a: EndRecord; b: EndRecord }
}

export interface EndRecord {
  /** The name when the device was last read; before that, the requested name. */
  name: string
  /** The link layer address with which the device was made. */
  readonly address: string
  /** Number of queues. Each has an fd of its own. */
  readonly queues: number
  /** TUN_F_* bits passed to TUNSETOFFLOAD. The user may have switched off some of these features. */
  offloads: number
  /** Offloads to restore when the peer's XDP program is removed; null: the peer has none. */
  withheld: number | null
  /** Super-frames (TUN_F_*) that the kernel refused for this device although it offers them. */
  refusedSuperFrames: number
  /** How long GRO may hold received frames after their burst, in µs. */
  groFlushUs: number
  /** Slots of its ring, if vethd chose the number (follow/ring.ts); null if a user did. */
  ring: number | null
  /**
   * Frames that the kernel dropped in all past times without carrier, and its tx_dropped when the present one began.
   */
  carrierDrops: number
  carrierDropsBase: number
}
