/** TCP streams, by iperf3. */
import type { Link } from '../link.js'
import { SERVER_ADDRESS } from '../link.js'
import type { Measured, Workload } from './workload.js'

/** iperf3 counts whole seconds; a shorter run is given an amount instead. */
const SHORT_RUN = '-n 8M'

/** What the receiver saw, both ways together. */
export async function tcpStream(link: Link, seconds: number, options = '-P 1'): Promise<Measured> {
  const length = seconds >= 1 ? `-t ${Math.round(seconds)}` : SHORT_RUN
  const report = JSON.parse(await link.run(`iperf3 -c ${SERVER_ADDRESS} -C cubic ${length} ${options} -J`))
  const { sum_received: there, sum_received_bidir_reverse: back } = report.end
  const ways = back ? [there, back] : [there]
  const total = (key: 'bits_per_second' | 'bytes') => ways.reduce((sum, way) => sum + way[key], 0)
  return { value: total('bits_per_second') / 1e9, moved: total('bytes') / 1e9 }
}

function tcp(name: string, title: string, options: string, more: Partial<Workload> = {}): Workload {
  return {
    name,
    title,
    unit: 'Gbit/s',
    better: 'higher',
    cpuUnit: 's/GB',
    ...more,
    measure: (link, seconds) => tcpStream(link, seconds, options),
  }
}

const TSO_OFF = { end: 'client', set: 'tso off', undo: 'tso on' } as const
const GRO_ON = { end: 'server', set: 'gro on', undo: 'gro off' } as const

export const TCP_WORKLOADS: Workload[] = [
  tcp('tcp-1', 'TCP, 1 stream', '-P 1'),
  tcp('tcp-4', 'TCP, 4 streams', '-P 4'),
  tcp('tcp-reverse', 'TCP, 1 stream, reverse', '-P 1 -R'),
  tcp('tcp-both', 'TCP, both ways at once', '-P 1 --bidir'),
  tcp('tcp-no-tso', 'TCP, 1 stream, TSO off', '-P 1', { offloads: [TSO_OFF] }),
  tcp('tcp-no-tso-gro', 'TCP, 1 stream, TSO off, `gro on`', '-P 1', {
    offloads: [TSO_OFF, GRO_ON],
    only: /^veth/,
  }),
]
