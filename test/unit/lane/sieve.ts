/** An example of a stage: it drops every `nth` frame, and holds every `mth` for 10 ms. */
import { DROP_NO_MEMORY } from '../../../src/counters.js'
import type { FrameSink, Stage, StageContext, StageKind } from '../../../src/lane/stage.js'

export interface SieveSettings {
  /** 0: none. */
  dropEvery: number
  holdEvery: number
}

const HOLD_MS = 10

export const SIEVE: StageKind<SieveSettings> = {
  name: 'sieve',
  open: (context, next, settings) => new Sieve(context, next, settings),
}

class Sieve implements Stage {
  next: FrameSink
  settings: SieveSettings
  readonly #context: StageContext
  #count = 0
  /** Held, oldest first: where, how long, since when. */
  readonly #held: { at: number; len: number; due: number }[] = []
  /** Of those that came in this turn. */
  #fresh = 0

  constructor(context: StageContext, next: FrameSink, settings: SieveSettings) {
    this.#context = context
    this.next = next
    this.settings = settings
  }

  receive(off: number, len: number): void {
    const { dropEvery, holdEvery } = this.settings
    this.#count++
    if (dropEvery > 0 && this.#count % dropEvery === 0) this.#context.drop(DROP_NO_MEMORY)
    else if (holdEvery > 0 && this.#count % holdEvery === 0) this.#keep(off, len)
    else this.next.receive(off, len)
  }

  #keep(off: number, len: number): void {
    const at = this.#context.hold.keep(off, len)
    if (at < 0) {
      this.#context.drop(DROP_NO_MEMORY)
      return
    }
    this.#held.push({ at, len, due: Number.POSITIVE_INFINITY })
    this.#fresh++
  }

  get deadline(): number {
    return this.#held[0]?.due ?? Number.POSITIVE_INFINITY
  }

  endTurn(now: number): void {
    for (; this.#fresh > 0; this.#fresh--) this.#held[this.#held.length - this.#fresh].due = now + HOLD_MS
    while (this.deadline <= now && this.#context.hold.mayRelease()) this.#release()
  }

  end(): void {
    while (this.#held.length > 0 && this.#context.hold.mayRelease()) this.#release()
    this.#context.drop(DROP_NO_MEMORY, this.#held.length)
    for (const { at, len } of this.#held.splice(0)) this.#context.hold.give(at, len)
  }

  #release(): void {
    const { at, len } = this.#held.shift()!
    this.next.receive(at, len)
    this.#context.hold.give(at, len)
  }
}
