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

/** What of a device others depend on: its peer's filter and lanes, the carrier, whoever listens. */
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

/** Times that a device is looked at which is moved or renamed each time. */
const TRIES = 20

/** A look that failed is repeated after this time. */
const ROUND_MS = 250
/**
 * Without CAP_NET_BROADCAST nothing tells of other namespaces. Then so many devices are looked at, as often, in turn: some
 * 3 % of a CPU at most.
 */
const DEVICES_A_ROUND = 32

/** How long devices are looked at before others have their turn. */
const TURN_MS = 5

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
  #refreshing = false
  /** A version of what is known of each namespace, by NSID; one that is missing is made when it is asked for. */
  readonly #versions = new Map<number, object>()
  /** Devices of which `known` may be wrong: their namespace died, whose number is given again, or a look at them failed. */
  readonly #doubtful = new Set<Device>()
  /** The rounds, where they are needed. */
  readonly #rounds: NodeJS.Timeout | undefined

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
    if (this.#monitor.hearsAll) return
    const late = `${ROUND_MS} ms late with few devices, later with many`
    log.warn({}, `CAP_NET_BROADCAST is missing: changes by others to a device are noticed up to ${late}`)
    this.#rounds = setInterval(() => this.#lookAround(), ROUND_MS).unref()
  }

  /** The devices that were not looked at for the longest: each look puts one behind the others in `#places`. */
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

  /** A socket of the nursery's, for reads of other namespaces by NSID. */
  get rtnl(): Rtnetlink {
    return this.#monitor.rtnl
  }

  /**
   * Another object as soon as anything happened to a link of a namespace; undefined where nobody tells of it. A carrier that
   * vethd sets is told late (linkwatch), and counts at once.
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

  /** Takes in all that has happened so far: {@link place} is right afterwards. */
  settle(): void {
    this.#monitor.drain()
  }

  /** Where a device is: what is known of it, or else what its fd tells. Undefined: it is gone. */
  place(device: Device): Place | undefined {
    const { known } = device
    const isTold = this.#monitor.hearsAll && !this.#stale.has(device) && !this.#doubtful.has(device)
    if (known !== null && isTold) return known
    const place = unlessGone(() => device.whereabouts())
    if (place === undefined || known === null || place.inode !== known.inode || this.#doubtful.has(device)) return place
    return { ...place, nsid: known.nsid, index: known.index }
  }

  /** veth_close. Whoever is up again by the time it is looked at has lost the carrier all the same, and the peer too. */
  #wentDown(device: Device): void {
    if (device.known?.up !== true) return
    device.known.up = false
    try {
      this.#updateCarrier(device.pair)
    } catch {} // an end that died: its lane tells
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

  /** Reads a device again, and lets everything follow that depends on it. */
  refresh(device: Device): void {
    this.#monitor.catchUp() // what led here must not be told afterwards as if it were new
    this.#stale.delete(device)
    for (let tries = 1; ; tries++) {
      try {
        this.#follow(device)
        return
      } catch (err) {
        const { code } = err as VethdError | NetlinkError
        const isElsewhere = code === 'DEVICE_NOT_FOUND' || code === 'ENODEV'
        // One that died meanwhile is told of by its lane too, which removes the pair. One that was moved or renamed while it
        // was looked at is not where its events are looked for: nothing would tell of it.
        if (isElsewhere && !device.isThere) return
        if (isElsewhere && tries < TRIES) continue
        this.#lookLater(device, err)
        return
      }
    }
  }

  /** Out of files, or moved all the time: what changed must still be followed, once that is over. */
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
      const nsid = this.#monitor.know(netnsFd) // first: what changes from here on is told
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
    if (now.xdp !== (before?.xdp ?? false)) this.refresh(device.peer) // before it has a carrier and may send
    if (before !== null && SHOWN.every((key) => before[key] === now[key])) return
    device.peer.filter?.setPeerMtu(now.mtu)
    this.tellLanes(device.pair)
    this.#updateCarrier(device.pair)
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

  /** The pair of a device is being removed. */
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
