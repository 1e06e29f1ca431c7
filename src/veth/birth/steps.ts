/** Undoing: what newlink's steps (newlink.ts, setup.ts) have done, in reverse, when a later one fails. */

import { ownTurn } from '../turns.js'

/** Steps that know how to undo themselves. Tests let one fail. */
export class Steps {
  readonly #undo: (() => void | Promise<void>)[] = []

  /** Carries out a step in a turn of its own; `undo` is called when a later one fails. */
  async run<T>(_name: string, act: () => T | Promise<T>, undo?: (result: T) => void | Promise<void>): Promise<T> {
    await ownTurn()
    const result = await act()
    if (undo !== undefined) this.#undo.push(() => undo(result))
    return result
  }

  /** Undoes every step carried out so far, last one first, and goes on past one that cannot be undone: these errors. */
  async rollBack(): Promise<unknown[]> {
    const failures: unknown[] = []
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop())
      try {
        await undo()
      } catch (error) {
        failures.push(error)
      }
    return failures
  }
}
