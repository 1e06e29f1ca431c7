/**
 * The pool and its workers, on pipes: the poll engine moves "frames" between any fds that can be read and written.
 */
import t, { type Test } from 'tap'
import { native } from '../../../native-bindings/index.js'
import { createTotals, readTotals } from '../../../src/counters.js'
import { MAX_LANES } from '../../../src/io/slab.js'
import type { StageSettings } from '../../../src/messages.js'
import { type LaneRequest, Pool, type PoolLane, type PoolOptions } from '../../../src/veth/pool.js'
import { openPipe } from '../native-bindings/helpers.js'

const FRAME = new Uint8Array(12 + 60).fill(0x5a)
FRAME.fill(0, 0, 12)

async function openPool(t: Test, workers: number, options: Partial<PoolOptions> = {}): Promise<Pool> {
  const pool = await Pool.open({
    engine: 'poll',
    workers,
    cpus: [],
    ...options,
    onGone: (lane, errno) => t.fail(`lane ${lane.index} is gone: ${errno}`),
    onSlowed: (why) => t.fail(why),
    onReadFailed: (lane, errno) => t.fail(`lane ${lane.index} cannot be read: ${errno}`),
    onRefused: (lane) => t.fail(`a frame of lane ${lane.index} was refused`),
    onFault: (error) => t.fail(error),
  })
  t.teardown(() => pool.close())
  return pool
}

function requestFor(fromFd: number, toFd: number, queue = 0): LaneRequest {
  const receiver = { macHigh: 0, macLow: 0, mtu: 1500, stages: {} }
  return { fromFd, toFd, queue, vnetHdrLen: 12, checksum: 'offload', totals: createTotals(), receiver }
}

/** Worker and index of each lane. */
function placesOf(lanes: PoolLane[]): string[] {
  return lanes.map(({ worker, index }) => `${worker}/${index}`)
}

async function carries(t: Test, from: number, to: number): Promise<void> {
  t.equal(native().write(from, FRAME), FRAME.length)
  t.ok(native().waitReadable(to, 2000))
  const into = new Uint8Array(100)
  t.equal(native().read(to, into), FRAME.length)
  t.same(into.subarray(0, FRAME.length), FRAME)
}

t.test('a lane carries frames until it is removed, and never after', async (t) => {
  const pool = await openPool(t, 1)
  const [from, to] = [openPipe(t), openPipe(t)]
  const lane = requestFor(from, to)
  const addresses = await pool.addLanes([lane])
  t.same(placesOf(addresses), ['0/0'])
  await carries(t, from, to)
  await carries(t, from, to)
  await pool.removeLanes(addresses)
  t.match(readTotals(lane.totals), { received_packets: 2n, sent_packets: 2n })
  native().write(from, FRAME)
  t.notOk(native().waitReadable(to, 50))
  t.equal(native().read(from, new Uint8Array(100)), FRAME.length, 'it is still there')
})

t.test('lanes of one queue go together to the worker with the fewest', async (t) => {
  const pool = await openPool(t, 2)
  const add = (count: number): Promise<PoolLane[]> =>
    pool.addLanes(Array.from({ length: count }, () => requestFor(openPipe(t), openPipe(t))))
  const pairs = [await add(2), await add(4), await add(2), await add(2)]
  t.same(
    pairs.map((lanes) => lanes.map(({ worker }) => worker)),
    [
      [0, 0],
      [1, 1, 1, 1],
      [0, 0],
      [0, 0],
    ],
  )
  await pool.removeLanes([...pairs[1], ...pairs[0]])
  t.equal((await add(1))[0].worker, 1)
})

t.test('the queues of a pair are spread over the workers, both directions of each on one', async (t) => {
  const pool = await openPool(t, 3)
  const workersOf = async (queues: number[]) =>
    (await pool.addLanes(queues.map((queue) => requestFor(openPipe(t), openPipe(t), queue)))).map(
      ({ worker }) => worker,
    )
  t.same(await workersOf([0, 0]), [0, 0])
  t.same(await workersOf([0, 1, 2, 3, 0, 1, 2, 3]), [1, 2, 0, 1, 1, 2, 0, 1], 'those with the fewest lanes first')
})

t.test('lanes of which one cannot be added are not added at all, on whichever worker', async (t) => {
  const pool = await openPool(t, 2)
  const [from, to] = [openPipe(t), openPipe(t)]
  await t.rejects(pool.addLanes([requestFor(from, to, 0), requestFor(-1, to, 1)]), {
    code: 'INTERNAL',
    message: /EBADF/,
  })
  native().write(from, FRAME)
  t.notOk(native().waitReadable(to, 50))
  native().read(from, new Uint8Array(100))
  const again = await pool.addLanes([requestFor(from, to, 0), requestFor(openPipe(t), openPipe(t), 1)])
  t.same(placesOf(again), ['0/0', '1/0'])
  await carries(t, from, to)
})

t.test('lanes of a worker of which one cannot be added are not added at all', async (t) => {
  const pool = await openPool(t, 1)
  const [from, to, other] = [openPipe(t), openPipe(t), openPipe(t)]
  await t.rejects(pool.addLanes([requestFor(from, to), requestFor(-1, to)]), { code: 'INTERNAL', message: /EBADF/ })
  native().write(from, FRAME)
  t.notOk(native().waitReadable(to, 50), 'the first of them is not served')
  native().read(from, new Uint8Array(100))
  const again = await pool.addLanes([requestFor(from, to), requestFor(other, from)])
  t.same(again.map(({ index }) => index).sort(), [0, 1], 'and their numbers are free')
  await carries(t, from, to)
})

t.test('more lanes than a worker has numbers for are refused', async (t) => {
  const pool = await openPool(t, 1)
  const tooMany = Array.from({ length: MAX_LANES + 1 }, () => requestFor(-1, -1))
  await t.rejects(pool.addLanes(tooMany), { code: 'LIMIT_REACHED' })
})

t.test('a lane that is wanted apart goes to another worker, and comes back; what it counted stays', async (t) => {
  const pool = await openPool(t, 2)
  const [from, to] = [openPipe(t), openPipe(t)]
  const request = requestFor(from, to)
  const [stays, moves] = await pool.addLanes([requestFor(openPipe(t), openPipe(t)), request])
  await carries(t, from, to)
  for (const [apart, worker] of [
    [true, 1],
    [true, 1],
    [false, 0],
  ] as const) {
    await pool.setApart([moves], apart)
    t.equal(moves.worker, worker)
    t.equal(stays.worker, 0)
    await carries(t, from, to)
  }
  t.match(readTotals(request.totals), { received_packets: 4n, sent_packets: 4n })
  await pool.removeLanes([stays, moves])
  const asManyAsThereAre = Array.from({ length: 2 * MAX_LANES }, (_, i) => requestFor(-1, -1, i % 2))
  await t.rejects(pool.addLanes(asManyAsThereAre), { code: 'INTERNAL', message: /EBADF/ }, 'no number stays taken')
})

t.test('one that is moved again and again, and changed meanwhile, ends where it was wanted last', async (t) => {
  const pool = await openPool(t, 2)
  const [from, to] = [openPipe(t), openPipe(t)]
  const request = requestFor(from, to)
  const [lane] = await pool.addLanes([request])
  const moves = [true, false, true, false, true].map((apart) => pool.setApart([lane], apart))
  pool.setReceiver(lane, { macHigh: 0x5a5a, macLow: 0x5a5a5a5a, mtu: 1500, stages: {} })
  await Promise.all(moves)
  t.equal(lane.worker, 1)
  await carries(t, from, to)
  await pool.removeLanes([lane])
  t.match(readTotals(request.totals), { class_host: 1n })
})

t.test('one whose stages keep a state stays where it is, until they are gone', async (t) => {
  const pool = await openPool(t, 2)
  const [from, to] = [openPipe(t), openPipe(t)]
  const [lane] = await pool.addLanes([requestFor(from, to)])
  const receiver = { macHigh: 0, macLow: 0, mtu: 1500 }
  const gro = { kinds: 1, maxSize: 65536, flushUs: 0 }
  for (const [stages, apart, worker] of [
    [{ gro, keeper: {} }, true, 0],
    [{ gro, keeper: null }, true, 1],
    [{ keeper: {} }, false, 1],
    [{ gro }, false, 0],
  ] as const) {
    pool.setReceiver(lane, { ...receiver, stages: stages as StageSettings })
    await pool.setApart([lane], apart)
    t.equal(lane.worker, worker)
    await carries(t, from, to)
  }
})

t.test('one that is removed while it moves is not served any more', async (t) => {
  const pool = await openPool(t, 2)
  const [from, to] = [openPipe(t), openPipe(t)]
  const [lane] = await pool.addLanes([requestFor(from, to)])
  const moves = [true, false, true].map((apart) => pool.setApart([lane], apart))
  await pool.removeLanes([lane])
  await Promise.all(moves)
  native().write(from, FRAME)
  t.notOk(native().waitReadable(to, 50))
})

t.test('a single worker gets a second for that, if it may', async (t) => {
  for (const spare of [true, false]) {
    const pool = await openPool(t, 1, { spare })
    const [from, to] = [openPipe(t), openPipe(t)]
    const lanes = await pool.addLanes([requestFor(from, to), requestFor(openPipe(t), openPipe(t))])
    t.equal(pool.cpus.length, 1, 'not before it is wanted')
    await Promise.all(lanes.map((lane) => pool.setApart([lane], true)))
    t.equal(pool.cpus.length, spare ? 2 : 1)
    t.same(
      lanes.map(({ worker }) => worker),
      spare ? [1, 1] : [0, 0],
    )
    await carries(t, from, to)
    const more = await pool.addLanes([requestFor(openPipe(t), openPipe(t))])
    t.equal(more[0].worker, 0, 'which gets nothing else')
  }
})

t.test('a second worker that cannot be had is told of once, and the lane stays', async (t) => {
  const pool = await openPool(t, 1, { spare: true, cpus: native().getThreadAffinity() })
  const [from, to] = [openPipe(t), openPipe(t)]
  const [lane] = await pool.addLanes([requestFor(from, to)])
  const cpus = pool.cpus[0] as number[]
  cpus.splice(0, cpus.length, 8000) // a CPU that is taken from the machine, or the container, meanwhile
  await t.rejects(pool.setApart([lane], true), { code: 'EINVAL' })
  await pool.setApart([lane], true)
  t.equal(lane.worker, 0)
  t.equal(pool.cpus.length, 1)
  await carries(t, from, to)
})

t.test('CPUs that the process may not use are refused before anything is started', async (t) => {
  const allowed = native().getThreadAffinity()
  t.teardown(() => native().setThreadAffinity(Int32Array.from(allowed)))
  native().setThreadAffinity(Int32Array.of(allowed[0]))
  await t.rejects(openPool(t, 1, { cpus: [allowed[0], 8000] }), {
    code: 'ARGUMENT_INVALID',
    message: `--cpus: this process may not run on CPU 8000, but on ${allowed[0]}`,
  })
})

t.test('a receiver that changes is known to the lane from then on', async (t) => {
  const pool = await openPool(t, 1)
  const [from, to] = [openPipe(t), openPipe(t)]
  const lane = requestFor(from, to)
  const [address] = await pool.addLanes([lane])
  await carries(t, from, to)
  pool.setReceiver(address, { macHigh: 0x5a5a, macLow: 0x5a5a5a5a, mtu: 1500, stages: {} })
  await pool.addLanes([requestFor(openPipe(t), to)]) // answered after what was posted before
  await carries(t, from, to)
  await pool.removeLanes([address])
  t.match(readTotals(lane.totals), { class_otherhost: 1n, class_host: 1n })
})
