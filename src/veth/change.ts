/**
 * Changes an end as `ip link set` does. Neighbour: driver.ts, whose `set` calls this and then updates the peer.
 */
import { VethdError } from '../errors.js'
import { getLink, type LinkAttributes, setLink } from '../netlink/link.js'
import type { LinkInfo } from '../netlink/link-info.js'
import type { Rtnetlink } from '../netlink/rtnetlink.js'
import { validateAddress, validateGroFlushUs, validateMtu, validateName, validateTxqueuelen } from './birth/validate.js'
import type { Device } from './device.js'
import { ringSlots } from './follow/ring.js'
import { TXQUEUELEN_DEFAULT } from './options.js'

/** The changes of a device. A member that is left out does not change. */
export interface DeviceChange extends LinkAttributes {
  /** At most 255 bytes; '' removes it. */
  alias?: string
  /** A bridge in the device's namespace: its name or its index. */
  master?: string | number
  noMaster?: boolean
  /** 0 … GRO_FLUSH_US_MAX */
  groFlushUs?: number
}

/**
 * Changes a device in one request. Throws VethdError if vethd refuses a value, NetlinkError (with the kernel's own
 * words) if the kernel does.
 */
export function changeDevice(device: Device, change: DeviceChange): void {
  const { record } = device
  const { master, noMaster, groFlushUs, ...attributes } = change
  const { name, address, mtu, txqueuelen } = attributes
  if (name !== undefined) validateName(name)
  if (address !== undefined) validateAddress(address)
  if (mtu !== undefined) validateMtu(mtu)
  if (groFlushUs !== undefined) validateGroFlushUs(groFlushUs)
  if (txqueuelen !== undefined) {
    validateTxqueuelen(txqueuelen)
    record.ring = txqueuelen === 0 ? ownRing(device) : null
    attributes.txqueuelen = record.ring ?? txqueuelen
  }
  device.inItsNetns((rtnl, name) => {
    setLink(rtnl, device.linkIn(rtnl, name).index, { ...attributes, master: masterIndex(rtnl, master, noMaster) })
    if (groFlushUs !== undefined) record.groFlushUs = groFlushUs
  })
}

/** The ring size that vethd chooses for a device. */
function ownRing({ known }: Device): number {
  return known === null ? TXQUEUELEN_DEFAULT : ringSlots(known.tso, known.mtu)
}

function masterIndex(rtnl: Rtnetlink, master?: string | number, noMaster?: boolean): number | undefined {
  if (master === undefined) return noMaster ? 0 : undefined
  return typeof master === 'number' ? master : masterLink(rtnl, master).index
}

/**
 * Finds a bridge or another master in the socket's namespace. ARGUMENT_INVALID, with ip's text, if it does not exist.
 */
export function masterLink(rtnl: Rtnetlink, name: string): LinkInfo {
  const master = getLink(rtnl, { name })
  if (master !== undefined) return master
  throw new VethdError(
    'ARGUMENT_INVALID',
    `the master "${name}" does not exist in the network namespace of the device`,
    {
      iproute2: `Error: argument "${name}" is wrong: Device does not exist`,
    },
  )
}
