/**
 * The Ethernet header: eth_type_trans(), net/ethernet/eth.c.
 *
 * Neighbours: lane/xmit.ts counts frames by these results; vlan.ts parses VLAN tags, which this does not.
 *
 *   0          6          12        14
 *   +----------+----------+---------+--------------
 *   | h_dest   | h_source | h_proto | payload …
 *   +----------+----------+---------+--------------
 */
import {
  ETH_HLEN,
  ETH_P_802_2,
  ETH_P_802_3,
  ETH_P_802_3_MIN,
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
} from '../abi/ether.js'
import { be16, be32 } from './bytes.js'

/** Offset of h_proto in struct ethhdr. */
export const ETH_PROTO = 12

/**
 * Classifies a frame as the receiving device does: packet type and protocol, packed into one integer. Read them with
 * {@link packetType} and {@link protocol}.
 *
 * - `off`, `len`: the frame, without its vnet header. At least ETH_HLEN bytes: tun neither delivers nor accepts fewer.
 * - `macHigh`, `macLow`: the upper 16 and the lower 32 bits of the **receiving** device's address, unsigned, as `be16`
 *   and `be32` read them. `broadcastHigh`, `broadcastLow`: its broadcast address, which `ip link set` can change.
 *
 * The broadcast address is PACKET_BROADCAST if it is a group address, and not the device's own address. A VLAN tag is not
 * parsed: its EtherType is the protocol. A length (below ETH_P_802_3_MIN) becomes ETH_P_802_3 for the raw IPX frames
 * that start with 0xFFFF, and ETH_P_802_2 otherwise, also if fewer than two bytes follow.
 */
export function ethTypeTrans(
  mem: Uint8Array,
  off: number,
  len: number,
  macHigh: number,
  macLow: number,
  broadcastHigh = 0xffff,
  broadcastLow = 0xffffffff,
): number {
  return (ethPacketType(mem, off, macHigh, macLow, broadcastHigh, broadcastLow) << 16) | ethProtocol(mem, off, len)
}

/** PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST or PACKET_OTHERHOST, from what {@link ethTypeTrans} returned. */
export function packetType(trans: number): number {
  return trans >>> 16
}

/** An EtherType, ETH_P_802_3 or ETH_P_802_2, in host order, from what {@link ethTypeTrans} returned. */
export function protocol(trans: number): number {
  return trans & 0xffff
}

/** eth_skb_pkt_type(), include/linux/etherdevice.h. */
function ethPacketType(
  mem: Uint8Array,
  off: number,
  macHigh: number,
  macLow: number,
  broadcastHigh: number,
  broadcastLow: number,
): number {
  const high = be16(mem, off)
  const low = be32(mem, off + 2)
  if (high === macHigh && low === macLow) return PACKET_HOST
  if ((mem[off] & 1) === 0) return PACKET_OTHERHOST
  return high === broadcastHigh && low === broadcastLow ? PACKET_BROADCAST : PACKET_MULTICAST
}

function ethProtocol(mem: Uint8Array, off: number, len: number): number {
  const proto = be16(mem, off + ETH_PROTO)
  if (proto >= ETH_P_802_3_MIN) return proto
  return len >= ETH_HLEN + 2 && be16(mem, off + ETH_HLEN) === 0xffff ? ETH_P_802_3 : ETH_P_802_2
}
