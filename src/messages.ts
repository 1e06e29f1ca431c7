/**
 * What the main thread and a worker say to each other. Commands are posted and the worker's eventfd is signalled; the
 * worker takes them between two turns (receiveMessageOnPort), so they never wait for traffic.
 */
import type { GroSettings } from './lane/gro.js'
import type { ChecksumMode } from './veth/options.js'

/** A lane as a worker gets it. The fds stay the main thread's: it closes them after the lane was removed. */
export interface LaneSpec {
  /** Number of the lane within its worker, 0 … MAX_LANES-1. */
  index: number
  fromFd: number
  toFd: number
  /** Bytes of the vnet header of both devices. */
  vnetHdrLen: number
  checksum: ChecksumMode
  /** Shared memory of its counters (veth/counters.ts). */
  totals: SharedArrayBuffer
  receiver: Receiver
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
  /** What is merged for it; null: nothing. */
  gro: GroSettings | null
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
