/**
 * The contract of a stage: what stands between xmit and the write to the peer, in one direction of one queue.
 *
 *     read ─▶ xmit ─▶ stage ─▶ stage ─▶ … ─▶ write
 *
 * A frame is named by the offset of its vnet header in the worker's slab, and its length from there on. It lies there until
 * the end of the turn. A stage that keeps it longer copies it into the lane's hold (hold.ts).
 *
 * Neighbours: stages.ts lists the stages and joins them to a chain; worker/scheduler.ts drives it.
 * Invariant: every frame that a stage takes is passed on, kept, or ended by `drop`. A lane without stages has no chain: then
 * all of this costs one comparison a frame.
 */
import type { GroRun } from '../frame/gro-run.js'
import type { LaneHold } from './hold.js'
import type { Lane } from './lane.js'

/** Takes frames: a stage, or the lane's output. */
export interface FrameSink {
  /** One frame: `len` bytes at `off` of the slab, vnet header first. Hot. */
  receive(off: number, len: number): void
}

export interface Stage extends FrameSink {
  /** Where frames go from here. */
  next: FrameSink
  /** When `endTurn` is wanted although no frame came, in the milliseconds of performance.now(); Infinity: never. */
  readonly deadline: number
  /** Nothing more is read in this turn: passes on what is due. Called in each turn in which a frame came, and at `deadline`. */
  endTurn(now: number): void
  /** The stage is removed: passes on, or drops, all that it keeps. */
  end(): void
}

/** The end of a lane: writes to the peer. */
export interface LaneOutput extends FrameSink {
  /** A run of two frames or more, as one. For the last stage alone. */
  receiveRun(run: GroRun): void
}

/** What a stage works with. */
export interface StageContext {
  readonly lane: Lane
  /** The slab. */
  readonly mem: Uint8Array
  readonly hold: LaneHold
  readonly output: LaneOutput
  /** The lane has counted something outside of `receive`. */
  counted(): void
  /** Ends frames: they are counted under a reason (DROP_* of counters.ts). */
  drop(reason: number, frames?: number): void
}

/** A kind of stage. `Settings` crosses to the worker as a message. */
export interface StageKind<Settings = unknown> {
  /** Its member in StageSettings (messages.ts). */
  readonly name: string
  open(context: StageContext, next: FrameSink, settings: Settings): Stage & { settings: Settings }
}
