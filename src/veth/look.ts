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
import { dumpLinks, dumpStats, getLink } from '../netlink/link.js'
import { type LinkInfo, readLink, readStats64 } from '../netlink/link-info.js'
import { netnsIdentity, netnsName } from '../netlink/netns.js'
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

/** The state of every device; one that is gone has none. */
export function lookAt(follower: Guide, devices: readonly Device[]): Map<Device, DeviceState> {
  follower.settle()
  const seen = new Map<Device, Seen>()
  for (const [nsid, there] of byNsid(follower, devices)) {
    const links = linksOf(follower, nsid, there)
    for (const [device, index] of there) {
      const found = links.at(device, index)
      if (found === undefined) continue
      const { master } = found.link
      seen.set(device, { nsid, ...found, master: master && links.nameAt(master) })
    }
  }
  follower.settle()
  const states = new Map<Device, DeviceState>()
  const names = new Map<number, string | undefined>()
  for (const device of devices) {
    const state = confirmed(follower.place(device), seen.get(device), names) ?? unlessGone(() => device.state())
    if (state !== undefined) states.set(device, state)
  }
  return states
}

interface Seen extends Pick<DeviceState, 'link' | 'lasting'> {
  nsid: number
  /** The name of its master. */
  master?: string | 0
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
  at(device: Device, index: number): Pick<DeviceState, 'link' | 'lasting'> | undefined
  nameAt(index: number): string | undefined
}

function linksOf(follower: Guide, nsid: number, there: Map<Device, number>): Links {
  const ask = (index: number) => unlessRefused(() => getLink(follower.rtnl, { index, nsid }))
  const askAlone = (index: number) => {
    const link = ask(index)
    return link && { link }
  }
  if (there.size <= FEW) return { at: (_device, index) => askAlone(index), nameAt: (index) => ask(index)?.name }
  const links = linksIn(follower, nsid)
  const stats = statsBeside(follower, there)
  return {
    at(device, index) {
      const [payload, counters] = [links?.get(index), stats?.get(index)]
      if (payload === undefined || counters === undefined) return undefined
      const { lasting, link } = readOnce(device, payload, counters)
      return isSettled(lasting) ? { link, lasting } : askAlone(index)
    },
    nameAt(index) {
      const payload = links?.get(index)
      return payload && new Attributes(payload, abi.IFINFOMSG_SIZE).string(abi.IFLA_IFNAME)
    },
  }
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

/** What the kernel said of a device when it was last one of many, and what that meant. */
interface Read {
  payload: Uint8Array
  counters: Uint8Array
  lasting: LinkInfo
  link: LinkInfo
}
const readBefore = new WeakMap<Device, Read>()

/** To read what a link says takes longer than to see that it is what it said before. */
function readOnce(device: Device, payload: Uint8Array, counters: Uint8Array): Read {
  const before = readBefore.get(device)
  const isSame = before !== undefined && Buffer.compare(before.payload, payload) === 0
  if (isSame && Buffer.compare(before.counters, counters) === 0) return before
  const lasting = isSame ? before.lasting : readLink(payload)
  const read = {
    payload: isSame ? before.payload : payload.slice(),
    counters: counters.slice(),
    lasting,
    link: { ...lasting, stats: readStats64(counters) },
  }
  readBefore.set(device, read)
  return read
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
  names: Map<number, string | undefined>,
): DeviceState | undefined {
  if (place === undefined || seen === undefined) return undefined
  const { nsid, link, lasting, master } = seen
  if (place.nsid !== nsid || place.index !== link.index || place.name !== link.name) return undefined
  if (!names.has(place.inode)) names.set(place.inode, netnsName(place.inode))
  return { link, netns: { inode: place.inode, name: names.get(place.inode) }, master: master || undefined, lasting }
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
