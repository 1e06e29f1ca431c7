/**
 * The counters of one lane, in memory that the worker (writer) and the main thread (reader) share.
 *
 * The worker adds to plain doubles (`burst`) while it handles frames, and folds them into 64-bit totals once per turn.
 * So counting a frame is cheap, and totals are exact beyond 2^53. A sequence number is odd while a fold is under way.
 * By it the reader notices that it has read during a fold, as with the kernel's u64_stats_sync.
 *
 *     SharedArrayBuffer, 32-bit words:  | sequence | – | low 0 | high 0 | low 1 | high 1 | …
 */
import { GRO_VERDICTS } from './frame/gro.js'
import { GRO_FLUSHES } from './frame/gro-run.js'

/** The counters, in the order of their indexes below. */
const FRAME_COUNTERS = [
  'received_packets',
  'received_bytes',
  'sent_packets',
  'sent_bytes',
  'drop_too_short',
  'drop_too_long',
  'drop_bad_vnet_hdr',
  'drop_bad_checksum',
  'drop_peer_gone',
  'drop_peer_down',
  'drop_no_memory',
  'drop_write_error',
  'drop_undescribed',
  'checksum_ipv4',
  'checksum_tcp',
  'checksum_udp',
  'checksum_icmp',
  'checksum_icmpv6',
  'class_host',
  'class_broadcast',
  'class_multicast',
  'class_otherhost',
  'protocol_ipv4',
  'protocol_ipv6',
  'protocol_arp',
  'protocol_vlan',
  'protocol_802.3',
  'protocol_802.2',
  'protocol_other',
] as const

/**
 * All counters: those above, then GRO's. Each frame counts under one verdict, each run under one reason for its flush.
 */
export const COUNTER_NAMES = [
  ...FRAME_COUNTERS,
  ...GRO_VERDICTS.map((verdict) => `gro_frame_${verdict}` as const),
  ...GRO_FLUSHES.map((reason) => `gro_run_${reason}` as const),
]

export type CounterName = (typeof COUNTER_NAMES)[number]

export const RECEIVED_PACKETS = 0
export const RECEIVED_BYTES = 1
export const SENT_PACKETS = 2
export const SENT_BYTES = 3
export const DROP_TOO_SHORT = 4
export const DROP_TOO_LONG = 5
export const DROP_BAD_VNET_HDR = 6
export const DROP_BAD_CHECKSUM = 7
export const DROP_PEER_GONE = 8
export const DROP_PEER_DOWN = 9
export const DROP_NO_MEMORY = 10
export const DROP_WRITE_ERROR = 11
export const DROP_UNDESCRIBED = 12
export const CHECKSUM_IPV4 = 13
export const CLASS_HOST = 18
export const PROTOCOL_IPV4 = 22
export const PROTOCOL_IPV6 = 23
export const PROTOCOL_ARP = 24
export const PROTOCOL_VLAN = 25
export const PROTOCOL_802_3 = 26
export const PROTOCOL_802_2 = 27
export const PROTOCOL_OTHER = 28
/** Add a verdict (frame/gro.ts) to get the index. */
export const GRO_FRAMES = FRAME_COUNTERS.length
/** Add a reason (frame/gro-run.ts) to get the index. */
export const GRO_RUNS = GRO_FRAMES + GRO_VERDICTS.length

const COUNT = COUNTER_NAMES.length
const FIRST_WORD = 2
const TWO_32 = 2 ** 32

/** Allocates the totals of one lane, all zero. */
export function createTotals(): SharedArrayBuffer {
  return new SharedArrayBuffer((FIRST_WORD + 2 * COUNT) * 4)
}

/** The worker's side. */
export class LaneCounters {
  /** Counts since the last fold, by the indexes above. May be negative, because a failed write takes its frame back. */
  readonly burst = new Float64Array(COUNT)
  /** How many counters a fold looks at. GRO's are included only after GRO was on. */
  #used: number = GRO_FRAMES
  readonly #words: Uint32Array

  constructor(totals: SharedArrayBuffer) {
    this.#words = new Uint32Array(totals)
  }

  /** Includes GRO's counters in each fold from now on. */
  useGro(): void {
    this.#used = COUNT
  }

  /** Adds `burst` to the totals and clears it. */
  fold(): void {
    const words = this.#words
    const burst = this.burst
    Atomics.add(words, 0, 1)
    for (let i = 0; i < this.#used; i++) {
      const count = burst[i]
      if (count === 0) continue
      burst[i] = 0
      const at = FIRST_WORD + 2 * i
      const sum = words[at] + count
      words[at] = sum // modulo 2^32, as every store into a Uint32Array
      words[at + 1] += Math.floor(sum / TWO_32)
    }
    Atomics.add(words, 0, 1)
  }
}

/** The main thread's side: the sums of the totals of several lanes. */
export function sumTotals(lanes: SharedArrayBuffer[]): Record<CounterName, bigint> {
  const sum = { ...NOTHING_COUNTED }
  for (const lane of lanes) addTotals(sum, lane)
  return sum
}

/** A number that changes whenever the lane has counted something. */
export function versionOf(lane: SharedArrayBuffer): number {
  return Atomics.load(new Uint32Array(lane, 0, 1), 0)
}

/** A consistent snapshot of all totals of a lane. */
export function readTotals(totals: SharedArrayBuffer): Record<CounterName, bigint> {
  return sumTotals([totals])
}

const NOTHING_COUNTED = Object.fromEntries(COUNTER_NAMES.map((name) => [name, 0n])) as Record<CounterName, bigint>

/** Skips counters that are 0: one answer may sum up a thousand devices, and most of their counters are 0. */
function addTotals(sum: Record<CounterName, bigint>, totals: SharedArrayBuffer): void {
  const words = new Uint32Array(totals)
  do COPY.set(words)
  while (COPY[0] % 2 === 1 || COPY[0] !== Atomics.load(words, 0))
  for (let i = 0; i < COUNT; i++) {
    const at = FIRST_WORD + 2 * i
    const [low, high] = [COPY[at], COPY[at + 1]]
    if ((low | high) !== 0) sum[COUNTER_NAMES[i]] += (BigInt(high) << 32n) | BigInt(low)
  }
}

const COPY = new Uint32Array(FIRST_WORD + 2 * COUNT)
