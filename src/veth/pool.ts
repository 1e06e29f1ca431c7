/**
 * The workers, and the assignment of lanes to workers. One worker serves both directions of a queue, unless setApart()
 * moves one of them. The queues of a pair are spread over the workers, those with the fewest lanes first. A pair has
 * one queue unless the user asks for more.
 *
 * This is the main thread's side of messages.ts. The eventfd is signalled after every post, because a worker that waits
 * in the kernel would not notice the message otherwise.
 */
import { Worker } from 'node:worker_threads'
import { native } from '../../native-bindings/index.js'
import { VethdError } from '../errors.js'
import type { EngineName } from '../io/index.js'
import { MAX_LANES } from '../io/slab.js'
import type { Command, LaneSpec, Receiver, Report, WorkerStart } from '../messages.js'
import { dealCpus, requireCpus } from './cpus.js'

/** The worker that serves a lane, and the lane's index there. */
export interface LaneAddress {
  worker: number
  index: number
}

/** A started lane: its current worker, and the request it was started with. */
export class PoolLane implements LaneAddress {
  worker: number
  index: number
  /** The worker that serves the other direction of its queue. */
  readonly home: number
  readonly request: LaneRequest
  /** Settles when the last requested move is done. */
  settled: Promise<void> = Promise.resolve()
  removed = false

  constructor(worker: number, index: number, request: LaneRequest) {
    this.worker = this.home = worker
    this.index = index
    this.request = request
  }

  get spec(): LaneSpec {
    const { queue: _, ...spec } = this.request
    return { ...spec, index: this.index }
  }
}

export interface PoolOptions {
  engine: EngineName
  /** Number of worker threads. */
  workers: number
  /** If there is a single worker, start a second one when setApart() first needs it. */
  spare?: boolean
  /** The CPU affinity of the workers (cpus.ts, dealCpus); empty: all CPUs that the process may use. */
  cpus: readonly number[]
  /** Busy-poll time in µs before sleeping (worker/busy-poll.ts); undefined: adaptive; 0: off. */
  busyPollUs?: number
  /** The device that a lane reads from is gone. Called once per lane. `errno` is negative. */
  onGone(lane: LaneAddress, errno: number): void
  /** Reads from a device fail; the worker tries again from time to time. Called once per lane. `errno` is negative. */
  onReadFailed(lane: LaneAddress, errno: number): void
  /**
   * The kernel refused a super-frame with a correct header: it does not accept all that it offers. Called once per lane
   * and kind. `offloads`: the TUN_F_* bits to withdraw, so that the sender's stack segments such frames.
   */
  onRefused(lane: LaneAddress, offloads: number): void
  /** A worker's engine is slower than it could be. Called for each such worker when it starts. */
  onSlowed(why: string): void
  /** A worker died. Its lanes carry no frames any more. */
  onFault(error: Error): void
}

/** A request for a lane: its spec without the index, which the pool chooses, and the number of its queue. */
export type LaneRequest = Omit<LaneSpec, 'index'> & { queue: number }

class PoolWorker {
  readonly wakeFd = native().eventfd()
  readonly thread: Worker
  /** Resolves when the engine runs. The value is the reason why the thread could not raise its priority, if any. */
  readonly ready: Promise<string | undefined>
  readonly ended: Promise<void>
  readonly cpus: readonly number[]
  readonly freeIndexes = Array.from({ length: MAX_LANES }, (_, i) => MAX_LANES - 1 - i)
  #runs = false
  readonly #answers = new Map<number, (error?: string) => void>()
  #lastId = 0

  constructor(number: number, cpus: readonly number[], options: PoolOptions, stop: SharedArrayBuffer) {
    this.cpus = cpus
    const { engine, busyPollUs } = options
    const start: WorkerStart = { engine, wakeFd: this.wakeFd, stop, number, cpus, busyPollUs }
    this.thread = new Worker(new URL('../worker/worker.js', import.meta.url), { workerData: start, execArgv: [] })
    this.ended = new Promise((resolve) => this.thread.once('exit', () => resolve()))
    this.ready = new Promise((resolve, reject) => {
      this.thread.on('message', (report: Report) => {
        if (report.kind === 'ready') {
          this.#runs = true
          if (report.slowed !== undefined) options.onSlowed(report.slowed)
          resolve(report.niceRefused)
        } else if (report.kind === 'gone') options.onGone({ worker: number, index: report.lane }, report.errno)
        else if (report.kind === 'read-failed')
          options.onReadFailed({ worker: number, index: report.lane }, report.errno)
        else if (report.kind === 'refused') options.onRefused({ worker: number, index: report.lane }, report.offloads)
        else this.#answered(report.id, report.error)
      })
      this.thread.once('error', (error) => {
        reject(error)
        for (const id of [...this.#answers.keys()]) this.#answered(id, String(error))
        if (this.#runs) options.onFault(error)
      })
    })
    this.ready.catch(() => {}) // the caller that awaits `ready` gets the error
  }

  get load(): number {
    return MAX_LANES - this.freeIndexes.length
  }

  post(command: Command): void {
    this.thread.postMessage(command)
    native().eventfdSignal(this.wakeFd)
  }

  /** Posts a command and waits for its answer. Rejects with the worker's error text. */
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

/**
 * Whether a lane can move. A move ends its stages and opens new ones. GRO writes out the frames that it keeps; other
 * stages would lose their state.
 */
function isMovable({ stages }: Receiver): boolean {
  return Object.entries(stages).every(([name, settings]) => name === 'gro' || settings == null)
}

export class Pool {
  /** Why the workers could not raise their priority; undefined if they could. */
  niceRefused: string | undefined
  readonly #options: PoolOptions
  readonly #workers: PoolWorker[]
  readonly #stop: SharedArrayBuffer
  /** Whether a spare worker may be started, and its number once it was requested. */
  #maySpare: boolean
  #spare: Promise<number> | undefined

  private constructor(options: PoolOptions, workers: PoolWorker[], stop: SharedArrayBuffer) {
    this.#options = options
    this.#maySpare = options.spare ?? false
    this.#workers = workers
    this.#stop = stop
  }

  /** Starts the workers. Rejects if one of them cannot get its engine or its CPUs. */
  static async open(options: PoolOptions): Promise<Pool> {
    requireCpus(options.cpus)
    const stop = new SharedArrayBuffer(4)
    const cpus = dealCpus(options.cpus, options.workers)
    const workers = cpus.map((own, number) => new PoolWorker(number, own, options, stop))
    const pool = new Pool(options, workers, stop)
    try {
      pool.niceRefused = (await Promise.all(workers.map((worker) => worker.ready)))[0]
    } catch (error) {
      await pool.close()
      throw error
    }
    return pool
  }

  /** The CPU affinity of each worker; empty: all CPUs that the process may use. */
  get cpus(): readonly (readonly number[])[] {
    return this.#workers.map(({ cpus }) => cpus)
  }

  /** Starts all lanes or none. Returns them in the order of the requests. */
  async addLanes(requests: LaneRequest[]): Promise<PoolLane[]> {
    const numbers = this.#leastLoadedFirst()
    const lanes: PoolLane[] = []
    const shares = this.#workers.map((): LaneSpec[] => [])
    try {
      for (const request of requests) {
        const worker = numbers[request.queue % numbers.length]
        const lane = new PoolLane(worker, this.#takeIndex(worker), request)
        lanes.push(lane)
        shares[worker].push(lane.spec)
      }
      await this.#askEach(shares, (id, lanes) => ({ kind: 'add', id, lanes }))
      return lanes
    } catch (error) {
      await this.removeLanes(lanes) // a worker answers at once for a lane that it does not have
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

  /** Ends lanes. When this resolves, the workers no longer use their fds. */
  async removeLanes(lanes: PoolLane[]): Promise<void> {
    for (const lane of lanes) lane.removed = true
    await Promise.all(lanes.map((lane) => lane.settled))
    const shares = this.#workers.map((): number[] => [])
    for (const { worker, index } of lanes) shares[worker].push(index)
    await this.#askEach(shares, (id, lanes) => ({ kind: 'remove', id, lanes }))
    for (const [number, indexes] of shares.entries()) this.#workers[number].freeIndexes.push(...indexes)
  }

  /** Sends a command to each worker with a share, and waits for all answers. */
  async #askEach<T>(shares: T[][], make: (id: number, share: T[]) => Command): Promise<void> {
    const asked = this.#workers.map((worker, number) => {
      const share = shares[number]
      return share.length === 0 ? undefined : worker.ask((id) => make(id, share))
    })
    await Promise.all(asked)
  }

  /**
   * Moves lanes to another worker than the other direction of their queue, or back to the same. Their frames wait in
   * the ring until the move is done.
   */
  async setApart(lanes: PoolLane[], apart: boolean): Promise<void> {
    await Promise.all(
      lanes.map((lane) => {
        const moved = lane.settled.then(() => this.#move(lane, apart))
        lane.settled = moved.catch(() => {})
        return moved
      }),
    )
  }

  async #move(lane: PoolLane, apart: boolean): Promise<void> {
    if (lane.removed || apart === (lane.worker !== lane.home) || !isMovable(lane.request.receiver)) return
    const to = apart ? await this.#otherThan(lane.home) : lane.home
    const index = to === lane.worker ? undefined : this.#workers[to].freeIndexes.pop()
    if (index === undefined) return // there is no other worker, or it has no room: the lane stays
    const from = this.#workers[lane.worker]
    await from.ask((id) => ({ kind: 'remove', id, lanes: [lane.index] }))
    from.freeIndexes.push(lane.index)
    lane.worker = to
    lane.index = index
    await this.#workers[to].ask((id) => ({ kind: 'add', id, lanes: [lane.spec] }))
  }

  /** The number of another worker, or `home` if there is none. Rejects, once, if the spare worker cannot be started. */
  async #otherThan(home: number): Promise<number> {
    const { workers } = this.#options
    if (workers > 1) return (home + 1) % workers
    if (!this.#maySpare) return home
    this.#spare ??= this.#startSpare()
    return this.#spare
  }

  async #startSpare(): Promise<number> {
    const number = this.#workers.length
    const worker = new PoolWorker(number, this.#workers[0].cpus, this.#options, this.#stop)
    this.#workers.push(worker)
    try {
      await worker.ready
      return number
    } catch (error) {
      this.#maySpare = false
      this.#workers.pop()
      native().close(worker.wakeFd)
      throw error
    }
  }

  /** Tells a lane the new address, MTU and stages of its receiving device. */
  setReceiver(lane: PoolLane, receiver: Receiver): void {
    lane.request.receiver = receiver
    this.#workers[lane.worker].post({ kind: 'receiver', lane: lane.index, receiver })
  }

  /** Makes the lane call `onRefused` again for these offloads at the next refusal. */
  reportAgain(lane: LaneAddress, offloads: number): void {
    this.#workers[lane.worker].post({ kind: 'report-again', lane: lane.index, offloads })
  }

  /** Ends all workers and waits for them. */
  async close(): Promise<void> {
    this.stopNow()
    await Promise.all(this.#workers.map((worker) => worker.ended))
    for (const worker of this.#workers) native().close(worker.wakeFd)
  }

  /** Tells all workers to end, without waiting. For the exit of the process, when nothing can be awaited. */
  stopNow(): void {
    Atomics.store(new Int32Array(this.#stop), 0, 1)
    for (const worker of this.#workers) native().eventfdSignal(worker.wakeFd)
  }

  #leastLoadedFirst(): number[] {
    return [...Array(this.#options.workers).keys()].sort((a, b) => this.#workers[a].load - this.#workers[b].load)
  }
}
