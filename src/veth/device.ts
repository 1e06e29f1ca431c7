/**
 * A pair and its two ends: what vethd holds of them (fds, lanes, filter), what it last knew of them, and their records.
 *
 * Neighbours: tap-handle.ts asks the kernel about an end; change.ts changes one; follow/ keeps `known` true.
 */

import type { NativeError } from '../../native-bindings/index.js'
import { createTotals } from '../counters.js'
import { VethdError } from '../errors.js'
import type { ChecksumMode } from '../messages.js'
import type { LinkInfo } from '../netlink/link-info.js'
import { netnsIdentity, netnsName } from '../netlink/netns.js'
import type { LengthFilter } from './birth/length-filter.js'
import type { PoolLane } from './pool.js'
import type { EndRecord, PairRecord } from './record.js'
import { TapHandle } from './tap-handle.js'

/** A device as the kernel describes it at this moment. */
export interface DeviceState {
  link: LinkInfo
  /** Where it is: the namespace's inode number, and its name in /run/netns if it has one. */
  netns: { inode: number; name?: string }
  /** The name of its master, if that was asked for with it. */
  master?: string
}

/** Where a device is, and what it is called there. */
export interface Place {
  name: string
  inode: number
  /** In the nursery's numbers. Both are missing when it has been moved and was not looked at since. */
  nsid?: number
  index?: number
}

/** What vethd last knew of a device; refreshed by the monitor's events (driver.ts). */
export interface KnownState {
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
  /** Its stack sends TCP super-frames, so what it sends needs no merging. */
  tso: boolean
  gro: boolean
  /** `rx-udp-gro-forwarding` */
  udp: boolean
}

/** Something that a device does without, and why. */
export interface Degradation {
  what: string
  why: string
}

export class Device extends TapHandle {
  readonly pair: Pair
  readonly side: 'a' | 'b'
  readonly record: EndRecord
  /** One fd a queue; none once the pair was removed. */
  readonly queues: number[]
  /** What each of the lanes that read from this device counts (counters.ts). */
  readonly totals: SharedArrayBuffer[]
  /** The lanes that read from this device, one a queue. */
  lanes: PoolLane[] = []
  /** Refuses frames that are too long for the peer; null without CAP_BPF. */
  filter: LengthFilter | null = null
  known: KnownState | null = null
  /** What it does without; grows through `Driver.degraded` only. */
  readonly degradations: Degradation[] = []
  /** Carrier as last set (follow/carrier.ts). */
  carrier = false

  constructor(pair: Pair, side: 'a' | 'b', queues: number[]) {
    super()
    this.pair = pair
    this.side = side
    this.record = pair.record.ends[side]
    this.queues = queues
    this.totals = queues.map(() => createTotals())
  }

  get peer(): Device {
    return this.side === 'a' ? this.pair.b : this.pair.a
  }

  override get fd(): number {
    return this.queues[0] ?? -1
  }

  /** `1/a`: what stays the same whatever the device is called. */
  get reference(): string {
    return `${this.pair.id}/${this.side}`
  }

  /** What it is called and where it is, as its fd tells. Throws DEVICE_NOT_FOUND. */
  whereabouts(): Place {
    return { name: this.name, inode: this.netnsInode() }
  }

  /** The device as it is now. */
  state(): DeviceState {
    return this.inItsNetns((rtnl, name, netnsFd) => {
      const inode = netnsIdentity(netnsFd)
      return { link: this.linkIn(rtnl, name), netns: { inode, name: netnsName(inode) } }
    })
  }

  override gone(cause?: NativeError): VethdError {
    const message = `"${this.record.name}", end ${this.reference} of the pair, is gone: its pair is being removed`
    return new VethdError('DEVICE_NOT_FOUND', message, { errno: cause?.errno, syscall: cause?.syscall, cause })
  }
}

/** Two devices, what they were joined with, and an id that stays whatever they are called. */
export class Pair {
  readonly record: PairRecord
  readonly createdAt: Date
  /** The device that was asked for (`dev`), registered second. */
  a!: Device
  /** Its peer, registered first. */
  b!: Device
  /** Set while the pair is being removed. */
  removal: Promise<void> | null = null

  constructor(record: PairRecord) {
    this.record = record
    this.createdAt = new Date(record.createdAt)
  }

  get id(): number {
    return this.record.id
  }

  get checksum(): ChecksumMode {
    return this.record.checksum
  }

  get devices(): [Device, Device] {
    return [this.a, this.b]
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
