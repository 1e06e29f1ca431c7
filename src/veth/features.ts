/**
 * The offloads of a device as `ethtool -k` shows them and `ethtool -K` leaves them.
 *
 * Neighbours: offload.ts says what is offered to begin with; driver.ts looks here when a device's features changed.
 */
import { native } from '../../native-bindings/index.js'
import * as tun from '../abi/if-tun.js'
import { getFeatures, switchFeatureOff } from '../netlink/ethtool.js'
import type { Device } from './device.js'

const TUNNEL = 'tx-udp_tnl-segmentation'
const TUNNEL_CSUM = 'tx-udp_tnl-csum-segmentation'

/**
 * Switches `tx-udp_tnl-csum-segmentation` off where it is on without `tx-udp_tnl-segmentation`, which ethtool allows: tun
 * then takes super-frames that it cannot describe to its reader, and loses each of them (tun_put_user() asks for the
 * other feature alone). Whether it was so.
 */
export function keepTunnelOffloadsTogether(name: string): boolean {
  const features = getFeatures(name, [TUNNEL, TUNNEL_CSUM])
  if (features[TUNNEL_CSUM]?.active !== true || features[TUNNEL]?.active === true) return false
  switchFeatureOff(name, TUNNEL_CSUM)
  return true
}

/** What TUNSETOFFLOAD makes of each bit (set_offload() in drivers/net/tun.c). */
const FEATURES: Record<string, number> = {
  'tx-checksum-ip-generic': tun.TUN_F_CSUM,
  'tx-tcp-segmentation': tun.TUN_F_TSO4,
  'tx-tcp6-segmentation': tun.TUN_F_TSO6,
  'tx-tcp-ecn-segmentation': tun.TUN_F_TSO_ECN,
  'tx-udp-segmentation': tun.TUN_F_USO4 | tun.TUN_F_USO6,
  [TUNNEL]: tun.TUN_F_UDP_TUNNEL_GSO,
  [TUNNEL_CSUM]: tun.TUN_F_UDP_TUNNEL_GSO_CSUM,
}

/** The offloads (TUN_F_*) that are wanted on a device, and those that are on. */
function shownOffloads(name: string): { requested: number; active: number } {
  const features = getFeatures(name, Object.keys(FEATURES))
  const shown = { requested: 0, active: 0 }
  for (const [feature, mask] of Object.entries(FEATURES)) {
    if (features[feature]?.requested) shown.requested |= mask
    if (features[feature]?.active) shown.active |= mask
  }
  return shown
}

/**
 * Takes offloads from a device for good: the kernel does not keep what it promised. What its user has switched off stays
 * off: TUNSETOFFLOAD sets all of them anew, so it gets only what is still wanted now. False when they are off already.
 */
export function withdrawOffloads(device: Device, offloads: number): boolean {
  return device.inItsNetns((_rtnl, name) => {
    const { requested, active } = shownOffloads(name)
    if ((active & offloads) === 0) return false
    const left = possibleTogether(device.offloads & requested & ~offloads)
    native().tapSetOffload(device.fd, left)
    device.offloads = left
    return true
  })
}

/** Without those that tun refuses when others are missing. */
function possibleTogether(offloads: number): number {
  const tso = tun.TUN_F_TSO4 | tun.TUN_F_TSO6
  let left = offloads
  if ((left & tso) === 0) left &= ~tun.TUN_F_TSO_ECN
  if ((left & (tso | tun.TUN_F_USO4)) === 0) left &= ~tun.TUN_F_UDP_TUNNEL_GSO
  if ((left & tun.TUN_F_UDP_TUNNEL_GSO) === 0) left &= ~tun.TUN_F_UDP_TUNNEL_GSO_CSUM
  return (left & tun.TUN_F_CSUM) === 0 ? 0 : left
}
