/**
 * openPair: a pair in one's own process, without a daemon.
 *
 *     openPair ─▶ the process's one Driver (veth/driver.ts) ─▶ pair ─▶ VethPair, and a VethDevice for either end
 *
 * Neighbours: tap.ts, for one end alone; the daemon does the same for others.
 * Invariants: there is a Driver, with its workers, as long as a pair is open or being opened, and no longer, so that the
 * process can end. Nobody's namespace is held open.
 */
import { EventEmitter } from 'node:events'
import { native } from '../../native-bindings/index.js'
import { VethdError } from '../errors.js'
import type { EngineName } from '../io/index.js'
import type { LinkInfo } from '../netlink/link-info.js'
import { resolveNetns } from '../netlink/netns.js'
import type { DeviceChange } from '../veth/change.js'
import type { Pair } from '../veth/device.js'
import { Device } from '../veth/device.js'
import { Driver, type RemovalReason } from '../veth/driver.js'
import { type ChecksumMode, ENGINE_CHOICES, type EndOptions, type EngineChoice, inherited } from '../veth/options.js'
import { type DeviceStats, deviceStats } from '../veth/stats.js'
import { ATTRIBUTES, checkKind, checkShape, type Shape } from './shape.js'

/** A network namespace as `ip` takes it after `netns`: a name of `ip netns`, a path, or the pid of a process in it. */
export type Netns = string | number

/** One end, as `ip link add` takes it; what is left out gets veth's default. */
export interface PairEndOptions extends Omit<EndOptions, 'netnsFd'> {
  /** Where it appears. Left out: in the current namespace. */
  netns?: Netns
}

/** What a pair is made with. */
export interface OpenPairOptions {
  a?: PairEndOptions
  /**
   * Left out, the peer copies everything of `a` but name, address, index and flags, as veth's does when `ip link add` says
   * nothing of a peer. Given, it copies nothing.
   */
  b?: PairEndOptions
  /** What happens to checksums on the way. Default `offload`. */
  checksum?: ChecksumMode
  /** How frames are read and written; one for all pairs of a process. Default `auto`: io_uring where it works. */
  engine?: EngineChoice
  /** Worker threads; one number for all pairs of a process. Default one for every two CPUs, at most four. */
  workers?: number
}

/** What {@link VethDevice.set} changes; what is absent stays. */
export interface DeviceSettings extends Omit<DeviceChange, 'netnsFd' | 'master' | 'noMaster'> {
  /** Name of a bridge, in the namespace where the device is; null takes the device out of it. */
  master?: string | null
  /** Moves the device, which goes down and loses its addresses. */
  netns?: Netns
}

/** Why a pair is gone: `close()` asked for it, or somebody deleted a device or the namespace that it was in. */
export type ClosedReason = Exclude<RemovalReason, 'closed'> // the driver of a process ends after its last pair

const OPTIONS_SHAPE: Shape<Required<OpenPairOptions>> = {
  a: 'object',
  b: 'object',
  checksum: 'any', // CHECKSUM_MODE_INVALID
  engine: 'any', // validate()
  workers: 'any',
}

const END_SHAPE: Shape<Required<PairEndOptions>> = {
  ...ATTRIBUTES,
  index: 'index',
  numTxQueues: 'number',
  numRxQueues: 'number',
  gsoMaxSize: 'uint32',
  gsoMaxSegs: 'uint32',
  groMaxSize: 'uint32',
}

const SETTINGS_SHAPE: Shape<Required<DeviceSettings>> = {
  ...ATTRIBUTES,
  up: 'boolean',
  alias: 'string',
  master: 'stringOrNull',
  groFlushUs: 'number',
}

/**
 * Makes a pair of devices that are joined: what the stack sends into one comes out of the other. Both are down, as a
 * new veth's are.
 *
 * `openPair('veth1', 'veth2')` is short for `openPair({ a: { name: 'veth1' }, b: { name: 'veth2' } })`. Without names
 * the first free ones of veth0, veth1, … are taken. The process needs CAP_NET_ADMIN and CAP_SYS_ADMIN. An open pair
 * keeps the process alive; however the process ends, its pairs go with it.
 *
 * Throws {@link VethdError}: NAME_INVALID, ADDRESS_INVALID, ADDRESS_REFUSED, MTU_INVALID, QUEUES_INVALID, NETNS_INVALID,
 * CHECKSUM_MODE_INVALID, DEVICE_EXISTS, NOT_PERMITTED, TUN_UNAVAILABLE, LIMIT_REACHED, ENGINE_UNAVAILABLE,
 * ADDON_MISSING, and ARGUMENT_INVALID for options that are not as the types have them, and when another engine or number of workers is
 * asked for than what runs already; or {@link NetlinkError} with the kernel's own words. Nothing is left behind then.
 */
export async function openPair(options?: OpenPairOptions): Promise<VethPair>
export async function openPair(a: string, b?: string): Promise<VethPair>
export async function openPair(first: OpenPairOptions | string = {}, second?: string): Promise<VethPair> {
  const options: OpenPairOptions =
    typeof first === 'string' ? { a: { name: first }, b: second === undefined ? undefined : { name: second } } : first
  checkShape('options', options, OPTIONS_SHAPE)
  if (options.a !== undefined) checkShape('a', options.a, END_SHAPE)
  if (options.b !== undefined) checkShape('b', options.b, END_SHAPE)
  const shared = await SharedDriver.acquire(options)
  try {
    return await shared.addPair(options)
  } catch (error) {
    await shared.release()
    throw error
  }
}

/** The Driver that all pairs of this process share, and who still needs it. */
class SharedDriver {
  static #current: SharedDriver | null = null

  readonly #engine: EngineChoice
  readonly #workers: number | undefined
  readonly #opened: Promise<Driver>
  /** Pairs that are open or being opened. */
  #users = 0

  private constructor(engine: EngineChoice, workers: number | undefined) {
    this.#engine = engine
    this.#workers = workers
    this.#opened = Driver.open({ engine, workers })
  }

  /** Opens the driver, or joins those that use it. Whoever acquires it has to release it. */
  static async acquire({ engine, workers }: OpenPairOptions): Promise<SharedDriver> {
    validate(engine, workers)
    SharedDriver.#current ??= new SharedDriver(engine ?? 'auto', workers)
    const joined = SharedDriver.#current
    joined.#users++
    try {
      await joined.#serve(engine, workers)
      return joined
    } catch (error) {
      await joined.release()
      throw error
    }
  }

  /** Waits for the driver, and refuses what it does not do. */
  async #serve(engine: EngineChoice | undefined, workers: number | undefined): Promise<void> {
    const driver = await this.#opened
    driver.setMaxListeners(0) // each pair has one
    const wrongEngine = engine !== undefined && engine !== 'auto' && engine !== driver.engine.name
    const wrongWorkers = workers !== undefined && workers !== this.#workers
    if (!wrongEngine && !wrongWorkers) return
    const number = this.#workers === undefined ? 'the default number of workers' : `${this.#workers} workers`
    throw new VethdError(
      'ARGUMENT_INVALID',
      `the pairs of this process run on the ${driver.engine.name} engine (${this.#engine} was asked for) and ${number}: ` +
        'ask for the same, for neither, or close them first',
    )
  }

  async addPair({ a = {}, b = inherited(a), checksum }: OpenPairOptions): Promise<VethPair> {
    const driver = await this.#opened
    const netnsFds: number[] = []
    const open = ({ netns, ...rest }: PairEndOptions): EndOptions => {
      if (netns === undefined) return rest
      const netnsFd = resolveNetns(String(netns))
      netnsFds.push(netnsFd)
      return { ...rest, netnsFd }
    }
    try {
      const pair = await driver.addPair({ dev: open(a), peer: open(b), checksum })
      return new VethPair(driver, pair, () => this.release())
    } finally {
      for (const netnsFd of netnsFds) native().close(netnsFd)
    }
  }

  /** The last one closes the driver. */
  async release(): Promise<void> {
    if (--this.#users > 0) return
    if (SharedDriver.#current === this) SharedDriver.#current = null
    const driver = await this.#opened.catch(() => null) // whoever acquired it was told
    await driver?.close()
  }
}

function validate(engine: EngineChoice | undefined, workers: number | undefined): void {
  if (engine !== undefined && !ENGINE_CHOICES.includes(engine))
    throw new VethdError(
      'ARGUMENT_INVALID',
      `engine "${String(engine)}" is unknown: it must be one of ${ENGINE_CHOICES.join(', ')}`,
    )
  if (workers !== undefined && !(Number.isInteger(workers) && workers > 0))
    throw new VethdError('ARGUMENT_INVALID', `workers ${String(workers)}: it is a number of threads, at least 1`)
}

/** A pair that is open: its two ends and its end. */
export class VethPair extends EventEmitter<{
  /** The pair is gone, both ends: `asked` or `device-gone`. */
  closed: [reason: ClosedReason]
}> {
  /** What stays the same whatever the devices are called. */
  readonly id: number
  readonly a: VethDevice
  readonly b: VethDevice
  readonly checksum: ChecksumMode
  /** The engine that carries its frames. */
  readonly engine: EngineName
  readonly #driver: Driver
  readonly #pair: Pair
  /** Resolves when the pair is gone and, was it the last one, the driver with it. */
  readonly #ended: Promise<void>

  /** @internal */
  constructor(driver: Driver, pair: Pair, release: () => Promise<void>) {
    super()
    this.#driver = driver
    this.#pair = pair
    this.id = pair.id
    this.a = new VethDevice(driver, pair.a)
    this.b = new VethDevice(driver, pair.b)
    this.checksum = pair.checksum
    this.engine = driver.engine.name
    this.#ended = new Promise((resolve, reject) => {
      const removed = (which: Pair, reason: RemovalReason): void => {
        if (which !== pair) return
        driver.off('pair-removed', removed)
        release().then(resolve, reject)
        this.emit('closed', reason as ClosedReason)
      }
      driver.on('pair-removed', removed)
    })
  }

  /** Deletes both devices. Resolves when they are gone; a pair that is gone already is fine. */
  async close(): Promise<void> {
    await this.#driver.removePairs([this.#pair])
    await this.#ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * One end of a pair, an ordinary network device. Every property is read from the kernel when it is asked for: whoever
 * renamed, moved or configured the device, the answer is what is so now. Throws DEVICE_NOT_FOUND once it is gone.
 */
export class VethDevice {
  readonly #driver: Driver
  readonly #device: Device

  /** @internal */
  constructor(driver: Driver, device: Device) {
    this.#driver = driver
    this.#device = device
  }

  get name(): string {
    return this.#device.name
  }

  get mtu(): number {
    return this.#link.mtu
  }

  /** The link layer address, `02:00:00:00:00:01`. */
  get mac(): string {
    return this.#link.address
  }

  /** Whether it is administratively up. It has carrier while both ends are. */
  get isUp(): boolean {
    return Device.isUp(this.#link)
  }

  /** The namespace that it is in: its name in `ip netns`, or, of one without a name, `net:[4026531840]`. */
  get netns(): string {
    const { inode, name } = this.#device.state().netns
    return name ?? `net:[${inode}]`
  }

  /** Its counters at this moment: the kernel's own, vethd's, and what a veth would show. Exact, as bigint. */
  stats(): DeviceStats {
    return deviceStats(this.#device)
  }

  /**
   * Changes the device, as `ip link set` does; once both ends are up, they have carrier when this returns. Throws
   * {@link VethdError} for what is refused here, {@link NetlinkError} for what the kernel refuses.
   */
  set(settings: DeviceSettings): void {
    checkShape('settings', settings, SETTINGS_SHAPE)
    const { netns, master, ...rest } = settings
    const change: DeviceChange = rest
    if (master !== undefined) Object.assign(change, master === null ? { noMaster: true } : { master })
    const netnsFd = netns === undefined ? undefined : resolveNetns(String(netns))
    try {
      this.#driver.set(this.#device, { ...change, netnsFd })
    } finally {
      if (netnsFd !== undefined) native().close(netnsFd)
    }
  }

  /** Moves the device into another namespace, as `ip link set … netns …` does: it goes down and loses its addresses. */
  moveTo(netns: Netns): void {
    checkKind('netns', netns, 'netns')
    this.set({ netns })
  }

  get #link(): LinkInfo {
    return this.#device.state().link
  }
}
