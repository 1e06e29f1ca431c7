/**
 * Whether a worker that has nothing to carry asks for the next frame at once, or sleeps until one comes. To sleep and be woken
 * is most of a round trip.
 *
 *     small frames ─── gap ─── the next      ≤ ADAPTIVE_MS: had it asked meanwhile, it would have been awake: now it does
 *                                            longer: it sleeps at once, until two frames are as close again
 *
 * So a trickle whose answers come soon keeps its worker awake, for no more CPU time a frame than sleeping and waking take; an
 * idle one sleeps. KVM does the same before it halts a CPU (kvm_vcpu_halt(), halt_poll_ns). After a bulk turn nothing is
 * asked for: bytes are what takes the time there, and the endpoints want the CPU. Nor for a while after a flood, nor beside a
 * neighbour that wants the CPU.
 *
 * Neighbours: worker.ts, whose loop asks; scheduler.ts, which says what a turn was.
 */

import type { CpuContention } from './cpu-contention.js'
import { TURN_CARRIED, TURN_FLOODED, TURN_IDLE, TURN_TRICKLED } from './scheduler.js'

/**
 * The longest gap that is bridged by asking. An answer of a stack on the same machine takes some 25 µs, and 40 while the worker
 * sleeps; twice that where they share a CPU.
 */
export const ADAPTIVE_MS = 0.1

/** How long after a flood nothing is asked for: its receiver gets the CPU sooner from a worker that sleeps. */
export const CALM_MS = 10

export class BusyPoll {
  readonly #fixedMs: number | undefined
  readonly #contention: CpuContention
  readonly #now: () => number
  /** Until when it asks. */
  #until = 0
  /** When the last turn ended that carried anything, if that was a trickle; 0: it was bulk. In the time to come: not before. */
  #since = 0

  /** `fixedUs`: microseconds to ask for after every frame, 0 never; undefined adapts. `now`: a clock in milliseconds. */
  constructor(fixedUs: number | undefined, contention: CpuContention, now: () => number) {
    this.#fixedMs = fixedUs === undefined ? undefined : fixedUs / 1000
    this.#contention = contention
    this.#now = now
  }

  /** Whether to ask now. Others that want the CPU have run before it says so, unless a time was given. */
  get goesOn(): boolean {
    if (this.#until === 0 || this.#now() >= this.#until) return false
    return this.#fixedMs !== undefined || this.#contention.yield()
  }

  /** A turn has ended: TURN_*. Hot. */
  turned(turn: number): void {
    if (turn === TURN_IDLE) return
    if (this.#fixedMs !== undefined) {
      if (this.#fixedMs > 0) this.#until = this.#now() + this.#fixedMs
      return
    }
    if (turn === TURN_CARRIED) {
      this.#since = this.#until = 0
      return
    }
    const now = this.#now()
    const gap = now - this.#since
    this.#until = gap >= 0 && gap <= ADAPTIVE_MS && turn === TURN_TRICKLED ? now + ADAPTIVE_MS : 0
    if (turn === TURN_FLOODED) this.#since = now + CALM_MS
    else if (gap >= 0) this.#since = now
  }
}
