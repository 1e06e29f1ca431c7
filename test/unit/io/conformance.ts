/**
 * The conformance test of FrameIo: it checks the contract of frame-io.ts for any engine.
 *
 * Run by memory.test.ts in this folder, and on real TAP devices by test/device/io-conformance.test.ts. Each subtest
 * gets a bench of its own: an engine, and ports whose "stacks" the test controls.
 */
import type { Test } from 'tap'
import { EAGAIN, EBADFD, ECANCELED, EIO } from '../../../src/abi/errno.js'
import { type FrameIo, OP_READ, OP_WAIT, OP_WRITE } from '../../../src/io/frame-io.js'
import { MAX_LANES, PIECES_MAX, SLOT_BYTES } from '../../../src/io/slab.js'

/** A device as the engine sees it (`fd`) and as the stack behind it does (everything else). */
export interface BenchPort {
  readonly fd: number
  /** The stack transmits a frame, which the engine can then read. */
  transmit(frame: Uint8Array): void
  /** The next frame that the engine wrote; undefined when there is none. */
  receive(): Uint8Array | undefined
  setDown(): void
  remove(): void
}

export interface Bench {
  readonly io: FrameIo
  /** False for an engine that is never blocked: its `submit` returns at once. */
  readonly waits: boolean
  /** Makes ports, all at once because some take their time. */
  openPorts(count: number): BenchPort[]
  /** Signals the wake-up eventfd. */
  wakeUp(): void
  close(): void
}

export interface Completion {
  op: number
  lane: number
  slot: number
  result: number
}

const VNET_HDR_LEN = 12
/** The longest frame that an Ethernet device takes: a TAP's largest MTU and its header. */
const LONGEST = VNET_HDR_LEN + 65521 + 14
const FIRST = MAX_LANES
/** More than the submission queue of any engine has entries. */
const MANY = 1500

/** A vnet header without offloads, and a frame of the local experimental EtherType that holds `mark` all over. */
export function frameOf(mark: number, len = VNET_HDR_LEN + 60): Uint8Array {
  const frame = new Uint8Array(len).fill(mark & 0xff)
  frame.fill(0, 0, VNET_HDR_LEN)
  frame.set([0x02, 0, 0, 0, 0xff, 0xff], VNET_HDR_LEN) // to nobody that a bridge knows
  frame.set([0x02, 0, 0, 0, mark >> 8, mark & 0xff], VNET_HDR_LEN + 6)
  frame.set([0x88, 0xb5], VNET_HDR_LEN + 12)
  return frame
}

/** Waits, with a bound, so that a promise that is broken fails a test and does not hang it. */
const PATIENCE_MS = 2000
const SHORT_MS = 30

export function conformance(t: Test, openBench: () => Bench): void {
  const onBench = (name: string, ports: number, act: (t: Test, bench: Bench, ports: BenchPort[]) => void): void => {
    t.test(name, (t) => {
      const bench = openBench()
      t.teardown(() => bench.close())
      act(t, bench, bench.openPorts(ports))
      t.end()
    })
  }

  onBench('a read of a port that has nothing answers EAGAIN at once', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    io.read(0, FIRST)
    t.same(turn(io, PATIENCE_MS), [{ op: OP_READ, lane: 0, slot: FIRST, result: -EAGAIN }])
  })

  onBench('frames are read and written in the order in which they were sent', 2, (t, { io }, [a, b]) => {
    const count = 50
    io.addLane(0, a.fd, b.fd)
    for (let i = 0; i < count; i++) a.transmit(frameOf(i))
    for (let i = 0; i <= count; i++) io.read(0, FIRST + i)
    const completions = turn(io, 0)
    t.equal(completions.length, count + 1)
    t.same(
      completions.map(({ slot }) => slot),
      completions.map((_, i) => FIRST + i),
      'completed in order',
    )
    t.equal(completions[count].result, -EAGAIN)
    for (const { slot, result } of completions.slice(0, count)) io.write(0, slot, slot * SLOT_BYTES, result)
    t.same(turn(io, 0), [], 'a write that succeeded says nothing')
    t.same(
      received(b),
      completions.slice(0, count).map((_, i) => frameOf(i)),
    )
  })

  onBench('what is queued while completions are handed out goes with the next submit', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    for (let i = 0; i < 20; i++) a.transmit(frameOf(i))
    for (let i = 0; i < 20; i++) io.read(0, FIRST + i)
    io.submit(0)
    io.reap({ completed: (_op, lane, slot, result) => io.write(lane, slot, slot * SLOT_BYTES, result) })
    t.same(received(b), [])
    t.same(turn(io, 0), [])
    t.same(
      received(b),
      Array.from({ length: 20 }, (_, i) => frameOf(i)),
    )
  })

  onBench('a completion may be answered by more operations than one, and none is lost', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    for (let i = 0; i < 20; i++) a.transmit(frameOf(i))
    for (let i = 0; i < 20; i++) io.read(0, FIRST + i)
    io.submit(0)
    io.reap({
      completed: (_op, lane, slot, result) => {
        for (let copy = 0; copy < 3; copy++) io.write(lane, slot, slot * SLOT_BYTES, result)
      },
    })
    t.same(turn(io, 0), [])
    t.same(
      received(b),
      Array.from({ length: 60 }, (_, i) => frameOf(Math.floor(i / 3))),
    )
  })

  onBench('a wait lasts until a frame comes, and completes once', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    io.wait(0)
    t.same(turn(io, SHORT_MS), [])
    t.same(turn(io, 0), [])
    a.transmit(frameOf(1))
    const [wait, ...more] = turn(io, PATIENCE_MS)
    t.match(wait, { op: OP_WAIT, lane: 0, slot: 0 })
    t.same(more, [])
    t.same(waitedFor(io, wait), frameOf(1))
    a.transmit(frameOf(2))
    t.same(turn(io, SHORT_MS), [], 'nobody waits any more')
  })

  onBench('a wait for a frame that is there already completes at once', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    a.transmit(frameOf(7))
    io.wait(0)
    const [wait] = turn(io, PATIENCE_MS)
    t.same(waitedFor(io, wait), frameOf(7))
  })

  onBench('a cancelled wait completes with ECANCELED, once, and loses no frame', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    io.wait(0)
    turn(io, 0)
    io.cancelWait(0)
    t.same(turn(io, PATIENCE_MS), [{ op: OP_WAIT, lane: 0, slot: 0, result: -ECANCELED }])
    a.transmit(frameOf(1))
    t.same(turn(io, SHORT_MS), [])
    io.read(0, FIRST)
    t.match(turn(io, 0), [{ op: OP_READ, result: frameOf(1).length }])
  })

  onBench('a wait that is cancelled in the same submit completes once', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    io.wait(0)
    io.cancelWait(0)
    const completions = [...turn(io, SHORT_MS), ...turn(io, 0)]
    t.same(completions, [{ op: OP_WAIT, lane: 0, slot: 0, result: -ECANCELED }])
  })

  onBench('a frame that comes before the cancellation is not lost', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    io.wait(0)
    turn(io, 0)
    a.transmit(frameOf(3))
    io.cancelWait(0)
    const completions = turn(io, PATIENCE_MS)
    t.equal(completions.length, 1)
    const [{ op, result }] = completions
    t.equal(op, OP_WAIT)
    if (result > 0) return t.same(slotBytes(io, 0, result), frameOf(3))
    io.read(0, FIRST)
    t.match(turn(io, 0), [{ op: OP_READ, result: frameOf(3).length }])
  })

  onBench('cancelling a wait that is over does nothing', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    io.wait(0)
    a.transmit(frameOf(3))
    t.equal(turn(io, PATIENCE_MS).length, 1)
    io.cancelWait(0)
    t.same([...turn(io, SHORT_MS), ...turn(io, 0)], [])
  })

  onBench('a gathered write makes one frame of pieces in many slots, in their order', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    const frame = frameOf(1, VNET_HDR_LEN + 1400).map((byte, i) => (i < VNET_HDR_LEN + 14 ? byte : i))
    const lens = [VNET_HDR_LEN + 54, 1, 300, 1000, frame.length - (VNET_HDR_LEN + 54 + 1301)]
    const pieces = new Int32Array(2 * lens.length + 2)
    let taken = 0
    lens.forEach((len, i) => {
      const offset = (FIRST + i) * SLOT_BYTES + 3 * i // an odd place, too
      io.mem.set(frame.subarray(taken, taken + len), offset)
      pieces.set([offset, len], 2 * i)
      taken += len
    })
    io.writev(0, FIRST, pieces, lens.length)
    pieces.fill(-1) // the list is the caller's again
    t.same(turn(io, 0), [])
    t.same(b.receive(), frame)
    t.equal(b.receive(), undefined)
  })

  onBench(
    'gathered and plain writes are carried out in the order in which they were queued',
    2,
    (t, { io }, [a, b]) => {
      io.addLane(0, a.fd, b.fd)
      const frames = [1, 2, 3, 4].map((mark) => frameOf(mark, VNET_HDR_LEN + 100))
      frames.forEach((frame, i) => {
        const offset = (FIRST + i) * SLOT_BYTES
        io.mem.set(frame, offset)
        if (i % 2 === 0) io.write(0, FIRST + i, offset, frame.length)
        else io.writev(0, FIRST + i, Int32Array.of(offset, 40, offset + 40, frame.length - 40), 2)
      })
      t.same(turn(io, 0), [])
      for (const frame of frames) t.same(b.receive(), frame)
    },
  )

  onBench('the most pieces that a gathered write may have', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    const frame = frameOf(5, VNET_HDR_LEN + 14 + 4 * PIECES_MAX)
    const pieces = new Int32Array(2 * PIECES_MAX)
    let at = FIRST * SLOT_BYTES
    io.mem.set(frame, at)
    for (let i = 0; i < PIECES_MAX; i++) {
      const len = i === 0 ? frame.length - 4 * (PIECES_MAX - 1) : 4
      pieces.set([at, len], 2 * i)
      at += len
    }
    io.writev(0, FIRST, pieces, PIECES_MAX)
    t.same(turn(io, 0), [])
    t.same(b.receive(), frame)
  })

  onBench('a gathered write that fails names the slot of its first piece', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    const [first, second] = [(FIRST + 7) * SLOT_BYTES, FIRST * SLOT_BYTES]
    io.mem.set(frameOf(1), first)
    io.mem.set(frameOf(1), second)
    b.setDown()
    io.writev(0, FIRST + 7, Int32Array.of(first, 72, second, 72), 2)
    t.same(turn(io, 0), [{ op: OP_WRITE, lane: 0, slot: FIRST + 7, result: -EIO }])
  })

  onBench('a write to a device that is down answers EIO and names its slot', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    io.mem.set(frameOf(1), FIRST * SLOT_BYTES)
    io.mem.set(frameOf(2), (FIRST + 1) * SLOT_BYTES)
    b.setDown()
    io.write(0, FIRST, FIRST * SLOT_BYTES, frameOf(1).length)
    io.write(0, FIRST + 1, (FIRST + 1) * SLOT_BYTES, frameOf(2).length)
    t.same(turn(io, 0), [
      { op: OP_WRITE, lane: 0, slot: FIRST, result: -EIO },
      { op: OP_WRITE, lane: 0, slot: FIRST + 1, result: -EIO },
    ])
  })

  onBench('a failed write ends the wait of submit', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    io.mem.set(frameOf(1), FIRST * SLOT_BYTES)
    b.setDown()
    io.wait(0)
    io.write(0, FIRST, FIRST * SLOT_BYTES, frameOf(1).length)
    const before = performance.now()
    t.match(turn(io, PATIENCE_MS), [{ op: OP_WRITE, result: -EIO }])
    t.ok(performance.now() - before < PATIENCE_MS / 2)
  })

  onBench('a write to a device that was deleted answers EBADFD', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    io.mem.set(frameOf(1), FIRST * SLOT_BYTES)
    b.remove()
    io.write(0, FIRST, FIRST * SLOT_BYTES, frameOf(1).length)
    t.same(turn(io, 0), [{ op: OP_WRITE, lane: 0, slot: FIRST, result: -EBADFD }])
  })

  onBench('the death of a device ends the wait for its frames, and a read says EBADFD', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    io.wait(0)
    turn(io, 0)
    a.remove()
    const [wait, ...more] = turn(io, PATIENCE_MS)
    t.match(wait, { op: OP_WAIT, lane: 0 })
    t.ok(wait.result <= 0)
    t.same(more, [])
    io.read(0, FIRST)
    t.match(turn(io, 0), [{ op: OP_READ, result: -EBADFD }])
  })

  onBench('an abandoned lane is heard of no more, and submit waits again', 4, (t, { io, waits }, [a, b, c, d]) => {
    io.addLane(0, a.fd, b.fd)
    io.addLane(1, c.fd, d.fd)
    io.wait(0)
    io.wait(1)
    turn(io, 0)
    a.remove()
    t.match(turn(io, PATIENCE_MS), [{ op: OP_WAIT, lane: 0 }])
    io.abandon(0)
    const before = performance.now()
    let submits = 0
    for (; performance.now() - before < 100 && submits < 1000; submits++) t.same(turn(io, 50), [])
    if (waits) t.ok(submits <= 3, `${submits} submits in 100 ms, each of which waits 50 ms`)
    io.removeLane(0)
    c.transmit(frameOf(4))
    t.match(turn(io, PATIENCE_MS), [{ op: OP_WAIT, lane: 1 }], 'the other lane lives on')
  })

  onBench('a wake-up ends the wait of submit and is told once', 2, (t, { io, wakeUp }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    io.wait(0)
    turn(io, 0)
    t.notOk(io.takeWakeUp())
    for (let round = 0; round < 3; round++) {
      wakeUp()
      wakeUp()
      const before = performance.now()
      t.same(turn(io, PATIENCE_MS), [])
      t.ok(performance.now() - before < PATIENCE_MS / 2)
      t.ok(io.takeWakeUp())
      t.notOk(io.takeWakeUp())
      t.same(turn(io, SHORT_MS), [])
      t.notOk(io.takeWakeUp())
    }
  })

  onBench('submit waits as long as it is told to, and not at all when something was read', 2, (t, bench, [a, b]) => {
    const { io, waits } = bench
    io.addLane(0, a.fd, b.fd)
    io.wait(0)
    const took = (timeoutMs: number): number => {
      const before = performance.now()
      turn(io, timeoutMs)
      return performance.now() - before
    }
    if (waits) t.ok(took(100) > 90)
    t.ok(took(0) < 50)
    a.transmit(frameOf(1))
    turn(io, PATIENCE_MS)
    io.read(0, FIRST)
    t.ok(took(PATIENCE_MS) < PATIENCE_MS / 2)
  })

  onBench('the longest frames go through whole', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    const long = frameOf(0x5a, LONGEST)
    for (let i = 0; i < long.length - VNET_HDR_LEN - 14; i++) long[VNET_HDR_LEN + 14 + i] = i * 7
    a.transmit(long)
    a.transmit(frameOf(1))
    io.read(0, FIRST)
    io.read(0, FIRST + 1)
    t.match(turn(io, 0), [{ result: LONGEST }, { result: frameOf(1).length }])
    t.same(slotBytes(io, FIRST, LONGEST), long)
    io.write(0, FIRST, FIRST * SLOT_BYTES, LONGEST)
    io.write(0, FIRST + 1, (FIRST + 1) * SLOT_BYTES, frameOf(1).length)
    t.same(turn(io, 0), [])
    t.same(received(b), [long, frameOf(1)])
  })

  onBench('every frame lands in the slot that it was asked into', 8, (t, { io }, ports) => {
    const lanes = 4
    for (let lane = 0; lane < lanes; lane++) io.addLane(lane, ports[2 * lane].fd, ports[2 * lane + 1].fd)
    const perLane = 16
    const marks = new Map<number, number>()
    for (let i = 0; i < lanes * perLane; i++) {
      const lane = (i * 3) % lanes
      const mark = (lane << 8) | Math.floor(i / lanes)
      ports[2 * lane].transmit(frameOf(mark))
      const slot = FIRST + ((i * 37) % (lanes * perLane)) // 37 and 64 have no common divisor: every slot once
      marks.set(slot, mark)
      io.read(lane, slot)
    }
    const completions = turn(io, 0)
    t.equal(completions.length, lanes * perLane)
    for (const { lane, slot, result } of completions) {
      t.equal(lane, marks.get(slot)! >> 8)
      t.same(slotBytes(io, slot, result), frameOf(marks.get(slot)!))
      io.write(lane, slot, slot * SLOT_BYTES, result)
    }
    t.same(turn(io, 0), [])
    for (let lane = 0; lane < lanes; lane++)
      t.same(
        received(ports[2 * lane + 1]),
        Array.from({ length: perLane }, (_, i) => frameOf((lane << 8) | i)),
      )
  })

  onBench('only the bytes that were asked for are written', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    const offset = FIRST * SLOT_BYTES + 4
    io.mem.fill(0xee, FIRST * SLOT_BYTES, FIRST * SLOT_BYTES + 200)
    io.mem.set(frameOf(9), offset)
    io.write(0, FIRST, offset, frameOf(9).length)
    t.same(turn(io, 0), [])
    t.same(received(b), [frameOf(9)])
  })

  onBench('many lanes wait at once, and each is told of its own frames', 48, (t, { io }, ports) => {
    // Numbers from one end of the range to the other, the largest included.
    const lanes = ports.slice(0, 24).map((_, i) => (i === 0 ? MAX_LANES - 1 : i * 170))
    lanes.forEach((lane, i) => {
      io.addLane(lane, ports[2 * i].fd, ports[2 * i + 1].fd)
      io.wait(lane)
    })
    t.same(turn(io, 0), [])
    lanes.forEach((_, i) => {
      if (i % 2 === 0) ports[2 * i].transmit(frameOf(i))
    })
    const completions: Completion[] = []
    for (let turns = 0; turns < 10; turns++) completions.push(...turn(io, SHORT_MS))
    const expected = lanes.filter((_, i) => i % 2 === 0)
    t.same(completions.map(({ lane }) => lane).sort(ascending), [...expected].sort(ascending))
    for (const wait of completions) t.same(waitedFor(io, wait), frameOf(lanes.indexOf(wait.lane)))
  })

  onBench('more operations than a ring has entries are all carried out', 2, (t, { io }, [a, b]) => {
    io.addLane(0, a.fd, b.fd)
    a.transmit(frameOf(1))
    for (let i = 0; i < MANY; i++) io.read(0, FIRST + (i % 512))
    const reads = turn(io, 0)
    t.equal(reads.length, MANY)
    t.match(reads[0], { slot: FIRST, result: frameOf(1).length })
    t.ok(reads.slice(1).every(({ op, result }) => op === OP_READ && result === -EAGAIN))
    io.mem.set(frameOf(2), FIRST * SLOT_BYTES)
    b.setDown()
    for (let i = 0; i < MANY; i++) io.write(0, FIRST, FIRST * SLOT_BYTES, frameOf(2).length)
    const writes = turn(io, 0)
    t.equal(writes.length, MANY)
    t.ok(writes.every(({ op, result }) => op === OP_WRITE && result === -EIO))
  })

  onBench('the number of a lane that was removed serves another one', 4, (t, { io }, [a, b, c, d]) => {
    io.addLane(5, a.fd, b.fd)
    io.wait(5)
    turn(io, 0)
    io.cancelWait(5)
    t.match(turn(io, PATIENCE_MS), [{ op: OP_WAIT, lane: 5, result: -ECANCELED }])
    io.removeLane(5)
    io.addLane(5, c.fd, d.fd)
    io.wait(5)
    a.transmit(frameOf(1))
    t.same(turn(io, SHORT_MS), [])
    c.transmit(frameOf(2))
    const [wait] = turn(io, PATIENCE_MS)
    t.match(wait, { op: OP_WAIT, lane: 5 })
    t.same(waitedFor(io, wait), frameOf(2))
    io.mem.set(frameOf(3), FIRST * SLOT_BYTES)
    io.write(5, FIRST, FIRST * SLOT_BYTES, frameOf(3).length)
    t.same(turn(io, 0), [])
    t.same([received(b), received(d)], [[], [frameOf(3)]])
  })
}

/** Submits, and takes what there is. */
function turn(io: FrameIo, timeoutMs: number): Completion[] {
  const completions: Completion[] = []
  io.submit(timeoutMs)
  io.reap({ completed: (op, lane, slot, result) => completions.push({ op, lane, slot, result }) })
  return completions
}

/** The frame that ended a wait: it came with it, or can be read now. */
function waitedFor(io: FrameIo, { lane, slot, result }: Completion): Uint8Array {
  if (result !== 0) return slotBytes(io, slot, result)
  io.read(lane, FIRST)
  const [read] = turn(io, 0)
  return slotBytes(io, FIRST, read.result)
}

function slotBytes(io: FrameIo, slot: number, len: number): Uint8Array {
  return io.mem.slice(slot * SLOT_BYTES, slot * SLOT_BYTES + Math.max(0, len))
}

function received(port: BenchPort): Uint8Array[] {
  const frames: Uint8Array[] = []
  for (let frame = port.receive(); frame !== undefined; frame = port.receive()) frames.push(frame)
  return frames
}

function ascending(a: number, b: number): number {
  return a - b
}
