/**
 * A thread of its own that reads `/v1/version` again and again until it is told to stop. It notes how long each read took, and
 * how late it woke from each pause between two: that is what the machine does to anybody.
 */
import { Agent } from 'node:http'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { send } from '../daemon/harness.js'

/** Milliseconds. */
export interface ReadClock {
  waits: number[]
  lates: number[]
}

/** Between two reads: a reader that never pauses takes the CPU from what it measures. */
const PAUSE_MS = 2

const agent = new Agent({ keepAlive: true, maxSockets: 1 })
const clock: ReadClock = { waits: [], lates: [] }
let isOver = false
parentPort?.once('message', () => {
  isOver = true
})
while (!isOver) {
  const begin = performance.now()
  await send(workerData as string, 'GET', '/v1/version', undefined, agent)
  const end = performance.now()
  clock.waits.push(end - begin)
  await sleep(PAUSE_MS)
  clock.lates.push(performance.now() - end - PAUSE_MS)
}
agent.destroy()
parentPort?.postMessage(clock)
