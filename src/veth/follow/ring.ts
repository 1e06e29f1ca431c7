/**
 * The number of slots in a device's ring (its txqueuelen). The ring holds frames between the device's stack and vethd.
 *
 * A full ring drops frames, and a long ring can take much unaccounted kernel memory. So the number of slots depends on
 * the longest frame: few slots for super-frames of 64 KB, many if the stack segments every packet. Single segments come
 * in bursts: BBR alone has some 135 of them under way per flow, whatever the size of the ring.
 *
 * Neighbours: follower.ts, which notices changes of features and MTU. Invariants: a ring size that a user chose does
 * not change. A ring does not shrink, because the kernel would drop its frames.
 */
import { setLink } from '../../netlink/link.js'
import type { LinkInfo } from '../../netlink/link-info.js'
import type { Rtnetlink } from '../../netlink/rtnetlink.js'
import type { Device } from '../device.js'
import { TXQUEUELEN_DEFAULT } from '../options.js'

/** The most memory of a full ring: TXQUEUELEN_DEFAULT super-frames of 64 KB. */
const RING_BYTES = 16 << 20
/** Room for two super-frames of TCP in segments of 36 bytes with two fragments each, which are 3,641 frames each. */
const SLOTS_MAX = 8192
/**
 * Memory of an skb in addition to its frame: struct sk_buff, skb_shared_info, headroom, Ethernet header, a VLAN tag.
 */
const SKB_OVERHEAD = 786
/** Below this MTU, TCP's smallest segment (TCP_MIN_SND_MSS plus 40 bytes of headers) does not fit: IP fragments it. */
const TCP_MTU_MIN = 88

/** The ring size of a device. `tso`: it sends super-frames; otherwise its frames are at most as long as the MTU. */
export function ringSlots(tso: boolean, mtu: number): number {
  if (tso && mtu >= TCP_MTU_MIN) return TXQUEUELEN_DEFAULT
  const allocated = 2 ** Math.ceil(Math.log2(mtu + SKB_OVERHEAD))
  return Math.min(SLOTS_MAX, Math.max(TXQUEUELEN_DEFAULT, RING_BYTES / allocated))
}

/**
 * Enlarges the ring of a device to `slots` if vethd chose its present size. If a user has set 0 slots, vethd chooses
 * the size again, and this returns true: 0 has no effect on a veth, but a TAP would drop every frame.
 */
export function fitRing(rtnl: Rtnetlink, device: Device, { index, txqueuelen }: LinkInfo, slots: number): boolean {
  const isNone = txqueuelen === 0
  if (!isNone && (txqueuelen !== device.record.ring || slots <= txqueuelen)) return false
  setLink(rtnl, index, { txqueuelen: slots })
  device.record.ring = slots
  return isNone
}
