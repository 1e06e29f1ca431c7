/**
 * FrameIo without a kernel, for tests. A "file descriptor" is the number of a MemoryPort, whose queues a test fills and
 * empties. It behaves as a TAP: EAGAIN when empty, EIO when down, EBADFD when gone.
 */
import { EAGAIN, EBADFD, ECANCELED, EINVAL, EIO } from '../abi/errno.js'
import { type CompletionSink, type FrameIo, OP_READ, OP_WAIT, OP_WRITE } from './frame-io.js'
import { SLAB_BYTES, SLOT_BYTES } from './slab.js'

/** One end. `toRead`: the frames that its stack sent; `written`: the frames that its stack received. */
export class MemoryPort {
  readonly toRead: Uint8Array[] = []
  readonly written: Uint8Array[] = []
  down = false
  gone = false
  /** The result of every write, if not 0: a kernel that refuses such frames. */
  refuses = 0
  /** The result of every read, if not 0: a kernel without memory for it. */
  unreadable = 0
  /** The number of reads that fail with EINVAL before the next frame: frames that the kernel lost during the read. */
  lost = 0
}

interface Completion {
  op: number
  lane: number
  slot: number
  result: number
}

export class MemoryIo implements FrameIo {
  readonly name = 'memory'
  readonly mem = new Uint8Array(SLAB_BYTES)
  readonly #ports: MemoryPort[] = []
  readonly #lanes = new Map<number, { from: MemoryPort; to: MemoryPort }>()
  readonly #waiting = new Set<number>()
  readonly #queue: (() => void)[] = []
  #completions: Completion[] = []
  #awake = false

  /** Makes a port. `fd` is its number, which takes the place of a file descriptor. */
  openPort(): { fd: number; port: MemoryPort } {
    const port = new MemoryPort()
    return { fd: this.#ports.push(port) - 1, port }
  }

  /** Wakes the engine, as the worker's eventfd wakes the other engines. */
  wakeUp(): void {
    this.#awake = true
  }

  addLane(lane: number, fromFd: number, toFd: number): void {
    this.#lanes.set(lane, { from: this.#ports[fromFd], to: this.#ports[toFd] })
  }

  abandon(_lane: number): void {}

  removeLane(lane: number): void {
    this.#lanes.delete(lane)
  }

  wait(lane: number): void {
    this.#waiting.add(lane)
  }

  cancelWait(lane: number): void {
    if (this.#waiting.delete(lane)) this.#complete(OP_WAIT, lane, lane, -ECANCELED)
  }

  read(lane: number, slot: number): void {
    this.#queue.push(() => this.#complete(OP_READ, lane, slot, this.#take(lane, slot)))
  }

  write(lane: number, ticket: number, offset: number, len: number): void {
    this.#queue.push(() => this.#deliver(lane, ticket, this.mem.slice(offset, offset + len)))
  }

  writev(lane: number, ticket: number, pieces: Int32Array, count: number): void {
    const list = pieces.slice(0, 2 * count)
    this.#queue.push(() => {
      const frame: number[] = []
      for (let i = 0; i < list.length; i += 2) frame.push(...this.mem.subarray(list[i], list[i] + list[i + 1]))
      this.#deliver(lane, ticket, Uint8Array.from(frame))
    })
  }

  #deliver(lane: number, ticket: number, frame: Uint8Array): void {
    const { to } = this.#lanes.get(lane)!
    if (to.gone) this.#complete(OP_WRITE, lane, ticket, -EBADFD)
    else if (to.down) this.#complete(OP_WRITE, lane, ticket, -EIO)
    else if (to.refuses !== 0) this.#complete(OP_WRITE, lane, ticket, to.refuses)
    else to.written.push(frame)
  }

  submit(_timeoutMs: number): void {
    for (const operation of this.#queue.splice(0)) operation()
    for (const lane of this.#waiting) {
      const result = this.#take(lane, lane)
      if (result === -EAGAIN) continue
      this.#waiting.delete(lane)
      this.#complete(OP_WAIT, lane, lane, result)
    }
  }

  #take(lane: number, slot: number): number {
    const { from } = this.#lanes.get(lane)!
    if (from.gone) return -EBADFD
    if (from.unreadable !== 0) return from.unreadable
    if (from.lost > 0) {
      from.lost--
      return -EINVAL
    }
    const frame = from.toRead.shift()
    if (frame === undefined) return -EAGAIN
    this.mem.set(frame, slot * SLOT_BYTES)
    return frame.length
  }

  #complete(op: number, lane: number, slot: number, result: number): void {
    this.#completions.push({ op, lane, slot, result })
  }

  reap(sink: CompletionSink): void {
    const completions = this.#completions
    this.#completions = []
    for (const { op, lane, slot, result } of completions) sink.completed(op, lane, slot, result)
  }

  takeWakeUp(): boolean {
    const awake = this.#awake
    this.#awake = false
    return awake
  }

  discard(offset: number, len: number): void {
    this.mem.fill(0, offset, offset + len)
  }

  close(): void {}
}
