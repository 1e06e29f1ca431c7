/**
 * Lanes whose reads fail although their device is there, for want of memory for example. Such a lane waits a while before it
 * is asked again: twice as long after each failure, so that an error that stays costs no CPU, and one that passes little time.
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

  /** A lane whose pause is over, which is forgotten; undefined when there is none. */
  takeEnded(now: number): ServedLane | undefined {
    const ended = this.#lanes.find(({ resumeAt }) => resumeAt <= now)
    if (ended !== undefined) this.forget(ended)
    return ended
  }

  forget(served: ServedLane): void {
    this.#lanes.splice(this.#lanes.indexOf(served), 1)
  }

  /** How long the first of them waits yet, at most `timeoutMs`. */
  timeLeft(now: number, timeoutMs: number): number {
    let left = timeoutMs
    for (const { resumeAt } of this.#lanes) left = Math.min(left, resumeAt - now)
    return Math.max(0, left)
  }
}
