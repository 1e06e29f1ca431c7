/** A pair between two namespaces, and nothing else. Neighbours: subject.ts makes it, counters.ts reads its ends. */
import type { End } from './counters.js'
import type { Subject } from './subject.js'
import type { Topology } from './topology.js'
import { ping } from './traffic.js'

/** A pair between two new namespaces, 10.0.0.1 and 10.0.0.2. */
export async function between(topology: Topology, subject: Subject, newPair: string): Promise<[End, End]> {
  const ends: [End, End] = [
    { ns: await topology.namespace('a'), dev: 'left' },
    { ns: await topology.namespace('b'), dev: 'right' },
  ]
  await subject.do(newPair)
  for (const [i, { ns, dev }] of ends.entries()) {
    await subject.do(`link set ${dev} netns ${ns.name}`)
    await ns.do(`ip addr add 10.0.0.${i + 1}/24 dev ${dev}`)
    await ns.do(`ip link set ${dev} up`)
  }
  await ping(ends[0].ns, '10.0.0.2')
  return ends
}
