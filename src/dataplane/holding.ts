/**
 * Runs that go on past the end of their turn: the slots they lie in and, while `gro-flush-us` allows, which lanes have any, and
 * when the next has to go.
 *
 *     burst slots ──copied once──▶ a held slot ──written──▶ given ──the next submit──▶ drained ──▶ free
 *
 * Neighbours: lanes.ts, whose burst slots are wanted again two turns later; veth/gro.ts, which moves its runs here. Copying
 * is the simplest way that leaves all other lanes alone: burst slots from a free list would burden every read, and without
 * `gro-flush-us` only the short bursts after a wait are copied.
 */
import { FIRST_HELD_SLOT, HELD_SLOTS } from '../io/slab.js'
import type { Gro } from '../veth/gro.js'

export class HeldSlots {
  readonly #free = Array.from({ length: HELD_SLOTS }, (_, i) => FIRST_HELD_SLOT + HELD_SLOTS - 1 - i)
  /** Given back in this turn, and in the one before: the writes from those have been carried out. */
  #given: number[] = []
  #drained: number[] = []

  /** A slot, or -1 when all are in use. */
  take(): number {
    return this.#free.pop() ?? -1
  }

  /** The slot is the pool's again once the write that is queued from it has been carried out. */
  give(slot: number): void {
    this.#given.push(slot)
  }

  /** A `submit` has returned, and what failed of it was looked at. */
  submitted(): void {
    while (this.#drained.length > 0) this.#free.push(this.#drained.pop() as number)
    const drained = this.#given
    this.#given = this.#drained
    this.#drained = drained
  }
}

/** Lanes that hold runs. */
export class Holding {
  readonly #gros: Gro[] = []

  /** `gro` holds runs, or may. */
  add(gro: Gro): void {
    if (!this.#gros.includes(gro)) this.#gros.push(gro)
  }

  get any(): boolean {
    return this.#gros.length > 0
  }

  /** Ends the bursts of all of them at `now`; those without a run are forgotten. */
  endBursts(now: number): void {
    for (let i = this.#gros.length - 1; i >= 0; i--) {
      const gro = this.#gros[i]
      gro.endBurst(now)
      if (gro.holds) continue
      this.#gros[i] = this.#gros[this.#gros.length - 1]
      this.#gros.pop()
    }
  }

  /** How long the oldest run may wait yet, at most `timeoutMs`. */
  timeLeft(now: number, timeoutMs: number): number {
    let left = timeoutMs
    for (const gro of this.#gros) left = Math.min(left, gro.deadline - now)
    return Math.max(0, left)
  }
}
