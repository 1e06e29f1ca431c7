/**
 * The offloads of a device as `ethtool -k` shows them and `ethtool -K` leaves them.
 *
 * Neighbours: offload.ts says what is offered to begin with; driver.ts looks here when a device's features changed.
 */
import { native } from '../../../native-bindings/index.js'
import * as tun from '../../abi/if-tun.js'
import { GRO_TCPV4, GRO_TCPV6, GRO_UDP } from '../../frame/gro.js'
import type { GroSettings } from '../../messages.js'
import { getFeatures, switchFeatures } from '../../netlink/ethtool.js'
import type { Rtnetlink } from '../../netlink/rtnetlink.js'
import type { Device, KnownState } from '../device.js'

const TUNNEL = 'tx-udp_tnl-segmentation'
const TUNNEL_CSUM = 'tx-udp_tnl-csum-segmentation'

/**
 * Switches `tx-udp_tnl-csum-segmentation` off where it is on without `tx-udp_tnl-segmentation`, which ethtool allows: tun
 * then takes super-frames that it cannot describe to its reader, and loses each of them (tun_put_user() asks for the
 * other feature alone). Whether it was so.
 */
export function keepTunnelOffloadsTogether(rtnl: Rtnetlink, name: string): boolean {
  const features = getFeatures(rtnl, name, [TUNNEL, TUNNEL_CSUM])
  if (features[TUNNEL_CSUM]?.active !== true || features[TUNNEL]?.active === true) return false
  switchFeatures(rtnl, name, [TUNNEL_CSUM], false)
  return true
}

// --- GRO --------------------------------------------------------------------------------------------------------

/** NETIF_F_ALL_TSO */
const ALL_TSO = [
  'tx-tcp-segmentation',
  'tx-tcp-ecn-segmentation',
  'tx-tcp-mangleid-segmentation',
  'tx-tcp6-segmentation',
] as const
const GRO = 'rx-gro'
/** Either has UDP merged: as one datagram to be cut up again (NETIF_F_GRO_UDP_FWD), or as a list of them (NETIF_F_GRO_FRAGLIST). */
const UDP = ['rx-udp-gro-forwarding', 'rx-gro-list'] as const

/** What of a device's features decides about merging. */
export function groFeatures(rtnl: Rtnetlink, name: string): Pick<KnownState, 'tso' | 'gro' | 'udp'> {
  const features = getFeatures(rtnl, name, [...ALL_TSO, GRO, ...UDP])
  return {
    tso: ALL_TSO.some((feature) => features[feature]?.active),
    gro: features[GRO]?.active === true,
    udp: UDP.some((feature) => features[feature]?.active),
  }
}

/**
 * What is merged on the way from `sender` to its peer; null: nothing. As veth_skb_is_eligible_for_gro() has it: only what
 * comes from a device without TSO, but UDP in any case. Nothing that this kernel would not take as a super-frame, and
 * nothing in mode `software`, whose receivers do not know a checksum that is left to the device. Nothing for an XDP
 * program either: it runs behind us, and has to see frames as they were sent. veth merges behind a program of its driver;
 * for one behind the driver it does not merge either (netif_elide_gro()).
 */
export function groSettings(sender: Device, works: number): GroSettings | null {
  const receiver = sender.peer
  if (sender.known === null || !receiver.known?.gro) return null
  if (receiver.known.xdp || receiver.known.genericXdp) return null
  if (sender.pair.checksum === 'software') return null
  const offloads = works & ~receiver.record.refusedSuperFrames
  let kinds = 0
  if (!sender.known.tso && (offloads & tun.TUN_F_TSO4) !== 0) kinds |= GRO_TCPV4
  if (!sender.known.tso && (offloads & tun.TUN_F_TSO6) !== 0) kinds |= GRO_TCPV6
  if (receiver.known.udp && (offloads & tun.TUN_F_USO4) !== 0) kinds |= GRO_UDP
  if (kinds === 0) return null
  const maxSize = Math.min(GRO_LEGACY_MAX_SIZE, receiver.known.groMaxSize)
  return { kinds, maxSize, flushUs: receiver.known.groFlushUs }
}

/** Above it is BIG TCP, which a TAP does not have (include/linux/netdevice.h). */
const GRO_LEGACY_MAX_SIZE = 65536

// --- Offloads ---------------------------------------------------------------------------------------------------

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
function shownOffloads(rtnl: Rtnetlink, name: string): { requested: number; active: number } {
  const features = getFeatures(rtnl, name, Object.keys(FEATURES))
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
  return device.inItsNetns((rtnl, name) => {
    const { requested, active } = shownOffloads(rtnl, name)
    if ((active & offloads) === 0) return false
    const wanted = requested | (device.record.withheld ?? 0)
    const left = possibleTogether(device.record.offloads & wanted & ~offloads)
    native().tapSetOffload(device.fd, left)
    device.record.offloads = left
    keepFromXdp(rtnl, device, name)
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

// --- XDP --------------------------------------------------------------------------------------------------------

/** What a TAP has of NETIF_F_GSO_SOFTWARE. */
const SUPER_FRAMES = tun.TUN_F_TSO4 | tun.TUN_F_TSO6 | tun.TUN_F_TSO_ECN | tun.TUN_F_USO4 | tun.TUN_F_USO6

/**
 * veth_xdp_set() and veth_fix_features(): an XDP program has to see frames as they would be on a wire. So while the driver
 * of its peer runs one, a device has no super-frame offloads, whoever wants them. What was wanted when the program came is
 * wanted again when it goes.
 */
export function keepFromXdp(rtnl: Rtnetlink, device: Device, name: string): void {
  if (device.peer.known?.xdp) {
    const { requested } = shownOffloads(rtnl, name)
    device.record.withheld ??= requested & SUPER_FRAMES
    switchOffloads(rtnl, name, requested & SUPER_FRAMES, false)
  } else if (device.record.withheld !== null) {
    switchOffloads(rtnl, name, device.record.withheld & device.record.offloads, true)
    device.record.withheld = null
  }
}

function switchOffloads(rtnl: Rtnetlink, name: string, offloads: number, on: boolean): void {
  const features = Object.keys(FEATURES).filter((feature) => (FEATURES[feature] & offloads) !== 0)
  if (features.length > 0) switchFeatures(rtnl, name, features, on)
}
