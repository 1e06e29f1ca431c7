/**
 * A subject makes two devices, `left` and `right`, and joins them.
 *
 * Neighbours: index.ts lists them; ../link.ts moves the devices into namespaces and starts the endpoints there.
 */
import type { Namespace, Topology } from '../../test/device/harness/topology.js'

export const LEFT = 'left'
export const RIGHT = 'right'

export interface Subject {
  /** The name on the command line and in the results. */
  name: string
  /** The heading of its column. */
  title: string
  /** Commands that it needs. */
  needs: string[]
  /** Makes `left` and `right`, joined and down, in the namespace that plays the host. */
  join(topology: Topology, host: Namespace): Promise<Joined>
}

/** The subject's own counters of frames between the two devices. */
export interface Fate {
  /** Frames that the device sent and that were dropped, by reason. This includes the ring. */
  drops: Record<string, number>
  /** Frames that reached the device inside others (GRO). */
  merged: number
}

export interface Joined {
  /** The subject's own processes; their PSS is its cost in memory. */
  pids: number[]
  /** The subject's counters, by device. Absent if only the kernel counts. */
  fates?(): Promise<Record<string, Fate>>
}
