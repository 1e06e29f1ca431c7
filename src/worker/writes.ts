/**
 * The account of every queued write: which bytes it writes, and how many frames they stand for. If a write fails, its
 * account is used to take the count back.
 *
 *     queued ─▶ counted as sent ─▶ submit ─┬▶ done: no completion
 *                                          └▶ failed: moved from sent to a drop with a reason
 *
 * Neighbour: scheduler.ts, which receives the failures. Invariant: an account is identified by its ticket, and stays
 * until the failures of its submit were handled. Writes that are queued meanwhile have their accounts in the other
 * half.
 */
import { EAGAIN, EBADF, EBADFD, EINVAL, EIO, ENOBUFS, ENOMEM } from '../abi/errno.js'
import * as counter from '../counters.js'
import type { GroRun } from '../frame/gro-run.js'
import { vnetGsoHdrLen } from '../frame/virtio-net-hdr.js'
import type { FrameIo } from '../io/frame-io.js'
import { WRITES_MAX } from '../io/slab.js'
import type { Lane } from '../lane/lane.js'

export class Writes {
  readonly #io: FrameIo
  /**
   * By ticket, in two halves: offset of the frame, its length from the vnet header on, and how many frames it was
   * merged of.
   */
  readonly #offs = new Int32Array(2 * WRITES_MAX)
  readonly #lens = new Int32Array(2 * WRITES_MAX)
  readonly #frames = new Int32Array(2 * WRITES_MAX)
  #half = 0
  #next = 0

  constructor(io: FrameIo) {
    this.#io = io
  }

  /** A submit begins. It carries out all writes that were queued so far. */
  submitting(): void {
    this.#half = WRITES_MAX - this.#half
    this.#next = this.#half
  }

  /** Queues one frame: `len` bytes at `off`, vnet header first. Hot. */
  frame(lane: Lane, off: number, len: number): void {
    const ticket = this.#next++
    this.#offs[ticket] = off
    this.#lens[ticket] = len
    this.#frames[ticket] = 1
    const counts = lane.counters.burst
    counts[counter.SENT_PACKETS]++
    counts[counter.SENT_BYTES] += len - lane.vnetHdrLen
    this.#io.write(lane.index, ticket, off, len)
  }

  /** Queues a run of frames as one. */
  run(lane: Lane, run: GroRun): void {
    const ticket = this.#next++
    this.#offs[ticket] = run.off
    this.#lens[ticket] = run.len
    this.#frames[ticket] = run.frames
    this.#count(lane, ticket, 1)
    this.#io.writev(lane.index, ticket, run.pieces, run.pieceCount)
  }

  /** A write failed with a negative errno: moves its frames from sent to a drop. */
  failed(lane: Lane, ticket: number, errno: number): void {
    this.#count(lane, ticket, -1)
    lane.counters.burst[dropReason(errno)] += this.#frames[ticket]
  }

  /** Counts a merged frame as the frames that it was made of, each with its own headers. */
  #count(lane: Lane, ticket: number, sign: 1 | -1): void {
    const counts = lane.counters.burst
    const frames = this.#frames[ticket]
    const headers = frames > 1 ? (frames - 1) * vnetGsoHdrLen(this.#io.mem, this.#offs[ticket]) : 0
    counts[counter.SENT_PACKETS] += sign * frames
    counts[counter.SENT_BYTES] += sign * (this.#lens[ticket] - lane.vnetHdrLen + headers)
  }

  off(ticket: number): number {
    return this.#offs[ticket]
  }

  len(ticket: number): number {
    return this.#lens[ticket]
  }
}

/** The drop counter for the errno of a failed write. */
function dropReason(errno: number): number {
  if (errno === -EIO) return counter.DROP_PEER_DOWN
  if (errno === -EBADFD || errno === -EBADF) return counter.DROP_PEER_GONE
  if (errno === -EINVAL) return counter.DROP_BAD_VNET_HDR
  if (errno === -ENOMEM || errno === -ENOBUFS || errno === -EAGAIN) return counter.DROP_NO_MEMORY
  return counter.DROP_WRITE_ERROR
}
