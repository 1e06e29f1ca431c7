/**
 * The turns of a worker's lanes, on the in-memory engine: which lane has its turn, how much it reads, how a lane ends,
 * and that every frame that was read is in exactly one counter.
 */
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { EAGAIN, EBADF, EBADFD, EFAULT, EINVAL, EIO, ENOBUFS, ENOMEM, EPERM } from '../../../src/abi/errno.js'
import * as tun from '../../../src/abi/if-tun.js'
import { type CounterName, createTotals, readTotals } from '../../../src/counters.js'
import { type CompletionSink, OP_WRITE } from '../../../src/io/frame-io.js'
import { MemoryIo, type MemoryPort } from '../../../src/io/memory.js'
import { Lane } from '../../../src/lane/lane.js'
import { Scheduler, TURN_CARRIED, TURN_FLOODED, TURN_IDLE, TURN_TRICKLED } from '../../../src/worker/scheduler.js'
import { BURST_MAX, BURST_MIN } from '../../../src/worker/served-lane.js'

const MTU = 1500
const VNET_HDR_LEN = 12
const ETH_HLEN = 14

/** A frame of IPv4's EtherType whose last bytes are `mark`; a short one ends early. */
function frameOf(mark: number, frameLen = 64): Uint8Array {
  const frame = new Uint8Array(VNET_HDR_LEN + Math.max(frameLen, ETH_HLEN + 4))
  frame.set([0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x08, 0x00], VNET_HDR_LEN)
  new DataView(frame.buffer).setUint32(frame.length - 4, mark)
  return frame.subarray(0, VNET_HDR_LEN + frameLen)
}

function marksOf(frames: Uint8Array[]): number[] {
  return frames.map((frame) => new DataView(frame.buffer).getUint32(frame.length - 4))
}

/** An engine that notes what it is asked for, and may be told to fail writes. */
class WatchedIo extends MemoryIo {
  readonly asked = new Map<number, number>()
  failWith = 0

  #note(lane: number): void {
    this.asked.set(lane, (this.asked.get(lane) ?? 0) + 1)
  }

  override read(lane: number, slot: number): void {
    this.#note(lane)
    super.read(lane, slot)
  }

  override wait(lane: number): void {
    this.#note(lane)
    super.wait(lane)
  }

  readonly #failed: [lane: number, slot: number][] = []

  override write(lane: number, slot: number, offset: number, len: number): void {
    if (this.failWith === 0) super.write(lane, slot, offset, len)
    else this.#failed.push([lane, slot])
  }

  override reap(sink: CompletionSink): void {
    for (const [lane, slot] of this.#failed.splice(0)) sink.completed(OP_WRITE, lane, slot, this.failWith)
    super.reap(sink)
  }
}

interface TestLane {
  index: number
  from: MemoryPort
  to: MemoryPort
  lane: Lane
  totals: () => Record<CounterName, bigint>
}

class Bed {
  readonly io = new WatchedIo()
  readonly gone: [lane: number, errno: number][] = []
  readonly refused: [lane: number, offloads: number][] = []
  readonly failing: [lane: number, errno: number][] = []
  readonly lanes = new Scheduler(this.io, {
    gone: (lane, errno) => this.gone.push([lane, errno]),
    readFailed: (lane, errno) => this.failing.push([lane, errno]),
    refused: (lane, offloads) => this.refused.push([lane, offloads]),
  })

  add(index: number, vnetHdrLen = VNET_HDR_LEN): TestLane {
    const [from, to] = [this.io.openPort(), this.io.openPort()]
    const totals = createTotals()
    const receiver = { macHigh: 0x0200, macLow: 1, mtu: MTU, stages: {} }
    const lane = new Lane({ index, vnetHdrLen, checksum: 'offload', totals, receiver })
    this.lanes.add(lane, from.fd, to.fd, {})
    return { index, from: from.port, to: to.port, lane, totals: () => readTotals(totals) }
  }

  turns(count: number): void {
    for (let i = 0; i < count; i++) this.lanes.turn(0)
  }
}

/** Turns after which a lane has noticed anything: its wait ends, its burst, its writes. */
const A_FEW = 4

t.test('frames of a lane arrive whole, in order, and counted', (t) => {
  const bed = new Bed()
  const { from, to, totals } = bed.add(0)
  const count = 500
  for (let i = 0; i < count; i++) from.toRead.push(frameOf(i, 60 + (i % 100)))
  const sent = [...from.toRead]
  bed.turns(count)
  t.same(to.written, sent)
  const bytes = BigInt(sent.reduce((sum, frame) => sum + frame.length - VNET_HDR_LEN, 0))
  t.match(totals(), {
    received_packets: BigInt(count),
    received_bytes: bytes,
    sent_packets: BigInt(count),
    sent_bytes: bytes,
    class_host: BigInt(count),
    protocol_ipv4: BigInt(count),
  })
  t.end()
})

t.test('a burst is bounded by bytes as well as by frames, and one that ends at its bytes is no flood', (t) => {
  for (const [frameLen, frames, turn] of [
    [64, BURST_MAX, TURN_FLOODED],
    [8000, BURST_MAX, TURN_FLOODED],
    [20_000, 6, TURN_CARRIED],
    [65_000, BURST_MIN, TURN_CARRIED],
  ]) {
    const bed = new Bed()
    const { from } = bed.add(0)
    const frame = frameOf(1, frameLen)
    frame[1] = 1 // a super-frame, whatever the MTU
    from.toRead.push(...new Array(200).fill(frame))
    bed.turns(8)
    const left = from.toRead.length
    t.equal(bed.lanes.turn(0), turn, `${frameLen} bytes`)
    t.equal(left - from.toRead.length, frames, `${frameLen} bytes`)
    from.toRead.splice(0, Number.POSITIVE_INFINITY, ...new Array(200).fill(frameOf(1)))
    bed.turns(8)
    t.equal(bed.lanes.turn(0), TURN_FLOODED, 'small frames are asked for in large numbers again')
  }
  t.end()
})

t.test('a lane that falls silent serves the next frame as well', (t) => {
  const bed = new Bed()
  const { from, to } = bed.add(0)
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i <= round; i++) from.toRead.push(frameOf(i))
    bed.turns(A_FEW + round)
    t.same(marksOf(to.written.splice(0)), Array.from(Array(round + 1).keys()))
  }
  t.end()
})

t.test('a turn tells of a flood when the longest burst came back full, and only then', (t) => {
  const bed = new Bed()
  const { from } = bed.add(0)
  for (let i = 0; i < 3 * BURST_MAX; i++) from.toRead.push(frameOf(i))
  const flooded: number[] = []
  while (from.toRead.length > 0) {
    const before = from.toRead.length
    if (bed.lanes.turn(0) === TURN_FLOODED) flooded.push(before - from.toRead.length)
  }
  t.ok(flooded.length > 0)
  t.ok(
    flooded.every((read) => read === BURST_MAX),
    flooded.join(' '),
  )
  for (let i = 0; i < BURST_MAX - 1; i++) from.toRead.push(frameOf(i))
  const turns = Array.from({ length: 2 * A_FEW }, () => bed.lanes.turn(0))
  t.notOk(turns.includes(TURN_FLOODED))
  t.ok(turns.includes(TURN_TRICKLED))
  t.equal(turns.at(-1), TURN_IDLE)
  t.end()
})

t.test('a turn tells a trickle from what takes time by its bytes', (t) => {
  const bed = new Bed()
  const { from } = bed.add(0)
  const turns = (frame: Uint8Array) => {
    from.toRead.push(frame)
    return new Set(Array.from({ length: A_FEW }, () => bed.lanes.turn(0)))
  }
  t.same(turns(frameOf(0, MTU)), new Set([TURN_TRICKLED, TURN_IDLE]))
  t.same(turns(frameOf(1, 40000)), new Set([TURN_CARRIED, TURN_IDLE]))
  t.end()
})

t.test('a flood takes at most BURST_MAX frames before a trickle has its turn', (t) => {
  for (const waitsFirst of [true, false]) {
    const bed = new Bed()
    const [flood, trickle] = waitsFirst ? [bed.add(0), bed.add(1)] : [bed.add(1), bed.add(0)]
    for (let i = 0; i < 3000; i++) flood.from.toRead.push(frameOf(i))
    bed.turns(20)
    for (let round = 0; round < 5; round++) {
      const left = flood.from.toRead.length
      trickle.from.toRead.push(frameOf(round))
      bed.turns(1)
      t.equal(trickle.from.toRead.length, 0)
      t.equal(left - flood.from.toRead.length, BURST_MAX, 'the flood has its whole burst, and no more')
      bed.turns(1)
      t.equal(trickle.to.written.length, round + 1)
      bed.turns(round)
    }
  }
  t.end()
})

t.test('more busy lanes than a turn has slots for all get the same', (t) => {
  const bed = new Bed()
  const lanes = Array.from({ length: 30 }, (_, index) => bed.add(index))
  for (const { from } of lanes) for (let i = 0; i < 1500; i++) from.toRead.push(frameOf(i))
  bed.turns(100)
  const written = lanes.map(({ to }) => to.written.length)
  t.ok(Math.min(...written) > 0)
  t.ok(Math.max(...written) - Math.min(...written) <= 2 * BURST_MAX, written.join(' '))
  bed.turns(300)
  for (const { to } of lanes) t.same(marksOf(to.written), Array.from(Array(1500).keys()))
  t.end()
})

t.test('a lane that wakes up beside thirty busy ones is served within one round', (t) => {
  const bed = new Bed()
  const lanes = Array.from({ length: 30 }, (_, index) => bed.add(index))
  const late = bed.add(30)
  for (const { from } of lanes) for (let i = 0; i < 3000; i++) from.toRead.push(frameOf(i))
  bed.turns(100)
  const before = lanes.map(({ from }) => from.toRead.length)
  late.from.toRead.push(frameOf(0), frameOf(1))
  for (let turns = 0; late.to.written.length < 2 && turns < 50; turns++) bed.turns(1)
  t.equal(late.to.written.length, 2)
  lanes.forEach(({ from }, i) => {
    const taken = before[i] - from.toRead.length
    t.ok(taken <= 3 * BURST_MAX, `${taken} of lane ${i}`)
  })
  t.end()
})

t.test('a lane whose device dies is reported once and asked for nothing more', (t) => {
  const bed = new Bed()
  const [dying, other] = [bed.add(0), bed.add(1)]
  dying.from.gone = true
  bed.turns(A_FEW)
  t.same(bed.gone, [[0, -EBADFD]])
  const asked = bed.io.asked.get(0)
  other.from.toRead.push(frameOf(1))
  bed.turns(20)
  t.same(bed.gone, [[0, -EBADFD]])
  t.equal(bed.io.asked.get(0), asked)
  t.equal(other.to.written.length, 1)
  t.end()
})

t.test('a device that dies in the middle of a burst is reported once, and what was read before goes on', (t) => {
  const bed = new Bed()
  const { from, to, totals } = bed.add(0)
  for (let i = 0; i < 300; i++) from.toRead.push(frameOf(i))
  bed.turns(5)
  from.gone = true
  bed.turns(20)
  t.same(bed.gone, [[0, -EBADFD]])
  t.equal(BigInt(to.written.length), totals().received_packets)
  t.same(marksOf(to.written), Array.from(Array(to.written.length).keys()))
  t.end()
})

t.test('a lane is removed', async (t) => {
  const removals = (bed: Bed, index: number): { count: number } => {
    const removed = { count: 0 }
    bed.lanes.remove(index, () => removed.count++)
    return removed
  }
  const reusable = (t: Test, bed: Bed): void => {
    const again = bed.add(0)
    again.from.toRead.push(frameOf(77))
    bed.turns(A_FEW)
    t.same(marksOf(again.to.written), [77])
    t.equal(again.totals().received_packets, 1n)
  }

  await t.test('while it waits', async (t) => {
    const bed = new Bed()
    bed.add(0)
    bed.turns(A_FEW)
    const removed = removals(bed, 0)
    t.equal(removed.count, 0, 'not before its wait is over')
    bed.turns(A_FEW)
    t.equal(removed.count, 1)
    reusable(t, bed)
    t.same(bed.gone, [])
  })

  await t.test('before its first turn', async (t) => {
    const bed = new Bed()
    bed.add(0)
    const removed = removals(bed, 0)
    bed.turns(A_FEW)
    t.equal(removed.count, 1)
    reusable(t, bed)
  })

  await t.test('while it is flooded: what was read is written first', async (t) => {
    const bed = new Bed()
    const { from, to, totals } = bed.add(0)
    for (let i = 0; i < 1000; i++) from.toRead.push(frameOf(i))
    bed.turns(8)
    const removed = removals(bed, 0)
    bed.turns(A_FEW)
    t.equal(removed.count, 1)
    t.ok(from.toRead.length > 0)
    t.equal(to.written.length + from.toRead.length, 1000)
    t.equal(totals().sent_packets, BigInt(to.written.length))
    reusable(t, bed)
  })

  await t.test('when a frame comes at that moment: it is written first', async (t) => {
    const bed = new Bed()
    const { from, to } = bed.add(0)
    bed.turns(A_FEW)
    from.toRead.push(frameOf(5))
    bed.io.submit(0) // the wait is over, and nobody knows yet
    const removed = removals(bed, 0)
    bed.turns(A_FEW)
    t.equal(removed.count, 1)
    t.same(marksOf(to.written), [5])
    reusable(t, bed)
  })

  await t.test('while others have all the slots', async (t) => {
    const bed = new Bed()
    const lanes = Array.from({ length: 12 }, (_, index) => bed.add(index))
    for (const { from } of lanes) for (let i = 0; i < 2000; i++) from.toRead.push(frameOf(i))
    bed.turns(50)
    const removed = removals(bed, 0)
    bed.turns(10)
    t.equal(removed.count, 1)
    t.equal(lanes[0].to.written.length + lanes[0].from.toRead.length, 2000)
    t.ok(bed.io.asked.get(1)! > 0)
  })

  await t.test('after its device died', async (t) => {
    const bed = new Bed()
    bed.add(0).from.gone = true
    bed.turns(A_FEW)
    const removed = removals(bed, 0)
    bed.turns(A_FEW)
    t.equal(removed.count, 1)
    reusable(t, bed)
    t.same(bed.gone, [[0, -EBADFD]])
  })

  await t.test('at the moment its device dies', async (t) => {
    const bed = new Bed()
    const { from } = bed.add(0)
    bed.turns(A_FEW)
    from.gone = true
    bed.io.submit(0)
    const removed = removals(bed, 0)
    bed.turns(A_FEW)
    t.equal(removed.count, 1)
    reusable(t, bed)
  })

  await t.test('that does not exist: at once', async (t) => {
    t.equal(removals(new Bed(), 3).count, 1)
  })
})

t.test('a frame that the kernel lost in a read is counted and costs no lane: the next one is served', (t) => {
  for (const lost of [1, 2, 7, 100]) {
    const bed = new Bed()
    const { from, to, totals } = bed.add(0)
    for (let round = 0; round < 3; round++) {
      from.lost = lost
      for (let i = 0; i < 20; i++) from.toRead.push(frameOf(i))
      bed.turns(20 + 2 * lost)
      t.same(marksOf(to.written.splice(0)), Array.from(Array(20).keys()), `${lost} lost`)
    }
    t.same(bed.gone, [])
    t.match(totals(), { received_packets: 60n, sent_packets: 60n, drop_undescribed: BigInt(3 * lost) })
  }
  t.end()
})

t.test('reads that fail cost no lane', async (t) => {
  const ERRORS = [ENOMEM, ENOBUFS, EIO, EFAULT, EBADF, EPERM].map((errno) => -errno)
  /** Turns until `done`; how many they were. */
  const turnUntil = (bed: Bed, done: () => boolean): number => {
    let turns = 0
    for (const deadline = performance.now() + 2000; !done() && performance.now() < deadline; turns++) bed.turns(1)
    return turns
  }

  await t.test('frames that come later, or that the kernel kept, are served', async (t) => {
    for (const errno of ERRORS) {
      const bed = new Bed()
      const { from, to, totals } = bed.add(0)
      from.unreadable = errno
      for (let i = 0; i < 20; i++) from.toRead.push(frameOf(i))
      bed.turns(A_FEW)
      t.same([to.written, bed.gone, bed.failing], [[], [], [[0, errno]]], 'told')
      from.unreadable = 0
      turnUntil(bed, () => to.written.length === 20)
      t.same(marksOf(to.written), Array.from(Array(20).keys()), String(errno))
      t.match(totals(), { received_packets: 20n, sent_packets: 20n })
    }
  })

  await t.test('a frame that the kernel could not copy is counted', async (t) => {
    const bed = new Bed()
    const { from, totals } = bed.add(0)
    bed.turns(1)
    from.unreadable = -EFAULT
    bed.turns(1)
    t.match(totals(), { received_packets: 0n, drop_undescribed: 1n })
  })

  await t.test('an error that stays is told once, and asked about ever less often', async (t) => {
    const bed = new Bed()
    const { from } = bed.add(0)
    const other = bed.add(1)
    from.unreadable = -ENOMEM
    const end = performance.now() + 60
    const turns = turnUntil(bed, () => performance.now() > end)
    const asked = bed.io.asked.get(0)!
    t.ok(asked < 30 && turns > 100, `${asked} times in ${turns} turns`) // pauses of 1, 2, 4, … ms
    t.same(bed.failing, [[0, -ENOMEM]])
    other.from.toRead.push(frameOf(1))
    bed.turns(A_FEW)
    t.equal(other.to.written.length, 1, 'others are served meanwhile')
    from.gone = true
    turnUntil(bed, () => bed.gone.length > 0)
    t.same(bed.gone, [[0, -EBADFD]], 'and its end is seen')
  })

  await t.test('it can be removed meanwhile', async (t) => {
    const bed = new Bed()
    bed.add(0).from.unreadable = -ENOMEM
    bed.turns(A_FEW)
    let removed = 0
    bed.lanes.remove(0, () => removed++)
    bed.turns(A_FEW)
    t.equal(removed, 1)
    bed.add(0).from.toRead.push(frameOf(1))
    bed.turns(A_FEW)
    t.same(bed.gone, [])
  })
})

t.test('a frame that could not be written moves from sent to the reason', (t) => {
  const reasons: [errno: number, reason: CounterName][] = [
    [-EIO, 'drop_peer_down'],
    [-EBADFD, 'drop_peer_gone'],
    [-EBADF, 'drop_peer_gone'],
    [-EINVAL, 'drop_bad_vnet_hdr'],
    [-ENOMEM, 'drop_no_memory'],
    [-ENOBUFS, 'drop_no_memory'],
    [-EAGAIN, 'drop_no_memory'],
    [-EPERM, 'drop_write_error'],
  ]
  for (const [errno, reason] of reasons) {
    const bed = new Bed()
    const { from, totals } = bed.add(0)
    bed.io.failWith = errno
    for (let i = 0; i < 10; i++) from.toRead.push(frameOf(i, 100 + i))
    bed.turns(10)
    const bytes = BigInt(10 * 100 + 45)
    const counted = totals()
    t.match(counted, { received_packets: 10n, received_bytes: bytes, sent_packets: 0n, sent_bytes: 0n })
    t.equal(counted[reason], 10n, reason)
    t.equal(dropsOf(counted), 10n)
  }
  t.end()
})

/** A super-frame of 3000 bytes with TCP at 34 (IPv6: 54), or in a tunnel at 84; `vnet` over its header. */
function superFrame(gsoType: number, vnet: Record<number, number> = {}, hdrLen = VNET_HDR_LEN): Uint8Array {
  const frame = new Uint8Array(hdrLen + 3000)
  frame.set([1, gsoType, 0, 0, 0xe8, 0x03, gsoType === 4 ? 54 : hdrLen === 24 ? 84 : 34, 0, 16])
  if (hdrLen === 24) frame.set([34, 0, 64, 0], 20)
  for (const [at, value] of Object.entries(vnet)) frame[Number(at)] = value
  return frame
}

const REFUSABLE: [name: string, frame: Uint8Array, offloads: number][] = [
  ['TCP over IPv4', superFrame(1), tun.TUN_F_TSO4],
  ['TCP over IPv6', superFrame(4), tun.TUN_F_TSO6],
  ['TCP with ECN', superFrame(0x81), tun.TUN_F_TSO_ECN],
  ['UDP', superFrame(5, { 8: 6 }), tun.TUN_F_USO4 | tun.TUN_F_USO6],
]
const TUNNEL = tun.TUN_F_UDP_TUNNEL_GSO | tun.TUN_F_UDP_TUNNEL_GSO_CSUM
const REFUSABLE_IN_TUNNEL: typeof REFUSABLE = [
  ['in a tunnel with an outer checksum', superFrame(0x21, { 0: 9 }, 24), tun.TUN_F_UDP_TUNNEL_GSO_CSUM],
  ['in a tunnel', superFrame(0x21, {}, 24), TUNNEL],
  ['in a tunnel over IPv6, with ECN', superFrame(0xc1, { 20: 54, 22: 64 }, 24), TUNNEL],
]

t.test('a super-frame that the kernel refuses although its header is right is told of once a lane and kind', (t) => {
  for (const [hdrLen, kinds] of [
    [12, REFUSABLE],
    [24, REFUSABLE_IN_TUNNEL],
  ] as const)
    for (const [name, frame, offloads] of kinds) {
      const bed = new Bed()
      const lanes = [bed.add(0, hdrLen), bed.add(1, hdrLen)]
      bed.io.failWith = -EINVAL
      for (const { from } of lanes) for (let i = 0; i < 40; i++) from.toRead.push(frame)
      bed.turns(40)
      t.same(
        bed.refused.splice(0).sort(),
        [0, 1].map((lane) => [lane, offloads]),
        name,
      )
      t.match(
        lanes[0].totals(),
        { received_packets: 40n, sent_packets: 0n, drop_bad_vnet_hdr: 40n },
        `${name}: counted`,
      )
      bed.lanes.tellAgain(1, offloads)
      for (const { from } of lanes) from.toRead.push(frame)
      bed.turns(A_FEW)
      t.same(bed.refused, [[1, offloads]], `${name}: again where that was asked for`)
    }
  const bed = new Bed()
  const { from } = bed.add(0)
  bed.io.failWith = -EINVAL
  for (let i = 0; i < 3; i++) for (const [, frame] of REFUSABLE) from.toRead.push(frame)
  bed.turns(20)
  t.same(
    bed.refused,
    REFUSABLE.map(([, , offloads]) => [0, offloads]),
  )
  t.end()
})

t.test('what is no lie of the kernel is not told', (t) => {
  const innocent: [name: string, errno: number, frame: Uint8Array][] = [
    ['a plain frame', -EINVAL, frameOf(1)],
    ['a plain frame with a checksum to complete', -EINVAL, superFrame(0)],
    ['a header with gso_size 0', -EINVAL, superFrame(1, { 4: 0, 5: 0 })],
    ['a header whose checksum lies behind the frame', -EINVAL, superFrame(1, { 7: 0xff })],
    ['a tunnel that a short header cannot have', -EINVAL, superFrame(0x21)],
    ['a peer that is down', -EIO, superFrame(1)],
    ['no memory', -ENOMEM, superFrame(1)],
    ['no error', 0, superFrame(1)],
  ]
  for (const [name, errno, frame] of innocent) {
    const bed = new Bed()
    const { from } = bed.add(0)
    bed.io.failWith = errno
    for (let i = 0; i < 5; i++) from.toRead.push(frame)
    bed.turns(10)
    t.same(bed.refused, [], name)
  }
  t.end()
})

t.test('an address or MTU that changes holds from the next frame on', (t) => {
  const bed = new Bed()
  const { from, to, totals } = bed.add(0)
  from.toRead.push(frameOf(1, 1000))
  bed.turns(A_FEW)
  bed.lanes.setReceiver(0, { macHigh: 0x0200, macLow: 9, mtu: 500, stages: {} })
  from.toRead.push(frameOf(2, 1000), frameOf(3, 518))
  bed.turns(A_FEW)
  t.same(marksOf(to.written), [1, 3])
  t.match(totals(), { class_host: 1n, class_otherhost: 2n, drop_too_long: 1n })
  t.end()
})

function dropsOf(counted: Record<CounterName, bigint>): bigint {
  return Object.entries(counted).reduce((sum, [name, count]) => (name.startsWith('drop_') ? sum + count : sum), 0n)
}

// --- Whatever happens, every frame stands in one counter ---------------------------------------------------------

const LANES = 4
type Event =
  | { kind: 'send'; lane: number; lengths: number[] }
  | { kind: 'turn'; count: number }
  | { kind: 'down' | 'up' | 'peer gone' | 'gone' | 'remove'; lane: number }
  | { kind: 'mtu'; lane: number; mtu: number }

const anyLane = fc.integer({ min: 0, max: LANES - 1 })
const anyLength = fc.oneof(fc.integer({ min: 14, max: 1600 }), fc.integer({ min: 1, max: 13 }))
const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      lane: anyLane,
      lengths: fc.array(anyLength, { minLength: 1, maxLength: 100 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('turn' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('down' as const, 'up' as const), lane: anyLane }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('peer gone' as const, 'gone' as const, 'remove' as const),
      lane: anyLane,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('mtu' as const), lane: anyLane, mtu: fc.integer({ min: 68, max: 1600 }) }),
  },
)

function play(bed: Bed, lanes: TestLane[], event: Event): void {
  if (event.kind === 'turn') bed.turns(event.count)
  else act(bed, lanes[event.lane], event)
}

function act(bed: Bed, { from, to, lane, index }: TestLane, event: Exclude<Event, { kind: 'turn' }>): void {
  if (event.kind === 'send') for (const len of event.lengths) from.toRead.push(frameOf(0, len))
  else if (event.kind === 'mtu') lane.setReceiver({ macHigh: 0x0200, macLow: 1, mtu: event.mtu, stages: {} })
  else if (event.kind === 'gone') from.gone = true
  else if (event.kind === 'peer gone') to.gone = true
  else if (event.kind !== 'remove') to.down = event.kind === 'down'
  else if (!removing.has(lane)) {
    removing.add(lane)
    bed.lanes.remove(index, () => {})
  }
}

/** Lanes whose removal was asked for: it is, once. */
const removing = new WeakSet<Lane>()

t.test('whatever happens, what was received is what was sent and what was dropped', (t) => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 40 }), (events) => {
      const bed = new Bed()
      const lanes = Array.from({ length: LANES }, (_, index) => bed.add(index))
      for (const event of events) play(bed, lanes, event)
      const transmitted = (lane: number) =>
        events.flatMap((event) => (event.kind === 'send' && event.lane === lane ? event.lengths : [])).length
      bed.turns(100)
      for (const { from, to, totals, index } of lanes) {
        const counted = totals()
        const bytes = to.written.reduce((sum, frame) => sum + frame.length - VNET_HDR_LEN, 0)
        if (counted.received_packets !== counted.sent_packets + dropsOf(counted)) return false
        if (counted.sent_packets !== BigInt(to.written.length)) return false
        if (counted.sent_bytes !== BigInt(bytes)) return false
        if (counted.received_packets + BigInt(from.toRead.length) !== BigInt(transmitted(index))) return false
      }
      return bed.gone.length === new Set(bed.gone.map(([lane]) => lane)).size
    }),
    { numRuns: 80 },
  )
  t.end()
})
