/**
 * Follows changes of devices, whoever made them. Updates the lanes that write to the device (address, MTU, GRO), its peer's
 * length filter, the carrier of both ends, the qdisc and the ring.
 *
 *     the kernel ─▶ monitor ─▶ observed ─▶ stale ─▶ refresh, once a turn of the event loop ─▶ known
 *
 * Neighbours: driver.ts owns it; netlink/monitor.ts reports the events of all namespaces.
 * Invariant: an event finds its device by `nsid:ifindex`. Both are read again each time the device is read.
 */

import { VNET_HDR_HASH_TUNNEL_SIZE } from '../../abi/virtio-net.js'
import { VethdError } from '../../errors.js'
import { getLink } from '../../netlink/link.js'
import { Monitor, type MonitorEvent } from '../../netlink/monitor.js'
import { netnsIdentity } from '../../netlink/netns.js'
import { setNoqueue } from '../../netlink/qdisc.js'
import type { NetlinkError, Rtnetlink } from '../../netlink/rtnetlink.js'
import { receiverAddress } from '../birth/address-book.js'
import type { LinkContext } from '../context.js'
import type { Pair } from '../device.js'
import { Device, type KnownState, type Place, unlessGone } from '../device.js'
import type { DriverLog } from '../log.js'
import { keepCarrier, updateCarrier } from './carrier.js'
import { groFeatures, groSettings, keepFromXdp, keepTunnelOffloadsTogether } from './features.js'
import { fitRing, ringSlots } from './ring.js'

/** The members of KnownState on which others depend: the peer's filter and lanes, the carrier, listeners. */
const SHOWN = [
  'name',
  'inode',
  'up',
  'address',
  'broadcast',
  'mtu',
  'tso',
  'gro',
  'udp',
  'groMaxSize',
  'groFlushUs',
  'xdp',
  'genericXdp',
] as const satisfies (keyof KnownState)[]

/** Number of attempts to read a device that is moved or renamed during each. */
const TRIES = 20

/** A failed read is repeated after this time. */
const ROUND_MS = 250
/**
 * Without CAP_NET_BROADCAST the monitor does not hear other namespaces. Then so many devices are read in each round. This
 * takes at most 3 % of a CPU.
 */
const DEVICES_A_ROUND = 32

/** How long devices are read before other work has its turn. */
const TURN_MS = 5

export class Follower {
  readonly #context: LinkContext
  readonly #pairs: ReadonlyMap<number, Pair>
  readonly #log: DriverLog
  readonly #changed: (device: Device) => void
  readonly #monitor: Monitor
  /** Devices by `nsid:ifindex`, as in the monitor's events. */
  readonly #places = new Map<string, Device>()
  /** Devices to be read again at the end of this turn of the event loop. */
  readonly #stale = new Set<Device>()
  #refreshing = false
  /** An object for each namespace, by NSID, which is replaced when a link in it changes. Created when it is asked for. */
  readonly #versions = new Map<number, object>()
  /** Devices whose `known` may be wrong: their namespace died, so its NSID may be reused, or reading them failed. */
  readonly #doubtful = new Set<Device>()
  /** The timer of the rounds; undefined with CAP_NET_BROADCAST. */
  readonly #rounds: NodeJS.Timeout | undefined

  /** `changed` is called when `known` of a device changed; the carrier of both ends may have changed too. */
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
    if (this.#monitor.hearsAll) return
    const late = `${ROUND_MS} ms late with few devices, later with many`
    log.warn({}, `CAP_NET_BROADCAST is missing: changes by others to a device are noticed up to ${late}`)
    this.#rounds = setInterval(() => this.#lookAround(), ROUND_MS).unref()
  }

  /** Reads the devices that were not read for the longest time: each read moves one to the end of `#places`. */
  #lookAround(): void {
    for (const device of [...this.#places.values()].slice(0, DEVICES_A_ROUND)) this.refresh(device)
  }

  #observed(event: MonitorEvent): void {
    if (event.kind === 'overrun') this.#versions.clear()
    else this.#changedIn(event.nsid)
    if (event.kind === 'qdisc-made') return
    if (event.kind === 'overrun')
      for (const pair of this.#pairs.values()) for (const device of pair.devices) this.#stale.add(device)
    else if (event.kind === 'nsid-removed') {
      for (const device of this.#places.values()) if (device.known?.nsid === event.nsid) this.#doubtful.add(device)
    } else {
      const { index } = event.kind === 'link' ? event.link : event
      const device = this.#places.get(`${event.nsid}:${index}`)
      if (device === undefined) return
      this.#stale.add(device)
      if (event.kind === 'link' && event.wentDown) this.#wentDown(device)
    }
    if (this.#stale.size > 0) this.#refreshSoon()
  }

  /** A socket of the nursery, which reads other namespaces by NSID. */
  get rtnl(): Rtnetlink {
    return this.#monitor.rtnl
  }

  /**
   * An object that is replaced as soon as a link of the namespace changes; undefined if the monitor does not hear it. A carrier
   * that vethd sets replaces it at once, because the kernel reports it late (linkwatch).
   */
  version(nsid: number): object | undefined {
    if (!this.#monitor.hearsAll) return undefined
    const version = this.#versions.get(nsid) ?? {}
    this.#versions.set(nsid, version)
    return version
  }

  #changedIn(nsid: number | undefined): void {
    if (nsid !== undefined) this.#versions.delete(nsid)
  }

  /** Handles all events so far, so that {@link place} is correct afterwards. */
  settle(): void {
    this.#monitor.drain()
  }

  /** Where a device is, from `known` or else from its fd. Undefined if it is gone. */
  place(device: Device): Place | undefined {
    const { known } = device
    const isTold = this.#monitor.hearsAll && !this.#stale.has(device) && !this.#doubtful.has(device)
    if (known !== null && isTold) return known
    const place = unlessGone(() => device.whereabouts())
    if (place === undefined || known === null || place.inode !== known.inode || this.#doubtful.has(device)) return place
    return { ...place, nsid: known.nsid, index: known.index }
  }

  /** veth_close: both ends lose the carrier, even if the device is up again before it is read. */
  #wentDown(device: Device): void {
    if (device.known?.up !== true) return
    device.known.up = false
    try {
      this.#updateCarrier(device.pair)
    } catch {} // one end died: its lane reports that
    this.#changed(device)
  }

  #updateCarrier(pair: Pair): void {
    if (!updateCarrier(pair)) return
    for (const { known } of pair.devices) this.#changedIn(known?.nsid)
  }

  #refreshSoon(): void {
    if (this.#refreshing) return
    this.#refreshing = true
    setImmediate(() => this.#refreshStale())
  }

  #refreshStale(): void {
    this.#refreshing = false
    const until = performance.now() + TURN_MS
    for (const device of this.#stale) {
      if (performance.now() > until) break
      this.refresh(device)
    }
    if (this.#stale.size > 0) this.#refreshSoon()
  }

  /** Reads a device again, and updates everything that depends on it. */
  refresh(device: Device): void {
    this.#monitor.catchUp() // events that led to this call must not appear as new afterwards
    this.#stale.delete(device)
    for (let tries = 1; ; tries++) {
      try {
        this.#follow(device)
        return
      } catch (err) {
        const { code } = err as VethdError | NetlinkError
        const isElsewhere = code === 'DEVICE_NOT_FOUND' || code === 'ENODEV'
        // The lane of a device that died removes the pair. A device that was moved or renamed during the read must be read
        // again: its events name another place.
        if (isElsewhere && !device.isThere) return
        if (isElsewhere && tries < TRIES) continue
        this.#lookLater(device, err)
        return
      }
    }
  }

  /** Without file descriptors, or with a device that is moved all the time, the change must be followed later. */
  #lookLater(device: Device, err: unknown): void {
    if (!this.#doubtful.has(device)) {
      const { pair, side } = device
      this.#log.error({ err, pair: pair.id, side }, 'a changed device could not be read: vethd tries again')
    }
    this.#doubtful.add(device)
    const look = () => {
      if (this.#doubtful.has(device)) this.refresh(device)
    }
    setTimeout(look, ROUND_MS).unref()
  }

  #follow(device: Device): void {
    const before = device.known
    const now = device.inItsNetns((rtnl, name, netnsFd) => {
      const nsid = this.#monitor.know(netnsFd) // first: later changes are reported
      const link = getLink(rtnl, { name })
      if (link === undefined) throw new VethdError('DEVICE_NOT_FOUND', `"${name}" is gone`)
      if (link.qdisc !== 'noqueue') setNoqueue(rtnl, link.index)
      if (this.#context.vnetHdrLen === VNET_HDR_HASH_TUNNEL_SIZE && keepTunnelOffloadsTogether(rtnl, name))
        this.#log.warn({ name }, 'switched off tx-udp_tnl-csum-segmentation too, which alone loses frames')
      keepFromXdp(rtnl, device, name)
      keepCarrier(device, link.carrier)
      this.#changedIn(nsid)
      const { index, mtu, address, broadcast, groMaxSize, driverXdp: xdp, genericXdp } = link
      const features = groFeatures(rtnl, name)
      const slots = ringSlots(features.tso, mtu)
      if (fitRing(rtnl, device, link, slots))
        this.#log.warn({ name }, `with txqueuelen 0 a TAP drops every frame: set to ${slots}`)
      const [inode, up] = [netnsIdentity(netnsFd), Device.isUp(link)]
      const { groFlushUs } = device.record
      const known = { nsid, index, name: link.name, inode, up, address, broadcast, mtu, groMaxSize, groFlushUs }
      return { ...known, ...features, xdp, genericXdp }
    })
    this.#unplace(device)
    this.#doubtful.delete(device)
    device.known = now
    device.record.name = now.name
    this.#places.set(`${now.nsid}:${now.index}`, device)
    if (now.xdp !== (before?.xdp ?? false)) this.refresh(device.peer) // before the peer has a carrier and may send
    if (before !== null && SHOWN.every((key) => before[key] === now[key])) return
    device.peer.filter?.setPeerMtu(now.mtu)
    this.tellLanes(device.pair)
    this.#updateCarrier(device.pair)
    this.#log.debug({ pair: device.pair.id, side: device.side, ...now }, 'device changed')
    this.#changed(device)
  }

  /**
   * Tells the lanes of a pair about their receivers. While one direction merges, another worker takes the other direction. Its
   * frames, usually acknowledgements, wait in the ring while their lane moves.
   */
  tellLanes({ a, b }: Pair): void {
    const merges = this.#tellLanesFrom(a)
    const mergesBack = this.#tellLanesFrom(b)
    this.#setApart(b, merges)
    this.#setApart(a, mergesBack && !merges)
  }

  /** Tells the lanes that read from `sender` about their receiver. Returns whether they merge, which depends on both ends. */
  #tellLanesFrom(sender: Device): boolean {
    const { known } = sender.peer
    if (known === null) return false
    const gro = groSettings(sender, this.#context.offloads)
    const { macHigh: broadcastHigh, macLow: broadcastLow } = receiverAddress(known.broadcast)
    const receiver = { ...receiverAddress(known.address), broadcastHigh, broadcastLow, mtu: known.mtu, stages: { gro } }
    for (const lane of sender.lanes) this.#context.pool.setReceiver(lane, receiver)
    return gro !== null
  }

  #setApart(sender: Device, apart: boolean): void {
    this.#context.pool.setApart(sender.lanes, apart).catch((err) => {
      this.#log.error({ err, pair: sender.pair.id, side: sender.side }, 'a lane could not be moved to another worker')
    })
  }

  /** Forgets a device whose pair is being removed. */
  forget(device: Device): void {
    this.#stale.delete(device)
    this.#doubtful.delete(device)
    this.#unplace(device)
  }

  close(): void {
    clearInterval(this.#rounds)
    this.#monitor[Symbol.dispose]()
  }

  #unplace(device: Device): void {
    if (device.known === null) return
    const place = `${device.known.nsid}:${device.known.index}`
    if (this.#places.get(place) === device) this.#places.delete(place)
  }
}
