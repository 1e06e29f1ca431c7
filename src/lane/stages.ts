/**
 * The list of stages, and the chain of one lane.
 *
 * A new stage is a file in this folder, a line in STAGES, and its settings in messages.ts.
 * Invariant: frames pass the stages of a lane in the order of STAGES.
 */
import type { StageSettings } from '../messages.js'
import { GRO } from './gro.js'
import type { FrameSink, StageContext, StageKind } from './stage.js'

/** Every kind of stage, first to last. GRO is last: the peer's stack, too, would merge after everything else. */
// biome-ignore lint/suspicious/noExplicitAny: each takes the settings of its own name
export const STAGES: readonly StageKind<any>[] = [GRO]

export class Chain implements FrameSink {
  readonly #kinds: readonly StageKind[]
  readonly #context: StageContext
  /** The stage of each kind; null where the lane has none. */
  readonly #stages: (ReturnType<StageKind['open']> | null)[]
  #first: FrameSink

  constructor(kinds: readonly StageKind[], context: StageContext) {
    this.#kinds = kinds
    this.#context = context
    this.#stages = kinds.map(() => null)
    this.#first = context.output
  }

  /**
   * Gives each stage its settings, opens new stages, and ends those without settings. The first stage ends first, so
   * that the frames that it still passes on go through the others. Returns whether any stage is left.
   */
  set(settings: StageSettings): boolean {
    const wanted = this.#kinds.map(({ name }) => (settings as Record<string, unknown>)[name] ?? null)
    for (const [i, stage] of this.#stages.entries()) {
      if (stage === null || wanted[i] !== null) continue
      stage.end()
      this.#stages[i] = null
    }
    let next: FrameSink = this.#context.output
    for (let i = this.#kinds.length - 1; i >= 0; i--) {
      if (wanted[i] === null) continue
      const stage = this.#stages[i] ?? this.#kinds[i].open(this.#context, next, wanted[i])
      this.#stages[i] = stage
      stage.settings = wanted[i]
      stage.next = next
      next = stage
    }
    this.#first = next
    return next !== this.#context.output
  }

  receive(off: number, len: number): void {
    this.#first.receive(off, len)
  }

  /** The earliest deadline of all stages. */
  get deadline(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const stage of this.#stages) if (stage !== null) earliest = Math.min(earliest, stage.deadline)
    return earliest
  }

  /** First to last: a stage receives the frames of the stage before it, and then ends its turn. */
  endTurn(now: number, more: boolean): void {
    for (const stage of this.#stages) stage?.endTurn(now, more)
  }

  end(): void {
    for (const stage of this.#stages) stage?.end()
  }
}
