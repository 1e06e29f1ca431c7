/**
 * A process that can open no more files: requests fail with a clear error, other work is done later, and nothing is
 * lost.
 *
 * Invariant: a process that was started before lowers and raises the limit, because no process can be started without
 * files.
 */
import { readdirSync } from 'node:fs'
import t from 'tap'
import { type ClosedReason, openPair, Tap } from 'vethd'
import { kernelLink } from './harness/counters.js'
import { until } from './harness/processes.js'
import { missing, type Namespace, Topology } from './harness/topology.js'

t.setTimeout(60_000)
const skip = missing('ip', 'prlimit')

/** Runs `act` while this process can open no file. */
async function withoutFiles<T>(topology: Topology, act: () => T | Promise<T>): Promise<T> {
  const limit = (words: string) => `prlimit --pid ${process.pid} --nofile=${words}`
  const now = `$(prlimit --pid ${process.pid} --nofile --output SOFT --noheadings --raw)`
  // 3 alone would do, but for a gap among the numbers that are taken
  const shell = topology.start([
    'sh',
    '-c',
    `was=${now}; ${limit('3:')} && echo low; read _; ${limit('$was:')} && echo back`,
  ])
  await shell.line(/low/)
  try {
    return await act()
  } finally {
    shell.feed('\n')
    await shell.line(/back/)
  }
}

async function opened(topology: Topology, left: Namespace, right: Namespace) {
  const pair = await openPair({ a: { name: 'veth1', netns: left.name }, b: { name: 'veth2', netns: right.name } })
  const closed = new Promise<ClosedReason>((resolve) => pair.once('closed', resolve))
  topology.defer(() => void pair.close())
  return { pair, closed }
}

t.test('a pair that is closed while no file can be opened goes all the same, and is told', { skip }, async (t) => {
  const topology = Topology.of(t)
  const [left, right] = [await topology.namespace('left'), await topology.namespace('right')]
  const files = readdirSync('/proc/self/fd').length
  const { pair, closed } = await opened(topology, left, right)
  await withoutFiles(topology, () => pair.close())
  t.equal(await closed, 'asked')
  t.same([await left.devices(), await right.devices()], [[], []])
  t.equal(readdirSync('/proc/self/fd').length, files, 'no file is left open')
})

t.test('what needs a file says that there is none, and works again afterwards', { skip }, async (t) => {
  const topology = Topology.of(t)
  const [left, right] = [await topology.namespace('left'), await topology.namespace('right')]
  const { pair } = await opened(topology, left, right)
  const tap = new Tap({ name: 'tap0', netns: left.name })
  topology.defer(() => tap.release())
  const limit = { name: 'VethdError', code: 'LIMIT_REACHED', message: /no more files.*LimitNOFILE/ }
  await withoutFiles(topology, async () => {
    t.throws(() => pair.a.stats(), limit)
    t.throws(() => pair.a.set({ mtu: 1400 }), limit)
    t.throws(() => pair.a.moveTo(right.name), limit)
    t.throws(() => tap.mtu, limit)
    t.throws(() => new Tap({ netns: left.name }), limit)
    await t.rejects(openPair({ a: { netns: left.name } }), limit)
  })
  pair.a.set({ mtu: 1400 })
  t.equal(pair.a.mtu, 1400)
  t.same([await left.devices(), await right.devices()], [['veth1', 'tap0'], ['veth2']])
})

t.test('what others change while no file can be opened is followed once one can', { skip }, async (t) => {
  const topology = Topology.of(t)
  const [left, right] = [await topology.namespace('left'), await topology.namespace('right')]
  const { pair } = await opened(topology, left, right)
  pair.b.set({ up: true })
  const shell = left.start(['sh', '-c', 'read _; ip link set veth1 up; echo done'])
  await withoutFiles(topology, async () => {
    shell.feed('\n', true)
    await shell.line(/done/)
  })
  await until('the carrier', async () => (await kernelLink({ ns: left, dev: 'veth1' })).operstate === 'UP')
})
