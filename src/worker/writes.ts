/**
 * The account of every write that is queued: which bytes, of how many frames, so that a write that fails can be taken back,
 * wherever its bytes lie.
 *
 *     queued ─▶ counted as sent ─▶ submit ─┬▶ done: nothing is heard of it
 *                                          └▶ failed: not sent after all, a drop with a reason
 *
 * Neighbour: scheduler.ts, which hears of failures.
 * Invariant: an account, named by its ticket, stays until the failures of its submit were looked at. Those of the writes that
 * are queued meanwhile are in the other half.
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
  /** By ticket, two halves: where the frame lies, its bytes from the vnet header on, and how many frames are merged in it. */
  readonly #offs = new Int32Array(2 * WRITES_MAX)
  readonly #lens = new Int32Array(2 * WRITES_MAX)
  readonly #frames = new Int32Array(2 * WRITES_MAX)
  #half = 0
  #next = 0

  constructor(io: FrameIo) {
    this.#io = io
  }

  /** A submit begins: it carries out what was queued so far. */
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

  /** A write failed with a negative errno: its frames move from sent to a drop. */
  failed(lane: Lane, ticket: number, errno: number): void {
    this.#count(lane, ticket, -1)
    lane.counters.burst[dropReason(errno)] += this.#frames[ticket]
  }

  /** A merged frame counts as the frames that it was made of, each with its own headers. */
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

/** The counter of a failed write, by its errno. */
function dropReason(errno: number): number {
  if (errno === -EIO) return counter.DROP_PEER_DOWN
  if (errno === -EBADFD || errno === -EBADF) return counter.DROP_PEER_GONE
  if (errno === -EINVAL) return counter.DROP_BAD_VNET_HDR
  if (errno === -ENOMEM || errno === -ENOBUFS || errno === -EAGAIN) return counter.DROP_NO_MEMORY
  return counter.DROP_WRITE_ERROR
}
