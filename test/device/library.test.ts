/**
 * The package as its users have it, imported by its own name: openPair, what a pair's handle shows and does, how it
 * ends, how its process ends; and the programs of docs/library.md, type-checked and run as they stand.
 *
 * Neighbour: tap.test.ts for Tap. Invariant: every device is made in a namespace of the test.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import t, { type Test } from 'tap'
import ts from 'typescript'
import { type DeviceSettings, NetlinkError, type OpenPairOptions, openPair, type VethPair } from 'vethd'
import { kernelLink } from './harness/counters.js'
import { ROOT } from './harness/daemon.js'
import { must, type Process } from './harness/processes.js'
import { missing, type Namespace, Topology } from './harness/topology.js'
import { ping, quantile } from './harness/traffic.js'

const EXIT_WITHIN_MS = 1000

t.setTimeout(120_000)
const skip = missing('ip', 'ping')

/** Two namespaces, and a way to open pairs that end with the test. */
async function fixture(t: Test) {
  const topology = Topology.of(t)
  const [left, right] = [await topology.namespace('left'), await topology.namespace('right')]
  const open = async (options: OpenPairOptions = {}): Promise<VethPair> => {
    const pair = await openPair({
      ...options,
      a: { name: 'veth1', netns: left.name, ...options.a },
      b: { name: 'veth2', netns: right.name, ...options.b },
    })
    t.teardown(() => pair.close())
    return pair
  }
  return { topology, left, right, open }
}

const workers = () =>
  readdirSync('/proc/self/task').filter((task) =>
    readFileSync(`/proc/self/task/${task}/comm`, 'utf8').startsWith('vethd-lanes'),
  ).length

const openFiles = () => readdirSync('/proc/self/fd').length

for (const engine of ['uring', 'poll'] as const) {
  t.test(`a pair of the ${engine} engine carries traffic between two namespaces`, { skip }, async (t) => {
    const { left, right, open } = await fixture(t)
    const pair = await open({ engine })
    await left.do(`ip address add 192.0.2.1/24 dev ${pair.a.name}`)
    await right.do(`ip address add 192.0.2.2/24 dev ${pair.b.name}`)
    pair.a.set({ up: true })
    pair.b.set({ up: true })
    await ping(left, '192.0.2.2')
    t.equal(pair.engine, engine)

    const { kernel, veth, classes } = pair.b.stats()
    t.equal(typeof kernel.rxPackets, 'bigint')
    t.ok(kernel.rxPackets >= 5n && veth.rx.packets >= 5n)
    t.ok(pair.a.stats().classes.host >= 5n && classes.host >= 5n)
  })
}

t.test('a device is as the kernel says, whoever changed it', { skip }, async (t) => {
  const { left, right, open } = await fixture(t)
  const pair = await open({ a: { address: '02:00:00:00:00:0a', mtu: 1400 }, checksum: 'software' })
  t.match(pair.a, { name: 'veth1', mac: '02:00:00:00:00:0a', mtu: 1400, isUp: false, netns: left.name })
  t.match(pair.b, { name: 'veth2', mtu: 1500, netns: right.name })
  t.match(pair, { id: Number, checksum: 'software' })

  pair.a.set({ name: 'cable', mtu: 9000, address: '02:00:00:00:00:0b', txqueuelen: 512, up: true })
  t.match(pair.a, { name: 'cable', mtu: 9000, mac: '02:00:00:00:00:0b', isUp: true })
  t.match(await kernelLink({ ns: left, dev: 'cable' }), { mtu: 9000, txqlen: 512 })

  await right.do('ip link add br0 type bridge')
  pair.b.set({ master: 'br0' })
  t.match(await kernelLink({ ns: right, dev: 'veth2' }), { master: 'br0' })
  pair.b.set({ master: null })
  t.notMatch(await kernelLink({ ns: right, dev: 'veth2' }), { master: 'br0' })

  pair.a.moveTo(right.name)
  t.match(pair.a, { name: 'cable', netns: right.name, isUp: false })
  await right.do(`ip link set cable netns ${left.name} name back`)
  t.match(pair.a, { name: 'back', netns: left.name })

  t.throws(() => pair.a.set({ mtu: 10 }), { code: 'MTU_INVALID' })
  t.throws(() => pair.a.set({ name: 'lo' }), NetlinkError)
  t.throws(() => pair.a.set({ master: 'br9' }), { code: 'ARGUMENT_INVALID' })
  t.throws(() => pair.a.moveTo('no-such-netns'), { code: 'NETNS_INVALID' })
})

t.test(
  'a namespace without a name is shown by its inode, and is reached by the pid of a process',
  { skip },
  async (t) => {
    const { topology, open } = await fixture(t)
    const owner = topology.start(['unshare', '-n', 'sh', '-c', 'readlink /proc/self/ns/net; exec sleep 60'])
    const [netns] = await owner.line(/^net:.*$/m)
    const pair = await open({ a: { netns: owner.pid } })
    t.equal(pair.a.netns, netns)
  },
)

t.test('without a word about b it copies a, as veth does; given, it copies nothing', { skip }, async (t) => {
  const { topology, left } = await fixture(t)
  const here = await topology.namespace('here')
  const a = { name: 'x', netns: left.name, mtu: 1400, txqueuelen: 100, numTxQueues: 2, numRxQueues: 2 }
  const program = `import { openPair } from 'vethd'
    const a = ${JSON.stringify(a)}
    await openPair({ a })
    await openPair({ a: { ...a, name: 'y' }, b: { mtu: 1300 } })
    console.log('ready')`
  await startProgram(here, program).line(/^ready/m, 20_000)
  t.same((await left.devices()).sort(), ['veth0', 'x', 'y'], 'the namespace too')
  t.same(await here.devices(), ['veth0'])
  const detailed = async (ns: Namespace) => JSON.parse(await ns.do('ip -d -j link show veth0'))[0]
  t.match(await detailed(left), { mtu: 1400, txqlen: 100, num_tx_queues: 256 })
  t.match(await detailed(here), { mtu: 1300, txqlen: 256, num_tx_queues: 1 })
})

t.test('names alone will do, or nothing', { skip }, async (t) => {
  const { left } = await fixture(t)
  const program = `import { openPair } from 'vethd'
    for (const names of [['x', 'y'], ['z'], []]) {
      const pair = await openPair(...names)
      console.log(pair.a.name, pair.b.name)
      await pair.close()
    }`
  const script = startProgram(left, program)
  t.match(await script.exit(), { code: 0, stdout: 'x y\nz veth0\nveth1 veth0\n' }, 'and the program ends by itself')
})

t.test('all pairs share one driver, which lives as long as one of them', { skip }, async (t) => {
  const { open } = await fixture(t)
  const files = openFiles()
  const [one, two, three] = await Promise.all(
    [1, 2, 3].map((n) => open({ workers: 2, a: { name: `a${n}` }, b: { name: `b${n}` } })),
  )
  t.equal(workers(), 2)
  t.equal(new Set([one.id, two.id, three.id]).size, 3)
  await t.rejects(open({ workers: 1, a: { name: 'x' } }), { code: 'ARGUMENT_INVALID', message: /2 workers/ })
  const other = one.engine === 'uring' ? 'poll' : 'uring'
  await t.rejects(open({ engine: other, a: { name: 'x' } }), { code: 'ARGUMENT_INVALID', message: /engine/ })

  await Promise.all([one.close(), two.close()])
  t.equal(workers(), 2)
  await Promise.all([three.close(), three.close()])
  t.equal(workers(), 0)
  t.equal(openFiles(), files, 'everything is closed')
  const again = await open({ workers: 1 })
  t.equal(workers(), 1, 'and another number of workers can be asked for')
  await again.close()
})

t.test('twenty pairs at once bring no warning', { skip }, async (t) => {
  const { open } = await fixture(t)
  const warnings = t.capture(process, 'emitWarning')
  const numbers = Array.from({ length: 20 }, (_, n) => n)
  const pairs = await Promise.all(numbers.map((n) => open({ a: { name: `a${n}` }, b: { name: `b${n}` } })))
  await Promise.all(pairs.map((pair) => pair.close()))
  t.same(warnings(), [])
})

t.test('what fails leaves nothing behind', { skip }, async (t) => {
  const { left, right, open } = await fixture(t)
  const files = openFiles()
  for (const [options, code] of [
    [{ a: { name: 'a name' } }, 'NAME_INVALID'],
    [{ b: { name: 'lo' } }, 'DEVICE_EXISTS'],
    [{ a: { name: 'lo' } }, 'DEVICE_EXISTS'],
    [{ a: { mtu: 10 } }, 'MTU_INVALID'],
    [{ b: { netns: 'no-such-netns' } }, 'NETNS_INVALID'],
    [{ checksum: 'none' }, 'CHECKSUM_MODE_INVALID'],
    [{ engine: 'warp' }, 'ARGUMENT_INVALID'],
    [{ workers: 0 }, 'ARGUMENT_INVALID'],
    [{ a: { txqueuelen: 524289 } }, 'ARGUMENT_INVALID'],
  ] as [OpenPairOptions, string][]) {
    await t.rejects(open(options), { name: 'VethdError', code }, JSON.stringify(options))
  }
  // what only JavaScript can hand over
  for (const [options, message] of [
    [null, 'options is null: it must be an object'],
    [5, 'options is 5: it must be an object'],
    [[], 'options is an array: it must be an object'],
    [{ a: 'veth1' }, 'a is "veth1": it must be an object'],
    [{ b: null }, 'b is null: it must be an object'],
    [{ c: {} }, /^options has an unknown member "c": it takes a, b, /],
    [{ a: { nmae: 'x' } }, /^a has an unknown member "nmae": it takes name, /],
    [{ a: { up: true } }, /^a has an unknown member "up"/],
    [{ a: { name: 5 } }, 'a.name is 5: it must be a string'],
    [{ b: { mtu: '1500' } }, 'b.mtu is "1500": it must be a number'],
    [{ a: { index: 0 } }, 'a.index is 0: it must be a whole number from 1 to 2147483647'],
    [{ a: { group: -1 } }, 'a.group is -1: it must be a whole number from 0 to 4294967295'],
    [{ a: { promisc: 'on' } }, 'a.promisc is "on": it must be true or false'],
    [{ a: { linkMode: 'x' } }, 'a.linkMode is "x": it must be "default" or "dormant"'],
    [{ a: { netns: {} } }, 'a.netns is an object: it must be a name, a path or a pid'],
    [{ a: { address: Symbol('x') } }, 'a.address is Symbol(x): it must be a string'],
    [{ engine: {} }, /^engine/],
    [{ workers: '2' }, /^workers 2/],
  ] as unknown as [OpenPairOptions, string | RegExp][]) {
    await t.rejects(openPair(options), { name: 'VethdError', code: 'ARGUMENT_INVALID', message })
  }
  await t.rejects(openPair('x1', 5 as unknown as string), { message: 'b.name is 5: it must be a string' })
  t.same([await left.devices(), await right.devices()], [[], []])
  t.equal(workers(), 0)
  t.equal(openFiles(), files)
})

t.test('close() deletes both devices, says so once, and the handle answers no more', { skip }, async (t) => {
  const { left, right, open } = await fixture(t)
  const pair = await open()
  const reasons: string[] = []
  pair.on('closed', (reason) => reasons.push(reason))
  await pair.close()
  t.same([await left.devices(), await right.devices()], [[], []])
  await pair.close()
  t.same(reasons, ['asked'])
  t.throws(() => pair.a.name, { code: 'DEVICE_NOT_FOUND' })
  t.throws(() => pair.b.set({ up: true }), { code: 'DEVICE_NOT_FOUND' })
  t.throws(() => pair.b.stats(), { code: 'DEVICE_NOT_FOUND' })
})

t.test('settings that are not as the types have them change nothing', { skip }, async (t) => {
  const { open } = await fixture(t)
  const pair = await open()
  for (const [settings, message] of [
    [undefined, 'settings is undefined: it must be an object'],
    [{ mtu: 1400, mut: 1 }, /^settings has an unknown member "mut": it takes name, /],
    [{ mtu: 1400, up: 1 }, 'settings.up is 1: it must be true or false'],
    [{ mtu: 1400, master: 5 }, 'settings.master is 5: it must be a string or null'],
  ] as unknown as [DeviceSettings, string | RegExp][]) {
    t.throws(() => pair.a.set(settings), { name: 'VethdError', code: 'ARGUMENT_INVALID', message })
  }
  t.throws(() => pair.a.moveTo(undefined as unknown as string), { code: 'ARGUMENT_INVALID', message: /^netns is/ })
  t.throws(() => pair.a.set({ mtu: Number.NaN }), { code: 'MTU_INVALID' })
  t.throws(() => pair.a.set({ txqueuelen: 1e9 }), { code: 'ARGUMENT_INVALID', message: /524288/ })
  t.same([pair.a.mtu, pair.a.isUp], [1500, false])
  pair.a.set({ alias: 'a cable', group: 7, promisc: true, linkMode: 'dormant', mtu: undefined })
  t.same([pair.a.mtu, pair.a.isUp], [1500, false])
})

t.test('"await using" closes it', { skip }, async (t) => {
  const { left, open } = await fixture(t)
  {
    await using pair = await open()
    t.ok(await left.has(pair.a.name))
  }
  t.same(await left.devices(), [])
})

t.test('a device that somebody deletes takes the other with it, and "closed" says why', { skip }, async (t) => {
  const { left, right, open } = await fixture(t)
  const pair = await open()
  const closed = new Promise((resolve) => pair.once('closed', resolve))
  await left.do('ip link del veth1')
  t.equal(await closed, 'device-gone')
  t.same(await right.devices(), [])
  await pair.close()
  t.equal(workers(), 0)
})

// How soon is held in test/long/pair-lifetime.test.ts, where nothing else runs beside.
t.test('nothing keeps a namespace alive: "ip netns del" closes the pair', { skip }, async (t) => {
  const { topology, right, open } = await fixture(t)
  const links = await right.watchLinks()
  const ns = await topology.namespace('brief')
  const pair = await open({ a: { name: 'brief', netns: ns.name }, b: { name: 'other' } })
  pair.a.set({ up: true, mtu: 1400 })
  const closed = new Promise((resolve) => pair.once('closed', resolve))
  await ns.delete()
  await links.gone('other')
  t.equal(await closed, 'device-gone')
})

for (const [how, statement, code] of [
  ['process.exit(7)', 'process.exit(7)', 7],
  ['an exception that nobody catches', "throw new Error('thrown by the test')", 1],
] as const) {
  t.test(`${how} ends the process within ${EXIT_WITHIN_MS} ms, and its devices`, { skip }, async (t) => {
    const { left } = await fixture(t)
    const program = `import { openPair, Tap } from 'vethd'
      const pairs = await Promise.all(Array.from({ length: 8 }, () => openPair({ workers: 4 })))
      const tap = new Tap()
      console.log('ready')
      process.stdin.once('data', () => { ${statement} })`
    const script = startProgram(left, program)
    await script.line(/^ready/m, 20_000)
    t.equal((await left.devices()).length, 17)
    const asked = performance.now()
    script.feed('end\n')
    t.equal((await script.exit(10_000)).code, code)
    const took = performance.now() - asked
    t.ok(took < EXIT_WITHIN_MS, `after ${took.toFixed(0)} ms`)
    t.same(await left.devices(), [])
  })
}

/** Starts a program in a namespace, which has nothing but the package's name to import it by. */
function startProgram(ns: Namespace, program: string): Process {
  return ns.start([process.execPath, '--input-type=module', '-e', program])
}

/** The TypeScript programs of docs/library.md, in order. */
const programs = [...readFileSync(join(ROOT, 'docs/library.md'), 'utf8').matchAll(/^```ts\n([\s\S]*?)^```$/gm)]

/** Where they are compiled: inside the package, where its name means itself. */
const exampleAt = (n: number, suffix: string) =>
  join(ROOT, `dist/test/device/library-example-${process.pid}-${n}.${suffix}`)

t.teardown(() => {
  for (const n of programs.keys()) for (const suffix of ['mts', 'mjs']) rmSync(exampleAt(n, suffix), { force: true })
})

t.test('docs/library.md: the programs type-check', async (t) => {
  const sources = programs.map(([, program], n) => {
    writeFileSync(exampleAt(n, 'mts'), program)
    return exampleAt(n, 'mts')
  })
  const checked = ts.createProgram(sources, {
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    module: ts.ModuleKind.NodeNext,
    strict: true,
    skipLibCheck: true,
    types: ['node'],
  })
  const found = [...ts.getPreEmitDiagnostics(checked), ...checked.emit().diagnostics]
  t.same(
    found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')),
    [],
  )
})

t.test('docs/library.md: the pair between two namespaces', { skip: skip || missing('unshare') }, async (t) => {
  // Its namespaces have plain names: a /run of its own keeps them apart from the machine's.
  const own = 'mount -t tmpfs tmpfs /run && exec "$@"'
  const printed = await must([
    'unshare',
    '--net',
    '--mount',
    'sh',
    '-c',
    own,
    'sh',
    process.execPath,
    exampleAt(0, 'mjs'),
  ])
  t.match(printed, /3 packets transmitted, 3 received, 0% packet loss/)
  t.match(printed, /^right received \d+n packets$/m)
})

t.test('docs/library.md: ping is answered by a stack in JavaScript', { skip }, async (t) => {
  const { left } = await fixture(t)
  const script = left.start([process.execPath, exampleAt(1, 'mjs')])
  await script.line(/^tap1 is ready/m)
  const times = await ping(left, '198.18.5.2', '-c 20 -i 0.01 -s 1400')
  t.equal(times.length, 20)
  t.comment(`p50 ${quantile(times, 0.5)} ms`)
  script.signal('SIGTERM')
  await script.exit()
  t.notOk(await left.has('tap1'))
})

t.test('a program whose pair could not be made ends', { skip }, async (t) => {
  const topology = Topology.of(t)
  const addon = new URL('../../native-bindings/index.js', import.meta.url).href
  const source = `
    import { openPair } from '${import.meta.resolve('vethd')}'
    import { native } from '${addon}'
    native().socketSetReceiveBuffer = () => { throw new Error('no monitor today') }
    await openPair().catch(({ message }) => console.log(message))`
  const program = topology.start([process.execPath, '--input-type=module', '-e', source])
  t.match(await program.exit(5000), { code: 0, stdout: 'no monitor today\n', stderr: '' })
})
