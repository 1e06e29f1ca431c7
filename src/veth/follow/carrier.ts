/**
 * The carrier, as veth_open and veth_close set it: both ends have carrier while both are up; otherwise neither has.
 *
 * Without carrier the kernel drops the frames that the stack sends (noop_enqueue) and counts tx_dropped. vethd shows
 * these drops as `peer_down`. It reads the counter when the carrier goes off and on, to tell them from drops of a full
 * ring.
 */
import { native } from '../../../native-bindings/index.js'
import { getLink } from '../../netlink/link.js'
import type { Device, Pair } from '../device.js'

/** Sets the carrier of both ends by their known state. Returns whether anything changed. */
export function updateCarrier(pair: Pair): boolean {
  const wanted = pair.devices.every((device) => device.known?.up === true)
  const changed = pair.devices.filter((device) => device.carrier !== wanted)
  for (const device of changed) setCarrier(device, wanted)
  return changed.length > 0
}

/** Undoes `ip link set … carrier`, which a TAP accepts and a veth refuses. `carrier`: the device's present carrier. */
export function keepCarrier(device: Device, carrier: boolean): void {
  if (carrier !== device.carrier) tellCarrier(device, device.carrier)
}

function setCarrier(device: Device, on: boolean): void {
  if (on) device.record.carrierDrops += kernelTxDropped(device) - device.record.carrierDropsBase
  tellCarrier(device, on)
  if (!on) device.record.carrierDropsBase = kernelTxDropped(device)
  device.carrier = on
}

function tellCarrier(device: Device, on: boolean): void {
  for (const queue of device.queues) native().tapSetCarrier(queue, on)
}

function kernelTxDropped(device: Device): number {
  return device.inItsNetns((rtnl, name) => Number(getLink(rtnl, { name })?.stats.txDropped ?? 0n))
}
