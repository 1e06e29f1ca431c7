/**
 * One turn of the event loop for each piece of work that takes milliseconds: a step of making or removing pairs,
 * reading many devices. Other events are served between two pieces. So a short request waits for at most one piece of
 * work, however many are queued.
 *
 * Neighbours: birth/steps.ts, delete.ts, daemon/routes/.
 */
import { setImmediate } from 'node:timers/promises'

let last: Promise<void> = Promise.resolve()

/**
 * Resolves in a turn of its own, in the order of the calls. The caller's code up to its next `await` is the piece of
 * work.
 */
export function ownTurn(): Promise<void> {
  last = last.then(() => setImmediate())
  return last
}
