/**
 * The offloads of a device as `ethtool -k` shows them and `ethtool -K` leaves them.
 *
 * Neighbours: birth/offload.ts decides what is offered at first; follower.ts calls this when a device changed.
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
 * Switches `tx-udp_tnl-csum-segmentation` off if it is on without `tx-udp_tnl-segmentation`. ethtool allows that, but tun
 * then accepts super-frames that it cannot describe to its reader, and loses each of them: tun_put_user() checks only the
 * other feature. Returns whether it switched anything.
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
/** Each of the two makes GRO merge UDP: into one super-frame (NETIF_F_GRO_UDP_FWD), or a list (NETIF_F_GRO_FRAGLIST). */
const UDP = ['rx-udp-gro-forwarding', 'rx-gro-list'] as const

/** The features of a device that decide about merging. */
export function groFeatures(rtnl: Rtnetlink, name: string): Pick<KnownState, 'tso' | 'gro' | 'udp'> {
  const features = getFeatures(rtnl, name, [...ALL_TSO, GRO, ...UDP])
  return {
    tso: ALL_TSO.some((feature) => features[feature]?.active),
    gro: features[GRO]?.active === true,
    udp: UDP.some((feature) => features[feature]?.active),
  }
}

/**
 * What vethd merges from `sender` to its peer; null: nothing.
 *
 * - As in veth_skb_is_eligible_for_gro(): TCP only from a device without TSO, UDP from any device.
 * - No kind of super-frame that this kernel refuses.
 * - Nothing in mode `software`: its receivers do not accept a checksum that is left to the device.
 * - Nothing for an XDP program: it runs after vethd, and must see frames as they were sent. veth merges behind a program of
 *   its driver, and does not merge for a generic program either (netif_elide_gro()).
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

/** Larger packets are BIG TCP, which a TAP does not support (include/linux/netdevice.h). */
const GRO_LEGACY_MAX_SIZE = 65536

// --- Offloads ---------------------------------------------------------------------------------------------------

/** The feature that TUNSETOFFLOAD sets for each bit (set_offload() in drivers/net/tun.c). */
const FEATURES: Record<string, number> = {
  'tx-checksum-ip-generic': tun.TUN_F_CSUM,
  'tx-tcp-segmentation': tun.TUN_F_TSO4,
  'tx-tcp6-segmentation': tun.TUN_F_TSO6,
  'tx-tcp-ecn-segmentation': tun.TUN_F_TSO_ECN,
  'tx-udp-segmentation': tun.TUN_F_USO4 | tun.TUN_F_USO6,
  [TUNNEL]: tun.TUN_F_UDP_TUNNEL_GSO,
  [TUNNEL_CSUM]: tun.TUN_F_UDP_TUNNEL_GSO_CSUM,
}

/** The offloads (TUN_F_*) that the user wants on a device, and those that are on. */
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
 * Withdraws offloads from a device permanently, because the kernel refuses frames that it offered to accept. TUNSETOFFLOAD
 * sets all offloads anew, so it gets only those that the user still wants. Returns false if they are off already.
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

/** The offloads without those that tun refuses because others are missing. */
function possibleTogether(offloads: number): number {
  const tso = tun.TUN_F_TSO4 | tun.TUN_F_TSO6
  let left = offloads
  if ((left & tso) === 0) left &= ~tun.TUN_F_TSO_ECN
  if ((left & (tso | tun.TUN_F_USO4)) === 0) left &= ~tun.TUN_F_UDP_TUNNEL_GSO
  if ((left & tun.TUN_F_UDP_TUNNEL_GSO) === 0) left &= ~tun.TUN_F_UDP_TUNNEL_GSO_CSUM
  return (left & tun.TUN_F_CSUM) === 0 ? 0 : left
}

// --- XDP --------------------------------------------------------------------------------------------------------

/** The part of NETIF_F_GSO_SOFTWARE that a TAP has. */
const SUPER_FRAMES = tun.TUN_F_TSO4 | tun.TUN_F_TSO6 | tun.TUN_F_TSO_ECN | tun.TUN_F_USO4 | tun.TUN_F_USO6

/**
 * veth_xdp_set() and veth_fix_features(): an XDP program must see frames as on a wire. While the driver of its peer runs a
 * program, a device has no super-frame offloads. Those that were wanted when the program was attached are switched on again
 * when it is detached.
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
