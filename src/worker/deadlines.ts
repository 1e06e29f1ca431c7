/**
 * Lanes whose stages want to be called at a time of their own, because they keep frames.
 *
 * Neighbour: scheduler.ts, which waits no longer than the earliest of them.
 */
import type { ServedLane } from './served-lane.js'

export class Deadlines {
  readonly #lanes: ServedLane[] = []

  get any(): boolean {
    return this.#lanes.length > 0
  }

  /** The lane has a deadline, or may have. */
  add(served: ServedLane): void {
    if (!this.#lanes.includes(served)) this.#lanes.push(served)
  }

  /** Ends the turn of each whose time has come at `now`, and forgets those that have no deadline any more. */
  endTurns(now: number): void {
    for (let i = this.#lanes.length - 1; i >= 0; i--) {
      const { chain } = this.#lanes[i]
      if (chain !== null && chain.deadline <= now) chain.endTurn(now)
      if (chain !== null && chain.deadline !== Number.POSITIVE_INFINITY) continue
      this.#lanes[i] = this.#lanes[this.#lanes.length - 1]
      this.#lanes.pop()
    }
  }

  /** How long until the earliest, at most `timeoutMs`. */
  timeLeft(now: number, timeoutMs: number): number {
    let left = timeoutMs
    for (const { chain } of this.#lanes) if (chain !== null) left = Math.min(left, chain.deadline - now)
    return Math.max(0, left)
  }
}
