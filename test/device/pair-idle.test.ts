/**
 * An idle daemon uses almost no CPU: from 20 s after the last event, all its threads together use less than 10 ms in 10
 * s. This includes a daemon whose device was deleted by another program (because a dead file descriptor is always
 * readable), and a daemon with a client that reads its events.
 *
 * All daemons idle at the same time.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type Daemon, startDaemon, VETHCTL } from './harness/daemon.js'
import { ENGINES, vethd } from './harness/subject.js'
import { DEADLINE_MS, missing, type Namespace, Topology } from './harness/topology.js'
import { ping } from './harness/traffic.js'

const SETTLE_MS = 20_000
const WATCH_MS = 10_000
const LIMIT_MS = 10

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'ping')

/** A daemon with a pair that has carried traffic, from the host to a namespace, and a second one to be deleted. */
async function idleDaemon(topology: Topology, engine: (typeof ENGINES)[number], deleted: boolean, args: string[] = []) {
  const host = await topology.namespace('host')
  const guest = await topology.namespace('guest')
  const daemon = await startDaemon(topology, host, { engine, args })
  host.start([process.execPath, VETHCTL, '--socket', daemon.socket, 'monitor'])
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
  const name = [`${engine} engine`, ...(deleted ? ['a device deleted by somebody else'] : []), ...args].join(', ')
  return { name, daemon, guest }
}

t.test(`idle daemons use less than ${LIMIT_MS} ms of CPU in ${WATCH_MS / 1000} s`, { skip }, async (t) => {
  const topology = Topology.of(t)
  const idle: Awaited<ReturnType<typeof idleDaemon>>[] = []
  for (const engine of ENGINES) {
    for (const deleted of [false, true]) idle.push(await idleDaemon(topology, engine, deleted))
    idle.push(await idleDaemon(topology, engine, false, ['--busy-poll', '1000']))
  }
  await sleep(SETTLE_MS)
  const watched = await watch(idle)
  t.comment(watched.map(({ name, used, threads }) => `${name}: ${used.toFixed(2)} ms (${threads})`).join('\n'))
  let busy = watched.filter(({ used }) => used >= LIMIT_MS)
  // A virtual machine that is stopped for some milliseconds charges them to the thread that ran. It hits one of them,
  // and not twice; what a daemon really does, each of its kind does.
  if (busy.length === 1) busy = (await watch(busy)).filter(({ used }) => used >= LIMIT_MS)
  t.same(
    busy.map(({ name, used, threads }) => `${name}: ${used.toFixed(2)} ms (${threads})`),
    [],
  )
  for (const { guest } of idle) await ping(guest, '10.9.0.2')
})

/** What each daemon used in WATCH_MS, and its threads that used the most of it. */
async function watch<Idle extends { daemon: Daemon }>(
  idle: Idle[],
): Promise<(Idle & { used: number; threads: string })[]> {
  const before = idle.map(({ daemon }) => daemon.cpuMs())
  await sleep(WATCH_MS)
  return idle.map((one, i) => {
    const threads = [...one.daemon.cpuMs()].map(([thread, ms]) => ({ thread, ms: ms - (before[i].get(thread) ?? 0) }))
    const most = threads.sort((x, y) => y.ms - x.ms).slice(0, 3)
    return {
      ...one,
      used: threads.reduce((sum, { ms }) => sum + ms, 0),
      threads: most.map(({ thread, ms }) => `${thread} ${ms.toFixed(2)}`).join(', '),
    }
  })
}
