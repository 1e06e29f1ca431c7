/**
 * The turns of lanes with GRO, on the in-memory engine. Runs end with their turn or are held for their time, nothing is
 * lost when a lane or GRO ends meanwhile, and the failed write of a run counts every frame.
 */
import t from 'tap'
import { EINVAL } from '../../../src/abi/errno.js'
import { type CounterName, createTotals, readTotals } from '../../../src/counters.js'
import { GRO_TCP } from '../../../src/frame/gro.js'
import { MemoryIo, type MemoryPort } from '../../../src/io/memory.js'
import { BLOCK_COUNT } from '../../../src/io/slab.js'
import { Lane } from '../../../src/lane/lane.js'
import type { GroSettings } from '../../../src/messages.js'
import { Scheduler } from '../../../src/worker/scheduler.js'
import { BURST_MAX } from '../../../src/worker/served-lane.js'
import { canonical, cut, parse, segment, VNET_HDR_LEN } from '../frame/gro-frames.js'

const RECEIVER = { macHigh: 0x0200, macLow: 1, mtu: 1500 }
const ON: GroSettings = { kinds: GRO_TCP, maxSize: 65536, flushUs: 0 }
/** Longer than any test. */
const HELD: GroSettings = { ...ON, flushUs: 1_000_000 }

/** An engine that notes how long it was to wait. */
class WatchedIo extends MemoryIo {
  waited = 0

  override submit(timeoutMs: number): void {
    this.waited = timeoutMs
    super.submit(timeoutMs)
  }
}

interface TestLane {
  from: MemoryPort
  to: MemoryPort
  totals(): Record<CounterName, bigint>
}

class Bed {
  readonly io = new WatchedIo()
  readonly refused: number[] = []
  readonly lanes = new Scheduler(this.io, {
    gone() {},
    readFailed() {},
    refused: (_lane, offloads) => this.refused.push(offloads),
  })

  add(index: number, gro: GroSettings | null): TestLane {
    const [from, to] = [this.io.openPort(), this.io.openPort()]
    const totals = createTotals()
    const receiver = { ...RECEIVER, stages: { gro } }
    this.lanes.add(
      new Lane({ index, vnetHdrLen: VNET_HDR_LEN, checksum: 'offload', totals, receiver }),
      from.fd,
      to.fd,
      { gro },
    )
    return { from: from.port, to: to.port, totals: () => readTotals(totals) }
  }

  turns(count: number): void {
    for (let i = 0; i < count; i++) this.lanes.turn(2000)
  }
}

/** The segments `first` … of a connection, 4 bytes each. */
function stream(count: number, first = 0, sourcePort = 1000): Uint8Array[] {
  return Array.from({ length: count }, (_, i) =>
    segment({ seq: 4 * (first + i), id: 1 + first + i, payload: [i, 1, 2, 3], sourcePort }),
  )
}

const FEW = 4

t.test('gro changes nothing but how frames are packed', (t) => {
  const sent = stream(3000)
  const [off, on] = [null, ON].map((gro) => {
    const bed = new Bed()
    const { from, to, totals } = bed.add(0, gro)
    from.toRead.push(...sent)
    bed.turns(400)
    t.equal(totals().sent_packets, 3000n)
    return { to, totals: totals() }
  })
  t.equal(off.to.written.length, 3000)
  t.ok(on.to.written.length < 3000 / 40, `${on.to.written.length} super-frames`)
  t.same(on.to.written.flatMap(cut).map(canonical), off.to.written.map(canonical))
  t.same({ ...on.totals, gro_frame_held: 0n, gro_frame_merged: 0n, gro_run_burst_end: 0n }, off.totals)
  t.end()
})

t.test('a burst of a lane with gro has 64 frames, and one without keeps its own', (t) => {
  const bed = new Bed()
  const [merging, plain] = [bed.add(0, ON), bed.add(1, null)]
  for (const { from } of [merging, plain]) from.toRead.push(...stream(3000))
  bed.turns(20)
  const left = [merging, plain].map(({ from }) => from.toRead.length)
  bed.turns(1)
  t.same(
    [merging, plain].map(({ from }, i) => left[i] - from.toRead.length),
    [64, BURST_MAX],
  )
  t.end()
})

t.test('the frame that ends a wait is written before the next wait can overwrite it', (t) => {
  const bed = new Bed()
  const { from, to } = bed.add(0, ON)
  for (let i = 0; i < 20; i++) {
    from.toRead.push(...stream(1, i))
    bed.turns(FEW)
  }
  t.same(
    to.written.map((frame) => parse(frame).seq),
    Array.from({ length: 20 }, (_, i) => 4 * i),
  )
  t.end()
})

t.test('frames that are there at once are merged, though the first bursts after a wait are short', (t) => {
  const bed = new Bed()
  const { from, to, totals } = bed.add(0, ON)
  const other = bed.add(1, null)
  const rounds = 1000 // the room is used again and again
  const sent = stream(20 * rounds)
  for (let i = 0; i < rounds; i++) {
    from.toRead.push(...sent.slice(20 * i, 20 * (i + 1)))
    other.from.toRead.push(...stream(40, 0, 7)) // who reads into the slots meanwhile
    bed.turns(2 * FEW)
  }
  t.equal(to.written.length, rounds)
  t.same(to.written.flatMap(cut).map(canonical), sent.map(canonical))
  t.match(totals(), { gro_run_burst_end: BigInt(rounds), gro_frame_merged: BigInt(19 * rounds) })
  t.end()
})

t.test('a run ends with the last frame that is there, also when that filled a short burst', (t) => {
  for (const count of [1, 3, 7, 15]) {
    const bed = new Bed()
    const { from, to } = bed.add(0, ON)
    from.toRead.push(...stream(count))
    bed.turns(2 * FEW)
    t.equal(to.written.length, 1, `of ${count}`)
  }
  t.end()
})

t.test('a run that could not be written moves all its frames to the reason', (t) => {
  const bed = new Bed()
  const { from, to, totals } = bed.add(0, HELD)
  from.toRead.push(...stream(5))
  bed.turns(FEW)
  t.equal(totals().sent_packets, 0n, 'what is held is not sent yet')
  to.down = true
  bed.lanes.setReceiver(0, { ...RECEIVER, stages: { gro: null } })
  bed.turns(FEW)
  t.match(totals(), { sent_packets: 0n, sent_bytes: 0n, drop_peer_down: 5n, gro_run_switched_off: 1n })
  t.end()
})

t.test('a held run goes on when gro is switched off, its lane is removed, or its device dies', (t) => {
  const ends: ((bed: Bed, lane: TestLane) => void)[] = [
    (bed) => bed.lanes.setReceiver(0, { ...RECEIVER, stages: { gro: null } }),
    (bed) => bed.lanes.setReceiver(0, { ...RECEIVER, stages: { gro: ON } }),
    (bed) => bed.lanes.remove(0, () => {}),
    (_, { from }) => {
      from.gone = true
    },
  ]
  for (const end of ends) {
    const bed = new Bed()
    const lane = bed.add(0, HELD)
    lane.from.toRead.push(...stream(5))
    bed.turns(FEW)
    t.same(lane.to.written, [], 'it is held')
    end(bed, lane)
    bed.turns(FEW)
    t.same(lane.to.written.flatMap(cut).map(canonical), stream(5).map(canonical))
  }
  t.end()
})

t.test('a held run grows over turns, and is moved out of slots that are read into again', (t) => {
  const bed = new Bed()
  const { from, to, totals } = bed.add(0, HELD)
  const other = bed.add(1, null)
  const sent = stream(60)
  for (let i = 0; i < sent.length; i += 3) {
    from.toRead.push(...sent.slice(i, i + 3))
    other.from.toRead.push(...stream(40, 0, 7)) // who reads into the slots meanwhile
    bed.turns(FEW)
  }
  t.same(to.written, [])
  bed.lanes.setReceiver(0, { ...RECEIVER, stages: { gro: ON } })
  bed.turns(FEW)
  t.equal(to.written.length, 1)
  t.same(to.written.flatMap(cut).map(canonical), sent.map(canonical))
  t.match(totals(), { gro_frame_held: 1n, gro_frame_merged: 59n })
  t.end()
})

t.test('a run is held for its time, which bounds the wait of the worker', async (t) => {
  const bed = new Bed()
  const { from, to, totals } = bed.add(0, { ...ON, flushUs: 20_000 })
  from.toRead.push(...stream(5))
  bed.turns(FEW)
  t.ok(bed.io.waited > 0 && bed.io.waited <= 20, `it waits for ${bed.io.waited} ms`)
  await new Promise((resolve) => setTimeout(resolve, 25))
  bed.turns(2)
  t.equal(to.written.length, 1)
  t.equal(totals().gro_run_timeout, 1n)
  bed.turns(2)
  t.equal(bed.io.waited, 2000, 'nothing is held')
  t.end()
})

t.test('without room to hold it in, a run ends with its turn; room comes back', (t) => {
  const bed = new Bed()
  const most = 2 * BLOCK_COUNT // of the longest runs
  const lanes = Array.from({ length: most / 8 + 1 }, (_, i) => bed.add(i, HELD))
  const fill = (round: number): void => {
    for (const { from } of lanes) for (let flow = 0; flow < 8; flow++) from.toRead.push(...stream(1, round, flow))
    bed.turns(60)
  }
  const settle = (): void => {
    lanes.forEach((_, i) => {
      bed.lanes.setReceiver(i, { ...RECEIVER, stages: { gro: null } })
    })
    bed.turns(FEW)
    lanes.forEach((_, i) => {
      bed.lanes.setReceiver(i, { ...RECEIVER, stages: { gro: HELD } })
    })
    bed.turns(FEW)
  }
  const written = (): number => lanes.reduce((sum, { to }) => sum + to.written.splice(0).length, 0)
  fill(0)
  t.equal(written(), 8)
  settle()
  t.equal(written(), most)
  fill(1)
  t.equal(written(), 8)
  t.end()
})

t.test('super-frames that this kernel refuses are told by their kind', (t) => {
  const bed = new Bed()
  const { from, to, totals } = bed.add(0, ON)
  to.refuses = -EINVAL
  from.toRead.push(...stream(1))
  bed.turns(FEW)
  from.toRead.push(...stream(20, 1))
  bed.turns(3 * FEW)
  t.equal(bed.refused.length, 1)
  t.equal(totals().sent_packets, 0n)
  t.equal(totals().drop_bad_vnet_hdr, 21n)
  t.end()
})
