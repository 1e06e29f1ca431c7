/**
 * Turns of the event loop, one for each piece of work that keeps it busy for milliseconds: a step of making or removing
 * pairs, a look at many devices. Between two of them whatever else waits is served, so a short request waits for one piece
 * of work at most, however many are queued.
 *
 * Neighbours: birth/steps.ts, delete.ts, daemon/routes/.
 */
import { setImmediate } from 'node:timers/promises'

let last: Promise<void> = Promise.resolve()

/** Resolves in a turn of its own, first come, first served. What follows until the next `await` is the piece of work. */
export function ownTurn(): Promise<void> {
  last = last.then(() => setImmediate())
  return last
}
