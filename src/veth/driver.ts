/**
 * The driver: the nursery, the workers, the monitor, and every pair of this process. The daemon has one, and so has
 * whoever calls openPair() in a process of their own.
 *
 *     openPair, daemon ─▶ addPair ─▶ link-ops.newlink ─▶ devices, lanes
 *     the kernel ───────▶ monitor ─▶ refresh: address, MTU, carrier and qdisc follow what somebody changed
 *     a worker ─────────▶ gone ────▶ removePairs: when one end dies, so does the other
 *
 * However the process ends (but by SIGKILL), its devices are deleted in groups first: left to the kernel, closing them
 * costs 18 ms each.
 */
import { EventEmitter } from 'node:events'
import { availableParallelism } from 'node:os'
import { type NativeError, native } from '../../native-bindings/index.js'
import { VNET_HDR_HASH_TUNNEL_SIZE } from '../abi/virtio-net.js'
import { type LaneAddress, Pool } from '../dataplane/pool.js'
import { VethdError } from '../errors.js'
import { chooseEngine, type EngineReport } from '../io/index.js'
import { getLink, setLink } from '../netlink/link.js'
import type { LinkInfo } from '../netlink/link-info.js'
import { Monitor, type MonitorEvent } from '../netlink/monitor.js'
import { netnsIdentity } from '../netlink/netns.js'
import { setNoqueue } from '../netlink/qdisc.js'
import type { NetlinkError, Rtnetlink } from '../netlink/socket.js'
import { AddressBook, receiverAddress } from './address.js'
import { keepCarrier, updateCarrier } from './carrier.js'
import { deleteDevices } from './delete.js'
import { type Degradation, Device, type KnownState } from './device.js'
import { groFeatures, groSettings, keepTunnelOffloadsTogether, withdrawOffloads } from './features.js'
import { IndexBook } from './index-book.js'
import { dellink, newlink } from './link-ops.js'
import { type OffloadReport, offloadName, probeOffloads } from './offload.js'
import { type EngineChoice, type PairOptions, TXQUEUELEN_DEFAULT } from './options.js'
import type { Pair } from './pair.js'
import { explainOpen, type LinkContext } from './setup.js'

/** What pino's logger offers, and anything alike. */
export interface DriverLog {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface DriverOptions {
  engine?: EngineChoice
  /** Worker threads; default one for every two CPUs, at most four and no more than `cpus`. */
  workers?: number
  /** The CPUs that the workers keep to; left out: wherever the process may run. */
  cpus?: readonly number[]
  /** Microseconds for which a worker asks for the next frame before it waits for one; default 0. */
  busyPollUs?: number
  log?: DriverLog
}

/** Why a pair went. */
export type RemovalReason = 'asked' | 'device-gone' | 'closed'

/** All that happens to pairs and devices, whoever did it. */
interface DriverEvents {
  /** Behind the first `device-changed` of either end. */
  'pair-added': [pair: Pair]
  'pair-removed': [pair: Pair, reason: RemovalReason]
  /** `known` is another than before; so may be the carrier of either end of its pair. */
  'device-changed': [device: Device]
  /** Also of a device whose pair is still being made. */
  'device-degraded': [device: Device, degradation: Degradation]
}

/** What of a device others depend on: its peer's filter and lanes, the carrier, whoever listens. */
const SHOWN = [
  'name',
  'inode',
  'up',
  'address',
  'mtu',
  'tso',
  'gro',
  'udp',
  'groMaxSize',
  'groFlushUs',
] as const satisfies (keyof KnownState)[]

const SILENT: DriverLog = { debug() {}, info() {}, warn() {}, error() {} }

export class Driver extends EventEmitter<DriverEvents> {
  readonly engine: EngineReport
  readonly offloads: OffloadReport
  readonly #log: DriverLog
  readonly #nursery: number
  readonly #monitor: Monitor
  readonly #context: LinkContext
  readonly #pairs = new Map<number, Pair>()
  #lastId = 0
  /** Devices by where they are: `nsid:ifindex`, as the monitor names them. */
  readonly #places = new Map<string, Device>()
  /** Devices to be looked at again, together, at the end of this turn of the event loop. */
  readonly #stale = new Set<Device>()
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
    this.#monitor = new Monitor(nursery, (event) => this.#observed(event))
    process.on('exit', this.#onExit)
  }

  /** Makes the nursery, chooses the engine and starts the workers. Throws VethdError. */
  static async open(options: DriverOptions = {}): Promise<Driver> {
    const log = options.log ?? SILENT
    const nursery = makeNursery()
    try {
      const offloads = tryOffloads(nursery)
      const engine = chooseEngine(options.engine ?? 'auto', nursery)
      let driver: Driver | undefined
      const pool = await Pool.open({
        engine: engine.name,
        workers: options.workers ?? defaultWorkers(options.cpus?.length),
        cpus: options.cpus ?? [],
        busyPollUs: options.busyPollUs ?? 0,
        onGone: (lane, errno) => driver?.deviceGone(lane, errno),
        onRefused: (lane, offloads) => driver?.superFrameRefused(lane, offloads),
        onFault: (error) => driver?.fault(error),
      })
      if (pool.niceRefused !== undefined)
        log.info(
          { reason: pool.niceRefused },
          'the workers run at an ordinary priority (CAP_SYS_NICE is missing): a busy machine delays frames more',
        )
      driver = new Driver(log, nursery, engine, offloads, pool)
      return driver
    } catch (error) {
      native().close(nursery)
      throw error
    }
  }

  /** The CPUs that each worker keeps to; none: wherever the process may run. */
  get workers(): readonly (readonly number[])[] {
    return this.#context.pool.cpus
  }

  get pairs(): ReadonlyMap<number, Pair> {
    return this.#pairs
  }

  /** Makes a pair (link-ops.ts, newlink). Throws VethdError or NetlinkError; nothing is left behind then. */
  async addPair(options: PairOptions): Promise<Pair> {
    const pair = await newlink(this.#context, ++this.#lastId, options)
    this.#pairs.set(pair.id, pair)
    for (const device of pair.devices) this.refresh(device)
    this.emit('pair-added', pair)
    return pair
  }

  /** Removes pairs, both ends each; many at once cost hardly more than one. */
  removePairs(pairs: Pair[]): Promise<void> {
    return this.#remove(pairs, 'asked')
  }

  async #remove(pairs: Pair[], reason: RemovalReason): Promise<void> {
    const fresh = pairs.filter((pair) => pair.removal === null)
    if (fresh.length > 0) {
      const removal = dellink(this.#context, fresh)
      for (const pair of fresh) {
        pair.removal = removal
        this.#forget(pair)
      }
      await removal
      for (const pair of fresh) this.emit('pair-removed', pair, reason)
    }
    await Promise.all(pairs.map((pair) => pair.removal))
  }

  #forget(pair: Pair): void {
    this.#pairs.delete(pair.id)
    for (const device of pair.devices) {
      this.#stale.delete(device)
      this.#unplace(device)
    }
  }

  /** Removes everything that this driver made and ends its workers. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    process.off('exit', this.#onExit)
    this.#monitor[Symbol.dispose]()
    await this.#remove([...this.#pairs.values()], 'closed')
    await this.#context.pool.close()
    native().close(this.#nursery)
  }

  /** The process ends and nothing can be awaited: delete the devices, and let no worker hold up the end. */
  #closeNow(): void {
    try {
      deleteDevices([...this.#pairs.values()].flatMap((pair) => pair.devices))
    } finally {
      this.#context.pool.stopNow()
    }
  }

  /** A worker says that the device a lane reads from is gone: veth_dellink, either end takes both. */
  private deviceGone(lane: LaneAddress, errno: number): void {
    const device = this.#readBy(lane)
    if (device === undefined) return
    const { pair, side, known } = device
    this.#log.info({ pair: pair.id, side, device: known?.name, errno }, 'device gone: its peer goes too')
    this.#remove([pair], 'device-gone').catch((error) => this.#log.error({ err: error }, 'removing a pair failed'))
  }

  /** A worker says that the kernel refused a super-frame that is right: its sender has to do without such frames. */
  private superFrameRefused(lane: LaneAddress, offloads: number): void {
    const device = this.#readBy(lane)
    if (device === undefined) return
    this.#mergeNoMore(device, offloads)
    if ((device.offloads & offloads) === 0) return // those that were on their way meanwhile
    try {
      if (!withdrawOffloads(device, offloads)) {
        this.#context.pool.reportAgain(lane, offloads) // switched off just now by its user, who may switch it on again
        return
      }
    } catch (err) {
      if ((err as VethdError).code !== 'DEVICE_NOT_FOUND')
        this.#log.error({ err, pair: device.pair.id, side: device.side }, 'an offload could not be withdrawn')
      return
    }
    const why = 'the kernel offers it and then refuses such a super-frame (EINVAL): the sender cuts them up from now on'
    this.degraded(device, { what: offloadName(offloads), why })
  }

  /** What the kernel refuses is not made by merging either. */
  #mergeNoMore(sender: Device, offloads: number): void {
    const receiver = sender.peer
    if ((offloads & ~receiver.refusedSuperFrames) === 0) return
    receiver.refusedSuperFrames |= offloads
    this.#tellLanes(sender)
    const why =
      'the kernel refuses such super-frames (EINVAL): what the device receives is not merged into them any more'
    if (receiver.known?.gro) this.degraded(receiver, { what: `gro: ${offloadName(offloads)}`, why })
  }

  /** The device that a lane reads from. */
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

  #observed(event: MonitorEvent): void {
    if (event.kind === 'overrun')
      for (const pair of this.#pairs.values()) for (const device of pair.devices) this.#stale.add(device)
    else if (event.kind !== 'nsid-removed') {
      const { index } = event.kind === 'link' ? event.link : event
      const device = this.#places.get(`${event.nsid}:${index}`)
      if (device === undefined) return
      this.#stale.add(device)
      if (event.kind === 'link' && event.wentDown) this.#wentDown(device)
    }
    if (this.#stale.size > 0) setImmediate(() => this.#refreshStale())
  }

  /** veth_close. Whoever is up again by the time it is looked at has lost the carrier all the same, and the peer too. */
  #wentDown(device: Device): void {
    if (device.known?.up !== true) return
    device.known.up = false
    try {
      updateCarrier(device.pair)
    } catch {} // an end that died: its lane tells
    this.emit('device-changed', device)
  }

  #refreshStale(): void {
    for (const device of this.#stale) {
      this.#stale.delete(device)
      this.refresh(device)
    }
  }

  /** A device does without something from now on. */
  private degraded(device: Device, degradation: Degradation): void {
    device.degradations.push(degradation)
    this.emit('device-degraded', device, degradation)
  }

  /**
   * Reads a device again, and lets everything follow that depends on it. For whoever changed it and does not want to
   * wait until the monitor tells of it.
   */
  refresh(device: Device): void {
    this.#monitor.catchUp() // what led here must not be told afterwards as if it were new
    try {
      this.#follow(device)
    } catch (err) {
      // A device that died meanwhile is told of by its lane too, which removes the pair; one that moved, by an event.
      const { code } = err as VethdError | NetlinkError
      if (code === 'DEVICE_NOT_FOUND' || code === 'ENODEV') return
      this.#log.error({ err, pair: device.pair.id, side: device.side }, 'a device that changed could not be looked at')
    }
  }

  #follow(device: Device): void {
    const before = device.known
    const now = device.inItsNetns((rtnl, name, netnsFd) => {
      const nsid = this.#monitor.know(netnsFd) // first: what changes from here on is told
      const link = getLink(rtnl, { name })
      if (link === undefined) throw new VethdError('DEVICE_NOT_FOUND', `"${name}" is gone`)
      if (link.qdisc !== 'noqueue') setNoqueue(rtnl, link.index)
      if (link.txqueuelen === 0) this.#restoreRing(rtnl, link)
      if (this.#context.vnetHdrLen === VNET_HDR_HASH_TUNNEL_SIZE && keepTunnelOffloadsTogether(name))
        this.#log.warn({ name }, 'tx-udp_tnl-csum-segmentation loses frames without the other: switched off too')
      keepCarrier(device, link.carrier)
      const { index, mtu, address, groMaxSize } = link
      const [inode, up] = [netnsIdentity(netnsFd), Device.isUp(link)]
      const { groFlushUs } = device
      return { nsid, index, name: link.name, inode, up, address, mtu, groMaxSize, groFlushUs, ...groFeatures(name) }
    })
    this.#unplace(device)
    device.known = now
    this.#places.set(`${now.nsid}:${now.index}`, device)
    if (before !== null && SHOWN.every((key) => before[key] === now[key])) return
    device.peer.filter?.setPeerMtu(now.mtu)
    for (const sender of device.pair.devices) this.#tellLanes(sender)
    updateCarrier(device.pair)
    this.#log.debug({ pair: device.pair.id, side: device.side, ...now }, 'device changed')
    this.emit('device-changed', device)
  }

  /** What the lanes that read from a device have to know of its peer. What is merged depends on both. */
  #tellLanes(sender: Device): void {
    const { known } = sender.peer
    if (known === null) return
    const gro = groSettings(sender, this.#context.offloads)
    const receiver = { ...receiverAddress(known.address), mtu: known.mtu, gro }
    for (const lane of sender.lanes) this.#context.pool.setReceiver(lane, receiver)
  }

  /** On a veth a txqueuelen of 0 means nothing; a TAP would drop every frame. */
  #restoreRing(rtnl: Rtnetlink, { index, name }: LinkInfo): void {
    setLink(rtnl, index, { txqueuelen: TXQUEUELEN_DEFAULT })
    this.#log.warn({ name }, `txqueuelen 0 would stop a TAP: set to ${TXQUEUELEN_DEFAULT}`)
  }

  #unplace(device: Device): void {
    if (device.known === null) return
    const place = `${device.known.nsid}:${device.known.index}`
    if (this.#places.get(place) === device) this.#places.delete(place)
  }
}

/** The probe opens the first TAP device of all: what is wrong with /dev/net/tun shows there. */
function tryOffloads(nursery: number): OffloadReport {
  try {
    return probeOffloads(nursery)
  } catch (error) {
    throw explainOpen(error as NativeError)
  }
}

/** A namespace without a name. NOT_PERMITTED without the capabilities for it. */
export function makeNursery(): number {
  try {
    return native().netnsCreate()
  } catch (error) {
    throw new VethdError(
      'NOT_PERMITTED',
      'vethd needs CAP_SYS_ADMIN and CAP_NET_ADMIN to make network namespaces and TAP devices: run it as root',
      {
        iproute2: 'RTNETLINK answers: Operation not permitted',
        cause: error,
      },
    )
  }
}

/** `cpus`: how many the workers keep to. */
function defaultWorkers(cpus = Number.POSITIVE_INFINITY): number {
  return Math.max(1, Math.min(4, availableParallelism() >> 1, cpus))
}
