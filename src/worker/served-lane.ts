/**
 * A lane as its worker serves it: where it stands in its turns, and how much it may read in one.
 *
 * Neighbour: scheduler.ts, which gives the turns.
 */
import type { Lane } from '../lane/lane.js'
import type { Chain } from '../lane/stages.js'

/**
 * Frames that one lane may read in one turn. A turn of small frames takes some 4 µs a frame, and a trickle beside a flood
 * waits for one in each direction; more frames a turn make nothing faster (16, 32 and 64 measured alike).
 */
export const BURST_MAX = 16
/** Frames that a lane asks for first after a wait, and at least in every turn. */
export const BURST_MIN = 2
/**
 * Bytes that one lane may read in one turn, by the average frame of its burst before. What is read is written a turn later, while
 * the next burst is read into the other half of the slots: both have to stay in the cache of a CPU (L2) beside the copies that
 * the kernel makes. A burst of 16 super-frames is 1 MB, and cost a third of TCP's speed on a CPU with 2 MB.
 */
export const BURST_BYTES = 128 << 10
/** The same for a lane with GRO, whose burst is what can be merged: a NAPI's (NAPI_POLL_WEIGHT). */
export const GRO_BURST_MAX = 64

export const IDLE = 0
export const ACTIVE = 1
export const GONE = 2
/** Not waited for either, until `resumeAt` (pauses.ts). */
export const PAUSED = 3

/** A lane and where it stands in its turns. */
export class ServedLane {
  state = IDLE
  /** Reads of the next burst. */
  size = BURST_MIN
  /** Reads of the burst under way, and the frames and bytes that they brought. */
  asked = 0
  got = 0
  bytes = 0
  /** The errno of a read of this burst that failed though its device is there, or 0; and bursts in a row with one. */
  failed = 0
  failures = 0
  resumeAt = 0
  /** That reads fail was reported. */
  told = false
  /** Counted something since the last fold. */
  touched = false
  /** Offloads (TUN_F_*) whose super-frames the kernel refused, as far as it was told. */
  refused = 0
  /** Set once the lane is to be removed: called when nothing of it is under way any more. */
  onRemoved: (() => void) | null = null
  /** Its stages; null while it has none, which is one comparison a frame. */
  chain: Chain | null = null
  /** The longest burst, in frames. */
  burstMax = BURST_MAX

  constructor(readonly lane: Lane) {}

  /** The longest burst of frames as those of the burst that has just ended. */
  get longestBurst(): number {
    const frames = this.bytes === 0 ? this.burstMax : Math.floor((this.got * BURST_BYTES) / this.bytes)
    return Math.max(BURST_MIN, Math.min(this.burstMax, frames))
  }
}

/** A list that keeps its memory when it is emptied: an array gives it back, and would ask for it again every turn. */
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
