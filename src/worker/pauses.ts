/**
 * Lanes whose reads fail although their device exists, for example with ENOMEM. Such a lane pauses before it is read
 * again. The pause doubles with each failure, so that a lasting error costs no CPU and a short one little time.
 *
 * Neighbour: scheduler.ts, which pauses a lane at the end of a burst that failed.
 */
import type { ServedLane } from './served-lane.js'

const FIRST_PAUSE_MS = 1
const LONGEST_PAUSE_MS = 100

export class Pauses {
  readonly #lanes: ServedLane[] = []

  get any(): boolean {
    return this.#lanes.length > 0
  }

  add(served: ServedLane, now: number): void {
    served.resumeAt = now + Math.min(FIRST_PAUSE_MS * 2 ** served.failures++, LONGEST_PAUSE_MS)
    this.#lanes.push(served)
  }

  /** Removes and returns a lane whose pause is over; undefined when there is none. */
  takeEnded(now: number): ServedLane | undefined {
    const ended = this.#lanes.find(({ resumeAt }) => resumeAt <= now)
    if (ended !== undefined) this.forget(ended)
    return ended
  }

  forget(served: ServedLane): void {
    this.#lanes.splice(this.#lanes.indexOf(served), 1)
  }

  /** Milliseconds until the first pause ends, at most `timeoutMs`. */
  timeLeft(now: number, timeoutMs: number): number {
    let left = timeoutMs
    for (const { resumeAt } of this.#lanes) left = Math.min(left, resumeAt - now)
    return Math.max(0, left)
  }
}
