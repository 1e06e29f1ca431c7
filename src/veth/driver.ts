/**
 * The driver owns the nursery, the workers, the monitor, and every pair of this process. The daemon has one driver; a
 * process that calls openPair() has one too.
 *
 *     openPair, daemon ─▶ addPair ─▶ birth/newlink ─▶ devices, lanes
 *     the kernel ───────▶ monitor ─▶ refresh: address, MTU, carrier and qdisc follow changes by others
 *     a worker ─────────▶ gone ────▶ removePairs: when one end is gone, the other is deleted too
 *
 * Before the process ends (except by SIGKILL), the driver deletes its devices by group. The kernel would need 18 ms for
 * each device that is deleted by closing its fd.
 */
import { EventEmitter } from 'node:events'
import { availableParallelism } from 'node:os'
import { type NativeError, native } from '../../native-bindings/index.js'
import { errnoName, errnoText } from '../abi/errno.js'
import { VethdError } from '../errors.js'
import { chooseEngine, type EngineReport } from '../io/index.js'
import { AddressBook } from './birth/address-book.js'
import { IndexBook } from './birth/index-book.js'
import { newlink } from './birth/newlink.js'
import { makeNursery } from './birth/nursery.js'
import { type OffloadReport, offloadName, probeOffloads } from './birth/offload.js'
import { explainOpen } from './birth/open-tap.js'
import { changeDevice, type DeviceChange } from './change.js'
import type { LinkContext } from './context.js'
import { deleteDevices, dellink } from './delete.js'
import type { Degradation, Device, DeviceState, Pair, Place } from './device.js'
import { withdrawOffloads } from './follow/features.js'
import { Follower } from './follow/follower.js'
import { type DriverLog, SILENT } from './log.js'
import { lookAt } from './look.js'
import type { EngineChoice, PairOptions } from './options.js'
import { type LaneAddress, Pool } from './pool.js'

export interface DriverOptions {
  engine?: EngineChoice
  /**
   * Number of worker threads. Default: one for every two CPUs, at most four, and at most as many as `cpus`. If that is
   * one, a second one starts when GRO first coalesces.
   */
  workers?: number
  /** The CPU affinity of the workers. Default: all CPUs that the process may use. */
  cpus?: readonly number[]
  /** Busy-poll time in µs before sleeping. Default: adaptive; 0: off. */
  busyPollUs?: number
  log?: DriverLog
}

/** Why a pair was removed. */
export type RemovalReason = 'asked' | 'device-gone' | 'closed'

/** All changes of pairs and devices, whatever caused them. */
interface DriverEvents {
  /** Comes after the first `device-changed` of both ends. */
  'pair-added': [pair: Pair]
  'pair-removed': [pair: Pair, reason: RemovalReason]
  /** `known` has changed. The carrier of both ends of the pair may have changed too. */
  'device-changed': [device: Device]
  /** May come for a device whose pair is still being made. */
  'device-degraded': [device: Device, degradation: Degradation]
}

export class Driver extends EventEmitter<DriverEvents> {
  readonly engine: EngineReport
  readonly offloads: OffloadReport
  readonly #log: DriverLog
  readonly #nursery: number
  readonly #follower: Follower
  readonly #context: LinkContext
  readonly #pairs = new Map<number, Pair>()
  #lastId = 0
  /** Settles when the pair that is being made, and all that wait for it, are done. */
  #made: Promise<unknown> = Promise.resolve()
  #closed = false
  readonly #onExit = (): void => this.#closeNow()

  private constructor(log: DriverLog, nursery: number, engine: EngineReport, offloads: OffloadReport, pool: Pool) {
    super()
    this.#log = log
    this.#nursery = nursery
    this.engine = engine
    this.offloads = offloads
    this.#context = {
      nursery,
      pool,
      offloads: offloads.mask,
      vnetHdrLen: offloads.vnetHdrLen,
      tunFeatures: offloads.tunFeatures,
      addresses: new AddressBook(),
      indexes: new IndexBook(),
      log,
      degraded: (device, degradation) => this.degraded(device, degradation),
    }
    this.#follower = new Follower(this.#context, this.#pairs, log, (device) => this.emit('device-changed', device))
    process.on('exit', this.#onExit)
  }

  /** Makes the nursery, chooses the engine and starts the workers. Throws VethdError. */
  static async open(options: DriverOptions = {}): Promise<Driver> {
    const log = options.log ?? SILENT
    const nursery = makeNursery()
    let pool: Pool | undefined
    try {
      const offloads = tryOffloads(nursery)
      const engine = chooseEngine(options.engine ?? 'auto', nursery)
      let driver: Driver | undefined
      pool = await Pool.open({
        engine: engine.name,
        workers: options.workers ?? defaultWorkers(options.cpus?.length),
        spare: options.workers === undefined && (options.cpus?.length ?? availableParallelism()) > 1,
        cpus: options.cpus ?? [],
        busyPollUs: options.busyPollUs,
        onGone: (lane, errno) => driver?.deviceGone(lane, errno),
        onReadFailed: (lane, errno) => driver?.readFailed(lane, errno),
        onRefused: (lane, offloads) => driver?.superFrameRefused(lane, offloads),
        onSlowed: (why) => slowDown(engine, why, log),
        onFault: (error) => driver?.fault(error),
      })
      if (pool.niceRefused !== undefined)
        log.info(
          { reason: pool.niceRefused },
          'CAP_SYS_NICE is missing: the workers run at normal priority, and a busy machine delays frames more',
        )
      driver = new Driver(log, nursery, engine, offloads, pool)
      return driver
    } catch (error) {
      await pool?.close() // otherwise its threads keep the process alive
      native().close(nursery)
      throw error
    }
  }

  /** The CPU affinity of each worker; empty: all CPUs that the process may use. */
  get workers(): readonly (readonly number[])[] {
    return this.#context.pool.cpus
  }

  get pairs(): ReadonlyMap<number, Pair> {
    return this.#pairs
  }

  /**
   * Makes a pair (birth/newlink.ts). Pairs are made one after the other. Throws VethdError or NetlinkError, and then
   * leaves nothing behind.
   */
  addPair(options: PairOptions): Promise<Pair> {
    const made = this.#made.then(() => this.#addPair(options))
    this.#made = made.catch(() => {})
    return made
  }

  async #addPair(options: PairOptions): Promise<Pair> {
    if (this.#closed) throw new VethdError('DAEMON_NOT_RUNNING', 'vethd is stopping: it creates no more pairs')
    const pair = await newlink(this.#context, ++this.#lastId, options)
    this.#pairs.set(pair.id, pair)
    for (const device of pair.devices) this.refresh(device)
    this.emit('pair-added', pair)
    return pair
  }

  /** Removes both ends of each pair. Many pairs at once cost hardly more than one. */
  removePairs(pairs: Pair[]): Promise<void> {
    return this.#remove(pairs, 'asked')
  }

  async #remove(pairs: Pair[], reason: RemovalReason): Promise<void> {
    const fresh = pairs.filter((pair) => pair.removal === null)
    if (fresh.length > 0) {
      const removal = dellink(this.#context, fresh, reason === 'closed' ? Number.POSITIVE_INFINITY : undefined)
      for (const pair of fresh) {
        pair.removal = removal
        this.#forget(pair)
      }
      try {
        await removal
      } finally {
        for (const pair of fresh) this.emit('pair-removed', pair, reason)
      }
    }
    await Promise.all(pairs.map((pair) => pair.removal))
  }

  #forget(pair: Pair): void {
    this.#pairs.delete(pair.id)
    for (const device of pair.devices) this.#follower.forget(device)
  }

  /** Removes everything that this driver made, and ends its workers. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#made
    process.off('exit', this.#onExit)
    this.#follower.close()
    try {
      await this.#remove([...this.#pairs.values()], 'closed')
    } finally {
      await this.#context.pool.close()
      native().close(this.#nursery)
    }
  }

  /** Runs while the process exits, when nothing can be awaited: deletes the devices and tells the workers to end. */
  #closeNow(): void {
    try {
      deleteDevices([...this.#pairs.values()].flatMap((pair) => pair.devices))
    } finally {
      this.#context.pool.stopNow()
    }
  }

  /**
   * A worker reports that the device of a lane is gone. As in veth_dellink, the peer is deleted too. The device itself
   * is asked first, because by now the lane may belong to another device.
   */
  private deviceGone(lane: LaneAddress, errno: number): void {
    const device = this.#readBy(lane)
    if (device === undefined || device.isThere) return
    const { pair, side, known } = device
    this.#log.info({ pair: pair.id, side, device: known?.name, errno }, 'device gone: deleting its peer')
    this.#remove([pair], 'device-gone').catch((error) => this.#log.error({ err: error }, 'removing a pair failed'))
  }

  private readFailed(lane: LaneAddress, errno: number): void {
    const device = this.#readBy(lane)
    if (device === undefined) return
    const { pair, side, known } = device
    const error = `${errnoName(errno)}: ${errnoText(errno)}`
    this.#log.warn(
      { pair: pair.id, side, device: known?.name, error },
      'reading from a device failed: vethd tries again',
    )
  }

  /**
   * A worker reports that the kernel refused a super-frame with a correct header. The offload is withdrawn from the
   * sender, so that its stack segments such frames.
   */
  private superFrameRefused(lane: LaneAddress, offloads: number): void {
    const device = this.#readBy(lane)
    if (device === undefined) return
    this.#mergeNoMore(device, offloads)
    if ((device.record.offloads & offloads) === 0) return // a frame that was sent before the offload was withdrawn
    try {
      if (!withdrawOffloads(device, offloads)) {
        this.#context.pool.reportAgain(lane, offloads) // the user has just switched it off, and may switch it on again
        return
      }
    } catch (err) {
      if ((err as VethdError).code !== 'DEVICE_NOT_FOUND')
        this.#log.error({ err, pair: device.pair.id, side: device.side }, 'an offload could not be withdrawn')
      return
    }
    const why = 'the kernel offers it but refuses such a super-frame (EINVAL): the sender segments them from now on'
    this.degraded(device, { what: offloadName(offloads), why })
  }

  /** Stops GRO from making super-frames that the kernel refuses. */
  #mergeNoMore(sender: Device, offloads: number): void {
    const receiver = sender.peer
    if ((offloads & ~receiver.record.refusedSuperFrames) === 0) return
    receiver.record.refusedSuperFrames |= offloads
    this.#follower.tellLanes(sender.pair)
    const why =
      'the kernel refuses such super-frames (EINVAL): what the device receives is not merged into them any more'
    if (receiver.known?.gro) this.degraded(receiver, { what: `gro: ${offloadName(offloads)}`, why })
  }

  /** Finds the device that a lane reads from. */
  #readBy({ worker, index }: LaneAddress): Device | undefined {
    for (const pair of this.#pairs.values())
      for (const device of pair.devices)
        if (device.lanes.some((lane) => lane.worker === worker && lane.index === index)) return device
    return undefined
  }

  private fault(error: Error): void {
    this.#log.error({ err: error }, 'a worker of the data plane died')
    throw error
  }

  /** Records that a device has lost a feature, and emits the event. */
  private degraded(device: Device, degradation: Degradation): void {
    device.degradations.push(degradation)
    this.emit('device-degraded', device, degradation)
  }

  /** Reads all pending monitor events, so that {@link place} includes changes that `ip` made before. */
  settle(): void {
    this.#follower.settle()
  }

  /** The namespace and name of a device; undefined if it is gone. */
  place(device: Device): Place | undefined {
    return this.#follower.place(device)
  }

  /** The present state of the devices, without those that are gone (look.ts). */
  look(devices: readonly Device[]): Map<Device, DeviceState> {
    return lookAt(this.#follower, devices)
  }

  /**
   * Changes a device as `ip link set` does (change.ts). When this returns, everything that depends on the device has
   * followed: the carrier of both ends, the peer's length filter, and the lanes.
   */
  set(device: Device, change: DeviceChange): void {
    try {
      changeDevice(device, change)
    } finally {
      this.refresh(device) // also after an error: the steps before a refused one stay done (setLink)
    }
  }

  /** Reads a device again at once, without waiting for the monitor. For callers that changed it by other means. */
  refresh(device: Device): void {
    this.#follower.refresh(device)
  }
}

/** Notes that the engine runs slower than it could: once, though each worker says so. */
function slowDown(engine: EngineReport, why: string, log: DriverLog): void {
  if (engine.reason.includes(why)) return
  engine.reason += `; slower than it could be: ${why}`
  log.warn({ engine: engine.name, reason: why }, 'the engine runs slower than it could')
}

/** Probes the offloads. The probe opens the first TAP, so it is the first to fail if /dev/net/tun does not work. */
function tryOffloads(nursery: number): OffloadReport {
  try {
    return probeOffloads(nursery)
  } catch (error) {
    throw explainOpen(error as NativeError)
  }
}

/** The default number of workers. `cpus`: the number of CPUs that the workers may use. */
function defaultWorkers(cpus = Number.POSITIVE_INFINITY): number {
  return Math.max(1, Math.min(4, availableParallelism() >> 1, cpus))
}
