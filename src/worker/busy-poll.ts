/**
 * Adaptive busy polling: whether an idle worker polls for the next frame or sleeps until it comes. Sleep and wake-up
 * are most of a round trip.
 *
 *     small frames ─── gap ─── the next      ≤ ADAPTIVE_MS: polling would have bridged the gap, so the worker polls now
 *                                            longer: the worker sleeps at once, until two frames are as close again
 *
 * So request/response traffic keeps its worker awake, and costs no more CPU time per frame than sleep and wake-up. An
 * idle worker sleeps. KVM does the same before it halts a CPU (kvm_vcpu_halt(), halt_poll_ns).
 *
 * The worker does not poll
 * - after a bulk turn: copying bytes takes most of the time there, and the endpoints want the CPU;
 * - for CALM_MS after a flood;
 * - while another process wants the CPU (cpu-contention.ts).
 *
 * Neighbours: worker.ts, whose loop asks this class; scheduler.ts, which classifies each turn.
 */

import type { CpuContention } from './cpu-contention.js'
import { TURN_CARRIED, TURN_FLOODED, TURN_IDLE, TURN_TRICKLED } from './scheduler.js'

/**
 * The longest gap that polling bridges. A stack on the same machine answers after some 25 µs, or 40 µs if the worker
 * sleeps meanwhile; twice that if stack and worker share a CPU.
 */
export const ADAPTIVE_MS = 0.1

/**
 * How long the worker does not poll after a flood. The flood's receiver gets the CPU sooner from a worker that sleeps.
 */
export const CALM_MS = 10

export class BusyPoll {
  readonly #fixedMs: number | undefined
  readonly #contention: CpuContention
  readonly #now: () => number
  /** End of the present polling time; 0: the worker does not poll. */
  #until = 0
  /**
   * End time of the last turn that carried only small frames; 0 after a bulk turn; a time in the future disables
   * polling until then.
   */
  #since = 0

  /**
   * `fixedUs`: polling time after every frame in µs (0: never; undefined: adaptive). `now`: a clock in milliseconds.
   */
  constructor(fixedUs: number | undefined, contention: CpuContention, now: () => number) {
    this.#fixedMs = fixedUs === undefined ? undefined : fixedUs / 1000
    this.#contention = contention
    this.#now = now
  }

  /** Whether to poll now. Unless the time is fixed, this first yields to others that want the CPU. */
  get goesOn(): boolean {
    if (this.#until === 0 || this.#now() >= this.#until) return false
    return this.#fixedMs !== undefined || this.#contention.yield()
  }

  /** Notes that a turn has ended. `turn`: TURN_*. Hot. */
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
