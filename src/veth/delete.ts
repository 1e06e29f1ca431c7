/**
 * Deletes devices, many at once. Neighbours: driver.ts, which also calls it when the process exits; birth/newlink.ts,
 * which undoes its steps by it.
 */

import { VethdError } from '../errors.js'
import { deleteGroup, deleteLink, getLink, setLink } from '../netlink/link.js'
import type { LinkInfo } from '../netlink/link-info.js'
import type { NetlinkError, Rtnetlink } from '../netlink/rtnetlink.js'
import { closeAll } from './birth/open-tap.js'
import type { LinkContext } from './context.js'
import type { Device, Pair } from './device.js'
import { ownTurn } from './turns.js'

/** The most devices deleted in one turn. The kernel takes some 20 ms for one device and 30 ms for this many. */
const DEVICES_AT_ONCE = 32

/** The least group number for a deletion. The number is random and above those that users choose. */
const GROUP_BASE = 0x40000000

/**
 * veth_dellink of many pairs. Deletes the devices of each namespace by one request, because deleting one by one costs
 * 18 ms per device. Skips devices that are gone already. If a device cannot be deleted (no file descriptors left,
 * renamed meanwhile), throws after all others were deleted.
 */
export function deleteDevices(devices: Device[]): void {
  const failures: unknown[] = []
  for (const [there, ...others] of byNamespace(devices, failures)) {
    unlessGone(failures, () => {
      there.inItsNetns((rtnl, name) => {
        if (others.length === 0) return deleteLink(rtnl, present(getLink(rtnl, { name }), name).index)
        const group = GROUP_BASE + Math.floor(Math.random() * GROUP_BASE)
        for (const device of [there, ...others]) unlessGone(failures, () => setGroup(rtnl, device.name, group))
        deleteGroup(rtnl, group)
      })
    })
  }
  if (failures.length > 0) throw failures[0]
}

/** Throws if the link is undefined, because the user renamed the device meanwhile. Closing its fds then deletes it. */
function present(link: LinkInfo | undefined, name: string): LinkInfo {
  if (link !== undefined) return link
  throw new VethdError('KERNEL_REFUSED', `"${name}" was renamed while it was being deleted`)
}

/** Puts a device into a group. Index 0 makes the kernel find it by name. */
function setGroup(rtnl: Rtnetlink, name: string, group: number): void {
  setLink(rtnl, 0, { name, group })
}

function byNamespace(devices: Device[], failures: unknown[]): Device[][] {
  const groups = new Map<number, Device[]>()
  for (const device of devices) {
    unlessGone(failures, () => {
      const inode = device.netnsInode()
      const there = groups.get(inode)
      if (there === undefined) groups.set(inode, [device])
      else there.push(device)
    })
  }
  return [...groups.values()]
}

/** Ignores that another program has deleted the device meanwhile. Adds other errors to `failures`. */
function unlessGone(failures: unknown[], act: () => void): void {
  try {
    act()
  } catch (error) {
    const gone =
      error instanceof VethdError ? error.code === 'DEVICE_NOT_FOUND' : (error as NetlinkError).code === 'ENODEV'
    if (!gone) failures.push(error)
  }
}

/**
 * veth_dellink: removes pairs with those of their devices that still exist. `atOnce`: the number of devices deleted in
 * one turn of the event loop.
 */
export async function dellink(context: LinkContext, pairs: Pair[], atOnce = DEVICES_AT_ONCE): Promise<void> {
  const devices = pairs.flatMap((pair) => pair.devices)
  for (let done = 0; done < devices.length; done += atOnce) {
    if (done > 0) await ownTurn()
    try {
      deleteDevices(devices.slice(done, done + atOnce))
    } catch (err) {
      const message = 'devices could not be deleted at once: each goes when its last file is closed, 18 ms later'
      context.log.warn({ err }, message)
    }
  }
  await context.pool.removeLanes(devices.flatMap((device) => device.lanes))
  for (const [i, device] of devices.entries()) {
    if (i > 0 && i % atOnce === 0) await ownTurn()
    closeAll(device.queues.splice(0))
    context.addresses.release([device.record.address])
  }
}
