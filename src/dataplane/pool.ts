/**
 * The workers, and which of them serves which lane. Lanes of one queue go to one worker, both directions; the queues of a
 * pair are spread over the workers, those with the fewest lanes first. A pair has one queue unless more were asked for.
 *
 * The main thread's side of messages.ts: every command is answered, and a wake-up follows every post, because a worker
 * that waits in the kernel sees nothing else.
 */
import { Worker } from 'node:worker_threads'
import { native } from '../../native-bindings/index.js'
import { VethdError } from '../errors.js'
import type { EngineName } from '../io/index.js'
import { MAX_LANES } from '../io/slab.js'
import { dealCpus, requireCpus } from './cpus.js'
import type { Command, LaneSpec, Receiver, Report } from './messages.js'
import type { WorkerStart } from './worker.js'

/** Where a lane is served. */
export interface LaneAddress {
  worker: number
  index: number
}

export interface PoolOptions {
  engine: EngineName
  /** Number of worker threads. */
  workers: number
  /** The CPUs that the workers keep to (cpus.ts, dealCpus); none: wherever the process may run. */
  cpus: readonly number[]
  /** Microseconds for which a worker asks for the next frame before it waits for one; left out: it adapts (busy-poll.ts). */
  busyPollUs?: number
  /** The device that a lane reads from is gone; called once a lane. `errno` is negative. */
  onGone(lane: LaneAddress, errno: number): void
  /**
   * The kernel refused a super-frame of the lane's whose header is right: it does not take all that it offers. Called once a
   * lane and kind. `offloads`: TUN_F_* without which the sender would cut such frames up.
   */
  onRefused(lane: LaneAddress, offloads: number): void
  /** A worker died: its lanes carry nothing any more. */
  onFault(error: Error): void
}

/** A lane to be served: all but its index, which the pool gives, and the queue whose flows it carries. */
export type LaneRequest = Omit<LaneSpec, 'index'> & { queue: number }

class PoolWorker {
  readonly wakeFd = native().eventfd()
  readonly thread: Worker
  /** Resolves when the engine runs, with the reason why its thread is not preferred, if it is not. */
  readonly ready: Promise<string | undefined>
  readonly ended: Promise<void>
  readonly freeIndexes = Array.from({ length: MAX_LANES }, (_, i) => MAX_LANES - 1 - i)
  readonly #answers = new Map<number, (error?: string) => void>()
  #lastId = 0

  constructor(number: number, cpus: number[], options: PoolOptions, stop: SharedArrayBuffer) {
    const { engine, busyPollUs } = options
    const start: WorkerStart = { engine, wakeFd: this.wakeFd, stop, number, cpus, busyPollUs }
    this.thread = new Worker(new URL('./worker.js', import.meta.url), { workerData: start, execArgv: [] })
    this.ended = new Promise((resolve) => this.thread.once('exit', () => resolve()))
    this.ready = new Promise((resolve, reject) => {
      this.thread.on('message', (report: Report) => {
        if (report.kind === 'ready') resolve(report.niceRefused)
        else if (report.kind === 'gone') options.onGone({ worker: number, index: report.lane }, report.errno)
        else if (report.kind === 'refused') options.onRefused({ worker: number, index: report.lane }, report.offloads)
        else this.#answered(report.id, report.error)
      })
      this.thread.once('error', (error) => {
        reject(error)
        for (const id of [...this.#answers.keys()]) this.#answered(id, String(error))
        options.onFault(error)
      })
    })
    this.ready.catch(() => {}) // reported by whoever awaits it, and by onFault
  }

  get load(): number {
    return MAX_LANES - this.freeIndexes.length
  }

  post(command: Command): void {
    this.thread.postMessage(command)
    native().eventfdSignal(this.wakeFd)
  }

  /** Posts a command that is answered; rejects with the worker's words. */
  ask(make: (id: number) => Command): Promise<void> {
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#answers.set(id, (error) => {
        if (error === undefined) resolve()
        else reject(new VethdError('INTERNAL', `a worker of the data plane failed: ${error}`))
      })
      this.post(make(id))
    })
  }

  #answered(id: number, error?: string): void {
    const answer = this.#answers.get(id)
    this.#answers.delete(id)
    answer?.(error)
  }
}

export class Pool {
  /** Why the workers have no more than an ordinary share of a busy CPU; undefined when they have. */
  niceRefused: string | undefined
  /** The CPUs that each worker keeps to; none: wherever the process may run. */
  readonly cpus: readonly (readonly number[])[]
  readonly #workers: PoolWorker[]
  readonly #stop: SharedArrayBuffer

  private constructor(workers: PoolWorker[], cpus: number[][], stop: SharedArrayBuffer) {
    this.#workers = workers
    this.cpus = cpus
    this.#stop = stop
  }

  /** Starts the workers; rejects when one of them cannot have its engine, or its CPUs. */
  static async open(options: PoolOptions): Promise<Pool> {
    requireCpus(options.cpus)
    const stop = new SharedArrayBuffer(4)
    const cpus = dealCpus(options.cpus, options.workers)
    const workers = cpus.map((own, number) => new PoolWorker(number, own, options, stop))
    const pool = new Pool(workers, cpus, stop)
    try {
      pool.niceRefused = (await Promise.all(workers.map((worker) => worker.ready)))[0]
    } catch (error) {
      await pool.close()
      throw error
    }
    return pool
  }

  /** Starts lanes, all or none; their addresses in the order given. */
  async addLanes(requests: LaneRequest[]): Promise<LaneAddress[]> {
    const numbers = this.#leastLoadedFirst()
    const lanes: LaneAddress[] = []
    const shares = this.#workers.map((): LaneSpec[] => [])
    try {
      for (const { queue, ...request } of requests) {
        const worker = numbers[queue % numbers.length]
        const index = this.#takeIndex(worker)
        lanes.push({ worker, index })
        shares[worker].push({ ...request, index })
      }
      await this.#askEach(shares, (id, lanes) => ({ kind: 'add', id, lanes }))
      return lanes
    } catch (error) {
      await this.removeLanes(lanes) // a lane that a worker does not have is none to be waited for
      throw error
    }
  }

  #takeIndex(worker: number): number {
    const index = this.#workers[worker].freeIndexes.pop()
    if (index !== undefined) return index
    throw new VethdError(
      'LIMIT_REACHED',
      `a worker serves ${MAX_LANES} lanes, two a queue, and no more: start vethd with more --workers`,
    )
  }

  /** Ends lanes; when this resolves, the workers use their fds no longer. */
  async removeLanes(lanes: LaneAddress[]): Promise<void> {
    const shares = this.#workers.map((): number[] => [])
    for (const { worker, index } of lanes) shares[worker].push(index)
    await this.#askEach(shares, (id, lanes) => ({ kind: 'remove', id, lanes }))
    for (const [number, indexes] of shares.entries()) this.#workers[number].freeIndexes.push(...indexes)
  }

  /** Asks each worker that has a share for something. */
  async #askEach<T>(shares: T[][], make: (id: number, share: T[]) => Command): Promise<void> {
    const asked = this.#workers.map((worker, number) => {
      const share = shares[number]
      return share.length === 0 ? undefined : worker.ask((id) => make(id, share))
    })
    await Promise.all(asked)
  }

  /** The receiving device has another address or MTU. */
  setReceiver(lane: LaneAddress, receiver: Receiver): void {
    this.#workers[lane.worker].post({ kind: 'receiver', lane: lane.index, receiver })
  }

  /** `onRefused` is called again for these offloads, should the lane have such a frame again. */
  reportAgain(lane: LaneAddress, offloads: number): void {
    this.#workers[lane.worker].post({ kind: 'report-again', lane: lane.index, offloads })
  }

  /** Ends all workers and waits for them. */
  async close(): Promise<void> {
    this.stopNow()
    await Promise.all(this.#workers.map((worker) => worker.ended))
    for (const worker of this.#workers) native().close(worker.wakeFd)
  }

  /** Tells all workers to end, without waiting: for the process's own end, when nothing can be awaited any more. */
  stopNow(): void {
    Atomics.store(new Int32Array(this.#stop), 0, 1)
    for (const worker of this.#workers) native().eventfdSignal(worker.wakeFd)
  }

  #leastLoadedFirst(): number[] {
    return [...this.#workers.keys()].sort((a, b) => this.#workers[a].load - this.#workers[b].load)
  }
}
