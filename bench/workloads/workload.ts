/**
 * A way to load a link, and what is read off it.
 *
 * Neighbours: index.ts lists them; ../run.ts prepares, measures and judges.
 */
import type { Link } from '../link.js'

export interface Workload {
  /** As the command line and the figures call it. */
  name: string
  /** As a table calls it. */
  title: string
  unit: string
  better: 'higher' | 'lower'
  /** What CPU time is given for: "s/GB". Absent where the machine also waits, and CPU time would say nothing. */
  cpuUnit?: 's/GB' | 's/Mpacket'
  /** Also counted datagram by datagram. */
  udp?: boolean
  /** Offloads that differ from what the subject has, by end: `ethtool -K DEV …`, undone by the second word list. */
  offloads?: { end: 'client' | 'server'; set: string; undo: string }[]
  /** Only these subjects know the difference (`gro on` is nothing to a plain TAP). */
  only?: RegExp
  measure(link: Link, seconds: number): Promise<Measured>
}

export interface Measured {
  value: number
  /** Gigabytes or million packets that were moved, for CPU time. */
  moved?: number
  /** More that is worth a number: `p99`. */
  more?: Record<string, number>
}
