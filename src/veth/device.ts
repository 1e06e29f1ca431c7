/**
 * One end of a pair: a TAP device, wherever its user has moved it and whatever they call it now.
 *
 * Nothing here keeps a namespace open: where the device is gets asked of the fd (TUNGETDEVNETNS) each time, and what is
 * done there goes through a netlink socket that is made there and closed at once (netlink/socket.ts, inNetns).
 */

import { type NativeError, native } from '../../native-bindings/index.js'
import { EBADFD } from '../abi/errno.js'
import { IFF_UP } from '../abi/rtnetlink.js'
import type { PoolLane } from '../dataplane/pool.js'
import { noMoreFiles, VethdError } from '../errors.js'
import { getLink, type LinkChange, type LinkFlags, setLink } from '../netlink/link.js'
import type { LinkInfo, LinkMode } from '../netlink/link-info.js'
import { tapName } from '../netlink/name.js'
import { netnsIdentity, netnsName } from '../netlink/netns.js'
import { inNetns, type Rtnetlink } from '../netlink/socket.js'
import { createTotals } from './counters.js'
import type { GroFeatures } from './features.js'
import type { LengthFilter } from './filter.js'
import { TXQUEUELEN_DEFAULT } from './options.js'
import type { Pair } from './pair.js'
import { ringSlots } from './ring.js'
import { validateAddress, validateGroFlushUs, validateMtu, validateName, validateTxqueuelen } from './validate.js'

/** A device as the kernel describes it at this moment. */
export interface DeviceState {
  link: LinkInfo
  /** Where it is: the namespace's inode number, and its name in /run/netns if it has one. */
  netns: { inode: number; name?: string }
  /** The name of its master, if that was asked for with it. */
  master?: string
  /** The link but for its counters: the same object as long as the kernel says the same of it. Of many devices only. */
  lasting?: LinkInfo
}

/** Where a device is, and what it is called there. */
export interface Place {
  name: string
  inode: number
  /** In the nursery's numbers. Both are missing when it has been moved and was not looked at since. */
  nsid?: number
  index?: number
}

/** What `Device.set` changes; what is absent stays. */
export interface DeviceChange extends LinkFlags {
  name?: string
  address?: string
  broadcast?: string
  mtu?: number
  group?: number
  /** At most 255 bytes; '' takes it away. */
  alias?: string
  linkMode?: LinkMode
  /** An open fd of the namespace to move into; stays the caller's. */
  netnsFd?: number
  /** A bridge in the namespace where the device is: its name or its index. */
  master?: string | number
  noMaster?: boolean
  txqueuelen?: number
  /** 0 … GRO_FLUSH_US_MAX */
  groFlushUs?: number
}

/** What vethd last knew of a device; refreshed by the monitor's events (driver.ts). */
export interface KnownState extends GroFeatures {
  nsid: number
  index: number
  name: string
  inode: number
  up: boolean
  address: string
  broadcast: string
  mtu: number
  groMaxSize: number
  groFlushUs: number
  /** Its driver runs an XDP program. */
  xdp: boolean
  /** The kernel runs one behind the driver. */
  genericXdp: boolean
}

/** Something that a device does without, and why. */
export interface Degradation {
  what: string
  why: string
}

export class Device {
  readonly pair: Pair
  readonly side: 'a' | 'b'
  /** One fd a queue; none once the pair was removed. */
  readonly queues: number[]
  readonly address: string
  /** What each of the lanes that read from this device counts (counters.ts). */
  readonly totals: SharedArrayBuffer[]
  /** The lanes that read from this device, one a queue. */
  lanes: PoolLane[] = []
  /** Refuses frames that are too long for the peer; null without CAP_BPF. */
  filter: LengthFilter | null = null
  known: KnownState | null = null
  /** What tun was told that we take (TUN_F_*); the user may have switched off some of it. */
  offloads = 0
  /** What of it comes back when the peer's XDP program goes; null: there is none. */
  withheld: number | null = null
  /** How long what it receives may be held to be merged, past the burst that it came with. */
  groFlushUs = 0
  /** Slots of its ring where vethd chose them (ring.ts); null: somebody else did. */
  ring: number | null = TXQUEUELEN_DEFAULT
  /** Super-frames (TUN_F_*) that this device's kernel refused, although it offers them. */
  refusedSuperFrames = 0
  /** What it does without; grows through `Driver.degraded` only. */
  readonly degradations: Degradation[] = []
  /** Carrier as last set, and what the kernel dropped while it was off (carrier.ts). */
  carrier = false
  carrierDrops = 0n
  carrierDropsBase = 0n

  /** `address`: the link layer address that it is born with. */
  constructor(pair: Pair, side: 'a' | 'b', queues: number[], address: string) {
    this.pair = pair
    this.side = side
    this.queues = queues
    this.totals = queues.map(() => createTotals())
    this.address = address
  }

  get peer(): Device {
    return this.side === 'a' ? this.pair.b : this.pair.a
  }

  get fd(): number {
    return this.queues[0]
  }

  /** `1/a`: what stays the same whatever the device is called. */
  get reference(): string {
    return `${this.pair.id}/${this.side}`
  }

  /**
   * Runs `act` in the namespace where the device is now, with a socket made there. `act` must be synchronous.
   * Throws DEVICE_NOT_FOUND when the device was deleted.
   */
  inItsNetns<T>(act: (rtnl: Rtnetlink, name: string, netnsFd: number) => T): T {
    const netnsFd = this.#onDevice(() => native().tapGetNetns(this.fd))
    try {
      return inNetns(netnsFd, (rtnl) => act(rtnl, this.name, netnsFd))
    } finally {
      native().close(netnsFd)
    }
  }

  /** What it is called and where it is, as its fd tells. Throws DEVICE_NOT_FOUND. */
  whereabouts(): Place {
    return { name: this.name, inode: this.netnsInode() }
  }

  /** The inode number of the namespace where it is. */
  netnsInode(): number {
    const netnsFd = this.#onDevice(() => native().tapGetNetns(this.fd))
    try {
      return netnsIdentity(netnsFd)
    } finally {
      native().close(netnsFd)
    }
  }

  /** False once it was deleted: the fd says so, however often it is asked. */
  get isThere(): boolean {
    try {
      return this.name !== ''
    } catch (error) {
      if ((error as VethdError).code === 'DEVICE_NOT_FOUND') return false
      throw error
    }
  }

  /** Its present name. */
  get name(): string {
    return this.#onDevice(() => tapName(this.fd))
  }

  #onDevice<T>(act: () => T): T {
    try {
      return act()
    } catch (error) {
      const { errno, syscall } = error as NativeError
      if (errno !== -EBADFD && this.queues.length > 0) throw noMoreFiles(error) ?? error
      const name = this.known === null ? '' : `"${this.known.name}", `
      throw new VethdError(
        'DEVICE_NOT_FOUND',
        `${name}end ${this.reference} of the pair, is gone: its pair is being removed`,
        {
          errno,
          syscall,
          cause: error,
        },
      )
    }
  }

  /** The device as it is now. */
  state(): DeviceState {
    return this.inItsNetns((rtnl, name, netnsFd) => {
      const inode = netnsIdentity(netnsFd)
      return { link: this.#link(rtnl, name), netns: { inode, name: netnsName(inode) } }
    })
  }

  #link(rtnl: Rtnetlink, name: string): LinkInfo {
    const link = getLink(rtnl, { name })
    if (link === undefined)
      throw new VethdError('DEVICE_NOT_FOUND', `"${name}" went away while it was looked at: try again`)
    return link
  }

  /**
   * Changes the device as `ip link set` does, in one request. Throws VethdError for what is refused here, NetlinkError
   * (with the kernel's own words) for what the kernel refuses.
   */
  set(change: DeviceChange): void {
    if (change.name !== undefined) validateName(change.name)
    if (change.address !== undefined) validateAddress(change.address)
    if (change.mtu !== undefined) validateMtu(change.mtu)
    if (change.groFlushUs !== undefined) validateGroFlushUs(change.groFlushUs)
    if (change.txqueuelen !== undefined) validateTxqueuelen(change.txqueuelen)
    if (change.txqueuelen === 0) change = { ...change, txqueuelen: this.#ownRing() }
    else if (change.txqueuelen !== undefined) this.ring = null
    this.inItsNetns((rtnl, name) => {
      const { master, noMaster, groFlushUs, ...rest } = change
      const request: LinkChange = rest
      if (noMaster) request.master = 0
      if (master !== undefined) request.master = typeof master === 'number' ? master : masterLink(rtnl, master).index
      setLink(rtnl, this.#link(rtnl, name).index, request)
      if (groFlushUs !== undefined) this.groFlushUs = groFlushUs
    })
  }

  /** A ring that is vethd's to choose again. */
  #ownRing(): number {
    this.ring = this.known === null ? TXQUEUELEN_DEFAULT : ringSlots(this.known.tso, this.known.mtu)
    return this.ring
  }

  /** True when the link's administrative state is up. */
  static isUp(link: LinkInfo): boolean {
    return (link.flags & IFF_UP) !== 0
  }
}

/** What `look` gives, or undefined when the device is gone. */
export function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (error instanceof VethdError && error.code === 'DEVICE_NOT_FOUND') return undefined
    throw error
  }
}

/** A bridge or the like in the socket's namespace. ARGUMENT_INVALID, as ip says it, when there is none. */
export function masterLink(rtnl: Rtnetlink, name: string): LinkInfo {
  const master = getLink(rtnl, { name })
  if (master !== undefined) return master
  throw new VethdError(
    'ARGUMENT_INVALID',
    `there is no device "${name}" to be the master, in the network namespace where the device is`,
    {
      iproute2: `Error: argument "${name}" is wrong: Device does not exist`,
    },
  )
}
