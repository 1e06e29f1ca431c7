/**
 * Completing a checksum that the sender left to the device: skb_checksum_help(), net/core/dev.c.
 *
 * Neighbours: virtio-net-hdr.ts, whose NEEDS_CSUM asks for it; veth/xmit.ts, which asks here in mode `software`.
 */
import { VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_NONE } from '../abi/virtio-net.js'
import { putBe16 } from './bytes.js'
import { checksumAdd, checksumFinish } from './checksum.js'
import { setVnetFlags, vnetCsumOffset, vnetCsumStart, vnetFlags, vnetGsoType } from './virtio-net-hdr.js'

/** csum_start or csum_offset points outside the frame. */
export const COMPLETE_OUT_OF_BOUNDS = 1
/** A super-frame: each of its segments needs a checksum of its own. */
export const COMPLETE_GSO = 2

/** What stands for a computed 0, which in UDP would mean "no checksum" (CSUM_MANGLED_0; the kernel does it for all). */
const CSUM_MANGLED_0 = 0xffff

/**
 * Sums the frame at `ethOff` from csum_start to its end, over the pseudo header's sum that the sender left in the
 * field, stores the checksum and clears NEEDS_CSUM in the vnet header at `vnetOff`. Does nothing when the flag is not
 * set. Returns 0, or COMPLETE_* with frame and header untouched.
 */
export function completeChecksum(mem: Uint8Array, vnetOff: number, ethOff: number, frameLen: number): number {
  const flags = vnetFlags(mem, vnetOff)
  if ((flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) === 0) return 0
  if (vnetGsoType(mem, vnetOff) !== VIRTIO_NET_HDR_GSO_NONE) return COMPLETE_GSO
  const start = vnetCsumStart(mem, vnetOff)
  const field = start + vnetCsumOffset(mem, vnetOff)
  if (field + 2 > frameLen) return COMPLETE_OUT_OF_BOUNDS
  const checksum = checksumFinish(checksumAdd(mem, ethOff + start, frameLen - start, 0))
  putBe16(mem, ethOff + field, checksum === 0 ? CSUM_MANGLED_0 : checksum)
  setVnetFlags(mem, vnetOff, flags & ~VIRTIO_NET_HDR_F_NEEDS_CSUM)
  return 0
}
