/**
 * What is measured: something that makes two devices, `left` and `right`, and joins them.
 *
 * Neighbours: index.ts lists them; ../link.ts moves the devices apart and puts endpoints beside them.
 */
import type { Namespace, Topology } from '../../test/device/harness/topology.js'

export const LEFT = 'left'
export const RIGHT = 'right'

export interface Subject {
  /** As the command line and the figures call it. */
  name: string
  /** As a table's heading calls it. */
  title: string
  /** Commands that must be there. */
  needs: string[]
  /** Makes `left` and `right`, joined and down, in the namespace that plays the host. */
  join(topology: Topology, host: Namespace): Promise<Joined>
}

/** What became of frames between two devices. */
export interface Fate {
  /** Of those that the device sent, by reason, ring included. */
  drops: Record<string, number>
  /** Of those that it received: arrived inside others (GRO). */
  merged: number
}

export interface Joined {
  /** The subject's own processes: what they hold is what it costs in memory. */
  pids: number[]
  /** What it says of the frames of each device; absent: only the kernel knows. */
  fates?(): Promise<Record<string, Fate>>
}
