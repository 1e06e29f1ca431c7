/**
 * The contract of a stage: a processing step between xmit and the write to the peer, in one direction of one queue.
 *
 *     read ─▶ xmit ─▶ stage ─▶ stage ─▶ … ─▶ write
 *
 * A frame is identified by the offset of its vnet header in the worker's slab, and by its length from there on. Its
 * bytes stay there until the end of the turn. A stage that keeps a frame longer copies it into the lane's hold
 * (hold.ts).
 *
 * Neighbours: stages.ts lists the stages and joins them to a chain; worker/scheduler.ts drives the chain.
 * Invariant: a stage passes on every frame that it takes, keeps it, or ends it by `drop`. A lane without stages has no
 * chain, which costs one comparison per frame.
 */
import type { GroRun } from '../frame/gro-run.js'
import type { LaneHold } from './hold.js'
import type { Lane } from './lane.js'

/** A receiver of frames: a stage, or the lane's output. */
export interface FrameSink {
  /** Takes one frame: `len` bytes at `off` of the slab, vnet header first. Hot. */
  receive(off: number, len: number): void
}

export interface Stage extends FrameSink {
  /** The next stage, or the lane's output. */
  next: FrameSink
  /** When the stage wants `endTurn` even if no frame came, in milliseconds of performance.now(). Infinity: never. */
  readonly deadline: number
  /**
   * All frames of this turn were read: passes on what is due. Called in each turn in which a frame came, and at
   * `deadline`. `more`: this was one of the short bursts after a wait, and more frames of it are probably in the ring.
   */
  endTurn(now: number, more: boolean): void
  /** The stage is being removed: passes on or drops all frames that it keeps. */
  end(): void
}

/** The end of a lane: queues writes to the peer. */
export interface LaneOutput extends FrameSink {
  /** Writes a run of two or more frames as one frame. Only the last stage may call it. */
  receiveRun(run: GroRun): void
}

/** The environment of a stage. */
export interface StageContext {
  readonly lane: Lane
  /** The slab. */
  readonly mem: Uint8Array
  readonly hold: LaneHold
  readonly output: LaneOutput
  /** Must be called after the stage has counted something outside of `receive`, so that the count is folded. */
  counted(): void
  /** Ends frames and counts them under a reason (DROP_* of counters.ts). */
  drop(reason: number, frames?: number): void
}

/** A kind of stage. Its `Settings` reach the worker in a message. */
export interface StageKind<Settings = unknown> {
  /** The name of its settings in StageSettings (messages.ts). */
  readonly name: string
  open(context: StageContext, next: FrameSink, settings: Settings): Stage & { settings: Settings }
}
