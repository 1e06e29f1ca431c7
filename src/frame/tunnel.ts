/**
 * Super-frames inside a UDP tunnel: the offsets of the tunnel's headers in the vnet header.
 *
 * Neighbours: virtio-net-hdr.ts has the fields, lane/xmit.ts calls this for a super-frame behind a VLAN tag.
 */
import { ETH_P_IP, ETH_P_IPV6 } from '../abi/ether.js'
import { ipv4Layout, ipv6Layout, l4Offset } from './ip.js'
import {
  GSO_UDP_TUNNEL,
  setVnetInnerNhOffset,
  setVnetOuterThOffset,
  vnetGsoType,
  vnetInnerNhOffset,
  vnetOuterThOffset,
} from './virtio-net-hdr.js'
import { VLAN_HLEN, vlanNetworkOffset, vlanProtocol, vlanTags, vlanWalk } from './vlan.js'

/**
 * Corrects the offsets of a tunnel behind an accelerated VLAN tag. tun's read puts the tag back into the frame and moves
 * csum_start by its 4 bytes, but not the tunnel's two offsets (seen on 6.18). With the wrong offsets the frame would be
 * segmented wrongly behind the peer. Moves the offsets if the frame itself shows that they are too low.
 *
 * `off`: the vnet header, of 24 bytes if its gso_type has a tunnel; `eth`: the frame, of `frameLen` ≥ ETH_HLEN bytes.
 */
export function correctTunnelOffsets(mem: Uint8Array, off: number, eth: number, frameLen: number): void {
  if ((vnetGsoType(mem, off) & GSO_UDP_TUNNEL) === 0) return
  const walk = vlanWalk(mem, eth, frameLen)
  const network = vlanNetworkOffset(walk)
  const outerTransport = vnetOuterThOffset(mem, off)
  if (vlanTags(walk) === 0 || outerTransport + VLAN_HLEN !== transportOffset(mem, eth, frameLen, walk, network)) return
  setVnetOuterThOffset(mem, off, outerTransport + VLAN_HLEN)
  setVnetInnerNhOffset(mem, off, vnetInnerNhOffset(mem, off) + VLAN_HLEN)
}

/** The true offset of the outer transport header from the start of the frame; -1 if unknown. */
function transportOffset(mem: Uint8Array, eth: number, frameLen: number, walk: number, network: number): number {
  const left = frameLen - network
  const protocol = vlanProtocol(walk)
  const layout =
    protocol === ETH_P_IP
      ? ipv4Layout(mem, eth + network, left)
      : protocol === ETH_P_IPV6
        ? ipv6Layout(mem, eth + network, left)
        : -1
  return layout < 0 ? -1 : network + l4Offset(layout)
}
