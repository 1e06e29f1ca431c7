/**
 * The counters of a lane: exact at any size, and consistent when they are read while they change.
 */
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import t from 'tap'
import {
  COUNTER_NAMES,
  createTotals,
  DROP_PEER_DOWN,
  LaneCounters,
  PROTOCOL_OTHER,
  RECEIVED_BYTES,
  RECEIVED_PACKETS,
  readTotals,
  SENT_PACKETS,
  sumTotals,
} from '../../src/counters.js'

const TWO_32 = 2 ** 32

t.test('new totals are all zero', async (t) => {
  const totals = readTotals(createTotals())
  t.same(Object.keys(totals), COUNTER_NAMES)
  t.ok(Object.values(totals).every((count) => count === 0n))
})

t.test('a fold adds the burst to the totals and begins a new one', async (t) => {
  const shared = createTotals()
  const counters = new LaneCounters(shared)
  counters.burst[RECEIVED_PACKETS] = 3
  counters.burst[PROTOCOL_OTHER] = 2
  t.equal(readTotals(shared).received_packets, 0n, 'not before')
  counters.fold()
  counters.fold()
  counters.burst[RECEIVED_PACKETS]++
  counters.fold()
  t.match(readTotals(shared), { received_packets: 4n, protocol_other: 2n, sent_packets: 0n })
})

t.test('carries reach the upper word, at every edge', async (t) => {
  for (const steps of [
    [TWO_32 - 1, 1],
    [TWO_32 - 1, TWO_32 - 1, 2],
    [TWO_32, TWO_32],
    [1, TWO_32 * 5 - 1],
    [Number.MAX_SAFE_INTEGER - 1, 1],
  ]) {
    const shared = createTotals()
    const counters = new LaneCounters(shared)
    for (const step of steps) {
      counters.burst[RECEIVED_BYTES] = step
      counters.fold()
    }
    const exact = steps.reduce((sum, step) => sum + BigInt(step), 0n)
    t.equal(readTotals(shared).received_bytes, exact, steps.join(' + '))
    t.equal(readTotals(shared).sent_packets, 0n, 'and stay out of the neighbour')
  }
})

t.test('a total goes on exactly past 2^53', async (t) => {
  const shared = createTotals()
  const counters = new LaneCounters(shared)
  for (let i = 0; i < 8; i++) {
    counters.burst[RECEIVED_BYTES] = 2 ** 52
    counters.fold()
  }
  for (let i = 0; i < 3; i++) {
    counters.burst[RECEIVED_BYTES] = 1
    counters.fold()
  }
  t.equal(readTotals(shared).received_bytes, 2n ** 55n + 3n)
})

t.test('a burst may take back what an earlier one counted, also across a carry', async (t) => {
  const shared = createTotals()
  const counters = new LaneCounters(shared)
  counters.burst[SENT_PACKETS] = TWO_32 + 1
  counters.fold()
  counters.burst[SENT_PACKETS] = -2
  counters.burst[DROP_PEER_DOWN] = 2
  counters.fold()
  t.match(readTotals(shared), { sent_packets: BigInt(TWO_32) - 1n, drop_peer_down: 2n })
})

t.test('the totals of several lanes add up', async (t) => {
  const lanes = [createTotals(), createTotals(), createTotals()]
  for (const [i, count] of [5, 7, TWO_32].entries()) {
    const counters = new LaneCounters(lanes[i])
    counters.burst[RECEIVED_PACKETS] = count
    counters.fold()
  }
  t.match(sumTotals(lanes), { received_packets: BigInt(12 + TWO_32), sent_packets: 0n })
})

t.test('any sequence of bursts adds up as integers do', async () => {
  const burst = fc.double({ min: -(2 ** 40), max: 2 ** 50, noNaN: true }).map(Math.trunc)
  fc.assert(
    fc.property(fc.array(burst, { maxLength: 30 }), (bursts) => {
      const shared = createTotals()
      const counters = new LaneCounters(shared)
      let exact = 0n
      for (const count of bursts) {
        const kept = exact + BigInt(count) < 0n ? 0 : count // a total never falls below zero
        exact += BigInt(kept)
        counters.burst[RECEIVED_BYTES] = kept
        counters.fold()
      }
      return readTotals(shared).received_bytes === exact
    }),
  )
})

t.test('a reader beside a writer in another thread sees one moment', async (t) => {
  const shared = createTotals()
  const countersUrl = new URL('../../src/counters.js', import.meta.url).href
  const writer = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads')
     import(workerData.countersUrl).then(({ LaneCounters, RECEIVED_PACKETS, PROTOCOL_OTHER }) => {
       const counters = new LaneCounters(workerData.shared)
       parentPort.postMessage('begun')
       for (let i = 0; i < 300000; i++) {
         counters.burst[RECEIVED_PACKETS] = counters.burst[PROTOCOL_OTHER] = 0x40000001
         counters.fold()
       }
     })`,
    { eval: true, workerData: { shared, countersUrl } },
  )
  let ended = false
  writer.once('exit', () => {
    ended = true
  })
  await new Promise((resolve) => writer.once('message', resolve))
  let reads = 0
  let torn = 0
  while (!ended) {
    for (let i = 0; i < 1000; i++, reads++) {
      const { received_packets, protocol_other } = readTotals(shared)
      if (received_packets !== protocol_other || received_packets % 0x40000001n !== 0n) torn++
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.ok(reads > 0)
  t.equal(torn, 0, `of ${reads} readings`)
  t.equal(readTotals(shared).received_packets, 300000n * 0x40000001n)
})
