/**
 * A lane as its worker serves it: where it stands in its turns, and how much it may read in one.
 *
 * Neighbour: lanes.ts, which gives the turns.
 */
import type { Gro } from '../veth/gro.js'
import type { Lane } from '../veth/xmit.js'

/**
 * Frames that one lane may read in one turn. A turn of small frames takes some 4 µs a frame, and a trickle beside a flood
 * waits for one in each direction; more frames a turn make nothing faster (16, 32 and 64 measured alike).
 */
export const BURST_MAX = 16
/** Frames that a lane asks for first after a wait. */
export const BURST_MIN = 2
/** The same for a lane with GRO, whose burst is what can be merged: a NAPI's (NAPI_POLL_WEIGHT). */
const GRO_BURST_MAX = 64

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
  /** Reads of the burst under way, and frames that they brought; 0 from the end of a wait to the first burst. */
  asked = 0
  got = 0
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
  /** What merges its frames; null while that is off. */
  gro: Gro | null = null

  constructor(readonly lane: Lane) {}
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

/** The longest burst of a lane. */
export function burstMax(served: ServedLane): number {
  return served.gro === null ? BURST_MAX : GRO_BURST_MAX
}

/** After a wait, when bursts are short, this one came back full: more frames are in the ring, as far as it is known. */
export function hasMore(served: ServedLane): boolean {
  return served.state === ACTIVE && served.got === served.asked && served.asked < BURST_MAX
}
