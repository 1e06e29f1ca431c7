/**
 * The hold: places can be given back in any order, and are reused only after their writes. Memory grows with use, and
 * is discarded when nothing is held.
 */
import t from 'tap'
import { BLOCK_BYTES, BLOCK_COUNT, HOLD_OFFSET, SCRATCH_OFFSET, SLAB_BYTES, SLOT_BYTES } from '../../../src/io/slab.js'
import { Hold, LANE_HOLD_BYTES, LaneHold } from '../../../src/lane/hold.js'

function bed() {
  const mem = new Uint8Array(SLAB_BYTES)
  const discarded: [offset: number, len: number][] = []
  const hold = new Hold((...range) => discarded.push(range))
  const submit = (): void => {
    hold.submitting()
    hold.submitted()
  }
  return { mem, hold, discarded, submit, lane: () => new LaneHold(hold, mem) }
}

t.test('what is kept is a copy, and every place is its own', async (t) => {
  const { mem, lane } = bed()
  const [one, two] = [lane(), lane()]
  mem.fill(7, 100, 164)
  const places = [1, 64, 63, 9, SLOT_BYTES, SLOT_BYTES, SLOT_BYTES].flatMap((len) =>
    [one, two].map((owner) => ({ at: owner.keep(100, len), len })),
  )
  t.same([...mem.subarray(places[2].at, places[2].at + 64)], new Array(64).fill(7))
  const sorted = places.sort((a, b) => a.at - b.at)
  for (const [i, { at, len }] of sorted.entries()) {
    t.ok(at >= HOLD_OFFSET && at + len <= (sorted[i + 1]?.at ?? SCRATCH_OFFSET))
    t.equal(Math.floor(at / 8) * 8, at)
  }
})

t.test('a place is used again only when the submit after it was given has returned', async (t) => {
  const { hold, lane } = bed()
  const one = lane()
  const places = Array.from({ length: 2 * BLOCK_COUNT }, () => lane().reserve(SLOT_BYTES)).filter((at) => at >= 0)
  t.equal(places.length, BLOCK_COUNT, 'a block for each lane')
  t.equal(one.reserve(8), -1)
  one.give(places[0], 0)
  hold.submitting()
  one.give(places[1], 0) // while what failed is looked at
  t.equal(one.reserve(8), -1)
  hold.submitted()
  t.equal(one.reserve(8), places[0])
  t.equal(lane().reserve(8), -1)
  hold.submitting()
  hold.submitted()
  t.equal(lane().reserve(8), places[1])
})

t.test('places come back in any order', async (t) => {
  const { submit, lane } = bed()
  const one = lane()
  for (let round = 0; round < 30; round++) {
    const places: number[] = []
    for (let at = one.reserve(60_000); at >= 0; at = one.reserve(60_000)) places.push(at)
    t.equal(places.length, Math.floor(LANE_HOLD_BYTES / 60_000))
    for (const i of [...places.keys()].sort((a, b) => ((a * 7) % 11) - ((b * 7) % 11))) one.give(places[i], 60_000)
    t.equal(one.bytes, 0)
    submit()
  }
})

t.test('a full lane leaves room for the others', async (t) => {
  const { lane } = bed()
  const greedy = lane()
  while (greedy.reserve(1000) >= 0) {}
  t.ok(greedy.bytes <= LANE_HOLD_BYTES)
  t.ok(lane().reserve(1000) >= 0)
})

t.test('memory is given back when nothing is held any more, and not for a little', async (t) => {
  const { submit, lane, discarded } = bed()
  const one = lane()
  for (const [blocks, told] of [
    [3, 0],
    [100, 1],
    [3, 1],
    [9, 2],
  ]) {
    const places = Array.from({ length: 2 * blocks }, () => one.reserve(SLOT_BYTES))
    for (const at of places) one.give(at, SLOT_BYTES)
    submit()
    t.equal(discarded.length, told, `${blocks} blocks`)
  }
  t.same(discarded[0], [HOLD_OFFSET, BLOCK_COUNT * BLOCK_BYTES])
})
