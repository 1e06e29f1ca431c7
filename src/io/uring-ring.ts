/**
 * The two rings that io_uring shares with the kernel (io_uring(7)). Only this file touches their heads and tails.
 *
 *     SQ   we write entries at tail ──▶ the kernel consumes them at head, inside io_uring_enter
 *     CQ   the kernel writes at tail ──▶ we consume at head
 *
 * An SQE is 64 bytes (16 words), a CQE 16 bytes (4 words). Only one 32-bit word of `user_data` is used, because a
 * BigInt costs twenty times as much. The indexes count up and wrap at 2^32; masks reduce them to the size of the ring.
 */

import { native, type UringMapping } from '../../native-bindings/index.js'
import { EAGAIN, EBUSY, EINTR, ETIME } from '../abi/errno.js'
import {
  IORING_SETUP_DEFER_TASKRUN,
  IORING_SETUP_SINGLE_ISSUER,
  IORING_SETUP_SUBMIT_ALL,
  IORING_SETUP_TASKRUN_FLAG,
  IORING_SQ_TASKRUN,
} from '../abi/io-uring.js'

/** The flags that the engine needs (kernel 6.1). The probe tries exactly these. */
export const SETUP_FLAGS =
  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL

const SQE_WORDS = 16
const CQE_WORDS = 4

export class UringRing {
  readonly fd: number
  readonly #mapping: UringMapping
  readonly #enter = native().uringEnter
  readonly #ring: Int32Array
  readonly #sqes: Int32Array
  readonly #sqHead: number
  readonly #sqTail: number
  readonly #sqFlags: number
  readonly #sqEntries: number
  readonly #cqHead: number
  readonly #cqTail: number
  readonly #cqes: number
  readonly #cqMask: number
  /** Our tail. It is ahead of the shared one by the entries that are queued and not yet published. */
  #tail: number
  #head: number

  /** Must be made in the thread that will use it (IORING_SETUP_SINGLE_ISSUER). Throws NativeError. */
  constructor(sqEntries: number, cqEntries: number) {
    const m = native().uringSetup(sqEntries, cqEntries, SETUP_FLAGS)
    this.#mapping = m
    this.fd = m.fd
    this.#ring = new Int32Array(m.ring)
    this.#sqes = new Int32Array(m.sqes)
    this.#sqHead = m.sqHead >> 2
    this.#sqTail = m.sqTail >> 2
    this.#sqFlags = m.sqFlags >> 2
    this.#sqEntries = m.sqEntries
    this.#cqHead = m.cqHead >> 2
    this.#cqTail = m.cqTail >> 2
    this.#cqes = m.cqes >> 2
    this.#cqMask = m.cqEntries - 1
    this.#tail = this.#ring[this.#sqTail]
    this.#head = this.#ring[this.#cqHead]
  }

  /** Entries that can still be queued before the next `enter`. */
  get room(): number {
    return this.#sqEntries - ((this.#tail - Atomics.load(this.#ring, this.#sqHead)) | 0)
  }

  /** Entries queued and not yet consumed by the kernel. */
  get queued(): number {
    return (this.#tail - Atomics.load(this.#ring, this.#sqHead)) | 0
  }

  /**
   * Queues one entry. `flags`: IOSQE_*. `addressLow`, `addressHigh` and `len`: the buffer. `opFlags`: the word called
   * rw_flags for read and write, poll32_events for poll, and cancel_flags for cancel. The caller ensures that there is
   * `room`.
   */
  push(
    opcode: number,
    flags: number,
    file: number,
    offset: number,
    addressLow: number,
    addressHigh: number,
    len: number,
    opFlags: number,
    userData: number,
  ): void {
    const sqes = this.#sqes
    const at = (this.#tail & (this.#sqEntries - 1)) * SQE_WORDS
    this.#tail = (this.#tail + 1) | 0
    sqes[at] = opcode | (flags << 8)
    sqes[at + 1] = file
    sqes[at + 2] = offset
    sqes[at + 3] = offset
    sqes[at + 4] = addressLow
    sqes[at + 5] = addressHigh
    sqes[at + 6] = len
    sqes[at + 7] = opFlags
    sqes[at + 8] = userData
    sqes[at + 9] = 0
    sqes[at + 10] = 0
    sqes[at + 11] = 0
    sqes[at + 12] = 0
    sqes[at + 13] = 0
    sqes[at + 14] = 0
    sqes[at + 15] = 0
  }

  /**
   * Publishes the queued entries, lets the kernel consume all of them, and waits up to `timeoutMs` for `minComplete`
   * completions.
   *
   * A read or write that fails completes by task work, and one call runs at most 20 pieces of it (from kernel 6.13 on).
   * So the call is repeated as long as it brings completions; afterwards no completion is missing. The flag
   * IORING_SQ_TASKRUN alone does not suffice: it can be set just after the work was run, and then stays set until there
   * is new work (io_req_local_work_add).
   *
   * Throws if the ring itself is broken, which no frame can cause.
   */
  enter(minComplete: number, timeoutMs: number): void {
    Atomics.store(this.#ring, this.#sqTail, this.#tail)
    let seen: number
    do {
      seen = this.completions
      const result = this.#enter(this.fd, this.queued, minComplete, timeoutMs)
      if (result < 0 && result !== -ETIME && result !== -EINTR && result !== -EAGAIN && result !== -EBUSY)
        throw new Error(`io_uring_enter answered errno ${-result}: the ring cannot be used any more`)
      minComplete = 0
      timeoutMs = -1
    } while (this.queued > 0 || (this.#mayHaveTaskWork && this.completions !== seen))
  }

  get #mayHaveTaskWork(): boolean {
    return (Atomics.load(this.#ring, this.#sqFlags) & IORING_SQ_TASKRUN) !== 0
  }

  /** Number of completions that can be taken. */
  get completions(): number {
    return (Atomics.load(this.#ring, this.#cqTail) - this.#head) | 0
  }

  /** user_data of the oldest completion. */
  get userData(): number {
    return this.#ring[this.#cqes + (this.#head & this.#cqMask) * CQE_WORDS]
  }

  /** Result of the oldest completion. */
  get result(): number {
    return this.#ring[this.#cqes + (this.#head & this.#cqMask) * CQE_WORDS + 2]
  }

  /** Takes the oldest completion. The kernel learns of it with the next `release`. */
  next(): void {
    this.#head = (this.#head + 1) | 0
  }

  /** Gives the entries taken so far back to the kernel. */
  release(): void {
    Atomics.store(this.#ring, this.#cqHead, this.#head)
  }

  close(): void {
    native().uringClose(this.#mapping)
  }
}
