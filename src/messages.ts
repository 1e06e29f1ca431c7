/**
 * What the main thread and a worker say to each other. Commands are posted and the worker's eventfd is signalled; the
 * worker takes them between two turns (receiveMessageOnPort), so they never wait for traffic.
 */
import type { EngineName } from './io/index.js'

/** What a worker is started with (workerData). */
export interface WorkerStart {
  engine: EngineName
  /** The eventfd by which the main thread wakes it. */
  wakeFd: number
  /** One Int32: not 0 means stop. */
  stop: SharedArrayBuffer
  number: number
  /** The CPUs that the thread keeps to. None: all CPUs of the process. */
  cpus: readonly number[]
  /** Busy-poll time in µs; undefined: adaptive (worker/busy-poll.ts). */
  busyPollUs: number | undefined
}

/** What happens to checksums on the way (docs/architecture.md, "Checksums"). */
export const CHECKSUM_MODES = ['offload', 'software', 'verify'] as const
export type ChecksumMode = (typeof CHECKSUM_MODES)[number]

/** A lane as a worker gets it. The fds stay the main thread's: it closes them after the lane was removed. */
export interface LaneSpec {
  /** Number of the lane within its worker, 0 … MAX_LANES-1. */
  index: number
  fromFd: number
  toFd: number
  /** Bytes of the vnet header of both devices. */
  vnetHdrLen: number
  checksum: ChecksumMode
  /** Shared memory of its counters (counters.ts). */
  totals: SharedArrayBuffer
  receiver: Receiver
}

/** What is merged for a receiving device. Its features and its peer's decide (veth/follow/features.ts). */
export interface GroSettings {
  /** Mask of GRO_TCPV4 and its like, not 0. */
  kinds: number
  /** gro_max_size: a merged packet stays below it. */
  maxSize: number
  /** How long a run may be held after the turn in which it began, in µs; 0: not at all. */
  flushUs: number
}

/** What xmit has to know of the receiving device; it can change at any time. */
export interface Receiver {
  /** The address, upper 16 and lower 32 bits. */
  macHigh: number
  macLow: number
  /** The broadcast address likewise; left out: all ones. */
  broadcastHigh?: number
  broadcastLow?: number
  /** IP MTU. */
  mtu: number
  /** What stands between xmit and the write to it. */
  stages: StageSettings
}

/** The settings of each stage by its name (lane/stages.ts); null or left out: the lane goes without it. */
export interface StageSettings {
  gro?: GroSettings | null
}

export type Command =
  | { kind: 'add'; id: number; lanes: LaneSpec[] }
  | { kind: 'remove'; id: number; lanes: number[] }
  | { kind: 'receiver'; lane: number; receiver: Receiver }
  /** A refusal of these offloads (TUN_F_*) is to be reported again. */
  | { kind: 'report-again'; lane: number; offloads: number }

export type Report =
  /**
   * The engine runs; `niceRefused` says why the thread has no more than an ordinary share of a busy CPU, and `slowed` why its
   * engine is slower than it could be.
   */
  | { kind: 'ready'; niceRefused?: string; slowed?: string }
  /** The command `id` was carried out; `error` says why not. */
  | { kind: 'done'; id: number; error?: string }
  /** The device that the lane reads from is gone (negative errno); said once. */
  | { kind: 'gone'; lane: number; errno: number }
  /** Reading from the lane's device failed (negative errno) and is tried again from time to time; said once. */
  | { kind: 'read-failed'; lane: number; errno: number }
  /**
   * The kernel refused to take a super-frame of the lane's whose header is right. `offloads`: TUN_F_* that would spare it
   * such frames; said once for each.
   */
  | { kind: 'refused'; lane: number; offloads: number }
