/**
 * FrameIo on io_uring: one-shot READs and WRITEs, one `enter` per turn.
 *
 * - A wait is a READ without RWF_NOWAIT. It arms a poll inside the kernel and reads when a frame comes, on an O_NONBLOCK
 *   fd too.
 * - Reads and writes carry RWF_NOWAIT, so none outlives its `enter`.
 * - A write that succeeds posts no completion (IOSQE_CQE_SKIP_SUCCESS).
 * - Lanes use fixed files: 2·lane to read from, 2·lane+1 to write to.
 *
 * A completion's tag:  | op 2 bits | lane 12 | slot 16 |, and WAKE_TAG for the eventfd that wakes the worker.
 */

import { native } from '../../native-bindings/index.js'
import { EBADFD } from '../abi/errno.js'
import {
  IORING_OP_ASYNC_CANCEL,
  IORING_OP_READ,
  IORING_OP_WRITE,
  IORING_OP_WRITEV,
  IOSQE_CQE_SKIP_SUCCESS,
  IOSQE_FIXED_FILE,
  RWF_NOWAIT,
} from '../abi/io-uring.js'
import { type CompletionSink, type FrameIo, OP_READ, OP_WAIT, OP_WRITE } from './frame-io.js'
import {
  createSlab,
  IOVEC_BYTES,
  MAX_LANES,
  SCRATCH_OFFSET,
  SLOT_BYTES,
  type Slab,
  WAKE_OFFSET,
  WRITES_MAX,
} from './slab.js'
import { UringRing } from './uring-ring.js'

const SLOT_BITS = 16
const LANE_BITS = 12
const OP_SHIFT = SLOT_BITS + LANE_BITS
const WAKE_TAG = 3 << OP_SHIFT
const CANCEL_TAG = WAKE_TAG | 1

/** Space for the writes and reads of a turn, and for the waits that are armed again. */
const SQ_ENTRIES = 1024
/** Fixed files: two per lane. The kernel requires a limit of open files (RLIMIT_NOFILE) of at least this number. */
export const FILE_SLOTS = 2 * MAX_LANES
/** In the worst case, all waits and all reads and failed writes of a turn complete at once. */
const CQ_ENTRIES = 2 * MAX_LANES

export class UringIo implements FrameIo {
  readonly name = 'uring'
  readonly mem: Uint8Array
  readonly #slab: Slab
  readonly #ring: UringRing
  /** The slab's address: the lower half, to which an offset is added, and the upper half, the same for all offsets. */
  readonly #low: number
  readonly #high: number
  /** The slab as 32-bit words, for lists of pieces. */
  readonly #words: Int32Array
  /** Offset of the next list of pieces. It starts anew after each `submit`, in which the kernel copies the lists. */
  #nextList = SCRATCH_OFFSET
  readonly #wakeFd: number
  /** Number of reads queued and not yet reaped. While there are any, `submit` does not wait. */
  #reads = 0
  #awake = false

  /** `wakeFd`: the worker's eventfd. Throws NativeError if io_uring does not work. */
  constructor(wakeFd: number) {
    this.#slab = createSlab()
    this.mem = this.#slab.mem
    this.#words = new Int32Array(this.mem.buffer)
    this.#wakeFd = wakeFd
    this.#ring = new UringRing(SQ_ENTRIES, CQ_ENTRIES)
    try {
      native().uringRegisterFilesSparse(this.#ring.fd, FILE_SLOTS)
    } catch (error) {
      this.#ring.close()
      throw error
    }
    this.#low = this.#slab.addressLow | 0
    this.#high = this.#slab.addressHigh | 0
    this.#armWakeUp()
  }

  addLane(lane: number, fromFd: number, toFd: number): void {
    native().uringUpdateFile(this.#ring.fd, 2 * lane, fromFd)
    try {
      native().uringUpdateFile(this.#ring.fd, 2 * lane + 1, toFd)
    } catch (error) {
      this.removeLane(lane) // otherwise the ring keeps the first file open, and its device exists on
      throw error
    }
  }

  /** Nothing to do: a lane without queued operations is not watched. */
  abandon(_lane: number): void {}

  removeLane(lane: number): void {
    native().uringUpdateFile(this.#ring.fd, 2 * lane, -1)
    native().uringUpdateFile(this.#ring.fd, 2 * lane + 1, -1)
  }

  wait(lane: number): void {
    this.#makeRoom()
    this.#pushRead(lane, lane, 0, OP_WAIT)
  }

  cancelWait(lane: number): void {
    this.#makeRoom()
    // ASYNC_CANCEL finds the wait by its user_data.
    this.#ring.push(
      IORING_OP_ASYNC_CANCEL,
      IOSQE_CQE_SKIP_SUCCESS,
      -1,
      0,
      tag(OP_WAIT, lane, lane),
      0,
      0,
      0,
      CANCEL_TAG,
    )
  }

  read(lane: number, slot: number): void {
    this.#makeRoom()
    this.#reads++
    this.#pushRead(lane, slot, RWF_NOWAIT, OP_READ)
  }

  #pushRead(lane: number, slot: number, rwFlags: number, op: number): void {
    this.#ring.push(
      IORING_OP_READ,
      IOSQE_FIXED_FILE,
      2 * lane,
      -1,
      (this.#low + slot * SLOT_BYTES) | 0,
      this.#high,
      SLOT_BYTES,
      rwFlags,
      tag(op, lane, slot),
    )
  }

  write(lane: number, ticket: number, offset: number, len: number): void {
    this.#makeRoom()
    this.#ring.push(
      IORING_OP_WRITE,
      IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS,
      2 * lane + 1,
      -1,
      (this.#low + offset) | 0,
      this.#high,
      len,
      RWF_NOWAIT,
      tag(OP_WRITE, lane, ticket),
    )
  }

  /** Writes the list into the slab as struct iovec[]. The kernel copies it when it consumes the entry. */
  writev(lane: number, ticket: number, pieces: Int32Array, count: number): void {
    this.#makeRoom()
    const list = this.#nextList
    this.#nextList += IOVEC_BYTES * count
    const words = this.#words
    let at = list >>> 2
    for (let i = 0; i < 2 * count; i += 2, at += IOVEC_BYTES >>> 2) {
      words[at] = this.#low + pieces[i]
      words[at + 1] = this.#high
      words[at + 2] = pieces[i + 1]
      words[at + 3] = 0
    }
    this.#ring.push(
      IORING_OP_WRITEV,
      IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS,
      2 * lane + 1,
      -1,
      (this.#low + list) | 0,
      this.#high,
      count,
      RWF_NOWAIT,
      tag(OP_WRITE, lane, ticket),
    )
  }

  submit(timeoutMs: number): void {
    if (this.#reads > 0 || timeoutMs === 0) this.#ring.enter(0, -1)
    else this.#ring.enter(1, timeoutMs)
    this.#nextList = SCRATCH_OFFSET
  }

  reap(sink: CompletionSink): void {
    const ring = this.#ring
    for (let left = ring.completions; left > 0; left--) {
      const userData = ring.userData
      const result = ring.result
      ring.next()
      const op = userData >>> OP_SHIFT
      if (op === WAKE_TAG >>> OP_SHIFT) {
        if (userData === WAKE_TAG) this.#awake = true
        continue
      }
      if (op === OP_READ) this.#reads--
      // A TAP never returns a read of 0 bytes, unless its device is being removed.
      const outcome = result === 0 ? -EBADFD : result
      sink.completed(op, (userData >>> SLOT_BITS) & (MAX_LANES - 1), userData & 0xffff, outcome)
    }
    ring.release()
  }

  takeWakeUp(): boolean {
    if (!this.#awake) return false
    this.#awake = false
    this.#armWakeUp()
    return true
  }

  /** Queues a READ of the eventfd, which also clears it. */
  #armWakeUp(): void {
    this.#makeRoom()
    this.#ring.push(IORING_OP_READ, 0, this.#wakeFd, -1, (this.#low + WAKE_OFFSET) | 0, this.#high, 8, 0, WAKE_TAG)
  }

  /**
   * Hands a full submission queue to the kernel early. This happens only if very many lanes arm their waits at once.
   */
  #makeRoom(): void {
    if (this.#ring.room === 0) this.#ring.enter(0, -1)
  }

  discard(offset: number, len: number): void {
    native().memoryDiscard(this.mem, offset, len)
  }

  close(): void {
    this.#ring.close()
  }
}

function tag(op: number, lane: number, slot: number): number {
  return (op << OP_SHIFT) | (lane << SLOT_BITS) | slot
}

// A tag has 16 bits for a slot or a ticket.
if (WRITES_MAX > 1 << SLOT_BITS) throw new Error('SLOT_BITS is too small for WRITES_MAX')
