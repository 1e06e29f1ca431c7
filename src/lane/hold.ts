/**
 * The hold: memory for frames that a stage keeps past their turn.
 *
 *     burst slot ──copied once──▶ a place in the hold ──written──▶ given back ──the next submit──▶ free
 *
 * A worker has one Hold, cut into blocks; each lane fills blocks of its own, one behind the other (LaneHold). A block is free
 * again when all that lay in it is, in whatever order that happens. Memory is touched as it is used, and given back to the
 * system when nothing is held any more.
 *
 * Neighbours: io/slab.ts says where blocks lie; worker/scheduler.ts tells when a submit has returned.
 * Invariant: what was given back stays as it is until the writes that were queued from it have been carried out.
 */
import { BLOCK_BYTES, BLOCK_COUNT, HOLD_OFFSET, RELEASES_A_TURN, WRITES_MAX } from '../io/slab.js'

/** What one lane may hold. */
export const LANE_HOLD_BYTES = 64 << 20
/** Blocks that may keep their memory while nothing is held: short holding would give it back and touch it again all the time. */
const KEPT_BLOCKS = 8
/** Places start on a multiple of this, as slots do. */
const ALIGNMENT = 8

export class Hold {
  readonly #discard: (offset: number, len: number) => void
  readonly #free = Array.from({ length: BLOCK_COUNT }, (_, i) => BLOCK_COUNT - 1 - i)
  /** Places in each block that are in use. */
  readonly #used = new Uint16Array(BLOCK_COUNT)
  /** Changes when a block becomes free: whoever filled it notices that it is not theirs any more. */
  readonly #epochs = new Uint32Array(BLOCK_COUNT)
  /** 1: the block may have memory. */
  readonly #touched = new Uint8Array(BLOCK_COUNT)
  #touchedCount = 0
  /** Blocks of the places that were given back, once a place; the first `#submitted` have been written out. */
  #given = new Uint16Array(WRITES_MAX)
  #givenCount = 0
  #submitted = 0
  /** Frames that may yet be passed on in this turn. */
  releases = RELEASES_A_TURN

  /** `discard`: FrameIo's. */
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

  /** A submit begins: it carries out the writes of all that was given back so far. */
  submitting(): void {
    this.#submitted = this.#givenCount
    this.releases = RELEASES_A_TURN
  }

  /** The submit has returned, and what failed of it was looked at. */
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

/** What one lane holds. */
export class LaneHold {
  readonly #hold: Hold
  readonly #mem: Uint8Array
  /** Bytes of all places in use. */
  bytes = 0
  /** The block that is being filled, as of which epoch, and how far. */
  #block = -1
  #epoch = 0
  #fill = 0

  constructor(hold: Hold, mem: Uint8Array) {
    this.#hold = hold
    this.#mem = mem
  }

  /** Copies `len` bytes at `off` into a place of their own; its offset, or -1 when there is no room. */
  keep(off: number, len: number): number {
    const at = this.reserve(len)
    if (at >= 0) this.#mem.copyWithin(at, off, off + len)
    return at
  }

  /** A place of `bytes`, at most two of the longest frames; its offset, or -1 when there is no room. */
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

  /** The place `at` of `bytes` is not needed once the writes that are queued have been carried out. */
  give(at: number, bytes: number): void {
    this.bytes -= (bytes + ALIGNMENT - 1) & -ALIGNMENT
    this.#hold.give(Math.floor((at - HOLD_OFFSET) / BLOCK_BYTES))
  }

  /** Whether one more held frame may be passed on in this turn. What may not is due at once. */
  mayRelease(): boolean {
    return this.#hold.releases-- > 0
  }
}
