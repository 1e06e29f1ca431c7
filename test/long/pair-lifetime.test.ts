/**
 * How pairs end: either end takes the other along, whoever deleted it and however, while traffic flows; and nothing of
 * vethd keeps a namespace alive.
 *
 *       t1                 host
 *   ┌─────────┐        ┌─────────┐
 *   │  near ══╪════════╪══ far   │     `ip link del` of either, `ip netns del t1`, the end of a process that owns t1
 *   └─────────┘        └─────────┘
 */
import { readlinkSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { run, until } from '../device/harness/processes.js'
import { kernelVeth, type Subject, startSubjects, stopSubjects } from '../device/harness/subject.js'
import { DEADLINE_MS, missing, type Namespace, Topology } from '../device/harness/topology.js'
import { ping, quantile, startFlood } from '../device/harness/traffic.js'

const NAMESPACES = 30
const GONE_WITHIN_MS = 50
/**
 * The kernel buries namespaces one after another, each in some 30 ms that nothing tells the end of. On a busy machine
 * it begins late, for kernel veth too: beyond what it takes on an idle one its delay is not ours.
 */
const BURIAL_MS = 40
const KERNEL_TAKES_MS = 20
/** Kernel veth deletes both ends in one call; vethd has to notice first, on a machine that is busy with the traffic. */
const NOTICED_WITHIN_MS = 1000

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'ping', 'unshare', 'nsenter')

/** A pair whose near end is in `t1`, up and addressed on both sides. */
async function join(subject: Subject, t1: Namespace): Promise<void> {
  await subject.batch([subject.newPair('near', 'far'), `link set near netns ${t1.name}`, 'link set far up'])
  await subject.do(`-n ${t1.name} link set near up`)
  await t1.do('ip addr add 10.9.0.1/24 dev near')
  await subject.host.do('ip addr add 10.9.0.2/24 dev far')
}

/** How pairs near0/far0, near1/far1, … get their near ends into the namespaces. */
const WAYS_INTO_A_NAMESPACE: Record<string, (subject: Subject, namespaces: Namespace[]) => Promise<void>> = {
  'made in it': async (subject, namespaces) => {
    await subject.batch(namespaces.map((ns, i) => `link add near${i} netns ${ns.name} type veth peer name far${i}`))
  },
  'moved into it': async (subject, namespaces) => {
    await subject.batch(namespaces.map((_, i) => `link add near${i} type veth peer name far${i}`))
    await subject.batch(namespaces.map((ns, i) => `link set near${i} netns ${ns.name}`))
  },
  'configured in it': async (subject, namespaces) => {
    await WAYS_INTO_A_NAMESPACE['moved into it'](subject, namespaces)
    const settings = 'address 02:00:00:00:00:01 mtu 1400 up'
    await Promise.all(namespaces.map((ns, i) => subject.do(`-n ${ns.name} link set near${i} ${settings}`)))
  },
}

t.test('the end of a pair', { skip }, async (t) => {
  const topology = Topology.of(t)
  const subjects = await startSubjects(topology, await topology.namespace('host'), ['offload'])
  for (const subject of subjects) await t.test(subject.name, (t) => suite(t, topology, subject))
  t.same(await stopSubjects(subjects), [0, 0], 'the daemons live on and end when asked')
})

async function suite(t: Test, topology: Topology, subject: Subject): Promise<void> {
  const { host } = subject

  for (const [deleted, other] of [
    ['near', 'far'],
    ['far', 'near'],
  ]) {
    await t.test(`"ip link del ${deleted}" under traffic removes ${other}`, async (t) => {
      const t1 = await topology.namespace('t1')
      await join(subject, t1)
      const flood = await startFlood({ ns: t1, dev: 'near' }, '10.9.0.2')
      const [here, there] = deleted === 'near' ? [t1, host] : [host, t1]
      const links = await there.watchLinks()
      await here.do(`ip link del ${deleted}`)
      await links.gone(other, NOTICED_WITHIN_MS)
      flood.signal('SIGINT')
      await flood.exit()
      t.same(await host.devices(), [], 'nothing is left')
      await t1.delete()
    })
  }

  await t.test('a pair can be made under the same names at once, and works', async () => {
    const t1 = await topology.namespace('t1')
    await join(subject, t1)
    await ping(t1, '10.9.0.2')
    await subject.do('link del far')
    await t1.delete()
  })

  await t.test('a process that owns a namespace gets an end by its pid, and its end takes the pair', async (t) => {
    const owner = topology.start(['unshare', '-n', 'sleep', '60'])
    const ours = readlinkSync('/proc/self/ns/net')
    await until('sleep to have its namespace', () => readlinkSync(`/proc/${owner.pid}/ns/net`) !== ours)
    const inside = (command: string) => run(['nsenter', '-t', String(owner.pid), '-n', ...command.split(' ')])
    await subject.batch([subject.newPair('near', 'far'), `link set near netns ${owner.pid}`, 'link set far up'])
    await host.do('ip addr add 10.9.0.2/24 dev far')
    t.equal((await inside('ip addr add 10.9.0.1/24 dev near')).code, 0)
    t.equal((await inside('ip link set near up')).code, 0)
    t.equal((await inside('ping -n -c 3 -i 0.01 -W 1 10.9.0.2')).code, 0)
    const links = await host.watchLinks()
    owner.signal('SIGKILL')
    await links.gone('far', NOTICED_WITHIN_MS)
  })

  await t.test(`"ip netns del" removes the other ends within ${GONE_WITHIN_MS} ms`, async (t) => {
    const delays: number[] = []
    for (const [how, prepare] of Object.entries(WAYS_INTO_A_NAMESPACE)) {
      const names = Array.from({ length: NAMESPACES / 3 }, (_, i) => `ns${i}`)
      const namespaces = await Promise.all(names.map((name) => topology.namespace(name)))
      await prepare(subject, namespaces)
      const some = await burials(host, namespaces)
      t.comment(`pairs ${how}: ${some.map((delay) => delay.toFixed(0)).join(' ')} ms`)
      delays.push(...some)
    }
    const p95 = quantile(delays, 0.95)
    t.ok(p95 <= GONE_WITHIN_MS, `p95 ${p95.toFixed(0)} ms`)
    t.same(await host.devices(), [], 'nothing is left')
  })
}

/**
 * Deletes the namespaces one after another; how long each one's far0, far1, … outlived it in the host, in milliseconds.
 * A kernel veth leads into each of them too: what the kernel is late beyond KERNEL_TAKES_MS is not counted.
 */
async function burials(host: Namespace, namespaces: Namespace[]): Promise<number[]> {
  const control = namespaces.map((ns, i) => `link add in${i} netns ${ns.name} type veth peer name control${i}`)
  await kernelVeth(host).batch(control)
  const links = await host.watchLinks()
  const delays: number[] = []
  for (const [i, ns] of namespaces.entries()) {
    await ns.delete()
    const deleted = performance.now()
    const since = async (dev: string) => links.gone(dev).then(() => performance.now() - deleted)
    const [kernels, ours] = await Promise.all([since(`control${i}`), since(`far${i}`)])
    delays.push(ours - Math.max(0, kernels - KERNEL_TAKES_MS))
    await sleep(BURIAL_MS)
  }
  return delays
}
