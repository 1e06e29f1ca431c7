/**
 * Integers in a frame: loads and stores at a byte offset of one Uint8Array.
 *
 * Neighbours: every other file of this folder reads and writes through these. Network order is big-endian (`be`), the
 * virtio_net_hdr is little-endian (`le`: it is in host order, and x86 and arm64 are little-endian hosts).
 *
 * Invariant of the whole folder: the caller has checked that `off` and the bytes read after it lie inside `mem`. Nothing here
 * allocates, throws or creates a view. V8 inlines these functions; a DataView would not be faster.
 */

/** Unsigned 16 bits, network order. */
export function be16(mem: Uint8Array, off: number): number {
  return (mem[off] << 8) | mem[off + 1]
}

/** Unsigned 32 bits, network order. */
export function be32(mem: Uint8Array, off: number): number {
  return ((mem[off] << 24) | (mem[off + 1] << 16) | (mem[off + 2] << 8) | mem[off + 3]) >>> 0
}

/** Stores the low 16 bits of `value`, network order. */
export function putBe16(mem: Uint8Array, off: number, value: number): void {
  mem[off] = value >>> 8
  mem[off + 1] = value
}

/** Unsigned 16 bits, little-endian. */
export function le16(mem: Uint8Array, off: number): number {
  return mem[off] | (mem[off + 1] << 8)
}

/** Stores the low 16 bits of `value`, little-endian. */
export function putLe16(mem: Uint8Array, off: number, value: number): void {
  mem[off] = value
  mem[off + 1] = value >>> 8
}
