/**
 * What can be asked for when a pair is made, and the limits that a TAP and the kernel's veth set. Whoever makes pairs
 * (birth/newlink.ts, the library, the daemon) shares these types.
 */

import type { ChecksumMode } from '../messages.js'
import { LINK_FLAGS, type LinkAttributes } from '../netlink/link.js'

export { ENGINE_CHOICES, type EngineChoice } from '../io/index.js'
export { CHECKSUM_MODES, type ChecksumMode } from '../messages.js'

/**
 * One end, as `ip link add` takes it. What is left out gets veth's default: the first free name of veth0, veth1, …, an
 * address derived from the machine and the pair's names, the current namespace, and a ring (`txqueuelen`) of 256 slots or
 * more where frames are small (follow/ring.ts).
 */
export interface EndOptions extends Omit<LinkAttributes, 'up'> {
  /** Interface index wanted; of the peer only beside one of dev's. */
  index?: number
  numTxQueues?: number
  numRxQueues?: number
  /** Bytes and segments of the longest super-frame to send: at most 65536, and 65535. */
  gsoMaxSize?: number
  gsoMaxSegs?: number
  /** Bytes of the longest super-frame that received ones are merged into. */
  groMaxSize?: number
}

export interface PairOptions {
  dev: EndOptions
  peer: EndOptions
  /** Default `offload`. */
  checksum?: ChecksumMode
}

/** What a peer that nobody describes does not have from dev (veth_newlink): who it is, its flags and its master. */
const OWN = new Set<string>(['name', 'address', 'index', 'master', ...LINK_FLAGS])

/** The options of a peer that nobody describes, from those of dev. */
export function inherited<T extends object>(dev: T): T {
  return Object.fromEntries(Object.entries(dev).filter(([key]) => !OWN.has(key))) as T
}

/** ETH_MIN_MTU. */
export const MTU_MIN = 68
/** A TAP's max_mtu: 65535 less an Ethernet header. */
export const MTU_MAX = 65521
export const MTU_DEFAULT = 1500
/** A full ring holds that many super-frames of kernel memory, unaccounted: 16 MB, not 64. */
export const TXQUEUELEN_DEFAULT = 256
/** The kernel makes a ring of one allocation of KMALLOC_MAX_SIZE at most: 4 MiB of pointers (ptr_ring_init). */
export const TXQUEUELEN_MAX = 524_288
/** MAX_TAP_QUEUES in drivers/net/tun.c. */
export const QUEUES_MAX = 256
/** A run is merged within milliseconds or not at all; longer than a second only delays what it holds. */
export const GRO_FLUSH_US_MAX = 1_000_000
