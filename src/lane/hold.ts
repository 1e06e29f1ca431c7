/**
 * The hold: memory for frames that a stage keeps beyond the turn in which they were read.
 *
 *     burst slot ──copied once──▶ a place in the hold ──written──▶ given back ──the next submit──▶ free
 *
 * A worker has one Hold, which consists of blocks. Each lane fills blocks of its own, one after the other (LaneHold). A
 * block is free again when all its places were given back, in whatever order. Memory is touched only when it is used,
 * and returns to the system when nothing is held.
 *
 * Neighbours: io/slab.ts defines where blocks lie; worker/scheduler.ts reports the begin and the end of each submit.
 * Invariant: a place that was given back keeps its bytes until the writes queued from it have been carried out.
 */
import { BLOCK_BYTES, BLOCK_COUNT, HOLD_OFFSET, RELEASES_A_TURN, WRITES_MAX } from '../io/slab.js'

/** The most bytes that one lane may hold. */
export const LANE_HOLD_BYTES = 64 << 20
/**
 * Blocks that keep their memory while nothing is held. Without it, short holds would discard and touch memory all the
 * time.
 */
const KEPT_BLOCKS = 8
/** The offset of each place is a multiple of this, as that of each slot is. */
const ALIGNMENT = 8

export class Hold {
  readonly #discard: (offset: number, len: number) => void
  readonly #free = Array.from({ length: BLOCK_COUNT }, (_, i) => BLOCK_COUNT - 1 - i)
  /** Number of places in use, by block. */
  readonly #used = new Uint16Array(BLOCK_COUNT)
  /** Changes when a block becomes free, so that the lane that filled it notices that it no longer owns it. */
  readonly #epochs = new Uint32Array(BLOCK_COUNT)
  /** 1: the block may occupy memory. */
  readonly #touched = new Uint8Array(BLOCK_COUNT)
  #touchedCount = 0
  /**
   * The block of each place that was given back, one entry per place. The submit that is under way carries out the
   * writes of the first `#submitted`.
   */
  #given = new Uint16Array(WRITES_MAX)
  #givenCount = 0
  #submitted = 0
  /** Held frames that stages may still pass on in this turn. */
  releases = RELEASES_A_TURN

  /** `discard`: the engine's FrameIo.discard. */
  constructor(discard: (offset: number, len: number) => void) {
    this.#discard = discard
  }

  /** A free block, or -1. */
  takeBlock(): number {
    const block = this.#free.pop()
    if (block === undefined) return -1
    this.#touchedCount += 1 - this.#touched[block]
    this.#touched[block] = 1
    return block
  }

  epoch(block: number): number {
    return this.#epochs[block]
  }

  use(block: number): void {
    this.#used[block]++
  }

  give(block: number): void {
    if (this.#givenCount === this.#given.length) this.#given = grown(this.#given)
    this.#given[this.#givenCount++] = block
  }

  /** A submit begins. It carries out the writes from all places that were given back so far. */
  submitting(): void {
    this.#submitted = this.#givenCount
    this.releases = RELEASES_A_TURN
  }

  /** The submit has returned, and its failed writes were handled. */
  submitted(): void {
    if (this.#submitted === 0) return
    for (let i = 0; i < this.#submitted; i++) this.#drop(this.#given[i])
    this.#given.copyWithin(0, this.#submitted, this.#givenCount)
    this.#givenCount -= this.#submitted
    this.#submitted = 0
    if (this.#free.length === BLOCK_COUNT && this.#touchedCount > KEPT_BLOCKS) {
      this.#discard(HOLD_OFFSET, BLOCK_COUNT * BLOCK_BYTES)
      this.#touched.fill(0)
      this.#touchedCount = 0
    }
  }

  #drop(block: number): void {
    if (--this.#used[block] > 0) return
    this.#epochs[block]++
    this.#free.push(block)
  }
}

function grown(list: Uint16Array): Uint16Array<ArrayBuffer> {
  const longer = new Uint16Array(2 * list.length)
  longer.set(list)
  return longer
}

/** The part of the hold that one lane uses. */
export class LaneHold {
  readonly #hold: Hold
  readonly #mem: Uint8Array
  /** Bytes of all its places in use. */
  bytes = 0
  /** The block that the lane fills (-1: none), the epoch in which it took the block, and the bytes filled so far. */
  #block = -1
  #epoch = 0
  #fill = 0

  constructor(hold: Hold, mem: Uint8Array) {
    this.#hold = hold
    this.#mem = mem
  }

  /** Copies `len` bytes at `off` into a new place. Returns its offset, or -1 when there is no room. */
  keep(off: number, len: number): number {
    const at = this.reserve(len)
    if (at >= 0) this.#mem.copyWithin(at, off, off + len)
    return at
  }

  /** Reserves a place of `bytes`, at most a block. Returns its offset, or -1 when there is no room. */
  reserve(bytes: number): number {
    const room = (bytes + ALIGNMENT - 1) & -ALIGNMENT
    if (this.bytes + room > LANE_HOLD_BYTES) return -1
    const isMine = this.#block >= 0 && this.#hold.epoch(this.#block) === this.#epoch
    if (!isMine || this.#fill + room > BLOCK_BYTES) {
      this.#block = this.#hold.takeBlock()
      if (this.#block < 0) return -1
      this.#epoch = this.#hold.epoch(this.#block)
      this.#fill = 0
    }
    const at = HOLD_OFFSET + this.#block * BLOCK_BYTES + this.#fill
    this.#fill += room
    this.bytes += room
    this.#hold.use(this.#block)
    return at
  }

  /** Gives back the place of `bytes` at `at`. It is free once the writes queued so far have been carried out. */
  give(at: number, bytes: number): void {
    this.bytes -= (bytes + ALIGNMENT - 1) & -ALIGNMENT
    this.#hold.give(Math.floor((at - HOLD_OFFSET) / BLOCK_BYTES))
  }

  /** Whether one more held frame may be passed on in this turn. If not, the frame is due in the next turn. */
  mayRelease(): boolean {
    return this.#hold.releases-- > 0
  }
}
