/** UDP floods, and the highest rate that arrives. The receiving kernel counts: UdpInDatagrams. */
import { account, datagrams } from '../accounting.js'
import type { Link } from '../link.js'
import type { Workload } from './workload.js'

/** A rate arrives if it loses no more than this share. */
const TOLERATED_LOSS = 0.005
/** Steps of the search, and the length of each as a part of the measurement. The last step resolves 2 %. */
const STEPS = 8
const STEP = 0.3
/** The search begins between this part of the unlimited rate and the unlimited rate. */
const LOWEST = 1 / 64

/** Sends for `seconds`; returns the rates at which datagrams were sent and delivered. */
async function flood(link: Link, size: number, rate: number, seconds: number) {
  const before = await account(link)
  const [, elapsed] = await link.traffic('flood', size, rate, seconds)
  const { sent, delivered } = datagrams(before, await account(link), link.client.dev)
  return { offered: sent / elapsed, delivered: delivered / elapsed, arrives: delivered >= sent * (1 - TOLERATED_LOSS) }
}

function unlimited(size: number): Workload {
  return {
    name: `udp-${size}`,
    title: `UDP ${size} B, unlimited sender, delivered`,
    unit: 'kpps',
    better: 'higher',
    cpuUnit: 's/Mpacket',
    udp: true,
    measure: async (link, seconds) => {
      const { delivered } = await flood(link, size, 0, seconds)
      return { value: delivered / 1e3, moved: (delivered * seconds) / 1e6 }
    },
  }
}

/** Bisects, on a logarithmic scale, between a rate that arrives and one that does not. */
async function highestRate(link: Link, size: number, seconds: number): Promise<number> {
  const step = seconds * STEP
  const all = await flood(link, size, 0, step)
  if (all.arrives) return all.delivered
  let [low, high, best] = [all.offered * LOWEST, all.offered, 0]
  for (let i = 0; i < STEPS; i++) {
    const rate = Math.sqrt(low * high)
    const { arrives, delivered } = await flood(link, size, rate, step)
    if (arrives) [low, best] = [rate, Math.max(best, delivered)]
    else high = rate
  }
  if (best === 0) throw new Error(`not even ${Math.round(low / 1e3)} kpps arrive`)
  return best
}

function highest(name: string, title: string, more: Partial<Workload> = {}): Workload {
  return {
    name,
    title,
    unit: 'kpps',
    better: 'higher',
    udp: true,
    ...more,
    measure: async (link, seconds) => ({ value: (await highestRate(link, 64, seconds)) / 1e3 }),
  }
}

/** rx-udp-gro-forwarding makes GRO coalesce datagrams although the socket did not ask for it (UDP_GRO). */
const UDP_GRO = [
  { end: 'server', set: 'gro on', undo: 'gro off' },
  { end: 'server', set: 'rx-udp-gro-forwarding on', undo: 'rx-udp-gro-forwarding off' },
] as const

export const UDP_WORKLOADS: Workload[] = [
  unlimited(64),
  unlimited(1400),
  highest('udp-64-highest', 'UDP 64 B, highest rate with ≤ 0.5 % loss'),
  highest('udp-64-highest-gro', 'UDP 64 B, highest rate with ≤ 0.5 % loss, `gro on`', {
    offloads: [...UDP_GRO],
    only: /^veth/,
  }),
]
