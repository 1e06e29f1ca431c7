/**
 * A workload loads a link and returns one value.
 *
 * Neighbours: index.ts lists them; ../run.ts sets the offloads, measures, and decides whether the figure counts.
 */
import type { Link } from '../link.js'

export interface Workload {
  /** The name on the command line and in the results. */
  name: string
  /** The name in a table's row. */
  title: string
  unit: string
  better: 'higher' | 'lower'
  /** The unit of CPU time. Absent for workloads that mostly wait: their CPU time means nothing. */
  cpuUnit?: 's/GB' | 's/Mpacket'
  /** Datagrams are counted too, not only frames. */
  udp?: boolean
  /** Arguments of `ethtool -K DEV` that set offloads for this workload, and those that restore them. */
  offloads?: { end: 'client' | 'server'; set: string; undo: string }[]
  /** The names of the subjects that run it. Default: all. A plain TAP device has no `gro`, for example. */
  only?: RegExp
  measure(link: Link, seconds: number): Promise<Measured>
}

export interface Measured {
  value: number
  /** Gigabytes or million packets that were moved; CPU time is divided by it. */
  moved?: number
  /** Other numbers, such as `p99`. */
  more?: Record<string, number>
}
