/**
 * Generic receive offload of one lane. It takes the place of the NAPI that a veth has while its `gro` is on. It keeps
 * the open runs and decides for each frame whether it joins a run.
 *
 *     xmit ─▶ receive ─▶ a candidate (frame/gro.ts) ─▶ joins its flow's run, ends it, begins one ─▶ written when flushed
 *                    └─▶ anything else ─▶ ends its flow's run ─▶ written as it is
 *
 * Neighbours: stage.ts, the contract; stages.ts, which opens this stage while the receiving device has `gro` on.
 *
 * Invariants:
 * - Frames of a flow are written in the order of their arrival. A frame that is not merged is written after its flow's
 *   run.
 * - A run is written or moved into the hold within the turn in which its frames came. So no slot is reused while it is
 *   part of a run.
 */

import * as counter from '../counters.js'
import {
  FLOW_ANY,
  FLOW_NONE,
  flowHash,
  flowOffset,
  GRO_HELD,
  GRO_MERGED,
  GRO_TCP_FLAGS,
  groCandidate,
  groKind,
  groL4Offset,
  isSameFlow,
} from '../frame/gro.js'
import {
  FLUSH_BURST_END,
  FLUSH_EVICTED,
  FLUSH_SWITCHED_OFF,
  FLUSH_TIMEOUT,
  FLUSH_UNMERGEABLE,
  GroRun,
  lastFlags,
  NO_FLUSH,
} from '../frame/gro-run.js'
import { SLOT_BYTES } from '../io/slab.js'
import type { GroSettings } from '../messages.js'
import type { FrameSink, LaneOutput, Stage, StageContext, StageKind } from './stage.js'

/** The most flows that have a run at the same time: MAX_GRO_SKBS, net/core/gro.c. */
const MAX_RUNS = 8

/** Bytes of the longest run, vnet header and Ethernet header included. */
const RUN_BYTES = SLOT_BYTES

/** GRO as a stage. It must be the last of its lane. */
export const GRO: StageKind<GroSettings> = {
  name: 'gro',
  open: (context, _next, settings) => new Gro(context, settings),
}

export class Gro implements Stage {
  settings: GroSettings
  /** Unused: a run is written from several places of the slab, so no other stage can follow. */
  next: FrameSink
  readonly #context: StageContext
  readonly #mem: Uint8Array
  readonly #vnetHdrLen: number
  readonly #counts: Float64Array
  readonly #output: LaneOutput
  readonly #verifies: boolean
  /** The first `#open` runs are in use, oldest first. */
  readonly #runs = Array.from({ length: MAX_RUNS }, () => new GroRun())
  #open = 0

  constructor(context: StageContext, settings: GroSettings) {
    this.settings = settings
    this.#context = context
    this.#mem = context.mem
    this.#vnetHdrLen = context.lane.vnetHdrLen
    this.#counts = context.lane.counters.burst
    this.#verifies = context.lane.verifies
    this.#output = this.next = context.output
    context.lane.counters.useGro()
  }

  /** Hot. */
  receive(off: number, len: number): void {
    const mem = this.#mem
    const eth = off + this.#vnetHdrLen
    const frameLen = len - this.#vnetHdrLen
    const candidate = groCandidate(mem, off, eth, frameLen, this.settings.kinds, this.#verifies)
    if (candidate < 0) {
      this.#letPass(off, len, -candidate)
      return
    }
    const l4 = eth + groL4Offset(candidate)
    const hash = flowHash(mem, eth, l4)
    const found = this.#find(hash, eth, l4)
    if (found >= 0) {
      const run = this.#runs[found]
      const mismatch =
        groKind(run.candidate) === groKind(candidate)
          ? run.mismatch(mem, eth, frameLen, candidate, this.settings.maxSize)
          : FLUSH_UNMERGEABLE
      if (mismatch === NO_FLUSH) {
        this.#counts[counter.GRO_FRAMES + GRO_MERGED]++
        const last = run.add(mem, eth, frameLen, candidate)
        if (last !== NO_FLUSH) this.#flush(found, last)
        return
      }
      this.#flush(found, mismatch)
    }
    if (lastFlags(mem, eth, candidate) !== 0) {
      this.#counts[counter.GRO_FRAMES + GRO_TCP_FLAGS]++
      this.#output.receive(off, len)
      return
    }
    if (this.#open === MAX_RUNS) this.#flush(0, FLUSH_EVICTED)
    this.#counts[counter.GRO_FRAMES + GRO_HELD]++
    this.#runs[this.#open++].begin(mem, off, this.#vnetHdrLen, frameLen, candidate, hash)
  }

  /** When the oldest run must be written. Without `gro-flush-us`: in the next turn. */
  get deadline(): number {
    return this.#open === 0 ? Number.POSITIVE_INFINITY : this.#runs[0].heldSince + this.settings.flushUs / 1000
  }

  endTurn(now: number, more: boolean): void {
    if (this.settings.flushUs === 0) {
      this.#endBurst(more)
      return
    }
    for (let i = 0; i < this.#open; ) {
      const run = this.#runs[i]
      if (run.heldSince === 0) run.heldSince = now
      if (now >= run.heldSince + this.settings.flushUs / 1000) this.#flush(i, FLUSH_TIMEOUT)
      else if (this.#keep(run)) i++
      else this.#flush(i, FLUSH_BURST_END)
    }
  }

  /** The first bursts after a wait are short. Frames that were sent at once are merged across them. */
  #endBurst(more: boolean): void {
    for (let i = 0; i < this.#open; ) {
      if (more && this.#keep(this.#runs[i])) i++
      else this.#flush(i, FLUSH_BURST_END)
    }
  }

  /** Moves the parts of a run that lie in this turn's slots into the hold. False when the hold has no room. */
  #keep(run: GroRun): boolean {
    const at = run.isHeld ? run.off : this.#context.hold.reserve(RUN_BYTES)
    if (at < 0) return false
    run.moveTo(this.#mem, at)
    run.isHeld = true
    return true
  }

  /** GRO was switched off. */
  end(): void {
    while (this.#open > 0) this.#flush(0, FLUSH_SWITCHED_OFF)
  }

  /** Writes a frame that is not merged, after the run of its flow. */
  #letPass(off: number, len: number, verdict: number): void {
    this.#counts[counter.GRO_FRAMES + verdict]++
    if (this.#open > 0) this.#flushFlowOf(off + this.#vnetHdrLen, len - this.#vnetHdrLen)
    this.#output.receive(off, len)
  }

  #flushFlowOf(eth: number, frameLen: number): void {
    const l4Off = flowOffset(this.#mem, eth, frameLen)
    if (l4Off === FLOW_NONE) return
    if (l4Off === FLOW_ANY) {
      while (this.#open > 0) this.#flush(0, FLUSH_UNMERGEABLE)
      return
    }
    const found = this.#find(flowHash(this.#mem, eth, eth + l4Off), eth, eth + l4Off)
    if (found >= 0) this.#flush(found, FLUSH_UNMERGEABLE)
  }

  /** The index of the run of a frame's flow, or -1. */
  #find(hash: number, eth: number, l4: number): number {
    for (let i = 0; i < this.#open; i++) {
      const run = this.#runs[i]
      if (run.hash !== hash) continue
      if (isSameFlow(this.#mem, run.eth, run.eth + groL4Offset(run.candidate), eth, l4)) return i
    }
    return -1
  }

  #flush(index: number, reason: number): void {
    const runs = this.#runs
    const run = runs[index]
    this.#open--
    for (let i = index; i < this.#open; i++) runs[i] = runs[i + 1]
    runs[this.#open] = run
    this.#counts[counter.GRO_RUNS + reason]++
    this.#context.counted()
    if (run.frames === 1) this.#output.receive(run.off, run.len)
    else {
      run.writeHeaders(this.#mem)
      this.#output.receiveRun(run)
    }
    if (run.isHeld) this.#context.hold.give(run.off, RUN_BYTES)
  }
}
