/**
 * Many devices at one moment: one dump of a namespace's links in place of a question for each device.
 *
 *     settle ─▶ where is each device? ─▶ dumps of each namespace: links, counters ─▶ settle ─▶ still there? ─▶ DeviceState
 *                                                                                     └─ no: that device is asked alone
 *
 * Neighbours: follower.ts knows where devices are, driver.ts offers this.
 * Invariant: a link of a dump counts as a device only if the device had this index and this name before and after it.
 */
import * as abi from '../abi/rtnetlink.js'
import { Attributes } from '../netlink/codec.js'
import { dumpLinks, dumpStats, getLinkPayload } from '../netlink/link.js'
import { type LinkInfo, readLink, readStats64 } from '../netlink/link-info.js'
import { netnsIdentity, netnsNames } from '../netlink/netns.js'
import { NetlinkError, type Rtnetlink } from '../netlink/rtnetlink.js'
import { Device, type DeviceState, type Place, unlessGone } from './device.js'

/** Up to as many devices of a namespace are asked for one by one, since it may hold a thousand others. */
const FEW = 4

/** Who knows where devices are. */
interface Guide {
  /** A socket of the nursery's. */
  readonly rtnl: Rtnetlink
  settle(): void
  place(device: Device): Place | undefined
  version(nsid: number): object | undefined
}

/** The state of every device; one that is gone has none. A device's state is the same object as long as nothing in it changes. */
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

/** What the kernel said of a device, and what that meant. */
interface Read {
  /** A RTM_NEWLINK, with the counters unless they came apart. */
  payload: Uint8Array
  counters?: Uint8Array
  link: LinkInfo
  /** What was made of it. */
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

/** A dump of a namespace's links, by the version of what was known when it began (follower.ts). */
const dumped = new WeakMap<object, { at: number; links: Map<number, Uint8Array> }>()
/** Some things happen to a link that the kernel tells nobody: `promiscuity 2` after `promiscuity 1`. */
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

/** The counters of a namespace's links. They can be asked for from inside only, and one of its devices shows the way. */
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

/** To read what a link says takes longer than to see that it is what it said before. */
function readOnce(device: Device, payload: Uint8Array, counters?: Uint8Array): Read {
  const before = readBefore.get(device)
  const isSame = before !== undefined && areSame(before.payload, payload)
  if (isSame) before.payload = payload // most often the next look gets the very same one
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
 * Whether the operational state has followed the carrier. The kernel lets it follow up to a second later, but at once for a
 * link that is asked for alone (linkwatch_sync_dev).
 */
function isSettled(link: LinkInfo): boolean {
  const isUp = link.operstate === 'UP' || link.operstate === 'DORMANT'
  return isUp === (Device.isUp(link) && link.carrier)
}

/** What was seen, if the device was where it was seen also afterwards. */
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

/** A namespace that died has no number any more. */
function unlessRefused<T>(ask: () => T): T | undefined {
  try {
    return ask()
  } catch (error) {
    if (error instanceof NetlinkError) return undefined
    throw error
  }
}
