/** When a worker busy-polls instead of sleeping, with a clock that the test controls. */
import t from 'tap'
import { ADAPTIVE_MS, BusyPoll, CALM_MS } from '../../../src/worker/busy-poll.js'
import { CpuContention } from '../../../src/worker/cpu-contention.js'
import { TURN_CARRIED, TURN_FLOODED, TURN_IDLE, TURN_TRICKLED } from '../../../src/worker/scheduler.js'

const CLOSE_MS = ADAPTIVE_MS / 2
const FAR_MS = ADAPTIVE_MS * 2

class Bed {
  ms = 1000
  yields = 0
  /** How long others run when they are let. */
  othersMs = 0
  readonly poll: BusyPoll
  readonly contention: CpuContention

  constructor(fixedUs?: number) {
    const now = (): number => this.ms
    this.contention = new CpuContention(() => {
      this.yields++
      this.ms += this.othersMs
    }, now)
    this.poll = new BusyPoll(fixedUs, this.contention, now)
  }

  /** A turn after `gapMs`; whether the worker asks again at once. */
  after(gapMs: number, turn = TURN_TRICKLED): boolean {
    this.ms += gapMs
    this.poll.turned(turn)
    return this.poll.goesOn
  }

  /** Two small frames close to each other. */
  talking(): this {
    this.after(FAR_MS)
    this.after(CLOSE_MS)
    return this
  }
}

t.test('it sleeps until two small frames came close to each other, and then asks for the third', async (t) => {
  const bed = new Bed()
  t.equal(bed.poll.goesOn, false, 'before the first')
  t.equal(bed.after(FAR_MS), false, 'after the first')
  t.equal(bed.after(CLOSE_MS), true, 'after the second')
  t.equal(bed.after(CLOSE_MS), true, 'and as long as they come')
})

t.test('it asks for as long as an answer may take, and no longer', async (t) => {
  const bed = new Bed().talking()
  t.equal(bed.after(CLOSE_MS, TURN_IDLE), true)
  t.equal(bed.after(ADAPTIVE_MS, TURN_IDLE), false)
  t.equal(bed.after(FAR_MS), false, 'the next frame was far: asking for it had been for nothing')
  t.equal(bed.after(CLOSE_MS), true)
})

t.test('frames that are far apart are slept for, however many they are', async (t) => {
  const bed = new Bed()
  for (let i = 0; i < 100; i++) t.equal(bed.after(FAR_MS), false)
  t.equal(bed.yields, 0)
})

t.test('bulk is not waited for', async (t) => {
  const bed = new Bed().talking()
  t.equal(bed.after(CLOSE_MS, TURN_CARRIED), false)
  t.equal(bed.after(CLOSE_MS, TURN_CARRIED), false)
  t.equal(bed.after(CLOSE_MS), false, 'a small frame between two of bulk, as an acknowledgement is')
  t.equal(bed.after(CLOSE_MS, TURN_CARRIED), false)
  t.equal(bed.after(CLOSE_MS), false)
  t.equal(bed.after(CLOSE_MS), true, 'two small ones again')
})

t.test('after a flood nothing is asked for until it has been over for a while', async (t) => {
  const bed = new Bed().talking()
  t.equal(bed.after(CLOSE_MS, TURN_FLOODED), false)
  for (let ms = 0; ms + CLOSE_MS < CALM_MS; ms += CLOSE_MS) if (bed.after(CLOSE_MS)) t.fail(`after ${ms} ms`)
  bed.after(CLOSE_MS)
  bed.after(CLOSE_MS)
  t.equal(bed.after(CLOSE_MS), true)
})

t.test('others that want the CPU run before each time that it asks', async (t) => {
  const bed = new Bed().talking()
  const { yields } = bed
  bed.othersMs = 0.02
  t.equal(bed.after(CLOSE_MS), true)
  t.equal(bed.yields, yields + 1)
})

t.test('beside one that wants it for longer, it sleeps for a while', async (t) => {
  const bed = new Bed().talking()
  bed.othersMs = 3
  t.equal(bed.after(CLOSE_MS), false)
  bed.othersMs = 0
  t.equal(bed.contention.yield(), false, 'nothing is yielded either: it would be a gift')
  for (let i = 0; i < 10; i++) t.equal(bed.after(CLOSE_MS), false)
  bed.ms += 50
  t.equal(bed.contention.yield(), true)
  t.equal(bed.talking().after(CLOSE_MS), true)
})

t.test('with a time that was given it asks for so long after any frame, whoever else wants the CPU', async (t) => {
  const bed = new Bed(200)
  bed.othersMs = 3
  t.equal(bed.poll.goesOn, false, 'not before the first')
  for (const turn of [TURN_TRICKLED, TURN_CARRIED, TURN_FLOODED]) {
    t.equal(bed.after(10, turn), true)
    t.equal(bed.after(0.19, TURN_IDLE), true)
    t.equal(bed.after(0.02, TURN_IDLE), false)
  }
  t.equal(bed.yields, 0)
})

t.test('with a time of 0 it never does', async (t) => {
  const bed = new Bed(0)
  for (let i = 0; i < 10; i++) t.equal(bed.after(CLOSE_MS), false)
  t.equal(bed.yields, 0)
})
