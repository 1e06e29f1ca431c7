/**
 * The hot path: veth_xmit (drivers/net/veth.c) for one frame, from the read from the sending device until the frame is
 * ready for the write to its peer.
 *
 *     received ─▶ length ─▶ class and protocol ─▶ checksum ─▶ to the peer
 *                   │                                │
 *                   └── too short, too long          └── bad
 *
 * Invariant: nothing is allocated or thrown per frame, and every dropped frame is counted under its reason.
 */
import {
  ETH_HLEN,
  ETH_P_802_2,
  ETH_P_802_3,
  ETH_P_8021AD,
  ETH_P_8021Q,
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
} from '../abi/ether.js'
import { VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_NONE } from '../abi/virtio-net.js'
import * as counter from '../counters.js'
import { completeChecksum } from '../frame/checksum.js'
import { ethTypeTrans, packetType, protocol } from '../frame/ethernet.js'
import { correctTunnelOffsets } from '../frame/tunnel.js'
import { verifyChecksums } from '../frame/verify.js'
import { vnetFlags, vnetGsoType } from '../frame/virtio-net-hdr.js'
import { VLAN_HLEN } from '../frame/vlan.js'
import { COMPLETE, type Lane, PASS_THROUGH } from './lane.js'

/**
 * Takes one frame: `len` bytes at `off` of `mem`, vnet header first. Counts it as received. Returns how many bytes at
 * `off` go to the peer; 0 when the frame was dropped.
 */
export function vethXmit(lane: Lane, mem: Uint8Array, off: number, len: number): number {
  const counts = lane.counters.burst
  const eth = off + lane.vnetHdrLen
  const frameLen = len - lane.vnetHdrLen
  counts[counter.RECEIVED_PACKETS]++
  counts[counter.RECEIVED_BYTES] += frameLen
  if (frameLen < ETH_HLEN) return drop(counts, counter.DROP_TOO_SHORT)

  const { macHigh, macLow, broadcastHigh, broadcastLow } = lane
  const seen = ethTypeTrans(mem, eth, frameLen, macHigh, macLow, broadcastHigh, broadcastLow)
  counts[counter.CLASS_HOST + packetType(seen)]++
  counts[protocolCounter(protocol(seen))]++

  const superFrame = vnetGsoType(mem, off) !== VIRTIO_NET_HDR_GSO_NONE
  const reinserted = reinsertedLen(protocol(seen))
  if (frameLen - reinserted > lane.maxFrameLen && !superFrame) return drop(counts, counter.DROP_TOO_LONG)
  if (superFrame && reinserted !== 0) correctTunnelOffsets(mem, off, eth, frameLen)

  if (lane.checksum !== PASS_THROUGH && !superFrame) {
    const reason = lane.checksum === COMPLETE ? complete(mem, off, eth, frameLen) : verify(counts, mem, eth, frameLen)
    if (reason !== 0) return drop(counts, reason)
  }

  return len
}

/**
 * Bytes of an accelerated VLAN tag. The kernel keeps such a tag outside of the frame (skb->vlan_tci) and does not count
 * it in the length; tun has inserted it into the frame.
 */
function reinsertedLen(protocol: number): number {
  return protocol === ETH_P_8021Q || protocol === ETH_P_8021AD ? VLAN_HLEN : 0
}

function drop(counts: Float64Array, reason: number): 0 {
  counts[reason]++
  return 0
}

/** The counter of a protocol number that eth_type_trans returned. */
function protocolCounter(protocol: number): number {
  switch (protocol) {
    case ETH_P_IP:
      return counter.PROTOCOL_IPV4
    case ETH_P_IPV6:
      return counter.PROTOCOL_IPV6
    case ETH_P_ARP:
      return counter.PROTOCOL_ARP
    case ETH_P_8021Q:
    case ETH_P_8021AD:
      return counter.PROTOCOL_VLAN
    case ETH_P_802_3:
      return counter.PROTOCOL_802_3
    case ETH_P_802_2:
      return counter.PROTOCOL_802_2
    default:
      return counter.PROTOCOL_OTHER
  }
}

/**
 * Mode `software`: computes a checksum that the sender left to its device. Returns the reason to drop the frame, or 0.
 */
function complete(mem: Uint8Array, off: number, eth: number, frameLen: number): number {
  if ((vnetFlags(mem, off) & VIRTIO_NET_HDR_F_NEEDS_CSUM) === 0) return 0
  return completeChecksum(mem, off, eth, frameLen) === 0 ? 0 : counter.DROP_BAD_VNET_HDR
}

/** Mode `verify`: computes every checksum again. Returns the reason to drop the frame, or 0. */
function verify(counts: Float64Array, mem: Uint8Array, eth: number, frameLen: number): number {
  const bad = verifyChecksums(mem, eth, frameLen)
  if (bad === 0) return 0
  counts[counter.CHECKSUM_IPV4 + bad - 1]++
  return counter.DROP_BAD_CHECKSUM
}
