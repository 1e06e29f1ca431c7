/**
 * The scheduler's state of one lane: whether it waits or reads, and how much it may read in one turn.
 *
 * Neighbour: scheduler.ts, which uses it.
 */
import type { Lane } from '../lane/lane.js'
import type { Chain } from '../lane/stages.js'

/**
 * The most frames that one lane may read in one turn. A turn takes some 4 µs per small frame, and a trickle that shares
 * the worker with a flood waits for one such turn in each direction. Larger bursts are not faster (16, 32 and 64
 * measured the same).
 */
export const BURST_MAX = 16
/** Frames that a lane reads first after a wait, and the least that it reads in a turn. */
export const BURST_MIN = 2
/**
 * Bytes that one lane may read in one turn, estimated by the average frame of its previous burst. A burst is written a
 * turn later, while the next burst is read into the other half of the slots. Both must fit into the cache of a CPU (L2)
 * together with the copies that the kernel makes. A burst of 16 super-frames is 1 MB, and cost a third of TCP's speed
 * on a CPU with 2 MB.
 */
export const BURST_BYTES = 128 << 10
/** The most frames for a lane with GRO, which merges within a burst: as many as a NAPI polls (NAPI_POLL_WEIGHT). */
export const GRO_BURST_MAX = 64

export const IDLE = 0
export const ACTIVE = 1
export const GONE = 2
/** Neither read nor waited for until `resumeAt` (pauses.ts). */
export const PAUSED = 3

/** A lane and its state in the scheduler. */
export class ServedLane {
  state = IDLE
  /** Number of reads in the next burst. */
  size = BURST_MIN
  /** Number of reads in the present burst, 0 between a wait and the first burst; and the frames and bytes that they brought. */
  asked = 0
  got = 0
  bytes = 0
  /**
   * errno of a read of this burst that failed although the device exists, or 0; and the number of such bursts in a row.
   */
  failed = 0
  failures = 0
  resumeAt = 0
  /** Whether the failing reads were reported. */
  told = false
  /** Whether the lane counted something since the last fold. */
  touched = false
  /** Offloads (TUN_F_*) whose super-frames the kernel refused and that were reported. */
  refused = 0
  /** Set when the lane is to be removed; called when no operation of the lane is pending. */
  onRemoved: (() => void) | null = null
  /** Its stages; null while it has none, which costs one comparison per frame. */
  chain: Chain | null = null
  /** The longest burst, in frames. */
  burstMax = BURST_MAX

  constructor(readonly lane: Lane) {}

  /** The longest burst in frames, by the average frame of the burst that has just ended. */
  get longestBurst(): number {
    const frames = this.bytes === 0 ? this.burstMax : Math.floor((this.got * BURST_BYTES) / this.bytes)
    return Math.max(BURST_MIN, Math.min(this.burstMax, frames))
  }
}

/** Whether this was one of the short bursts after a wait and came back full: more frames are probably in the ring. */
export function hasMore(served: ServedLane): boolean {
  const full = served.state === ACTIVE && served.got === served.asked
  return full && served.asked < Math.min(BURST_MAX, served.longestBurst)
}

/**
 * A list that keeps its memory when it is cleared. A plain array would free its memory and allocate it again every
 * turn.
 */
export class LaneList {
  readonly items: ServedLane[] = []
  length = 0

  push(served: ServedLane): void {
    this.items[this.length++] = served
  }

  clear(): void {
    this.length = 0
  }
}
