/**
 * The offloads of a device as `ethtool -k` shows them and `ethtool -K` leaves them.
 *
 * Neighbours: offload.ts says what is offered to begin with; driver.ts looks here when a device's features changed.
 */
import { getFeatures, switchFeatureOff } from '../netlink/ethtool.js'

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
