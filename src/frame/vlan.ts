/**
 * VLAN tags, IEEE 802.1Q and 802.1ad: finds the network header after them. include/linux/if_vlan.h.
 *
 * Neighbours: ethernet.ts, which regards a tag as the protocol; verify.ts, which needs the network header.
 *
 *   12       14       16       18
 *   +--------+--------+--------+----------
 *   | 0x8100 | TCI    | proto  | payload …       one tag: four bytes between the addresses and the EtherType
 *   +--------+--------+--------+----------
 */
import { ETH_HLEN, ETH_P_8021AD, ETH_P_8021Q } from '../abi/ether.js'
import { be16 } from './bytes.js'
import { ETH_PROTO } from './ethernet.js'

/** Bytes of one tag. */
export const VLAN_HLEN = 4

/** Bytes that a device lets through beyond its MTU: an Ethernet header and one VLAN tag (is_skb_forwardable). */
export const LINK_OVERHEAD = ETH_HLEN + VLAN_HLEN

/** The most tags that are skipped. A third tag counts as the protocol. */
export const VLAN_MAX_TAGS = 2

/**
 * Skips at most VLAN_MAX_TAGS tags of the frame at `off` (at least ETH_HLEN bytes). The result is packed into one
 * integer; read it with {@link vlanTags}, {@link vlanProtocol} and {@link vlanNetworkOffset}. A tag that is truncated
 * by the frame's end is not counted, and its own EtherType is the protocol.
 */
export function vlanWalk(mem: Uint8Array, off: number, len: number): number {
  let tags = 0
  let proto = be16(mem, off + ETH_PROTO)
  while (tags < VLAN_MAX_TAGS && isVlan(proto) && ETH_HLEN + (tags + 1) * VLAN_HLEN <= len) {
    tags++
    proto = be16(mem, off + ETH_PROTO + tags * VLAN_HLEN)
  }
  return (tags << 16) | proto
}

/** The number of skipped tags, 0..VLAN_MAX_TAGS. */
export function vlanTags(walk: number): number {
  return walk >>> 16
}

/** The EtherType (or length) after the tags. */
export function vlanProtocol(walk: number): number {
  return walk & 0xffff
}

/** Bytes from the start of the frame to the network header. */
export function vlanNetworkOffset(walk: number): number {
  return ETH_HLEN + vlanTags(walk) * VLAN_HLEN
}

/** eth_type_vlan() */
export function isVlan(proto: number): boolean {
  return proto === ETH_P_8021Q || proto === ETH_P_8021AD
}
