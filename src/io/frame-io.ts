/**
 * The contract between the data plane and whatever moves its frames: io_uring (uring.ts), batched read and write
 * (poll.ts), or memory (memory.ts, for tests). One conformance test holds all three to it.
 *
 * An engine belongs to one worker thread. Operations are queued, then carried out together by `submit`, and what they
 * came to is handed out by `reap`:
 *
 *     wait(lane)              ─┐                        ┌─ a frame came (its length), or 0: readable, ask by `read`
 *     read(lane, slot)         ├─▶ submit(timeout) ─▶ reap ─ a frame (its length) or a negative errno
 *     write, writev(lane, …)  ─┘                        └─ only when it failed: its ticket and a negative errno
 *
 * Invariants: operations are carried out in the order in which they were queued. A read or write has ended when the
 * `submit` that carried it returns, so its memory is the caller's again (after the frame in it was looked at). A `wait`
 * lasts until a frame comes, its device dies or it is cancelled, and completes exactly once.
 */

/** What a completion belongs to. */
export const OP_WAIT = 0
export const OP_READ = 1
export const OP_WRITE = 2

/** Takes what `reap` hands out. `slot`: of a write its ticket. `result`: bytes, 0 (see `wait`), or a negative errno. */
export interface CompletionSink {
  completed(op: number, lane: number, slot: number, result: number): void
}

export interface FrameIo {
  readonly name: 'uring' | 'poll' | 'memory'
  /** Why it is slower than it could be, in words for the log; undefined when it is not. */
  readonly slowed?: string
  /** The slab (slab.ts); slot s begins at `s * SLOT_BYTES`. */
  readonly mem: Uint8Array

  /** Makes a lane known: frames are read from `fromFd` and written to `toFd`, both O_NONBLOCK. */
  addLane(lane: number, fromFd: number, toFd: number): void
  /** The lane's device is dead, or its reads fail, and it answers at once: it is watched no more until the next `wait`. */
  abandon(lane: number): void
  /** Forgets a lane that has no wait outstanding and nothing queued. */
  removeLane(lane: number): void

  /** Queues a wait for the lane's next frame, which may be put into the lane's own slot (number `lane`). */
  wait(lane: number): void
  /** Queues the end of a lane's wait: it completes with -ECANCELED, or with the frame that came first. */
  cancelWait(lane: number): void
  /** Queues a read into `slot` of one frame that is there already; -EAGAIN when there is none. */
  read(lane: number, slot: number): void
  /**
   * Queues a write of `len` bytes at `offset` of the slab. Completes only when it fails, with the caller's `ticket`, a number
   * below 2^16.
   */
  write(lane: number, ticket: number, offset: number, len: number): void
  /**
   * Queues a write of one frame that lies in `count` pieces (1 … PIECES_MAX): `pieces[2i]` is the offset of one in the slab,
   * `pieces[2i + 1]` its length. The list may be used anew at once, the memory of the pieces only when the `submit` has
   * returned.
   */
  writev(lane: number, ticket: number, pieces: Int32Array, count: number): void

  /**
   * Carries out what is queued. When no read is among it, waits up to `timeoutMs` for a completion or for a wake-up
   * of the worker; 0 does not wait. It may have a fraction.
   */
  submit(timeoutMs: number): void
  /** Hands every completion that is there to `sink`, which may queue operations meanwhile. */
  reap(sink: CompletionSink): void
  /** True once after the wake-up eventfd was signalled. */
  takeWakeUp(): boolean

  /** Gives pages of the slab back to the system that nobody needs any more; they read as zeros from now on. */
  discard(offset: number, len: number): void

  close(): void
}
