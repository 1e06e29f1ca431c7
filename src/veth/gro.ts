/**
 * Generic receive offload of one lane, in place of the NAPI that a veth has while its `gro` is on: the runs in hand, and
 * what becomes of each frame.
 *
 *     xmit ─▶ receive ─▶ a candidate (frame/gro.ts) ─▶ joins its flow's run, ends it, begins one ─▶ written when flushed
 *                    └─▶ anything else ─▶ ends its flow's run ─▶ written as it is
 *
 * Neighbours: dataplane/lanes.ts owns it (null while GRO is off), hands it what xmit lets through, and ends its bursts.
 *
 * Invariants: frames of a flow are written in the order in which they came: whatever is written as it is, is written behind
 * the run of its flow. The slots of a run are its own until it is written, and it is written, or moved to a slot of its own,
 * within the turn of the frames in it, so a slot is never read into while it is part of a run.
 */

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
import { FIRST_HELD_SLOT, SLOT_BYTES } from '../io/slab.js'
import * as counter from './counters.js'
import type { Lane } from './xmit.js'

/** Flows with a run at a time: MAX_GRO_SKBS, net/core/gro.c. */
const MAX_RUNS = 8

/** What is merged for a receiving device, as its features and its peer's have it (features.ts). */
export interface GroSettings {
  /** Mask of GRO_TCPV4 and its like, not 0. */
  kinds: number
  /** gro_max_size: a merged packet stays below it. */
  maxSize: number
  /** How long a run may be held after the turn in which it began; 0: not at all. */
  flushUs: number
}

/** Where frames go: dataplane/lanes.ts. */
export interface GroOutput {
  /** One frame of the lane, `len` bytes at the beginning of `slot`. */
  writeFrame(lane: Lane, slot: number, len: number): void
  /** A run of two frames or more, as one. */
  writeRun(lane: Lane, run: GroRun): void
  /** A slot for a run that is held past its turn, or -1: there is none left. */
  takeSlot(): number
  /** Such a slot is not needed once the write that was queued from it has been carried out. */
  giveSlot(slot: number): void
  /** The lane has counted something. */
  counted(lane: Lane): void
}

export class Gro {
  settings: GroSettings
  readonly #lane: Lane
  readonly #mem: Uint8Array
  readonly #vnetHdrLen: number
  readonly #counts: Float64Array
  readonly #output: GroOutput
  /** The first `#open` are in use, oldest first. */
  readonly #runs = Array.from({ length: MAX_RUNS }, () => new GroRun())
  #open = 0

  constructor(lane: Lane, settings: GroSettings, mem: Uint8Array, output: GroOutput) {
    this.settings = settings
    this.#lane = lane
    this.#mem = mem
    this.#vnetHdrLen = lane.vnetHdrLen
    this.#counts = lane.counters.burst
    this.#output = output
    lane.counters.useGro()
  }

  /** A frame that is to be sent: `len` bytes from its vnet header on, at the beginning of `slot`. Hot. */
  receive(slot: number, len: number): void {
    const mem = this.#mem
    const off = slot * SLOT_BYTES
    const eth = off + this.#vnetHdrLen
    const frameLen = len - this.#vnetHdrLen
    const candidate = groCandidate(mem, off, eth, frameLen, this.settings.kinds, this.#lane.verifies)
    if (candidate < 0) {
      this.#letPass(slot, len, -candidate)
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
      this.#output.writeFrame(this.#lane, slot, len)
      return
    }
    if (this.#open === MAX_RUNS) this.#flush(0, FLUSH_EVICTED)
    this.#counts[counter.GRO_FRAMES + GRO_HELD]++
    this.#runs[this.#open++].begin(mem, off, this.#vnetHdrLen, frameLen, candidate, hash)
  }

  /** Is there a run in hand? */
  get holds(): boolean {
    return this.#open > 0
  }

  /** When the oldest run has to go, as `performance.now()` tells the time; there must be one. */
  get deadline(): number {
    return this.#runs[0].heldSince + this.settings.flushUs / 1000
  }

  /** Nothing more is to be read in this turn. `now` matters only where runs may be held. */
  endBurst(now: number): void {
    if (this.settings.flushUs === 0) while (this.#open > 0) this.#flush(0, FLUSH_BURST_END)
    for (let i = 0; i < this.#open; ) {
      const run = this.#runs[i]
      if (run.heldSince === 0) run.heldSince = now
      if (now >= run.heldSince + this.settings.flushUs / 1000) this.#flush(i, FLUSH_TIMEOUT)
      else if (this.#keep(run)) i++
      else this.#flush(i, FLUSH_BURST_END)
    }
  }

  /** The burst goes on in the next turn. */
  keepRuns(): void {
    for (let i = 0; i < this.#open; )
      if (this.#keep(this.#runs[i])) i++
      else this.#flush(i, FLUSH_BURST_END)
  }

  /** Moves what lies in this turn's slots out of them; false when there is no place for it. */
  #keep(run: GroRun): boolean {
    if (run.off < FIRST_HELD_SLOT * SLOT_BYTES) {
      const slot = this.#output.takeSlot()
      if (slot < 0) return false
      run.moveTo(this.#mem, slot * SLOT_BYTES)
    } else run.moveTo(this.#mem, run.off)
    return true
  }

  /** GRO is switched off. */
  end(): void {
    while (this.#open > 0) this.#flush(0, FLUSH_SWITCHED_OFF)
  }

  /** A frame that is not merged goes behind those of its flow. */
  #letPass(slot: number, len: number, verdict: number): void {
    this.#counts[counter.GRO_FRAMES + verdict]++
    if (this.#open > 0) this.#flushFlowOf(slot * SLOT_BYTES + this.#vnetHdrLen, len - this.#vnetHdrLen)
    this.#output.writeFrame(this.#lane, slot, len)
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

  /** The run of a frame's flow, or -1. */
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
    this.#output.counted(this.#lane)
    if (run.frames === 1) this.#output.writeFrame(this.#lane, run.off / SLOT_BYTES, run.len)
    else {
      run.writeHeaders(this.#mem)
      this.#output.writeRun(this.#lane, run)
    }
    if (run.off >= FIRST_HELD_SLOT * SLOT_BYTES) this.#output.giveSlot(run.off / SLOT_BYTES)
  }
}
