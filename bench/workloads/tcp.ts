/** TCP throughput, by iperf3: with cubic, and again with the host's own congestion control if that is another one. */
import { readFileSync } from 'node:fs'
import type { Link } from '../link.js'
import { SERVER_ADDRESS } from '../link.js'
import type { Measured, Workload } from './workload.js'

/** iperf3 takes only whole seconds. A shorter run sends a fixed amount instead. */
const SHORT_RUN = '-n 8M'

/** The value of `sysctl net.ipv4.tcp_congestion_control`. */
const HOST_CONGESTION_CONTROL = readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim()

/** What the receivers counted, both directions together. */
export async function tcpStream(link: Link, seconds: number, options = '-P 1 -C cubic'): Promise<Measured> {
  const length = seconds >= 1 ? `-t ${Math.round(seconds)}` : SHORT_RUN
  const report = JSON.parse(await link.run(`iperf3 -c ${SERVER_ADDRESS} ${length} ${options} -J`))
  const { sum_received: there, sum_received_bidir_reverse: back } = report.end
  const ways = back ? [there, back] : [there]
  const total = (key: 'bits_per_second' | 'bytes') => ways.reduce((sum, way) => sum + way[key], 0)
  return { value: total('bits_per_second') / 1e9, moved: total('bytes') / 1e9 }
}

interface Stream {
  name: string
  title: string
  /** Of iperf3. */
  options: string
  offloads?: Workload['offloads']
  only?: RegExp
}

const TSO_OFF = { end: 'client', set: 'tso off', undo: 'tso on' } as const
const GRO_ON = { end: 'server', set: 'gro on', undo: 'gro off' } as const
const VETHS = /^veth/

const STREAMS: Stream[] = [
  { name: 'tcp-1', title: 'TCP, 1 stream', options: '-P 1' },
  { name: 'tcp-4', title: 'TCP, 4 streams', options: '-P 4' },
  { name: 'tcp-reverse', title: 'TCP, 1 stream, reverse', options: '-P 1 -R' },
  { name: 'tcp-both', title: 'TCP, both ways at once', options: '-P 1 --bidir' },
  { name: 'tcp-no-tso', title: 'TCP, 1 stream, TSO off', options: '-P 1', offloads: [TSO_OFF] },
  {
    name: 'tcp-no-tso-gro',
    title: 'TCP, 1 stream, TSO off, `gro on`',
    options: '-P 1',
    offloads: [TSO_OFF, GRO_ON],
    only: VETHS,
  },
]

function workload({ options, ...stream }: Stream, congestionControl: string): Workload {
  return {
    ...stream,
    unit: 'Gbit/s',
    better: 'higher',
    cpuUnit: 's/GB',
    measure: (link, seconds) => tcpStream(link, seconds, `${options} -C ${congestionControl}`),
  }
}

/** The rows of another congestion control, named after it. They leave out the slow peers, which it does not change. */
export function otherCongestionControl(name: string): Workload[] {
  if (name === 'cubic') return []
  return STREAMS.map(({ only = /^(veth|c-loop)/, ...stream }) =>
    workload({ ...stream, only, name: `${stream.name}-${name}`, title: `${stream.title}, ${name}` }, name),
  )
}

export const TCP_WORKLOADS: Workload[] = [
  ...STREAMS.map((stream) => workload(stream, 'cubic')),
  ...otherCongestionControl(HOST_CONGESTION_CONTROL),
]
