/**
 * The device of a Tap: the properties of tuntap2, names, namespaces, and every way in which the device can end.
 *
 * Neighbour: tap.test.ts, for frames.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readlinkSync } from 'node:fs'
import t from 'tap'
import { NetlinkError, Tap, type VethdError } from 'vethd'
import { kernelLink } from './harness/counters.js'
import { sendFrames } from './harness/frames.js'
import { until } from './harness/processes.js'
import { fixture, numbered, read } from './harness/tap.js'
import { missing, Topology } from './harness/topology.js'

t.setTimeout(60_000)
const skip = missing('ip', 'python3')

function openFiles(): number {
  return readdirSync('/proc/self/fd').length
}

/** The stream's 'close', after an 'error' too. */
function closeOf(tap: Tap): Promise<unknown> {
  return new Promise((resolve) => tap.once('close', resolve))
}

/** What `act` throws. */
function thrownBy(act: () => unknown): VethdError {
  try {
    act()
  } catch (error) {
    return error as VethdError
  }
  throw new Error('nothing was thrown')
}

t.test('the properties are what the kernel says, whoever set them', { skip }, async (t) => {
  const { ns, tap } = await fixture(t, { up: false })
  const link = () => kernelLink({ ns, dev: tap.name })
  t.match(tap, { name: 'tap0', mtu: 1500, isUp: false, ipv4: undefined, ipv6: undefined })
  t.equal(tap.mac, (await link()).address)
  const type = `/sys/class/net/${tap.name}/addr_assign_type`
  t.equal((await ns.do(['cat', type])).trim(), '3', 'an address that somebody set: udev leaves it alone')

  tap.mtu = 9000
  tap.mac = '02:00:00:00:00:0a'
  tap.name = 'cable'
  tap.isUp = true
  t.match(await link(), { ifname: 'cable', mtu: 9000, address: '02:00:00:00:00:0a' })
  t.ok((await link()).flags.includes('UP'))

  await ns.do('ip link set cable down')
  await ns.do('ip link set cable name other mtu 1400 address 02:00:00:00:00:0b')
  t.match(tap, { name: 'other', mtu: 1400, mac: '02:00:00:00:00:0b', isUp: false })
})

t.test('a device that somebody moves to another namespace goes on working there', { skip }, async (t) => {
  const { topology, ns, tap } = await fixture(t)
  const elsewhere = await topology.namespace('elsewhere')
  await ns.do(`ip link set tap0 netns ${elsewhere.name}`)
  t.equal(tap.isUp, false)
  tap.isUp = true
  const frame = numbered(1, 60)
  await sendFrames(elsewhere, 'tap0', [frame])
  t.same(await read(tap, 1), [frame.bytes])
})

t.test('setting an address puts it in the place of the one before', { skip }, async (t) => {
  const { ns, tap } = await fixture(t, { up: false })
  const addresses = async () =>
    JSON.parse(await ns.do('ip -j address show tap0'))[0].addr_info.map(
      (info: { local: string; prefixlen: number }) => `${info.local}/${info.prefixlen}`,
    )
  tap.ipv4 = '192.0.2.1/24'
  tap.ipv4 = '192.0.2.2/25'
  t.same([tap.ipv4, await addresses()], ['192.0.2.2/25', ['192.0.2.2/25']])
  tap.ipv4 = '192.0.2.2/25'
  tap.ipv4 = undefined
  t.same([tap.ipv4, await addresses()], [undefined, []])

  tap.isUp = true
  const linkLocal = tap.ipv6 ?? ''
  t.match(linkLocal, /^fe80::.*\/64$/)
  tap.ipv6 = '2001:db8:0::1/64'
  tap.ipv6 = '2001:db8::2/64'
  t.same([tap.ipv6, await addresses()], ['2001:db8::2/64', ['2001:db8::2/64', linkLocal]])
  tap.ipv6 = 'fe80::5/64'
  t.same(await addresses(), ['2001:db8::2/64', 'fe80::5/64'], 'a link-local one takes the place of the link-local one')
})

t.test('a setter that is refused throws at once, and nothing has changed', { skip }, async (t) => {
  const { ns, tap } = await fixture(t, { up: false })
  tap.ipv4 = '192.0.2.1/24'
  tap.ipv6 = '2001:db8::1/64'
  const before = await ns.do('ip -j address show tap0')
  const set = (change: Partial<Tap>) => thrownBy(() => Object.assign(tap, change))
  for (const [change, code] of [
    [{ mtu: 10 }, 'MTU_INVALID'],
    [{ mtu: 65522 }, 'MTU_INVALID'],
    [{ mac: 'no' }, 'ADDRESS_INVALID'],
    [{ mac: '01:00:00:00:00:00' }, 'ADDRESS_REFUSED'],
    [{ name: 'a/b' }, 'NAME_INVALID'],
    [{ ipv4: '192.0.2.2' }, 'ARGUMENT_INVALID'],
    [{ ipv4: '2001:db8::1/64' }, 'ARGUMENT_INVALID'],
    [{ ipv6: '192.0.2.2/24' }, 'ARGUMENT_INVALID'],
    [{ ipv6: '2001:db8::1/129' }, 'ARGUMENT_INVALID'],
    [{ name: 5 }, 'ARGUMENT_INVALID'],
    [{ mac: null }, 'ARGUMENT_INVALID'],
    [{ mtu: '1400' }, 'MTU_INVALID'],
    [{ isUp: 1 }, 'ARGUMENT_INVALID'],
    [{ ipv4: 5 }, 'ARGUMENT_INVALID'],
    [{ ipv6: null }, 'ARGUMENT_INVALID'],
  ] as unknown as [Partial<Tap>, string][]) {
    t.match(set(change), { name: 'VethdError', code }, JSON.stringify(change))
  }
  const taken = set({ name: 'lo' })
  t.ok(taken instanceof NetlinkError)
  t.match(taken, { code: 'EEXIST' })
  t.match(set({ ipv6: 'ff02::5/64' }), { code: 'EADDRNOTAVAIL' }, 'after the former one was taken away')
  t.equal(await ns.do('ip -j address show tap0'), before)
})

t.test('options that are not as the types have them make no device', { skip }, async (t) => {
  const files = openFiles()
  const devices = () => readdirSync('/sys/class/net')
  const before = devices()
  for (const [options, message] of [
    [null, 'options is null: it must be an object'],
    [5, 'options is 5: it must be an object'],
    [{ name: 5 }, 'options.name is 5: it must be a string'],
    [{ netns: true }, 'options.netns is true: it must be a name, a path or a pid'],
    [{ nmae: 'x' }, 'options has an unknown member "nmae": it takes name, netns'],
  ] as unknown as [string, string][]) {
    t.match(
      thrownBy(() => new Tap(options)),
      { name: 'VethdError', code: 'ARGUMENT_INVALID', message },
    )
  }
  t.same(devices(), before)
  t.equal(openFiles(), files)
})

t.test('names are the first free ones, those asked for, or a clear error', { skip }, async (t) => {
  const { topology, ns } = await fixture(t)
  const make = (name?: string, netns: string = ns.name) => {
    const tap = new Tap({ name, netns })
    topology.defer(() => tap.release())
    return tap.name
  }
  t.same([make(), make('vm%d'), make('vm%d'), make('cable')], ['tap1', 'vm0', 'vm1', 'cable'])
  const devices = await ns.devices()
  const files = openFiles()
  t.match(
    thrownBy(() => make('cable')),
    { code: 'DEVICE_EXISTS', iproute2: 'RTNETLINK answers: File exists' },
  )
  t.match(
    thrownBy(() => make('a name')),
    { code: 'NAME_INVALID' },
  )
  t.match(
    thrownBy(() => make('x', 'no-such-netns')),
    { code: 'NETNS_INVALID' },
  )
  t.same(await ns.devices(), devices, 'nothing is left of those that failed')
  t.equal(openFiles(), files)
})

t.test('it appears in the current namespace, or in that of a process', { skip }, async (t) => {
  const { topology, ns } = await fixture(t)
  const source = `import { Tap } from '${import.meta.resolve('vethd')}'; new Tap('here')`
  const program = ns.start([process.execPath, '--input-type=module', '-e', source])
  await until('the program to have made its device', () => ns.has('here'))
  const sleeper = ns.start('sleep 60')
  const inside = readlinkSync(`/proc/self/ns/net`)
  await until('sleep to be in its namespace', () => readlinkSync(`/proc/${sleeper.pid}/ns/net`) !== inside)
  const there = new Tap({ name: 'there', netns: sleeper.pid })
  topology.defer(() => there.release())
  t.same((await ns.devices()).sort(), ['here', 'tap0', 'there'])
  program.signal('SIGKILL')
})

t.test('release() deletes the device and closes the stream, once', { skip }, async (t) => {
  const { ns, tap } = await fixture(t)
  const files = openFiles()
  tap.resume()
  const closed = closeOf(tap)
  tap.release()
  t.same(await ns.devices(), [], 'gone when it returns')
  tap.release()
  tap.destroy()
  await closed
  t.equal(openFiles(), files - 1)
  t.match(
    thrownBy(() => tap.mtu),
    { code: 'DEVICE_NOT_FOUND', message: '"tap0" was released' },
  )
  t.match(
    thrownBy(() => Object.assign(tap, { isUp: true })),
    { code: 'DEVICE_NOT_FOUND' },
  )
})

t.test('"await using" releases it', { skip }, async (t) => {
  const { ns } = await fixture(t)
  const errors: Error[] = []
  {
    await using tap = new Tap({ name: 'brief', netns: ns.name })
    tap.on('error', (error) => errors.push(error))
    t.ok(await ns.has('brief'))
  }
  t.notOk(await ns.has('brief'))
  t.same(errors, [])
})

for (const [how, consume] of Object.entries({
  'while frames are read': (tap: Tap) => tap.resume(),
  'while nobody reads': () => {},
})) {
  t.test(`a device that somebody deletes ${how} is reported once`, { skip }, async (t) => {
    const { ns, tap } = await fixture(t)
    const events: string[] = []
    tap.on('error', (error: VethdError) => events.push(`${error.name} ${error.code}: ${error.message}`))
    tap.on('close', () => events.push('close'))
    consume(tap)
    const closed = closeOf(tap)
    await ns.do('ip link del tap0')
    await closed
    t.same(events, [
      'VethdError DEVICE_NOT_FOUND: "tap0" was deleted, or the network namespace that it was in',
      'close',
    ])
    t.match(
      thrownBy(() => tap.isUp),
      { code: 'DEVICE_NOT_FOUND' },
    )
  })
}

t.test('a write to a device that was deleted fails, and is reported once', { skip }, async (t) => {
  const { ns, tap } = await fixture(t)
  const errors: unknown[] = []
  tap.on('error', (error) => errors.push(error))
  execFileSync('ip', ['-n', ns.name, 'link', 'del', 'tap0']) // before the event loop can hear of it
  const closed = closeOf(tap)
  const failed = new Promise<unknown>((done) => tap.write(numbered(1, 60).bytes, done))
  await closed
  t.match(await failed, { code: 'DEVICE_NOT_FOUND' })
  t.equal(errors.length, 1)
})

t.test('it does not keep a namespace alive: "ip netns del" ends it', { skip }, async (t) => {
  const topology = Topology.of(t)
  const ns = await topology.namespace('brief')
  const tap = new Tap({ netns: ns.name })
  tap.isUp = true
  tap.ipv4 = '192.0.2.1/24'
  tap.on('error', () => {})
  const closed = closeOf(tap)
  await ns.delete()
  await closed
})

t.test('a program ends by itself once its Tap is released', { skip }, async (t) => {
  const { ns } = await fixture(t)
  const program = `import { Tap } from 'vethd'
    const tap = new Tap('own')
    tap.isUp = true
    tap.resume()
    process.stdin.resume().once('end', () => tap.release())`
  const script = ns.start([process.execPath, '--input-type=module', '-e', program])
  await until('the program to have its device', () => ns.has('own'))
  script.feed('')
  t.equal((await script.exit(5000)).code, 0)
  t.notOk(await ns.has('own'))
})
