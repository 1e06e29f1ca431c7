/**
 * One worker thread: an engine, its lanes, and the loop that never returns to the event loop. Commands come by
 * messages; the main thread signals the eventfd so that a native wait ends and they are taken at once.
 *
 * Every wait has a bound, and a stop flag in shared memory is looked at after each: whatever ends the main thread ends
 * this one too.
 */
import { getPriority, setPriority } from 'node:os'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { native } from '../../native-bindings/index.js'
import { createEngine } from '../io/index.js'
import { Lane } from '../lane/lane.js'
import type { Command, LaneSpec, Report, WorkerStart } from '../messages.js'
import { BusyPoll } from './busy-poll.js'
import { CpuContention } from './cpu-contention.js'
import { Scheduler, TURN_FLOODED } from './scheduler.js'

/**
 * The kernel's veth does its work in softirqs, ahead of every thread. A worker that shares a CPU with a flood's receiver
 * would get half of it, and a poll engine's worker be preempted at every write that wakes the receiver: with this it gets
 * three quarters. Lower values starve the receivers, and TCP gets slower.
 */
export const WORKER_NICE = -5

/** Longest native wait: bounds how late a stop is seen when even the eventfd was lost. */
const WAIT_BOUND_MS = 2000

const { engine, wakeFd, stop, number, cpus, busyPollUs } = workerData as WorkerStart
const stopFlag = new Int32Array(stop)
const port = parentPort!
const report = (message: Report): void => port.postMessage(message)

native().setThreadName(`vethd-lanes/${number}`)
if (cpus.length > 0) native().setThreadAffinity(Int32Array.from(cpus))
const niceRefused = takeNice()
const io = createEngine(engine, wakeFd)
const scheduler = new Scheduler(io, {
  gone: (lane, errno) => report({ kind: 'gone', lane, errno }),
  readFailed: (lane, errno) => report({ kind: 'read-failed', lane, errno }),
  refused: (lane, offloads) => report({ kind: 'refused', lane, offloads }),
})

const now = performance.now.bind(performance)
const contention = new CpuContention(native().yieldThread, now)
const busyPoll = new BusyPoll(busyPollUs, contention, now)

report({ kind: 'ready', niceRefused, slowed: io.slowed })
while (Atomics.load(stopFlag, 0) === 0) {
  const turn = scheduler.turn(busyPoll.goesOn ? 0 : WAIT_BOUND_MS)
  // A flood's receiver first, should it wait for this CPU. What it cannot take is then lost in the ring, which costs the sender
  // alone; carried to a full socket, it cost the time in which the receiver would have emptied it (2.3 times as many frames of
  // 64 bytes arrive).
  if (turn === TURN_FLOODED) contention.yield()
  busyPoll.turned(turn)
  if (io.takeWakeUp()) takeCommands()
}
io.close()
port.close()

/** Why this thread could not have its nice value; 0 means the calling thread alone (setpriority(2)). */
function takeNice(): string | undefined {
  if (getPriority(0) <= WORKER_NICE) return undefined
  try {
    setPriority(0, WORKER_NICE)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

function takeCommands(): void {
  for (let received = receiveMessageOnPort(port); received !== undefined; received = receiveMessageOnPort(port))
    carryOut(received.message as Command)
}

function carryOut(command: Command): void {
  switch (command.kind) {
    case 'add':
      addLanes(command.id, command.lanes)
      break
    case 'remove':
      removeLanes(command.lanes, () => report({ kind: 'done', id: command.id }))
      break
    case 'receiver':
      scheduler.setReceiver(command.lane, command.receiver)
      break
    case 'report-again':
      scheduler.tellAgain(command.lane, command.offloads)
  }
}

function addLanes(id: number, specs: LaneSpec[]): void {
  const added: number[] = []
  try {
    for (const spec of specs) {
      scheduler.add(new Lane(spec), spec.fromFd, spec.toFd, spec.receiver.stages)
      added.push(spec.index)
    }
    report({ kind: 'done', id })
  } catch (error) {
    removeLanes(added, () => report({ kind: 'done', id, error: String(error) }))
  }
}

/** Calls `onRemoved` when nothing of any of the lanes is under way. */
function removeLanes(indexes: number[], onRemoved: () => void): void {
  let left = indexes.length
  if (left === 0) onRemoved()
  for (const index of indexes)
    scheduler.remove(index, () => {
      if (--left === 0) onRemoved()
    })
}
