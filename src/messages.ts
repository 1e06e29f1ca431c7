/**
 * The messages between the main thread and a worker. The main thread posts a command and signals the worker's eventfd.
 * The worker takes commands between two turns (receiveMessageOnPort), so a command never waits for traffic.
 */
import type { EngineName } from './io/index.js'

/** The start parameters of a worker (workerData). */
export interface WorkerStart {
  engine: EngineName
  /** The eventfd by which the main thread wakes the worker. */
  wakeFd: number
  /** One Int32: any value but 0 means stop. */
  stop: SharedArrayBuffer
  number: number
  /** The CPU affinity of the thread. Empty: all CPUs of the process. */
  cpus: readonly number[]
  /** Busy-poll time in µs; undefined: adaptive (worker/busy-poll.ts). */
  busyPollUs: number | undefined
}

/** How checksums are treated on the way (docs/architecture.md, "Checksums"). */
export const CHECKSUM_MODES = ['offload', 'software', 'verify'] as const
export type ChecksumMode = (typeof CHECKSUM_MODES)[number]

/** A lane as a worker gets it. The main thread owns the fds and closes them after the lane was removed. */
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

/** Which frames GRO merges for a receiving device. The features of both ends decide (veth/follow/features.ts). */
export interface GroSettings {
  /** Mask of GRO_TCPV4 and other GRO_* kinds; never 0. */
  kinds: number
  /** gro_max_size: a merged packet stays below it. */
  maxSize: number
  /** How long a run may be held after the turn in which it began, in µs; 0: not at all. */
  flushUs: number
}

/** The properties of the receiving device that a lane needs. They can change at any time. */
export interface Receiver {
  /** The address, upper 16 and lower 32 bits. */
  macHigh: number
  macLow: number
  /** The broadcast address in the same form; left out: all ones. */
  broadcastHigh?: number
  broadcastLow?: number
  /** IP MTU. */
  mtu: number
  /** The stages between xmit and the write to the device. */
  stages: StageSettings
}

/** The settings of each stage by its name (lane/stages.ts); null or left out: the lane has no such stage. */
export interface StageSettings {
  gro?: GroSettings | null
}

export type Command =
  | { kind: 'add'; id: number; lanes: LaneSpec[] }
  | { kind: 'remove'; id: number; lanes: number[] }
  | { kind: 'receiver'; lane: number; receiver: Receiver }
  /** The worker shall report a refusal of these offloads (TUN_F_*) again. */
  | { kind: 'report-again'; lane: number; offloads: number }

export type Report =
  /**
   * The engine runs. `niceRefused`: why the thread could not raise its priority. `slowed`: why its engine is slower
   * than it could be.
   */
  | { kind: 'ready'; niceRefused?: string; slowed?: string }
  /** The command `id` was carried out, or failed for the reason in `error`. */
  | { kind: 'done'; id: number; error?: string }
  /** The device that the lane reads from is gone. `errno` is negative. Reported once. */
  | { kind: 'gone'; lane: number; errno: number }
  /**
   * A read from the lane's device failed; the worker tries again from time to time. `errno` is negative. Reported once.
   */
  | { kind: 'read-failed'; lane: number; errno: number }
  /**
   * The kernel refused a super-frame of the lane although its header is right. `offloads`: the TUN_F_* bits to withdraw
   * from the sender so that it sends no such frames. Reported once for each kind.
   */
  | { kind: 'refused'; lane: number; offloads: number }
