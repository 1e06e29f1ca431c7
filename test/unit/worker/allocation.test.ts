/**
 * The hot path allocates nothing: a million frames go through the turns of a lane, with GRO off and on, on an in-memory
 * engine that itself allocates nothing. One object per frame would be tens of megabytes.
 */
import { setFlagsFromString } from 'node:v8'
import t from 'tap'
import { createTotals, readTotals } from '../../../src/counters.js'
import { GRO_TCP } from '../../../src/frame/gro.js'
import { type CompletionSink, type FrameIo, OP_READ, OP_WAIT } from '../../../src/io/frame-io.js'
import { SLAB_BYTES, SLOT_BYTES, SLOT_COUNT } from '../../../src/io/slab.js'
import { Lane } from '../../../src/lane/lane.js'
import type { GroSettings } from '../../../src/messages.js'
import { CHECKSUM_MODES, type ChecksumMode } from '../../../src/veth/options.js'
import { Scheduler } from '../../../src/worker/scheduler.js'
import { segment, VNET_HDR_LEN } from '../frame/gro-frames.js'

// V8 compiles on another thread, which on a busy machine is not done when the warm-up is; code that waits for it
// allocates.
setFlagsFromString('--no-concurrent-recompilation')

const FRAMES = 1_000_000
/** What a warm loop may leave behind: counters, samples of the profiler, code that was compiled again. */
const SLACK_BYTES = 1_000_000
const WARM_UP = 300_000
const PARTS = 50

/** An engine whose lane 0 is never without a frame: the next one of a TCP stream, each time. */
class Treadmill implements FrameIo {
  readonly name = 'memory'
  readonly mem = new Uint8Array(SLAB_BYTES)
  readonly #frame: Uint8Array
  readonly #reads = new Int32Array(SLOT_COUNT)
  #queued = 0
  #waiting = false
  #seq = 0
  made = 0
  written = 0

  constructor(frame: Uint8Array) {
    this.#frame = frame
  }

  addLane(): void {}
  abandon(): void {}
  removeLane(): void {}
  cancelWait(): void {}
  submit(): void {}
  close(): void {}
  discard(): void {}
  takeWakeUp(): boolean {
    return false
  }

  wait(): void {
    this.#waiting = true
  }

  read(_lane: number, slot: number): void {
    this.#reads[this.#queued++] = slot
  }

  write(): void {
    this.written++
  }

  writev(): void {
    this.written++
  }

  reap(sink: CompletionSink): void {
    if (this.#waiting) {
      this.#waiting = false
      this.#put(0)
      sink.completed(OP_WAIT, 0, 0, this.#frame.length)
    }
    const queued = this.#queued
    this.#queued = 0
    for (let i = 0; i < queued; i++) {
      this.#put(this.#reads[i])
      sink.completed(OP_READ, 0, this.#reads[i], this.#frame.length)
    }
  }

  /** The payload starts with the complement of the sequence number: so the checksum is the same for all. */
  #put(slot: number): void {
    const at = slot * SLOT_BYTES
    this.mem.set(this.#frame, at)
    this.#putWord(at + SEQ, this.#seq)
    this.#putWord(at + this.#frame.length - PAYLOAD, ~this.#seq)
    this.#seq = (this.#seq + PAYLOAD) | 0
    this.made++
  }

  #putWord(at: number, word: number): void {
    this.mem[at] = word >>> 24
    this.mem[at + 1] = word >>> 16
    this.mem[at + 2] = word >>> 8
    this.mem[at + 3] = word
  }
}

const PAYLOAD = 100
/** Where the sequence number is. */
const SEQ = VNET_HDR_LEN + 14 + 20 + 4
const ON: GroSettings = { kinds: GRO_TCP, maxSize: 65536, flushUs: 0 }

function run(checksum: ChecksumMode, gro: GroSettings | null) {
  // The same id throughout, beside DF: a constant one.
  const payload = [0xff, 0xff, 0xff, 0xff, ...new Array(PAYLOAD - 4).fill(7)]
  const io = new Treadmill(segment({ payload, seq: 0, needsCsum: checksum !== 'verify' }))
  const lanes = new Scheduler(io, { gone() {}, readFailed() {}, refused() {} })
  const totals = createTotals()
  const receiver = { macHigh: 0x0200, macLow: 1, mtu: 1500, stages: { gro } }
  lanes.add(new Lane({ index: 0, vnetHdrLen: VNET_HDR_LEN, checksum, totals, receiver }), 0, 0, { gro })
  const until = (frames: number): void => {
    while (io.made < frames) lanes.turn(0)
  }
  until(WARM_UP) // compiled by then
  let allocated = 0
  let used = process.memoryUsage().heapUsed
  const started = performance.now()
  for (let part = 1; part <= PARTS; part++) {
    until(WARM_UP + (part * FRAMES) / PARTS)
    const now = process.memoryUsage().heapUsed
    allocated += Math.max(0, now - used) // a collection hides nothing but what was allocated in its own part
    used = now
  }
  const nsPerFrame = Math.round(((performance.now() - started) * 1e6) / FRAMES)
  return { allocated, nsPerFrame, io, totals: readTotals(totals) }
}

for (const checksum of CHECKSUM_MODES)
  for (const gro of [null, ON]) {
    const name = `checksum ${checksum}, GRO ${gro === null ? 'off' : 'on'}`
    t.test(`a million frames leave nothing on the heap: ${name}`, async (t) => {
      const { allocated, nsPerFrame, io, totals } = run(checksum, gro)
      t.comment(`${nsPerFrame} ns a frame, ${io.written} writes`)
      t.ok(allocated < SLACK_BYTES, `${allocated} bytes were allocated`)
      t.equal(totals.sent_packets, BigInt(io.made))
      if (gro === null) t.equal(io.written, io.made)
      else t.ok(io.written < io.made / 10, 'frames were merged')
    })
  }
