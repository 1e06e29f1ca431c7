/**
 * FrameIo on older system calls, for kernels and containers without io_uring. All queued operations go through one
 * native call (ioBatch). It makes one io_submit for all of them or, where that is forbidden, one read or write for
 * each. epoll reports which waiting lanes are readable.
 *
 * epoll is level-triggered. So a wait never misses a frame that came just before it began. epoll also reports lanes
 * that are not waiting; they are ignored.
 */

import { type NativeError, native } from '../../native-bindings/index.js'
import { EBADFD, ECANCELED, EINTR } from '../abi/errno.js'
import { EPOLLIN } from '../abi/poll.js'
import { type CompletionSink, type FrameIo, OP_READ, OP_WAIT, OP_WRITE } from './frame-io.js'
import { BURST_SLOTS, createSlab, MAX_LANES, SCRATCH_OFFSET, SLOT_BYTES, WRITES_MAX } from './slab.js'

const BATCH_READ = 0
const BATCH_WRITE = 1
const BATCH_WRITEV = 2
/** 32-bit words of one operation of ioBatch. */
const OP_WORDS = 4
/** The most operations of one turn: its writes and its reads. */
const MAX_OPS = WRITES_MAX + BURST_SLOTS
/** A piece in a list: offset and length. */
const PIECE_BYTES = 8
/** Events fetched by one epoll_wait. */
const EVENTS = 256
const WAKE_TAG = -1
/** Explanations of the errnos of io_setup(2), with a remedy where there is one. */
const REMEDIES: Record<string, string> = {
  EAGAIN: ', fs.aio-max-nr is used up: raise it with sysctl, and start anew',
  EPERM: ', forbidden here by a seccomp profile',
  ENOSYS: ', this kernel is built without it',
}

export class PollIo implements FrameIo {
  readonly name = 'poll'
  readonly mem: Uint8Array
  readonly #slab: ArrayBuffer
  /** The slab as 32-bit words, for lists of pieces. */
  readonly #words: Int32Array
  readonly #batch = native().ioBatch
  readonly #epollWait = native().epollWait
  readonly #epollFd: number
  readonly #wakeFd: number
  /** Context of Linux's asynchronous I/O. 0: one system call per operation. */
  readonly #aio: number
  readonly slowed?: string
  readonly #fromFd = new Int32Array(MAX_LANES).fill(-1)
  readonly #toFd = new Int32Array(MAX_LANES).fill(-1)
  /** 1 while epoll watches a lane. */
  readonly #watched = new Uint8Array(MAX_LANES)
  /** 1 while a lane's wait is outstanding. */
  readonly #waiting = new Uint8Array(MAX_LANES)
  /** Offset of the next list of pieces. */
  #nextList = SCRATCH_OFFSET
  /** The queued operations, the lane of each, and its slot or ticket. */
  #ops = new Int32Array(MAX_OPS * OP_WORDS)
  #opLane = new Int32Array(MAX_OPS)
  #opSlot = new Int32Array(MAX_OPS)
  #queued = 0
  #reads = 0
  /** Operations carried out and not yet reaped. They are separate, because the sink queues new ones during `reap`. */
  #doneOps = new Int32Array(MAX_OPS * OP_WORDS)
  #doneLane = new Int32Array(MAX_OPS)
  #doneSlot = new Int32Array(MAX_OPS)
  #done = 0
  readonly #events = new Int32Array(EVENTS * 2)
  #eventCount = 0
  readonly #cancelled: number[] = []
  #awake = false

  /** `wakeFd`: the worker's eventfd. `useAio`: use io_submit where it works. */
  constructor(wakeFd: number, useAio = true) {
    const slab = createSlab()
    this.mem = slab.mem
    this.#slab = slab.mem.buffer as ArrayBuffer
    this.#words = new Int32Array(this.#slab)
    this.#wakeFd = wakeFd
    const { aio, refusal } = useAio ? setUpAio() : { aio: 0 }
    this.#aio = aio
    this.slowed = refusal && `each frame takes a system call of its own (${refusal})`
    this.#epollFd = native().epollCreate()
    native().epollAdd(this.#epollFd, wakeFd, EPOLLIN, WAKE_TAG)
  }

  addLane(lane: number, fromFd: number, toFd: number): void {
    this.#fromFd[lane] = fromFd
    this.#toFd[lane] = toFd
    this.#watch(lane)
  }

  #watch(lane: number): void {
    native().epollAdd(this.#epollFd, this.#fromFd[lane], EPOLLIN, lane)
    this.#watched[lane] = 1
  }

  /** Removes the lane from epoll, because a lane that stays readable would end every wait of the other lanes. */
  abandon(lane: number): void {
    if (this.#watched[lane] === 1) native().epollRemove(this.#epollFd, this.#fromFd[lane])
    this.#watched[lane] = 0
  }

  removeLane(lane: number): void {
    this.abandon(lane)
    this.#fromFd[lane] = -1
    this.#toFd[lane] = -1
  }

  wait(lane: number): void {
    if (this.#watched[lane] === 0) this.#watch(lane)
    this.#waiting[lane] = 1
  }

  cancelWait(lane: number): void {
    if (this.#waiting[lane] === 0) return
    this.#waiting[lane] = 0
    this.#cancelled.push(lane)
  }

  read(lane: number, slot: number): void {
    this.#reads++
    this.#queue(lane, slot, BATCH_READ, this.#fromFd[lane], slot * SLOT_BYTES, SLOT_BYTES)
  }

  write(lane: number, ticket: number, offset: number, len: number): void {
    this.#queue(lane, ticket, BATCH_WRITE, this.#toFd[lane], offset, len)
  }

  /** Copies the list into the slab unchanged; ioBatch makes an iovec of it. */
  writev(lane: number, ticket: number, pieces: Int32Array, count: number): void {
    const list = this.#nextList
    this.#nextList += PIECE_BYTES * count
    for (let i = 0, at = list >>> 2; i < 2 * count; i++) this.#words[at + i] = pieces[i]
    this.#queue(lane, ticket, BATCH_WRITEV, this.#toFd[lane], list, count)
  }

  #queue(lane: number, slot: number, opcode: number, fd: number, offset: number, len: number): void {
    const at = this.#queued * OP_WORDS
    this.#ops[at] = opcode
    this.#ops[at + 1] = fd
    this.#ops[at + 2] = offset
    this.#ops[at + 3] = len
    this.#opLane[this.#queued] = lane
    this.#opSlot[this.#queued++] = slot
  }

  submit(timeoutMs: number): void {
    if (this.#queued > 0) this.#batch(this.#slab, this.#ops, this.#queued, this.#aio)
    this.#nextList = SCRATCH_OFFSET
    this.#swap()
    const mayWait = this.#reads === 0 && this.#cancelled.length === 0 && !this.#anyFailed()
    this.#reads = 0
    const events = this.#epollWait(this.#epollFd, this.#events, mayWait ? timeoutMs : 0)
    if (events < 0 && events !== -EINTR) throw new Error(`epoll_wait answered errno ${-events}`)
    this.#eventCount = Math.max(0, events)
  }

  /** The queued operations become the ones carried out, and the queue is empty. */
  #swap(): void {
    const ops = this.#ops
    const lanes = this.#opLane
    const slots = this.#opSlot
    this.#ops = this.#doneOps
    this.#opLane = this.#doneLane
    this.#opSlot = this.#doneSlot
    this.#doneOps = ops
    this.#doneLane = lanes
    this.#doneSlot = slots
    this.#done = this.#queued
    this.#queued = 0
  }

  #anyFailed(): boolean {
    for (let i = 0; i < this.#done; i++) if (this.#doneOps[i * OP_WORDS + 3] < 0) return true
    return false
  }

  reap(sink: CompletionSink): void {
    this.#reapBatch(sink)
    for (let i = 0; i < this.#eventCount; i++) {
      const lane = this.#events[2 * i]
      if (lane === WAKE_TAG) this.#awake = true
      else if (this.#waiting[lane] === 1) {
        this.#waiting[lane] = 0
        sink.completed(OP_WAIT, lane, lane, 0)
      }
    }
    this.#eventCount = 0
    while (this.#cancelled.length > 0) {
      const lane = this.#cancelled.pop() as number
      sink.completed(OP_WAIT, lane, lane, -ECANCELED)
    }
  }

  #reapBatch(sink: CompletionSink): void {
    const done = this.#done
    this.#done = 0
    for (let i = 0; i < done; i++) {
      const at = i * OP_WORDS
      const opcode = this.#doneOps[at]
      const slot = this.#doneSlot[i]
      const result = this.#doneOps[at + 3]
      const lane = this.#doneLane[i]
      if (opcode === BATCH_READ) {
        // A TAP never returns a read of 0 bytes, unless its device is being removed.
        sink.completed(OP_READ, lane, slot, result === 0 ? -EBADFD : result)
      } else if (result < 0) sink.completed(OP_WRITE, lane, slot, result)
    }
  }

  takeWakeUp(): boolean {
    if (!this.#awake) return false
    this.#awake = false
    native().eventfdClear(this.#wakeFd)
    return true
  }

  discard(offset: number, len: number): void {
    native().memoryDiscard(this.mem, offset, len)
  }

  close(): void {
    if (this.#aio !== 0) native().aioDestroy(this.#aio)
    native().close(this.#epollFd)
  }
}

/** Returns a context for io_submit, or 0 and the reason why there is none. */
function setUpAio(): { aio: number; refusal?: string } {
  try {
    return { aio: native().aioSetup() }
  } catch (error) {
    const { code, syscall } = error as NativeError
    return { aio: 0, refusal: `${syscall}: ${code}${REMEDIES[code] ?? ''}` }
  }
}
