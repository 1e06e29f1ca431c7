/**
 * Carrier, as veth_open and veth_close keep it: both ends have it while both are up, neither otherwise.
 *
 * While it is off the kernel drops what the stack sends (noop_enqueue) and raises tx_dropped; these are `peer_down`, and
 * the counter is read at both edges to tell them from frames that a full ring refused.
 */
import { native } from '../../../native-bindings/index.js'
import { getLink } from '../../netlink/link.js'
import type { Device, Pair } from '../device.js'

/** Brings the carrier of both ends in line with what is known of them; true when anything changed. */
export function updateCarrier(pair: Pair): boolean {
  const wanted = pair.devices.every((device) => device.known?.up === true)
  const changed = pair.devices.filter((device) => device.carrier !== wanted)
  for (const device of changed) setCarrier(device, wanted)
  return changed.length > 0
}

/** Undoes what somebody did by `ip link set … carrier`, which veth refuses and a TAP does. `carrier`: what the device has. */
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
