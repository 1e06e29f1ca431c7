/**
 * Whoever else wants the CPU that a worker runs on: the receiver of what it carries, or a process that has nothing to do with
 * it. Which of the two shows in how long a yield takes.
 *
 * Neighbours: worker.ts, which yields beside a flood; busy-poll.ts, which does before it asks again.
 */

/** Longest that the receivers of a turn need; whoever takes longer is none of them. */
const YIELD_BOUND_MS = 0.5
/** How long nothing is yielded then: so a busy neighbour gets hardly more than its share. */
const YIELD_PAUSE_MS = 50

export class CpuContention {
  readonly #yieldThread: () => void
  readonly #now: () => number
  #pauseUntil = 0

  /** `yieldThread`: sched_yield(2); `now`: a clock in milliseconds. */
  constructor(yieldThread: () => void, now: () => number) {
    this.#yieldThread = yieldThread
    this.#now = now
  }

  /** Lets them run; whether none of them wanted more than a moment, lately. */
  yield(): boolean {
    const began = this.#now()
    if (began < this.#pauseUntil) return false
    this.#yieldThread()
    if (this.#now() - began <= YIELD_BOUND_MS) return true
    this.#pauseUntil = began + YIELD_PAUSE_MS
    return false
  }
}
