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

export interface Joined {
  /** The subject's own processes: what they hold is what it costs in memory. */
  pids: number[]
  /** Frames that it says it lost, by device that sent them and by reason, ring included; absent: only the kernel knows. */
  drops?(): Promise<Record<string, Record<string, number>>>
}
