/**
 * The last events, and the subscribers to the next ones. Neighbours: events.ts fills it, routes/events.ts reads it.
 *
 *     id = LIFE-N      N counts from 1; LIFE-0 is before the first. LIFE is the start time of this ring, so that the ids
 *                      of an earlier daemon are recognized
 *
 *     requested: events after …   an earlier daemon's id   an id no longer kept   an id that is kept   the last id
 *     answer                      lost, all                lost, all              the later events     nothing
 */

/** One event and its position. */
export interface Entry<E> {
  id: string
  event: E
}

/** The events after an id. If some are `lost`, `entries` is complete after the id `from`. */
export interface Replay<E> {
  lost: boolean
  from: string
  entries: Entry<E>[]
}

export class EventRing<E> {
  readonly #life: string
  readonly #capacity: number
  readonly #events: E[] = []
  readonly #readers = new Set<(entry: Entry<E>) => void>()
  #last = 0

  constructor(capacity = 4096, life = String(Date.now())) {
    this.#capacity = capacity
    this.#life = life
  }

  /** The id of the last event. */
  get position(): string {
    return this.#idOf(this.#last)
  }

  push(event: E): void {
    const entry = this.#put(++this.#last, event)
    for (const reader of this.#readers) reader(entry)
  }

  after(id: string): Replay<E> {
    const gone = Math.max(0, this.#last - this.#capacity)
    const asked = this.#numberOf(id)
    const lost = asked === undefined || asked < gone
    const from = lost ? gone : asked
    const entries = Array.from({ length: this.#last - from }, (_, i) => this.#entry(from + 1 + i))
    return { lost, from: this.#idOf(from), entries }
  }

  /** Calls `reader` for each event from now on, until the returned function is called. */
  subscribe(reader: (entry: Entry<E>) => void): () => void {
    this.#readers.add(reader)
    return () => this.#readers.delete(reader)
  }

  #put(n: number, event: E): Entry<E> {
    this.#events[n % this.#capacity] = event
    return this.#entry(n)
  }

  #entry(n: number): Entry<E> {
    return { id: this.#idOf(n), event: this.#events[n % this.#capacity] }
  }

  #idOf(n: number): string {
    return `${this.#life}-${n}`
  }

  /** Undefined for an id that is not from this ring. */
  #numberOf(id: string): number | undefined {
    const [, life, digits] = /^(.*)-(\d+)$/.exec(id) ?? []
    const n = Number(digits)
    return life === this.#life && n <= this.#last ? n : undefined
  }
}
