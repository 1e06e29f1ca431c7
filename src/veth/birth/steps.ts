/** The steps of newlink (newlink.ts, setup.ts). If one fails, those before it are undone in reverse order. */

import { ownTurn } from '../turns.js'

/** Runs steps and remembers how to undo them. Tests override it to let a step fail. */
export class Steps {
  readonly #undo: (() => void | Promise<void>)[] = []

  /** Runs a step in its own turn of the event loop. `undo` is called if a later step fails. */
  async run<T>(_name: string, act: () => T | Promise<T>, undo?: (result: T) => void | Promise<void>): Promise<T> {
    await ownTurn()
    const result = await act()
    if (undo !== undefined) this.#undo.push(() => undo(result))
    return result
  }

  /** Undoes all steps, the last one first. Continues after errors, and returns them. */
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
