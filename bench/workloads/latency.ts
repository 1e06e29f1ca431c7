/**
 * Round trips of one byte, on an idle link and during a bulk transfer; and TCP connections per second. TCP has the
 * congestion control of the host, except for the bulk transfer: that is cubic.
 */
import { type Link, SERVER_ADDRESS } from '../link.js'
import type { Measured, Workload } from './workload.js'

async function roundTrip(link: Link, protocol: 'tcp' | 'udp', seconds: number): Promise<Measured> {
  const [, median, p99, lost] = await link.traffic(`round-trip ${protocol}`, seconds)
  if (median === undefined) throw new Error('no answer came')
  return { value: median, more: { p99, lost } }
}

/** Runs `measure` while a TCP stream sends in the same direction as fast as it can. */
async function duringBulk(link: Link, measure: () => Promise<Measured>): Promise<Measured> {
  const bulk = link.start(`iperf3 -c ${SERVER_ADDRESS} -C cubic -t 60 --forceflush -i 0.1`)
  await bulk.line(/ 0\.00-0\.1/)
  try {
    return await measure()
  } finally {
    bulk.signal('SIGINT') // on SIGINT iperf3 tells its server, which then waits for the next client
    await bulk.exit()
  }
}

function latency(protocol: 'tcp' | 'udp', loaded: boolean): Workload {
  return {
    name: `${protocol}-rtt${loaded ? '-loaded' : ''}`,
    title: `${protocol.toUpperCase()} round trip, ${loaded ? 'during a bulk transfer' : 'idle'}`,
    unit: 'µs',
    better: 'lower',
    measure: (link, seconds) => {
      const measure = () => roundTrip(link, protocol, seconds)
      return loaded ? duringBulk(link, measure) : measure()
    },
  }
}

const connections: Workload = {
  name: 'connections',
  title: 'TCP connections per second',
  unit: '1/s',
  better: 'higher',
  measure: async (link, seconds) => {
    const [count, elapsed] = await link.traffic('connect', seconds)
    return { value: count / elapsed }
  },
}

export const LATENCY_WORKLOADS: Workload[] = [
  latency('tcp', false),
  latency('udp', false),
  latency('tcp', true),
  latency('udp', true),
  connections,
]
