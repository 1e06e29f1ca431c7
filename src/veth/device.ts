/**
 * A pair and its two ends: their resources (fds, lanes, filter), their last known state, and their records.
 *
 * Neighbours: tap-handle.ts asks the kernel about an end; change.ts changes one; follow/ keeps `known` up to date.
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
  /** Its namespace: the inode number, and the name in /run/netns if it has one. */
  netns: { inode: number; name?: string }
  /** The name of its master, if it was read together with the link. */
  master?: string
}

/** The namespace of a device, and its name there. */
export interface Place {
  name: string
  inode: number
  /** NSID in the nursery, and index. Both are missing after a move until the device was read again. */
  nsid?: number
  index?: number
}

/** The last known state of a device. The monitor's events cause a refresh (follow/follower.ts). */
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
  /** `rx-udp-gro-forwarding` or `rx-gro-list` */
  udp: boolean
  /** The kernel runs an XDP program behind the driver. */
  genericXdp: boolean
}

/** A feature that a device has lost, and the reason. */
export interface Degradation {
  what: string
  why: string
}

export class Device extends TapHandle {
  readonly pair: Pair
  readonly side: 'a' | 'b'
  readonly record: EndRecord
  /** One fd per queue; empty after the pair was removed. */
  readonly queues: number[]
  /** The counters of each lane that reads from this device (counters.ts). */
  readonly totals: SharedArrayBuffer[]
  /** The lanes that read from this device, one per queue. */
  lanes: PoolLane[] = []
  /** Refuses frames that are too long for the peer; null without CAP_BPF. */
  filter: LengthFilter | null = null
  known: KnownState | null = null
  /** Features that it has lost. Only `Driver.degraded` adds to it. */
  readonly degradations: Degradation[] = []
  /** The carrier as vethd last set it (follow/carrier.ts). */
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

  /** `1/a`: an identifier that stays the same when the device is renamed or moved. */
  get reference(): string {
    return `${this.pair.id}/${this.side}`
  }

  /** Its name and namespace, as its fd tells. Throws DEVICE_NOT_FOUND. */
  whereabouts(): Place {
    return { name: this.name, inode: this.netnsInode() }
  }

  /** Reads the present state of the device. */
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

/** Two connected devices, with an id that stays the same when the devices are renamed or moved. */
export class Pair {
  readonly record: PairRecord
  readonly createdAt: Date
  /** The device that the request names (`dev`). It is registered second. */
  a!: Device
  /** Its peer. It is registered first. */
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

/** The result of `look`, or undefined if the device is gone. */
export function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (error instanceof VethdError && error.code === 'DEVICE_NOT_FOUND') return undefined
    throw error
  }
}
