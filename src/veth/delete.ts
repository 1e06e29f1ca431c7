/**
 * Deleting devices, many at once. Neighbours: link-ops.ts (dellink, and undoing a newlink), and driver.ts when the
 * process ends.
 */

import { VethdError } from '../errors.js'
import { deleteGroup, deleteLink, getLink, setLink } from '../netlink/link.js'
import type { LinkInfo } from '../netlink/link-info.js'
import type { NetlinkError, Rtnetlink } from '../netlink/rtnetlink.js'
import type { Device } from './device.js'

/** Devices of ours put into one group, so that one request deletes them; above what people use, and random. */
const GROUP_BASE = 0x40000000

/**
 * veth_dellink of many pairs: the devices are deleted, namespace by namespace with one request each, because deleting
 * one by one costs 18 ms a device. Devices that are gone already are passed over. Throws when one cannot be deleted (out
 * of files, renamed meanwhile), once all others are.
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

/** Its user may rename a device between two questions: then closing its files deletes it. */
function present(link: LinkInfo | undefined, name: string): LinkInfo {
  if (link !== undefined) return link
  throw new VethdError('KERNEL_REFUSED', `"${name}" was renamed while it was being deleted`)
}

/** Index 0 means: the one of that name. */
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

/** A device that somebody else has deleted meanwhile is what was wanted; other errors join the `failures`. */
function unlessGone(failures: unknown[], act: () => void): void {
  try {
    act()
  } catch (error) {
    const gone =
      error instanceof VethdError ? error.code === 'DEVICE_NOT_FOUND' : (error as NetlinkError).code === 'ENODEV'
    if (!gone) failures.push(error)
  }
}
