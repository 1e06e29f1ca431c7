/** The workloads, in the order of measurement and of the tables' rows. */
import { LATENCY_WORKLOADS } from './latency.js'
import { TCP_WORKLOADS } from './tcp.js'
import { UDP_WORKLOADS } from './udp.js'
import type { Workload } from './workload.js'

export const WORKLOADS: Workload[] = [...TCP_WORKLOADS, ...UDP_WORKLOADS, ...LATENCY_WORKLOADS]
