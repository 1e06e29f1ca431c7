/**
 * Competition for the CPU of a worker. The competitor is the receiver of the worker's frames or an unrelated process.
 * The duration of a yield tells which: a receiver soon gives the CPU back.
 *
 * Neighbours: worker.ts, which yields after a flood; busy-poll.ts, which yields before each poll.
 */

/** The longest time that the receivers of one turn need. A yield that takes longer went to an unrelated process. */
const YIELD_BOUND_MS = 0.5
/** How long the worker does not yield after that, so that an unrelated process gets hardly more than its share. */
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

  /** Yields, unless an unrelated process took the CPU recently. Returns whether no such process was seen. */
  yield(): boolean {
    const began = this.#now()
    if (began < this.#pauseUntil) return false
    this.#yieldThread()
    if (this.#now() - began <= YIELD_BOUND_MS) return true
    this.#pauseUntil = began + YIELD_PAUSE_MS
    return false
  }
}
