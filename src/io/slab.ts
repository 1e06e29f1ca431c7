/**
 * The slab: one stretch of memory outside V8's heap that holds every frame of a worker, cut into slots of equal size.
 *
 *     slot 0 … MAX_LANES-1          one a lane: the frame that ends a lane's wait lands here
 *     slot MAX_LANES …              two halves of BURST_SLOTS: while one is being read into, the other is written out
 *     slot FIRST_HELD_SLOT …        for runs that are held longer than their turn (lane/hold.ts)
 *
 *     a slot:  | virtio_net_hdr 12 or 24 | Ethernet 14 | up to two VLAN tags | up to 65536 bytes | pieces |
 *
 * The last kilobytes belong to the engine: there it keeps the list of pieces of a gathered write that begins in the slot,
 * which so lives as long as the frame does.
 *
 * Invariant: a slot has one owner at every step. Only pages that a frame has touched cost memory.
 */
import { native } from '../../native-bindings/index.js'

/** Lanes that one worker can serve: what a completion's tag has room for (frame-io.ts). */
export const MAX_LANES = 4096
/** Slots in each half of the burst slots: what all lanes together may read in one turn. */
export const BURST_SLOTS = 256
/** vnet header, Ethernet with two tags and the longest super-frame, rounded up to whole pages. */
export const SLOT_BYTES = 17 * 4096
/** Where in a slot the list of pieces stands, on a multiple of an iovec's size. */
export const PIECES_OFFSET = 65536 + 64
/** struct iovec: address and length, 64 bits each. */
export const IOVEC_BYTES = 16
/** Pieces that a gathered write may have; the last slot's spare end holds 8 bytes of io_uring's wake-up. */
export const PIECES_MAX = Math.floor((SLOT_BYTES - 8 - PIECES_OFFSET) / IOVEC_BYTES)
export const FIRST_HELD_SLOT = MAX_LANES + 2 * BURST_SLOTS
/** Runs that all lanes together may hold; each costs memory only once it was used. */
export const HELD_SLOTS = 512
export const SLOT_COUNT = FIRST_HELD_SLOT + HELD_SLOTS

export interface Slab {
  /** All slots; slot s begins at `s * SLOT_BYTES`. */
  readonly mem: Uint8Array
  /** The address of `mem[0]`, for the kernel, as two unsigned halves. */
  readonly addressLow: number
  readonly addressHigh: number
}

/** Reserves a worker's slab. Throws NativeError (ENOMEM) when the machine refuses the address space. */
export function createSlab(): Slab {
  const { buffer, addressLow, addressHigh } = native().slabCreate(SLOT_COUNT * SLOT_BYTES)
  return { mem: new Uint8Array(buffer), addressLow, addressHigh }
}
