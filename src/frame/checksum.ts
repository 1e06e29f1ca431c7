/**
 * The Internet checksum, RFC 1071, and completion of a checksum that the sender left to its device.
 *
 * Neighbours: virtio-net-hdr.ts, whose NEEDS_CSUM asks for completing; verify.ts, which sums what was received.
 *
 * A sum is a one's complement sum of big-endian 16-bit words, kept as a plain integer. Three steps, as in the kernel:
 * pieces are added (`checksumAdd`, pseudo headers), `fold` reduces the sum to 16 bits, and `checksumFinish` inverts it to the
 * checksum in a header. Bytes that contain their own correct checksum sum up to 0xFFFF.
 *
 * A large piece is summed in native 32-bit words, and the bytes of the sum are swapped at the end (RFC 1071 section 2: the sum
 * is independent of byte order). It uses two sums in doubles, which are exact up to 2^53; integers would have to be split at
 * each step to keep their carries. Measured for 1500 bytes: 220 ns, compared with 620 ns for 16-bit pairs.
 */
import { IPHDR_DADDR, IPHDR_SADDR, IPV6HDR_LEN, IPV6HDR_SADDR } from '../abi/ip.js'
import { VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_NONE } from '../abi/virtio-net.js'
import { be16, putBe16 } from './bytes.js'
import { setVnetFlags, vnetCsumOffset, vnetCsumStart, vnetFlags, vnetGsoType } from './virtio-net-hdr.js'

/** From this length on, words are faster than pairs of bytes. */
const WORDS_FROM = 48

/**
 * Adds `len` bytes at `off` to `sum` and folds; `len` may be 0 and `off` odd. An odd `len` is padded with a zero byte, so only
 * the last piece of a packet may be odd. `sum` must be below 2^30 (thousands of unfolded words). The result is 0..0xFFFF,
 * and 0 only if everything added was 0.
 */
export function checksumAdd(mem: Uint8Array, off: number, len: number, sum: number): number {
  return len < WORDS_FROM ? fold(addPairs(mem, off, len, sum)) : addWords(mem, off, len, sum)
}

/** Reduces a sum below 2^32 to 16 bits by adding the carries. Not inverted, as in a NEEDS_CSUM field. */
export function fold(sum: number): number {
  sum = (sum & 0xffff) + (sum >>> 16)
  return (sum & 0xffff) + (sum >>> 16)
}

/** csum_fold(): converts a sum to the checksum in a header. */
export function checksumFinish(sum: number): number {
  return ~fold(sum) & 0xffff
}

/** The unfolded pseudo header of TCP and UDP over IPv4 (RFC 9293 section 3.1); `ipOff` is the IPv4 header's. */
export function pseudoHeaderV4(mem: Uint8Array, ipOff: number, protocol: number, l4Len: number): number {
  const saddr = ipOff + IPHDR_SADDR
  const daddr = ipOff + IPHDR_DADDR
  return be16(mem, saddr) + be16(mem, saddr + 2) + be16(mem, daddr) + be16(mem, daddr + 2) + protocol + l4Len
}

/** The unfolded pseudo header over IPv6 (RFC 8200 section 8.1); `ipOff` is the IPv6 header's, `l4Len` 0..65535. */
export function pseudoHeaderV6(mem: Uint8Array, ipOff: number, protocol: number, l4Len: number): number {
  let sum = protocol + l4Len
  for (let i = ipOff + IPV6HDR_SADDR; i < ipOff + IPV6HDR_LEN; i += 2) sum += be16(mem, i)
  return sum
}

// --- Completing -------------------------------------------------------------------------------------------------

/** csum_start or csum_offset points outside the frame. */
export const COMPLETE_OUT_OF_BOUNDS = 1
/** A super-frame: each of its segments needs a checksum of its own. */
export const COMPLETE_GSO = 2

/** Replaces a computed 0, which in UDP would mean "no checksum" (CSUM_MANGLED_0; the kernel does it for all protocols). */
const CSUM_MANGLED_0 = 0xffff

/**
 * Sums the frame at `ethOff` from csum_start to its end, over the pseudo header's sum that the sender left in the
 * field, stores the checksum and clears NEEDS_CSUM in the vnet header at `vnetOff`. Does nothing when the flag is not
 * set. Returns 0, or COMPLETE_* with frame and header untouched. skb_checksum_help(), net/core/dev.c.
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

// --- Summing ----------------------------------------------------------------------------------------------------

function addPairs(mem: Uint8Array, off: number, len: number, sum: number): number {
  const end = off + len
  let i = off
  for (; i + 1 < end; i += 2) sum = (sum + be16(mem, i)) | 0
  return i < end ? sum + (mem[i] << 8) : sum
}

/** Pairs up to the first whole word of the buffer, words, and pairs again for what is left. */
function addWords(mem: Uint8Array, off: number, len: number, sum: number): number {
  if (mem !== viewed) view(mem)
  const head = -(origin + off) & 3
  const count = (len - head) >>> 2
  const tail = head + 4 * count
  const body = swap(sumWords((origin + off + head) >>> 2, count))
  const rest = fold(addPairs(mem, off + tail, len - tail, body))
  // At an odd start, high and low bytes are swapped.
  return fold(addPairs(mem, off, head, sum) + (head & 1 ? swap(rest) : rest))
}

/** The 16-bit sum, in host order, of `count` words of the viewed buffer. */
function sumWords(first: number, count: number): number {
  const memory = words
  const end = first + count
  let i = first
  let a = 0
  let b = 0
  for (const stop = end - 7; i < stop; i += 8) {
    a += (memory[i] >>> 0) + (memory[i + 1] >>> 0) + (memory[i + 2] >>> 0) + (memory[i + 3] >>> 0)
    b += (memory[i + 4] >>> 0) + (memory[i + 5] >>> 0) + (memory[i + 6] >>> 0) + (memory[i + 7] >>> 0)
  }
  for (; i < end; i++) a += memory[i] >>> 0
  const sum = a + b
  const low = sum >>> 0
  return fold((low & 0xffff) + (low >>> 16) + fold((sum - low) / 0x100000000))
}

function swap(word: number): number {
  return ((word & 0xff) << 8) | (word >>> 8)
}

/**
 * The words of the last array. A worker has one slab, so this is set once. A caller that alternates between arrays pays for a
 * look-up, but no view is made twice.
 */
const views = new WeakMap<Uint8Array, Int32Array>()
let viewed: Uint8Array | undefined
let words: Int32Array = new Int32Array(0)
/** The start of the viewed array in its buffer. Word 0 is at the start of the buffer. */
let origin = 0

function view(mem: Uint8Array): void {
  let found = views.get(mem)
  if (found === undefined) {
    found = new Int32Array(mem.buffer, 0, mem.buffer.byteLength >>> 2)
    views.set(mem, found)
  }
  viewed = mem
  words = found
  origin = mem.byteOffset
}
