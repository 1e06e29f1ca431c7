/**
 * Deleting devices, many at once. Neighbours: link-ops.ts (dellink, and undoing a newlink), and driver.ts when the
 * process ends.
 */

import { VethdError } from '../errors.js'
import { deleteGroup, deleteLink, getLink, setLink } from '../netlink/link.js'
import type { NetlinkError, Rtnetlink } from '../netlink/socket.js'
import type { Device } from './device.js'

/** Devices of ours put into one group, so that one request deletes them; above what people use, and random. */
const GROUP_BASE = 0x40000000

/**
 * veth_dellink of many pairs: the devices are deleted, namespace by namespace with one request each, because deleting
 * one by one costs 18 ms a device. Devices that are gone already are passed over.
 */
export function deleteDevices(devices: Device[]): void {
  for (const [there, ...others] of byNamespace(devices)) {
    unlessGone(() => {
      there.inItsNetns((rtnl, name) => {
        if (others.length === 0) return deleteLink(rtnl, getLink(rtnl, { name })!.index)
        const group = GROUP_BASE + Math.floor(Math.random() * GROUP_BASE)
        for (const device of [there, ...others]) unlessGone(() => setGroup(rtnl, device.name, group))
        deleteGroup(rtnl, group)
      })
    })
  }
}

/** Index 0 means: the one of that name. */
function setGroup(rtnl: Rtnetlink, name: string, group: number): void {
  setLink(rtnl, 0, { name, group })
}

function byNamespace(devices: Device[]): Device[][] {
  const groups = new Map<number, Device[]>()
  for (const device of devices) {
    unlessGone(() => {
      const inode = device.netnsInode()
      const there = groups.get(inode)
      if (there === undefined) groups.set(inode, [device])
      else there.push(device)
    })
  }
  return [...groups.values()]
}

/** A device that somebody else has deleted meanwhile is what was wanted. */
function unlessGone(act: () => void): void {
  try {
    act()
  } catch (error) {
    const gone =
      error instanceof VethdError ? error.code === 'DEVICE_NOT_FOUND' : (error as NetlinkError).code === 'ENODEV'
    if (!gone) throw error
  }
}
