/**
 * What follows when a device changes, by whoever changed it: address and MTU reach the lanes that write to it, its peer's
 * length filter, the carrier of both, the qdisc, the ring, what is merged for it.
 *
 *     the kernel ─▶ monitor ─▶ observed ─▶ stale ─▶ refresh, once a turn of the event loop ─▶ known
 *
 * Neighbours: driver.ts has one; netlink/monitor.ts tells of every namespace.
 * Invariant: a device is found by where it is (`nsid:ifindex`, as the monitor names it), and that is read again whenever
 * it is looked at.
 */

import { VNET_HDR_HASH_TUNNEL_SIZE } from '../abi/virtio-net.js'
import { VethdError } from '../errors.js'
import { getLink } from '../netlink/link.js'
import { Monitor, type MonitorEvent } from '../netlink/monitor.js'
import { netnsIdentity } from '../netlink/netns.js'
import { setNoqueue } from '../netlink/qdisc.js'
import type { NetlinkError } from '../netlink/socket.js'
import { receiverAddress } from './address.js'
import { keepCarrier, updateCarrier } from './carrier.js'
import { Device, type KnownState } from './device.js'
import type { DriverLog } from './driver.js'
import { groFeatures, groSettings, keepTunnelOffloadsTogether } from './features.js'
import type { Pair } from './pair.js'
import { fitRing, ringSlots } from './ring.js'
import type { LinkContext } from './setup.js'

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

/** Times that a device is looked at which is moved or renamed each time. */
const TRIES = 20

export class Follower {
  readonly #context: LinkContext
  readonly #pairs: ReadonlyMap<number, Pair>
  readonly #log: DriverLog
  readonly #changed: (device: Device) => void
  readonly #monitor: Monitor
  /** Devices by where they are: `nsid:ifindex`, as the monitor names them. */
  readonly #places = new Map<string, Device>()
  /** Devices to be looked at again, together, at the end of this turn of the event loop. */
  readonly #stale = new Set<Device>()

  /** `changed`: `known` is another than before; so may be the carrier of either end of its pair. */
  constructor(
    context: LinkContext,
    pairs: ReadonlyMap<number, Pair>,
    log: DriverLog,
    changed: (device: Device) => void,
  ) {
    this.#context = context
    this.#pairs = pairs
    this.#log = log
    this.#changed = changed
    this.#monitor = new Monitor(context.nursery, (event) => this.#observed(event))
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
    this.#changed(device)
  }

  #refreshStale(): void {
    for (const device of this.#stale) {
      this.#stale.delete(device)
      this.refresh(device)
    }
  }

  /** Reads a device again, and lets everything follow that depends on it. */
  refresh(device: Device): void {
    this.#monitor.catchUp() // what led here must not be told afterwards as if it were new
    for (let tries = 1; ; tries++) {
      try {
        this.#follow(device)
        return
      } catch (err) {
        const { code } = err as VethdError | NetlinkError
        const isElsewhere = code === 'DEVICE_NOT_FOUND' || code === 'ENODEV'
        // One that died meanwhile is told of by its lane too, which removes the pair. One that was moved or renamed while it
        // was looked at is not where its events are looked for: nothing would tell of it.
        if (isElsewhere && !isThere(device)) return
        if (isElsewhere && tries < TRIES) continue
        this.#log.error(
          { err, pair: device.pair.id, side: device.side },
          'a device that changed could not be looked at',
        )
        return
      }
    }
  }

  #follow(device: Device): void {
    const before = device.known
    const now = device.inItsNetns((rtnl, name, netnsFd) => {
      const nsid = this.#monitor.know(netnsFd) // first: what changes from here on is told
      const link = getLink(rtnl, { name })
      if (link === undefined) throw new VethdError('DEVICE_NOT_FOUND', `"${name}" is gone`)
      if (link.qdisc !== 'noqueue') setNoqueue(rtnl, link.index)
      if (this.#context.vnetHdrLen === VNET_HDR_HASH_TUNNEL_SIZE && keepTunnelOffloadsTogether(name))
        this.#log.warn({ name }, 'tx-udp_tnl-csum-segmentation loses frames without the other: switched off too')
      keepCarrier(device, link.carrier)
      const { index, mtu, address, groMaxSize } = link
      const features = groFeatures(name)
      const slots = ringSlots(features.tso, mtu)
      if (fitRing(rtnl, device, link, slots)) this.#log.warn({ name }, `txqueuelen 0 would stop a TAP: set to ${slots}`)
      const [inode, up] = [netnsIdentity(netnsFd), Device.isUp(link)]
      const { groFlushUs } = device
      return { nsid, index, name: link.name, inode, up, address, mtu, groMaxSize, groFlushUs, ...features }
    })
    this.#unplace(device)
    device.known = now
    this.#places.set(`${now.nsid}:${now.index}`, device)
    if (before !== null && SHOWN.every((key) => before[key] === now[key])) return
    device.peer.filter?.setPeerMtu(now.mtu)
    this.tellLanes(device.pair)
    updateCarrier(device.pair)
    this.#log.debug({ pair: device.pair.id, side: device.side, ...now }, 'device changed')
    this.#changed(device)
  }

  /**
   * What the lanes of a pair have to know of their receivers. While one merges, it has a worker without the other direction, whose
   * frames, being acknowledgements as a rule, can wait in the ring while their lane moves.
   */
  tellLanes({ a, b }: Pair): void {
    const merges = this.#tellLanesFrom(a)
    const mergesBack = this.#tellLanesFrom(b)
    this.#setApart(b, merges)
    this.#setApart(a, mergesBack && !merges)
  }

  /** Whether the lanes that read from `sender` merge: that depends on both ends. */
  #tellLanesFrom(sender: Device): boolean {
    const { known } = sender.peer
    if (known === null) return false
    const gro = groSettings(sender, this.#context.offloads)
    const receiver = { ...receiverAddress(known.address), mtu: known.mtu, gro }
    for (const lane of sender.lanes) this.#context.pool.setReceiver(lane, receiver)
    return gro !== null
  }

  #setApart(sender: Device, apart: boolean): void {
    this.#context.pool.setApart(sender.lanes, apart).catch((err) => {
      this.#log.error({ err, pair: sender.pair.id, side: sender.side }, 'a lane could not be given to another worker')
    })
  }

  /** The pair of a device is being removed. */
  forget(device: Device): void {
    this.#stale.delete(device)
    this.#unplace(device)
  }

  close(): void {
    this.#monitor[Symbol.dispose]()
  }

  #unplace(device: Device): void {
    if (device.known === null) return
    const place = `${device.known.nsid}:${device.known.index}`
    if (this.#places.get(place) === device) this.#places.delete(place)
  }
}

/** A device that is gone has no name. */
function isThere(device: Device): boolean {
  try {
    return device.name !== ''
  } catch {
    return false
  }
}
