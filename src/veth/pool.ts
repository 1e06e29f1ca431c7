/**
 * The workers, and which of them serves which lane. Lanes of one queue go to one worker, both directions, unless one is wanted
 * apart; the queues of a pair are spread over the workers, those with the fewest lanes first. A pair has one queue unless more
 * were asked for.
 *
 * The main thread's side of messages.ts: every command is answered, and a wake-up follows every post, because a worker
 * that waits in the kernel sees nothing else.
 */
import { Worker } from 'node:worker_threads'
import { native } from '../../native-bindings/index.js'
import { VethdError } from '../errors.js'
import type { EngineName } from '../io/index.js'
import { MAX_LANES } from '../io/slab.js'
import type { Command, LaneSpec, Receiver, Report, WorkerStart } from '../messages.js'
import { dealCpus, requireCpus } from './cpus.js'

/** Where a lane is served. */
export interface LaneAddress {
  worker: number
  index: number
}

/** A lane that was started: where it is served now, and what of. */
export class PoolLane implements LaneAddress {
  worker: number
  index: number
  /** Where the rest of its pair is served. */
  readonly home: number
  readonly request: LaneRequest
  /** Done when it is where it was last wanted. */
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
  /** A single one gets a second beside it, once a lane is wanted apart (setApart). */
  spare?: boolean
  /** The CPUs that the workers keep to (cpus.ts, dealCpus); none: wherever the process may run. */
  cpus: readonly number[]
  /** Microseconds for which a worker asks for the next frame before it waits for one; left out: it adapts (busy-poll.ts). */
  busyPollUs?: number
  /** The device that a lane reads from is gone; called once a lane. `errno` is negative. */
  onGone(lane: LaneAddress, errno: number): void
  /** Reading from a device fails and is tried again from time to time; called once a lane. `errno` is negative. */
  onReadFailed(lane: LaneAddress, errno: number): void
  /**
   * The kernel refused a super-frame of the lane's whose header is right: it does not take all that it offers. Called once a
   * lane and kind. `offloads`: TUN_F_* without which the sender would cut such frames up.
   */
  onRefused(lane: LaneAddress, offloads: number): void
  /** A worker's engine is slower than it could be; called for each such worker, when it starts. */
  onSlowed(why: string): void
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
    this.ready.catch(() => {}) // reported by whoever awaits it
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

/** A move ends the lane's stages and begins them anew. GRO writes out what it keeps; another stage would lose its state. */
function isMovable({ stages }: Receiver): boolean {
  return Object.entries(stages).every(([name, settings]) => name === 'gro' || settings == null)
}

export class Pool {
  /** Why the workers have no more than an ordinary share of a busy CPU; undefined when they have. */
  niceRefused: string | undefined
  readonly #options: PoolOptions
  readonly #workers: PoolWorker[]
  readonly #stop: SharedArrayBuffer
  /** Whether a single worker may get a second one, and the number of that, once it runs. */
  #maySpare: boolean
  #spare: Promise<number> | undefined

  private constructor(options: PoolOptions, workers: PoolWorker[], stop: SharedArrayBuffer) {
    this.#options = options
    this.#maySpare = options.spare ?? false
    this.#workers = workers
    this.#stop = stop
  }

  /** Starts the workers; rejects when one of them cannot have its engine, or its CPUs. */
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

  /** The CPUs that each worker keeps to; none: wherever the process may run. */
  get cpus(): readonly (readonly number[])[] {
    return this.#workers.map(({ cpus }) => cpus)
  }

  /** Starts lanes, all or none; in the order given. */
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
  async removeLanes(lanes: PoolLane[]): Promise<void> {
    for (const lane of lanes) lane.removed = true
    await Promise.all(lanes.map((lane) => lane.settled))
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

  /**
   * Has lanes served by another worker than the rest of their pair, or by the same again. Until that is done their frames wait
   * in the ring.
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
    if (index === undefined) return // there is no other worker, or none with room: it stays
    const from = this.#workers[lane.worker]
    await from.ask((id) => ({ kind: 'remove', id, lanes: [lane.index] }))
    from.freeIndexes.push(lane.index)
    lane.worker = to
    lane.index = index
    await this.#workers[to].ask((id) => ({ kind: 'add', id, lanes: [lane.spec] }))
  }

  /** The number of another worker; the same where there is none. Rejects when the spare one cannot be had, the first time. */
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

  /** The receiving device has another address or MTU, or wants something else merged. */
  setReceiver(lane: PoolLane, receiver: Receiver): void {
    lane.request.receiver = receiver
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
    return [...Array(this.#options.workers).keys()].sort((a, b) => this.#workers[a].load - this.#workers[b].load)
  }
}
