/**
 * One direction of one queue: the properties of the receiver that xmit needs, and the counters.
 *
 * Neighbours: xmit.ts; worker/served-lane.ts adds the state that the scheduler needs.
 */
import * as counter from '../counters.js'
import { LINK_OVERHEAD } from '../frame/vlan.js'
import type { LaneSpec, Receiver } from '../messages.js'

export const PASS_THROUGH = 0
export const COMPLETE = 1
export const VERIFY = 2

export class Lane {
  readonly index: number
  /** Bytes of the virtio_net_hdr before every frame: the same for all devices of a process (veth/birth/offload.ts). */
  readonly vnetHdrLen: number
  readonly counters: counter.LaneCounters
  readonly checksum: number
  /** Address of the receiving device, upper 16 and lower 32 bits. */
  macHigh = 0
  macLow = 0
  /** Broadcast address of the receiving device. */
  broadcastHigh = 0
  broadcastLow = 0
  /** Bytes of the longest frame that the receiving device takes. Super-frames may be longer. */
  maxFrameLen = 0

  constructor(spec: Omit<LaneSpec, 'fromFd' | 'toFd'>) {
    this.index = spec.index
    this.vnetHdrLen = spec.vnetHdrLen
    this.counters = new counter.LaneCounters(spec.totals)
    this.checksum = spec.checksum === 'offload' ? PASS_THROUGH : spec.checksum === 'software' ? COMPLETE : VERIFY
    this.setReceiver(spec.receiver)
  }

  /** Whether every frame that passes xmit has verified checksums. */
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
