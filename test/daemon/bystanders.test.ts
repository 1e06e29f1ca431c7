/**
 * vethd never appears in users' namespaces. Tools that list the processes of a namespace (`ip netns pids`, lsns,
 * podman) do not list vethd, nor a program that uses the library. They use /proc/PID/ns/net.
 *
 * Neighbours: test/device/native-netns.test.ts, the thread that enters namespaces instead.
 */
import { spawnSync } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import t from 'tap'
import { Client } from '../../src/client/client.js'
import { must } from '../device/harness/processes.js'
import { Topology } from '../device/harness/topology.js'
import { missing, startRig } from './harness.js'

t.setTimeout(120_000)
const skip = missing('ip', 'python3', 'xargs')

const ROUNDS = 50
const CHANGES = 200

/**
 * Reads the namespace of a process for ever, as fast as it can; on SIGTERM it says each one that it saw, and how often.
 */
const SAMPLER = `
import collections, os, signal, sys
path, seen, going = f'/proc/{sys.argv[1]}/ns/net', collections.Counter(), True
def stop(*_):
    global going
    going = False
signal.signal(signal.SIGTERM, stop)
print('sampling', flush=True)
while going: seen[os.readlink(path)] += 1
print(' '.join(f'{netns}={count}' for netns, count in seen.items()))`

/** Watches where a process is while \`act\` runs: the namespaces seen, and the number of looks. */
async function sample(topology: Topology, pid: number, act: () => Promise<unknown>) {
  const sampler = topology.start(['python3', '-c', SAMPLER, String(pid)])
  await sampler.line(/sampling/)
  await act()
  sampler.signal('SIGTERM')
  const { stdout } = await sampler.exit()
  const seen = new Map([...stdout.matchAll(/(net:\[\d+\])=(\d+)/g)].map(([, netns, count]) => [netns, Number(count)]))
  return { seen: [...seen.keys()], looks: [...seen.values()].reduce((sum, count) => sum + count, 0) }
}

/** Without what a test's namespace has set up in it, and costs. */
async function bareNamespace(topology: Topology): Promise<string> {
  const name = `vd${process.pid}.lab${++bareNamespaces}`
  topology.defer(() => spawnSync('ip', ['netns', 'del', name], { stdio: 'ignore' }))
  await must(['ip', 'netns', 'add', name])
  return name
}
let bareNamespaces = 0

for (const signal of ['TERM', 'KILL']) {
  t.test(
    `the clean-up of a lab script, which kills a namespace's processes by ${signal}, spares vethd`,
    { skip },
    async (t) => {
      const { topology, daemon } = await startRig(t)
      const client = new Client(daemon.socket)
      t.teardown(() => client.close())
      const worker = new Client(daemon.socket)
      t.teardown(() => worker.close())
      for (let round = 0; round < ROUNDS; round++) {
        const ns = await bareNamespace(topology)
        await client.addPair({ dev: { name: 'k1' }, peer: { name: 'k2', netns: ns } })
        // the daemon is at work in the namespace meanwhile
        const busy = worker.addPair({ dev: { name: 'j1', netns: ns }, peer: { name: 'j2', netns: ns } }).catch(() => {})
        const script = `ip -n ${ns} link del k2; ip netns pids ${ns} | xargs -r kill -${signal}; ip netns del ${ns}`
        await must(['sh', '-c', script])
        await busy
        if (daemon.process.ended) break
      }
      t.notOk(daemon.process.ended, 'vethd lives')
      t.ok(await client.version())
    },
  )
}

t.test('vethd is never seen in a namespace of a user', { skip }, async (t) => {
  const { topology, daemon } = await startRig(t)
  const [left, right] = [await topology.namespace('left'), await topology.namespace('right')]
  const client = new Client(daemon.socket)
  t.teardown(() => client.close())
  const { pid } = daemon.process
  const home = readlinkSync(`/proc/${pid}/ns/net`)
  const { seen, looks } = await sample(topology, pid, async () => {
    for (let change = 0; change < CHANGES; change += 10) {
      const pair = await client.addPair({
        dev: { name: 'a1', netns: left.name },
        peer: { name: 'a2', netns: right.name },
      })
      for (const mtu of [1400, 1300, 1200, 1100, 1000]) await client.setDevice('a1', { mtu, up: true }, left.name)
      await client.setDevice(`${pair.id}/b`, { netns: left.name })
      await client.devices({ netns: left.name })
      await client.stats()
      await client.removeDevices(['a1'], left.name)
    }
  })
  t.same(seen, [home])
  t.ok(looks > 10_000, `${looks} looks`)
})

t.test('nor is a program that calls openPair() or new Tap()', { skip }, async (t) => {
  const topology = Topology.of(t)
  const [left, right] = [await topology.namespace('left'), await topology.namespace('right')]
  const source = `
    import { openPair, Tap } from '${import.meta.resolve('vethd')}'
    process.stdin.once('data', async () => {
      for (let change = 0; change < ${CHANGES}; change += 10) {
        const pair = await openPair({ a: { name: 'a1', netns: '${left.name}' }, b: { name: 'a2', netns: '${right.name}' } })
        for (const mtu of [1400, 1300, 1200, 1100]) pair.a.set({ mtu, up: true })
        pair.b.moveTo('${left.name}')
        pair.b.stats()
        const tap = new Tap({ name: 'tap%d', netns: '${right.name}' })
        tap.ipv4 = '192.0.2.1/24'
        tap.isUp = true
        tap.release()
        await pair.close()
      }
      console.log('done')
      process.stdin.pause()
    })
    console.log('ready')`
  const program = topology.start([process.execPath, '--input-type=module', '-e', source])
  await program.line(/ready/)
  const home = readlinkSync(`/proc/${program.pid}/ns/net`)
  const { seen, looks } = await sample(topology, program.pid, async () => {
    program.feed('go\n')
    await program.line(/done/, 60_000)
  })
  t.same(seen, [home])
  t.ok(looks > 10_000, `${looks} looks`)
  t.equal((await program.exit()).code, 0)
})
