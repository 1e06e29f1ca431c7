/**
 * How many slots the ring has in which a device's stack leaves frames for vethd (its txqueuelen).
 *
 * A full ring loses frames, and a long one holds kernel memory that nobody accounts for. So a ring has as many slots as the
 * longest frame allows: few for super-frames of 64 KB, many where the stack cuts everything up before. Those segments come
 * in bursts: BBR alone has some 135 of them under way for each flow, whatever the ring can take.
 *
 * Neighbours: follower.ts, which sees the features and the MTU of a device change.
 * Invariant: a ring that somebody chose stays as it is, and one that grew does not shrink: what is in it would be thrown away.
 */
import { setLink } from '../../netlink/link.js'
import type { LinkInfo } from '../../netlink/link-info.js'
import type { Rtnetlink } from '../../netlink/rtnetlink.js'
import type { Device } from '../device.js'
import { TXQUEUELEN_DEFAULT } from '../options.js'

/** What a full ring may hold: TXQUEUELEN_DEFAULT super-frames of 64 KB. */
const RING_BYTES = 16 << 20
/** Frames of a super-frame that TCP sends in segments of 36 bytes, each of them in two fragments: 3,641; and of the next. */
const SLOTS_MAX = 8192
/** What an skb takes beside its frame: struct sk_buff, skb_shared_info, headroom, Ethernet header and a VLAN tag. */
const SKB_OVERHEAD = 786
/** Below it TCP sends more than a frame takes (TCP_MIN_SND_MSS, and 40 bytes of headers): IP cuts super-frames up. */
const TCP_MTU_MIN = 88

/** The ring for a device that sends super-frames (`tso`) or only what its MTU allows. */
export function ringSlots(tso: boolean, mtu: number): number {
  if (tso && mtu >= TCP_MTU_MIN) return TXQUEUELEN_DEFAULT
  const allocated = 2 ** Math.ceil(Math.log2(mtu + SKB_OVERHEAD))
  return Math.min(SLOTS_MAX, Math.max(TXQUEUELEN_DEFAULT, RING_BYTES / allocated))
}

/**
 * Makes the ring of a device as long as `slots` when it is shorter and vethd's own choice. One of no slots, which means
 * nothing on a veth and would drop every frame of a TAP, is vethd's to choose again: then this returns true.
 */
export function fitRing(rtnl: Rtnetlink, device: Device, { index, txqueuelen }: LinkInfo, slots: number): boolean {
  const isNone = txqueuelen === 0
  if (!isNone && (txqueuelen !== device.record.ring || slots <= txqueuelen)) return false
  setLink(rtnl, index, { txqueuelen: slots })
  device.record.ring = slots
  return isNone
}
