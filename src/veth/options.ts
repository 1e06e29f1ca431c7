/**
 * The options of a new pair, and the limits of a TAP and of the kernel's veth. birth/newlink.ts, the library and the
 * daemon share these types.
 */

import type { ChecksumMode } from '../messages.js'
import { LINK_FLAGS, type LinkAttributes } from '../netlink/link.js'

export { ENGINE_CHOICES, type EngineChoice } from '../io/index.js'
export { CHECKSUM_MODES, type ChecksumMode } from '../messages.js'

/**
 * The options of one end, as `ip link add` accepts them. Defaults: the first free name of veth0, veth1, …; an address
 * derived from the machine and the pair's names; the current namespace; a ring (`txqueuelen`) of 256 slots, or more if
 * frames are small (follow/ring.ts).
 */
export interface EndOptions extends Omit<LinkAttributes, 'up'> {
  /** The requested interface index. The peer's counts only if dev has one too. */
  index?: number
  numTxQueues?: number
  numRxQueues?: number
  /** Bytes (at most 65536) and segments (at most 65535) of the longest super-frame to send. */
  gsoMaxSize?: number
  gsoMaxSegs?: number
  /** Bytes of the longest super-frame that GRO makes of received frames. */
  groMaxSize?: number
}

export interface PairOptions {
  dev: EndOptions
  peer: EndOptions
  /** Default `offload`. */
  checksum?: ChecksumMode
}

/** The options that a peer without a description does not copy from dev (veth_newlink). */
const OWN = new Set<string>(['name', 'address', 'index', 'master', ...LINK_FLAGS])

/** The options of a peer without a description, copied from those of dev. */
export function inherited<T extends object>(dev: T): T {
  return Object.fromEntries(Object.entries(dev).filter(([key]) => !OWN.has(key))) as T
}

/** ETH_MIN_MTU. */
export const MTU_MIN = 68
/** A TAP's max_mtu: 65535 less an Ethernet header. */
export const MTU_MAX = 65521
export const MTU_DEFAULT = 1500
/** A full ring of super-frames takes 16 MB of kernel memory, which is not accounted. (1000 slots would take 64 MB.) */
export const TXQUEUELEN_DEFAULT = 256
/** The kernel allocates a ring in one piece of at most KMALLOC_MAX_SIZE: 4 MiB of pointers (ptr_ring_init). */
export const TXQUEUELEN_MAX = 524_288
/** MAX_TAP_QUEUES in drivers/net/tun.c. */
export const QUEUES_MAX = 256
/** One second. Segments of a run arrive within milliseconds; a longer time would only delay held frames. */
export const GRO_FLUSH_US_MAX = 1_000_000
