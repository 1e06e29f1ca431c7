/**
 * openPair: a pair in the caller's process, without a daemon.
 *
 *     openPair ─▶ the process's one Driver (veth/driver.ts) ─▶ pair ─▶ VethPair, and a VethDevice for either end
 *
 * Neighbours: tap.ts, for a single device; the daemon, which uses the same Driver.
 * Invariants:
 * - The Driver and its workers exist only while a pair is open or being opened, so that the process can end.
 * - No user's namespace is kept alive.
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

/**
 * A network namespace, as `ip` accepts it after `netns`: a name of `ip netns`, a path, or the pid of a process in it.
 */
export type Netns = string | number

/** The options of one end, as `ip link add` accepts them. An option that is left out gets veth's default. */
export interface PairEndOptions extends Omit<EndOptions, 'netnsFd'> {
  /** The namespace where the device appears. Default: the current namespace. */
  netns?: Netns
}

/** The options of {@link openPair}. */
export interface OpenPairOptions {
  a?: PairEndOptions
  /**
   * The peer. If left out, it copies all options of `a` except name, address, index and flags, as veth's peer does when
   * `ip link add` does not mention it. If given, it copies nothing.
   */
  b?: PairEndOptions
  /** How checksums are treated on the way. Default `offload`. */
  checksum?: ChecksumMode
  /** How frames are read and written; the same for all pairs of a process. Default `auto`: io_uring where it works. */
  engine?: EngineChoice
  /** Number of worker threads; the same for all pairs of a process. Default: one for every two CPUs, at most four. */
  workers?: number
}

/** The settings that {@link VethDevice.set} changes. A setting that is left out does not change. */
export interface DeviceSettings extends Omit<DeviceChange, 'netnsFd' | 'master' | 'noMaster'> {
  /** Name of a bridge in the device's namespace. null removes the device from its bridge. */
  master?: string | null
  /** Moves the device to this namespace. The device goes down and loses its addresses. */
  netns?: Netns
}

/** Why a pair is gone: `close()` was called, or somebody deleted a device or its namespace. */
export type ClosedReason = Exclude<RemovalReason, 'closed'> // the driver is closed only after its last pair

const OPTIONS_SHAPE: Shape<Required<OpenPairOptions>> = {
  a: 'object',
  b: 'object',
  checksum: 'any', // validatePair() checks it: CHECKSUM_MODE_INVALID
  engine: 'any', // validate() below checks it
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
 * Makes a pair of connected devices: a frame that the stack sends into one comes out of the other. Both are down at
 * first, as those of a new veth are.
 *
 * `openPair('veth1', 'veth2')` is short for `openPair({ a: { name: 'veth1' }, b: { name: 'veth2' } })`. Without names
 * the devices get the first free names of veth0, veth1, … The process needs CAP_NET_ADMIN and CAP_SYS_ADMIN. An open
 * pair keeps the process alive. However the process ends, its pairs are deleted.
 *
 * Throws {@link VethdError}: NAME_INVALID, ADDRESS_INVALID, ADDRESS_REFUSED, MTU_INVALID, QUEUES_INVALID,
 * NETNS_INVALID, CHECKSUM_MODE_INVALID, DEVICE_EXISTS, NOT_PERMITTED, TUN_UNAVAILABLE, LIMIT_REACHED,
 * ENGINE_UNAVAILABLE, ADDON_MISSING. ARGUMENT_INVALID: an option does not match its type, or the process already runs
 * another engine or number of workers. Throws {@link NetlinkError} with the kernel's own words. Nothing is left behind
 * after an error.
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

/** The Driver that all pairs of this process share, with the number of its users. */
class SharedDriver {
  static #current: SharedDriver | null = null

  readonly #engine: EngineChoice
  readonly #workers: number | undefined
  readonly #opened: Promise<Driver>
  /** Number of pairs that are open or being opened. */
  #users = 0

  private constructor(engine: EngineChoice, workers: number | undefined) {
    this.#engine = engine
    this.#workers = workers
    this.#opened = Driver.open({ engine, workers })
  }

  /** Opens the driver, or uses the open one. The caller must release it. */
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

  /** Waits for the driver, and refuses another engine or number of workers than it has. */
  async #serve(engine: EngineChoice | undefined, workers: number | undefined): Promise<void> {
    const driver = await this.#opened
    driver.setMaxListeners(0) // each pair adds a listener
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

  /** Closes the driver if this was its last user. */
  async release(): Promise<void> {
    if (--this.#users > 0) return
    if (SharedDriver.#current === this) SharedDriver.#current = null
    const driver = await this.#opened.catch(() => null) // acquire() has thrown this error already
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

/** An open pair with its two devices. */
export class VethPair extends EventEmitter<{
  /** Both devices are gone. The reason is `asked` or `device-gone`. */
  closed: [reason: ClosedReason]
}> {
  /** A number that stays the same when the devices are renamed or moved. */
  readonly id: number
  readonly a: VethDevice
  readonly b: VethDevice
  readonly checksum: ChecksumMode
  /** The engine that reads and writes its frames. */
  readonly engine: EngineName
  readonly #driver: Driver
  readonly #pair: Pair
  /** Resolves when the pair is gone; after the last pair, when the driver is closed too. */
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

  /** Deletes both devices and resolves when they are gone. No error if they are gone already. */
  async close(): Promise<void> {
    await this.#driver.removePairs([this.#pair])
    await this.#ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * One end of a pair, an ordinary network device. Each access reads the property from the kernel, so it is right even
 * after another program has renamed, moved or configured the device. Throws DEVICE_NOT_FOUND after the device is gone.
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

  /** Whether the device is administratively up. It has carrier while both ends are up. */
  get isUp(): boolean {
    return Device.isUp(this.#link)
  }

  /** The namespace of the device: its name in `ip netns`, or `net:[4026531840]` if it has no name. */
  get netns(): string {
    const { inode, name } = this.#device.state().netns
    return name ?? `net:[${inode}]`
  }

  /** The counters: the kernel's own, vethd's, and those that a veth would show. Exact, as bigint. */
  stats(): DeviceStats {
    return deviceStats(this.#device)
  }

  /**
   * Changes the device, as `ip link set` does. When this returns, the carrier of both ends has followed. Throws
   * {@link VethdError} if vethd refuses a setting, {@link NetlinkError} if the kernel does.
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
