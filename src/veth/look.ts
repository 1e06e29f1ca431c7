/**
 * The state of many devices at one moment: one dump of a namespace's links instead of a request for each device.
 *
 *     settle ─▶ where is each device? ─▶ dumps of each namespace: links, counters ─▶ settle ─▶ still there? ─▶ DeviceState
 *                                                                                     └─ no: that device is asked alone
 *
 * Neighbours: follow/follower.ts knows the namespaces of devices, driver.ts calls this.
 * Invariant: a link of a dump counts as a device only if the device had this index and this name before and after it.
 */
import * as abi from '../abi/rtnetlink.js'
import { Attributes } from '../netlink/codec.js'
import { dumpLinks, dumpStats, getLinkPayload } from '../netlink/link.js'
import { type LinkInfo, readLink, readStats64 } from '../netlink/link-info.js'
import { netnsIdentity, netnsNames } from '../netlink/netns.js'
import { NetlinkError, type Rtnetlink } from '../netlink/rtnetlink.js'
import { Device, type DeviceState, type Place, unlessGone } from './device.js'

/**
 * Up to this many devices of a namespace are read one by one, because the namespace may have a thousand other links.
 */
const FEW = 4

/** The part of Follower that knows the namespaces of devices. */
interface Guide {
  /** A netlink socket of the nursery. */
  readonly rtnl: Rtnetlink
  settle(): void
  place(device: Device): Place | undefined
  version(nsid: number): object | undefined
}

/**
 * The state of every device; a device that is gone has none. A device's state is the same object as long as nothing in
 * it changes.
 */
export function lookAt(follower: Guide, devices: readonly Device[]): Map<Device, DeviceState> {
  follower.settle()
  const seen = new Map<Device, Seen>()
  for (const [nsid, there] of byNsid(follower, devices)) {
    const links = linksOf(follower, nsid, there)
    for (const [device, index] of there) {
      const read = links.at(device, index)
      if (read === undefined) continue
      const { master } = read.link
      seen.set(device, { nsid, read, master: master === undefined ? undefined : links.nameAt(master) })
    }
  }
  follower.settle()
  const states = new Map<Device, DeviceState>()
  const nameOf = netnsNames()
  for (const device of devices) {
    const state = confirmed(follower.place(device), seen.get(device), nameOf) ?? unlessGone(() => device.state())
    if (state !== undefined) states.set(device, state)
  }
  return states
}

interface Seen {
  nsid: number
  read: Read
  /** The name of its master. */
  master?: string
}

/** The kernel's answer about a device, and its parsed form. */
interface Read {
  /** An RTM_NEWLINK. It includes the counters, unless these were read separately. */
  payload: Uint8Array
  counters?: Uint8Array
  link: LinkInfo
  /** The state made from it. */
  state?: DeviceState
}

/** Devices and their indexes by namespace. */
function byNsid(follower: Guide, devices: readonly Device[]): Map<number, Map<Device, number>> {
  const found = new Map<number, Map<Device, number>>()
  for (const device of devices) {
    const { nsid, index } = follower.place(device) ?? {}
    if (nsid === undefined || index === undefined) continue
    const there = found.get(nsid)
    if (there === undefined) found.set(nsid, new Map([[device, index]]))
    else there.set(device, index)
  }
  return found
}

/** The links of one namespace, and their names. */
interface Links {
  at(device: Device, index: number): Read | undefined
  nameAt(index: number): string | undefined
}

function linksOf(follower: Guide, nsid: number, there: Map<Device, number>): Links {
  const ask = (index: number) => unlessRefused(() => getLinkPayload(follower.rtnl, { index, nsid }))
  if (there.size <= FEW) {
    return {
      at(device, index) {
        const payload = ask(index)
        return payload && readOnce(device, payload)
      },
      nameAt: (index) => nameIn(ask(index)),
    }
  }
  const links = linksIn(follower, nsid)
  const stats = statsBeside(follower, there)
  return {
    at(device, index) {
      const [payload, counters] = [links?.get(index), stats?.get(index)]
      if (payload === undefined || counters === undefined) return undefined
      const read = readOnce(device, payload, counters)
      if (isSettled(read.link)) return read
      const alone = ask(index)
      return alone && { payload: alone, link: readLink(alone) }
    },
    nameAt: (index) => nameIn(links?.get(index)),
  }
}

function nameIn(payload: Uint8Array | undefined): string | undefined {
  return payload && new Attributes(payload, abi.IFINFOMSG_SIZE).string(abi.IFLA_IFNAME)
}

/** Dumps of a namespace's links. The key is the namespace's version when the dump began (follow/follower.ts). */
const dumped = new WeakMap<object, { at: number; links: Map<number, Uint8Array> }>()
/**
 * The longest use of a dump. The kernel sends no event for some changes, such as `promiscuity 2` after `promiscuity 1`.
 */
const DUMP_LASTS_MS = 1000

function linksIn(follower: Guide, nsid: number): Map<number, Uint8Array> | undefined {
  const version = follower.version(nsid)
  const before = version && dumped.get(version)
  const now = performance.now()
  if (before !== undefined && now - before.at < DUMP_LASTS_MS) return before.links
  const links = unlessRefused(() => dumpLinks(follower.rtnl, nsid))
  if (version !== undefined && links !== undefined) dumped.set(version, { at: now, links })
  return links
}

/**
 * The counters of a namespace's links. The kernel dumps them only inside the namespace, so one of its devices is used
 * to enter.
 */
function statsBeside(follower: Guide, there: Map<Device, number>): Map<number, Uint8Array> | undefined {
  const [device] = there.keys()
  const inode = follower.place(device)?.inode
  return unlessGone(() =>
    device.inItsNetns((rtnl, _name, netnsFd) =>
      netnsIdentity(netnsFd) === inode ? unlessRefused(() => dumpStats(rtnl)) : undefined,
    ),
  )
}

const readBefore = new WeakMap<Device, Read>()

/**
 * Parses a payload only if it differs from the previous one of the device, because comparing is faster than parsing.
 */
function readOnce(device: Device, payload: Uint8Array, counters?: Uint8Array): Read {
  const before = readBefore.get(device)
  const isSame = before !== undefined && areSame(before.payload, payload)
  if (isSame) before.payload = payload // the next look mostly gets the same object, which compares at once
  if (isSame && areSame(before.counters, counters)) return before
  const lasting = isSame ? before.link : readLink(payload)
  const link = counters === undefined ? lasting : { ...lasting, stats: readStats64(counters) }
  const read = { payload, counters: counters?.slice(), link }
  readBefore.set(device, read)
  return read
}

function areSame(one: Uint8Array | undefined, two: Uint8Array | undefined): boolean {
  return one === two || (one !== undefined && two !== undefined && Buffer.compare(one, two) === 0)
}

/**
 * Whether the operational state has followed the carrier. In the kernel it follows up to a second later, but at once if
 * the link is requested alone (linkwatch_sync_dev).
 */
function isSettled(link: LinkInfo): boolean {
  const isUp = link.operstate === 'UP' || link.operstate === 'DORMANT'
  return isUp === (Device.isUp(link) && link.carrier)
}

/** The state that was seen, if the device still has the same place afterwards. */
function confirmed(
  place: Place | undefined,
  seen: Seen | undefined,
  nameOf: (inode: number) => string | undefined,
): DeviceState | undefined {
  if (place === undefined || seen === undefined) return undefined
  const { nsid, read, master } = seen
  const { link, state: before } = read
  const { inode } = place
  if (place.nsid !== nsid || place.index !== link.index || place.name !== link.name) return undefined
  const name = nameOf(inode)
  const isSame = before?.netns.inode === inode && before.netns.name === name && before.master === master
  if (!isSame) read.state = { link, netns: { inode, name }, master }
  return read.state
}

/** Returns undefined if the namespace died, because its NSID is then invalid. */
function unlessRefused<T>(ask: () => T): T | undefined {
  try {
    return ask()
  } catch (error) {
    if (error instanceof NetlinkError) return undefined
    throw error
  }
}
