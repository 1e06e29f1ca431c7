/**
 * Many devices at one moment: one dump of a namespace's links in place of a question for each device.
 *
 *     settle ─▶ where is each device? ─▶ dump of each namespace, with counters ─▶ settle ─▶ still there? ─▶ DeviceState
 *                                                                                  └─ no: that device is asked alone
 *
 * Neighbours: follower.ts knows where devices are, driver.ts offers this.
 * Invariant: a link of a dump counts as a device only if the device had this index and this name before and after it.
 */
import * as abi from '../abi/rtnetlink.js'
import { Attributes } from '../netlink/codec.js'
import { dumpLinks, getLink } from '../netlink/link.js'
import { type LinkInfo, readLink } from '../netlink/link-info.js'
import { netnsName } from '../netlink/netns.js'
import { NetlinkError, type Rtnetlink } from '../netlink/socket.js'
import { Device, type DeviceState, type Place, unlessGone } from './device.js'

/** Up to as many devices of a namespace are asked for one by one, since it may hold a thousand others. */
const FEW = 4

/** Who knows where devices are. */
interface Guide {
  /** A socket of the nursery's. */
  readonly rtnl: Rtnetlink
  settle(): void
  place(device: Device): Place | undefined
}

/** The state of every device; one that is gone has none. */
export function lookAt(follower: Guide, devices: readonly Device[]): Map<Device, DeviceState> {
  follower.settle()
  const seen = new Map<Device, Seen>()
  for (const [nsid, there] of byNsid(follower, devices)) {
    const links = linksOf(follower.rtnl, nsid, there.size)
    for (const [device, index] of there) {
      const link = links.at(index)
      if (link !== undefined) seen.set(device, { nsid, link, master: link.master && links.nameAt(link.master) })
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

interface Seen {
  nsid: number
  link: LinkInfo
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
  at(index: number): LinkInfo | undefined
  nameAt(index: number): string | undefined
}

function linksOf(rtnl: Rtnetlink, nsid: number, wanted: number): Links {
  const ask = (index: number) => unlessRefused(() => getLink(rtnl, { index, nsid }))
  if (wanted <= FEW) return { at: ask, nameAt: (index) => ask(index)?.name }
  const dump = unlessRefused(() => dumpLinks(rtnl, nsid))
  return {
    at(index) {
      const payload = dump?.get(index)
      if (payload === undefined) return undefined
      const link = readLink(payload)
      return isSettled(link) ? link : ask(index)
    },
    nameAt(index) {
      const payload = dump?.get(index)
      return payload && new Attributes(payload, abi.IFINFOMSG_SIZE).string(abi.IFLA_IFNAME)
    },
  }
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
  const { nsid, link, master } = seen
  if (place.nsid !== nsid || place.index !== link.index || place.name !== link.name) return undefined
  if (!names.has(place.inode)) names.set(place.inode, netnsName(place.inode))
  return { link, netns: { inode: place.inode, name: names.get(place.inode) }, master: master || undefined }
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
