/**
 * An idle daemon costs nothing: less than 10 ms of CPU in 10 s, all threads together, from 20 s after the last event;
 * also when a device of it was deleted by somebody else, because a dead file descriptor answers at once for ever.
 *
 * All daemons idle at the same time.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startDaemon } from './harness/daemon.js'
import { ENGINES, vethd } from './harness/subject.js'
import { DEADLINE_MS, missing, type Namespace, Topology } from './harness/topology.js'
import { ping } from './harness/traffic.js'

const SETTLE_MS = 20_000
const WATCH_MS = 10_000
const LIMIT_MS = 10

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'ping')

/** A daemon with a pair that has carried traffic, from the host to a namespace, and a second one to be deleted. */
async function idleDaemon(topology: Topology, engine: (typeof ENGINES)[number], deleted: boolean) {
  const host = await topology.namespace('host')
  const guest = await topology.namespace('guest')
  const daemon = await startDaemon(topology, host, { engine })
  const subject = vethd(daemon, engine, 'offload')
  await subject.batch([
    subject.newPair('veth1', 'veth2'),
    subject.newPair('doomed1', 'doomed2'),
    `link set veth1 netns ${guest.name}`,
  ])
  const ends: [Namespace, string, string][] = [
    [guest, 'veth1', '10.9.0.1/24'],
    [host, 'veth2', '10.9.0.2/24'],
  ]
  for (const [ns, dev, address] of ends) {
    await ns.do(`ip addr add ${address} dev ${dev}`)
    await ns.do(`ip link set ${dev} up`)
  }
  await ping(guest, '10.9.0.2')
  if (deleted) {
    const links = await host.watchLinks()
    await host.do('ip link del doomed1')
    await links.gone('doomed2')
  }
  return { name: `${engine} engine${deleted ? ', a device deleted by somebody else' : ''}`, daemon, guest }
}

t.test(`idle daemons use less than ${LIMIT_MS} ms of CPU in ${WATCH_MS / 1000} s`, { skip }, async (t) => {
  const topology = Topology.of(t)
  const idle: Awaited<ReturnType<typeof idleDaemon>>[] = []
  for (const engine of ENGINES) {
    for (const deleted of [false, true]) idle.push(await idleDaemon(topology, engine, deleted))
  }
  await sleep(SETTLE_MS)
  const before = idle.map(({ daemon }) => daemon.cpuMs())
  await sleep(WATCH_MS)
  for (const [i, { name, daemon, guest }] of idle.entries()) {
    const used = daemon.cpuMs() - before[i]
    t.ok(used < LIMIT_MS, `${name}: ${used.toFixed(2)} ms`)
    await ping(guest, '10.9.0.2')
  }
})
