/**
 * One worker thread: an engine, its lanes, and a loop that never returns to the event loop. Commands come as messages.
 * The main thread signals the eventfd, which ends a native wait, so that the worker takes the command at once.
 *
 * Every wait has a bound, and the loop checks a stop flag in shared memory after each. So a worker always ends with the
 * main thread.
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
 * The nice value of a worker. The kernel's veth works in softirqs, ahead of every thread. At nice 0, a worker that
 * shares a CPU with the receiver of a flood would get half of that CPU, and the receiver would preempt a worker of the
 * poll engine at every write that wakes it. At -5 the worker gets three quarters. Lower values starve the receivers,
 * and TCP gets slower.
 */
export const WORKER_NICE = -5

/** The longest native wait. It bounds how late the worker sees the stop flag if the eventfd's signal was lost. */
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
  // The receiver of a flood may wait for this CPU, so it runs first. Frames that it cannot take are then lost in the
  // ring, which costs only the sender's time. Carrying them to a full socket buffer would take the CPU time in which
  // the receiver empties it (with the yield, 2.3 times as many frames of 64 bytes arrive).
  if (turn === TURN_FLOODED) contention.yield()
  busyPoll.turned(turn)
  if (io.takeWakeUp()) takeCommands()
}
io.close()
port.close()

/**
 * Sets the nice value of this thread alone (that is what pid 0 means to setpriority(2)). Returns why it failed, if it
 * did.
 */
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

/** Calls `onRemoved` when no operation of any of the lanes is pending. */
function removeLanes(indexes: number[], onRemoved: () => void): void {
  let left = indexes.length
  if (left === 0) onRemoved()
  for (const index of indexes)
    scheduler.remove(index, () => {
      if (--left === 0) onRemoved()
    })
}
