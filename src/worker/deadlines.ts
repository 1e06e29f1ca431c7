/**
 * Lanes with a stage that has a deadline, because it keeps frames.
 *
 * Neighbour: scheduler.ts, which waits no longer than the earliest of them.
 */
import { hasMore, type ServedLane } from './served-lane.js'

export class Deadlines {
  readonly #lanes: ServedLane[] = []

  get any(): boolean {
    return this.#lanes.length > 0
  }

  /** Adds a lane that has a deadline, or may have one. */
  add(served: ServedLane): void {
    if (!this.#lanes.includes(served)) this.#lanes.push(served)
  }

  /** Calls `endTurn` of each lane that is due at `now`, and removes lanes that have no deadline any more. */
  endTurns(now: number): void {
    for (let i = this.#lanes.length - 1; i >= 0; i--) {
      const { chain } = this.#lanes[i]
      if (chain !== null && chain.deadline <= now) chain.endTurn(now, hasMore(this.#lanes[i]))
      if (chain !== null && chain.deadline !== Number.POSITIVE_INFINITY) continue
      this.#lanes[i] = this.#lanes[this.#lanes.length - 1]
      this.#lanes.pop()
    }
  }

  /** Milliseconds until the earliest deadline, at most `timeoutMs`. */
  timeLeft(now: number, timeoutMs: number): number {
    let left = timeoutMs
    for (const { chain } of this.#lanes) if (chain !== null) left = Math.min(left, chain.deadline - now)
    return Math.max(0, left)
  }
}
