/** The workloads, in the order in which a block measures them and a table shows them. */
import { LATENCY_WORKLOADS } from './latency.js'
import { TCP_WORKLOADS } from './tcp.js'
import { UDP_WORKLOADS } from './udp.js'
import type { Workload } from './workload.js'

export const WORKLOADS: Workload[] = [...TCP_WORKLOADS, ...UDP_WORKLOADS, ...LATENCY_WORKLOADS]
