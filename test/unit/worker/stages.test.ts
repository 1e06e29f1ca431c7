/**
 * An example stage (../lane/sieve.ts) in a lane's chain, on the in-memory engine. Every frame is passed on, held, or
 * counted with a reason, whatever ends meanwhile. test/device/io-conformance.test.ts runs the stage on real devices.
 */
import t, { type Test } from 'tap'
import { type CounterName, createTotals, readTotals } from '../../../src/counters.js'
import { GRO_TCP } from '../../../src/frame/gro.js'
import { MemoryIo, type MemoryPort } from '../../../src/io/memory.js'
import { LANE_HOLD_BYTES } from '../../../src/lane/hold.js'
import { Lane } from '../../../src/lane/lane.js'
import { STAGES } from '../../../src/lane/stages.js'
import type { GroSettings, StageSettings } from '../../../src/messages.js'
import { Scheduler } from '../../../src/worker/scheduler.js'
import { cut, parse, segment, VNET_HDR_LEN } from '../frame/gro-frames.js'
import { SIEVE, type SieveSettings } from '../lane/sieve.js'

const RECEIVER = { macHigh: 0x0200, macLow: 1, mtu: 1500 }
const GRO: GroSettings = { kinds: GRO_TCP, maxSize: 65536, flushUs: 0 }

interface Settings extends StageSettings {
  sieve?: SieveSettings | null
}

class Bed {
  readonly io = new MemoryIo()
  readonly #refused: number[] = []
  readonly scheduler = new Scheduler(
    this.io,
    { gone() {}, readFailed() {}, refused: (_lane, offloads) => this.#refused.push(offloads) },
    [SIEVE, ...STAGES],
  )
  readonly from: MemoryPort
  readonly to: MemoryPort
  readonly #totals = createTotals()

  constructor(stages: Settings) {
    const [from, to] = [this.io.openPort(), this.io.openPort()]
    this.from = from.port
    this.to = to.port
    const receiver = { ...RECEIVER, stages }
    const lane = new Lane({ index: 0, vnetHdrLen: VNET_HDR_LEN, checksum: 'offload', totals: this.#totals, receiver })
    this.scheduler.add(lane, from.fd, to.fd, stages)
  }

  set(stages: Settings): void {
    this.scheduler.setReceiver(0, { ...RECEIVER, stages })
  }

  /** Turns until everything was read, and until `done` holds. */
  turnsUntil(done: () => boolean): void {
    while (this.from.toRead.length > 0 || !done()) this.scheduler.turn(1)
    for (let i = 0; i < 4; i++) this.scheduler.turn(1)
  }

  get totals(): Record<CounterName, number> {
    const entries = Object.entries(readTotals(this.#totals)).map(([name, count]) => [name, Number(count)])
    return Object.fromEntries(entries) as Record<CounterName, number>
  }

  /** Sequence numbers of what arrived, in units of a segment. */
  get arrived(): number[] {
    return this.to.written.flatMap(cut).map((frame) => parse(frame).seq / 4)
  }
}

/** The time that lanes see, until the test ends. */
function stopClock(t: Test): { now: number } {
  const clock = { now: 1000 }
  const { now } = performance
  performance.now = () => clock.now
  t.teardown(() => {
    performance.now = now
  })
  return clock
}

const stream = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => segment({ seq: 4 * i, id: 1 + i, payload: [i, 1, 2, 3] }))
const numbers = (count: number): number[] => Array.from(Array(count).keys())

t.test('it drops and holds, and nothing is lost unexplained', (t) => {
  const bed = new Bed({ sieve: { dropEvery: 5, holdEvery: 3 } })
  const clock = stopClock(t)
  bed.from.toRead.push(...stream(60))
  bed.turnsUntil(() => bed.from.toRead.length === 0)
  const isDropped = (i: number) => (i + 1) % 5 === 0
  const isHeld = (i: number) => !isDropped(i) && (i + 1) % 3 === 0
  const prompt = numbers(60).filter((i) => !isDropped(i) && !isHeld(i))
  const late = numbers(60).filter(isHeld)
  t.same(bed.arrived, prompt, 'the others overtake what is held')
  t.match(bed.totals, { received_packets: 60, sent_packets: prompt.length, drop_no_memory: 12 })
  clock.now += 9.9
  bed.turnsUntil(() => true)
  t.same(bed.arrived, prompt, 'it is held for 10 ms')
  clock.now += 0.1
  bed.turnsUntil(() => bed.totals.sent_packets === 48)
  t.same(bed.arrived, [...prompt, ...late])
  t.equal(bed.totals.received_packets, bed.totals.sent_packets + bed.totals.drop_no_memory)
  t.end()
})

t.test('what it passes on is merged behind it, also frames that were held', (t) => {
  const bed = new Bed({ sieve: { dropEvery: 0, holdEvery: 1 }, gro: GRO })
  bed.from.toRead.push(...stream(200))
  bed.turnsUntil(() => bed.totals.sent_packets === 200)
  t.same(bed.arrived, numbers(200))
  t.ok(bed.to.written.length < 50, `${bed.to.written.length} super-frames`)
  t.end()
})

t.test('removed, it passes on what it holds, through the stages behind it', (t) => {
  for (const after of [{}, { gro: GRO }, { sieve: null, gro: null }]) {
    const bed = new Bed({ sieve: { dropEvery: 0, holdEvery: 2 }, gro: GRO })
    bed.from.toRead.push(...stream(100))
    bed.turnsUntil(() => bed.from.toRead.length === 0)
    bed.set(after)
    bed.turnsUntil(() => true)
    t.same(
      bed.arrived.sort((a, b) => a - b),
      numbers(100),
    )
    t.match(bed.totals, { sent_packets: 100, drop_no_memory: 0 })
    bed.from.toRead.push(...stream(10))
    bed.turnsUntil(() => bed.totals.sent_packets === 110)
  }
  t.end()
})

t.test('settings change what it does with the next frame, and leave what it holds', (t) => {
  const bed = new Bed({ sieve: { dropEvery: 0, holdEvery: 1 } })
  bed.from.toRead.push(...stream(10))
  bed.turnsUntil(() => bed.from.toRead.length === 0)
  t.equal(bed.totals.sent_packets, 0)
  bed.set({ sieve: { dropEvery: 1, holdEvery: 0 } })
  bed.from.toRead.push(...stream(7))
  bed.turnsUntil(() => bed.totals.sent_packets === 10)
  t.match(bed.totals, { received_packets: 17, sent_packets: 10, drop_no_memory: 7 })
  t.end()
})

t.test('a lane that is removed sends or counts what its stage holds', (t) => {
  const bed = new Bed({ sieve: { dropEvery: 0, holdEvery: 1 } })
  bed.from.toRead.push(...stream(3000))
  bed.turnsUntil(() => bed.from.toRead.length === 0)
  let removed = false
  bed.scheduler.remove(0, () => {
    removed = true
  })
  while (!removed) bed.scheduler.turn(1)
  const { received_packets, sent_packets, drop_no_memory } = bed.totals
  t.equal(received_packets, 3000)
  t.equal(sent_packets + drop_no_memory, 3000)
  t.equal(bed.to.written.length, sent_packets)
  t.end()
})

t.test('a hold that is full drops, counted, and has room again', (t) => {
  const bed = new Bed({ sieve: { dropEvery: 0, holdEvery: 1 } })
  const frame = new Uint8Array(VNET_HDR_LEN + 14 + 60_000)
  frame[1] = 1 // a super-frame, or it would be too long
  frame.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0], VNET_HDR_LEN)
  const room = Math.floor(LANE_HOLD_BYTES / (frame.length + 6))
  const clock = stopClock(t) // nothing is due
  for (let i = 0; i < room + 100; i++) bed.from.toRead.push(frame)
  bed.turnsUntil(() => bed.from.toRead.length === 0)
  t.match(bed.totals, { received_packets: room + 100, sent_packets: 0, drop_no_memory: 100 })
  clock.now += 10
  bed.turnsUntil(() => bed.totals.sent_packets === room)
  bed.from.toRead.push(frame)
  bed.turnsUntil(() => bed.from.toRead.length === 0)
  clock.now += 10
  bed.turnsUntil(() => bed.totals.sent_packets === room + 1)
  t.end()
})

t.test('a held frame that cannot be written is counted as any other', (t) => {
  const bed = new Bed({ sieve: { dropEvery: 0, holdEvery: 1 } })
  bed.from.toRead.push(...stream(20))
  bed.turnsUntil(() => bed.from.toRead.length === 0)
  bed.to.down = true
  bed.turnsUntil(() => bed.totals.drop_peer_down === 20)
  t.match(bed.totals, { received_packets: 20, sent_packets: 0, sent_bytes: 0 })
  t.end()
})
