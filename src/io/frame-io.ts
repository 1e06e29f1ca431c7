/**
 * The contract between the data plane and the engines: io_uring (uring.ts), batched read and write (poll.ts), or memory
 * (memory.ts, for tests). One conformance test checks all three.
 *
 * An engine belongs to one worker thread. Operations are queued, `submit` carries them out together, and `reap`
 * delivers their results:
 *
 *     wait(lane)              ─┐                        ┌─ a frame came (its length), or 0: readable, ask by `read`
 *     read(lane, slot)         ├─▶ submit(timeout) ─▶ reap ─ a frame (its length) or a negative errno
 *     write, writev(lane, …)  ─┘                        └─ only when it failed: its ticket and a negative errno
 *
 * Invariants:
 * - Operations are carried out in the order in which they were queued.
 * - A read or write has ended when its `submit` returns. Its memory then belongs to the caller again.
 * - A `wait` ends when a frame comes, its device dies or it is cancelled. It completes exactly once.
 */

/** The operation that a completion belongs to. */
export const OP_WAIT = 0
export const OP_READ = 1
export const OP_WRITE = 2

/**
 * Receives the completions from `reap`. `slot`: the slot of a read, the ticket of a write. `result`: bytes, 0 (see
 * `wait`), or a negative errno.
 */
export interface CompletionSink {
  completed(op: number, lane: number, slot: number, result: number): void
}

export interface FrameIo {
  readonly name: 'uring' | 'poll' | 'memory'
  /** The reason, for the log, if the engine runs slower than it could; otherwise undefined. */
  readonly slowed?: string
  /** The slab (slab.ts); slot s begins at `s * SLOT_BYTES`. */
  readonly mem: Uint8Array

  /** Adds a lane: frames are read from `fromFd` and written to `toFd`, both O_NONBLOCK. */
  addLane(lane: number, fromFd: number, toFd: number): void
  /**
   * Stops watching a lane until its next `wait`: its device is dead or its reads fail, so that it is always readable.
   */
  abandon(lane: number): void
  /** Removes a lane that has no outstanding wait and no queued operation. */
  removeLane(lane: number): void

  /** Queues a wait for the lane's next frame. The engine may put the frame into the lane's own slot (number `lane`). */
  wait(lane: number): void
  /** Queues the cancellation of a lane's wait. The wait completes with -ECANCELED, or with a frame that came before. */
  cancelWait(lane: number): void
  /** Queues a non-blocking read of one frame into `slot`; -EAGAIN if there is none. */
  read(lane: number, slot: number): void
  /**
   * Queues a write of `len` bytes at `offset` of the slab. It completes only if it fails, with the caller's `ticket`, a
   * number below 2^16.
   */
  write(lane: number, ticket: number, offset: number, len: number): void
  /**
   * Queues a gathered write of one frame in `count` pieces (1 … PIECES_MAX): `pieces[2i]` is the offset of a piece in
   * the slab, `pieces[2i + 1]` its length. The caller may reuse the list at once, but the memory of the pieces only
   * after the `submit`.
   */
  writev(lane: number, ticket: number, pieces: Int32Array, count: number): void

  /**
   * Carries out the queued operations. If no read is among them, waits up to `timeoutMs` for a completion or a wake-up
   * of the worker; 0 does not wait. `timeoutMs` may have a fraction.
   */
  submit(timeoutMs: number): void
  /** Passes every available completion to `sink`, which may queue operations. */
  reap(sink: CompletionSink): void
  /** True once after the wake-up eventfd was signalled. */
  takeWakeUp(): boolean

  /** Returns unused pages of the slab to the system. They read as zeros from now on. */
  discard(offset: number, len: number): void

  close(): void
}
