/**
 * One direction of one queue: what xmit needs to know of the receiver, and where it counts.
 *
 * Neighbours: xmit.ts; worker/served-lane.ts has what the scheduler adds to it.
 */
import * as counter from '../counters.js'
import { LINK_OVERHEAD } from '../frame/vlan.js'
import type { LaneSpec, Receiver } from '../messages.js'

export const PASS_THROUGH = 0
export const COMPLETE = 1
export const VERIFY = 2

export class Lane {
  readonly index: number
  /** Bytes of the virtio_net_hdr before every frame: the same for all devices of a process (offload.ts). */
  readonly vnetHdrLen: number
  readonly counters: counter.LaneCounters
  readonly checksum: number
  /** The receiving device's address, upper 16 and lower 32 bits. */
  macHigh = 0
  macLow = 0
  /** And its broadcast address. */
  broadcastHigh = 0
  broadcastLow = 0
  /** Longest frame that the receiving device takes, unless it is a super-frame. */
  maxFrameLen = 0

  constructor(spec: Omit<LaneSpec, 'fromFd' | 'toFd'>) {
    this.index = spec.index
    this.vnetHdrLen = spec.vnetHdrLen
    this.counters = new counter.LaneCounters(spec.totals)
    this.checksum = spec.checksum === 'offload' ? PASS_THROUGH : spec.checksum === 'software' ? COMPLETE : VERIFY
    this.setReceiver(spec.receiver)
  }

  /** Every checksum of a frame that is sent was found right. */
  get verifies(): boolean {
    return this.checksum === VERIFY
  }

  setReceiver({ macHigh, macLow, broadcastHigh = 0xffff, broadcastLow = 0xffffffff, mtu }: Receiver): void {
    this.macHigh = macHigh
    this.macLow = macLow
    this.broadcastHigh = broadcastHigh
    this.broadcastLow = broadcastLow
    this.maxFrameLen = mtu + LINK_OVERHEAD
  }
}
