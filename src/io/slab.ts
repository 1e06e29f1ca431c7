/**
 * The slab: one range of memory outside V8's heap that holds every frame of a worker.
 *
 *     0                 slots 0 … MAX_LANES-1: one per lane, for the frame that ends the lane's wait
 *                       slots MAX_LANES …: two halves of BURST_SLOTS; while one is read into, the other is written out
 *     HOLD_OFFSET       blocks, for frames that a stage keeps past their turn (lane/hold.ts)
 *     SCRATCH_OFFSET    the engine's own: lists of pieces of gathered writes, and io_uring's wake-up
 *
 *     a slot:  | virtio_net_hdr 12 or 24 | Ethernet 14 | up to two VLAN tags | up to 65536 bytes |
 *
 * A frame is identified by the offset of its vnet header in the slab. Offsets stay below 2^31. The slab does not cross
 * a boundary of 4 GiB, so the upper half of the address is the same for all of it.
 *
 * Invariant: a byte has one owner at every step. Only pages that a frame has touched cost memory.
 */
import { native } from '../../native-bindings/index.js'

/** The most lanes of one worker. A completion's tag has 12 bits for the lane (uring.ts). */
export const MAX_LANES = 4096
/** Slots in each half of the burst slots: the most frames that all lanes together read in one turn. */
export const BURST_SLOTS = 256
/** vnet header, Ethernet with two tags and the longest super-frame, rounded up to whole pages. */
export const SLOT_BYTES = 17 * 4096
export const SLOT_COUNT = MAX_LANES + 2 * BURST_SLOTS

export const HOLD_OFFSET = SLOT_COUNT * SLOT_BYTES
/** A block of the hold: two of the longest frames. */
export const BLOCK_BYTES = 2 * SLOT_BYTES
/** The most blocks that all lanes together hold: 142 MB. */
export const BLOCK_COUNT = 1024
/** The most held frames that all lanes together pass on in one turn. */
export const RELEASES_A_TURN = 1024

/**
 * The most writes that are queued at a time: frames of a burst, frames that ended a wait, held frames, and runs that
 * GRO held (two per block).
 */
export const WRITES_MAX = BURST_SLOTS + MAX_LANES + RELEASES_A_TURN + 2 * BLOCK_COUNT

export const SCRATCH_OFFSET = HOLD_OFFSET + BLOCK_COUNT * BLOCK_BYTES
/** struct iovec: address and length, 64 bits each. */
export const IOVEC_BYTES = 16
/** The most pieces of one gathered write. */
export const PIECES_MAX = 256
/** Space for all lists of a turn: each write has a first piece, and each frame read in the turn is at most one more. */
export const LISTS_BYTES = 4096 * Math.ceil((IOVEC_BYTES * (WRITES_MAX + BURST_SLOTS + PIECES_MAX)) / 4096)
/** 8 bytes, into which io_uring reads the wake-up eventfd. */
export const WAKE_OFFSET = SCRATCH_OFFSET + LISTS_BYTES
export const SLAB_BYTES = WAKE_OFFSET + 4096

export interface Slab {
  readonly mem: Uint8Array
  /** The address of `mem[0]`, for the kernel, as two unsigned halves. */
  readonly addressLow: number
  readonly addressHigh: number
}

/** Reserves a worker's slab. Throws NativeError (ENOMEM) if the kernel refuses the address space. */
export function createSlab(): Slab {
  const { buffer, addressLow, addressHigh } = native().slabCreate(SLAB_BYTES)
  return { mem: new Uint8Array(buffer), addressLow, addressHigh }
}
