/**
 * Tap: frames as a stream, properties as tuntap2 has them, and every way in which a device can go.
 *
 * Invariant: every device is made in a namespace of the test; the machine's own links are never touched.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readlinkSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import t, { type Test } from 'tap'
import { NetlinkError, Tap, type TapOptions, type VethdError } from 'vethd'
import { native } from '../../native-bindings/index.js'
import { EAGAIN } from '../../src/abi/errno.js'
import { kernelLink } from './harness/counters.js'
import { type Frame, FrameReceiver, hex, plain, SOURCE, sendFrames } from './harness/frames.js'
import { until } from './harness/processes.js'
import { missing, type Namespace, Topology } from './harness/topology.js'
import { ping, quantile } from './harness/traffic.js'

const BROADCAST = 'ff ff ff ff ff ff'
const EXPERIMENTAL = '88 b5'
const GONE_WITHIN_MS = 50

t.setTimeout(60_000)
const skip = missing('ip', 'python3', 'ping')

interface Fixture {
  topology: Topology
  ns: Namespace
  tap: Tap
}

/** A namespace and a Tap in it, called tap0 unless told otherwise. */
async function fixture(t: Test, options: Omit<TapOptions, 'netns'> & { up?: boolean } = {}): Promise<Fixture> {
  const topology = Topology.of(t)
  const ns = await topology.namespace('tap')
  const { up = true, ...rest } = options
  const tap = new Tap({ ...rest, netns: ns.name })
  topology.defer(() => tap.release())
  tap.isUp = up
  return { topology, ns, tap }
}

/** A frame of `length` bytes from SOURCE, whose payload says its number. */
function numbered(number: number, length: number): Frame {
  const frame = Buffer.alloc(length, number)
  hex(BROADCAST, SOURCE, EXPERIMENTAL).copy(frame)
  if (length >= 18) frame.writeUInt32BE(number, 14)
  return plain(frame)
}

/** Ours among the frames that a stack sends by itself. */
const isOurs = (frame: Buffer) => frame.subarray(6, 12).equals(hex(SOURCE))

/** Reads `count` frames of ours. */
async function read(tap: Tap, count: number): Promise<Buffer[]> {
  const frames: Buffer[] = []
  for await (const frame of tap.iterator({ destroyOnReturn: false })) {
    if (isOurs(frame) && frames.push(frame) === count) break
  }
  return frames
}

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

t.test('each frame that the stack sends is one chunk, byte for byte', { skip }, async (t) => {
  const { ns, tap } = await fixture(t)
  const sent = [14, 15, 60, 1514, 64, 14].map((length, number) => numbered(number, length))
  await sendFrames(ns, tap.name, sent)
  t.same(
    await read(tap, sent.length),
    sent.map(({ bytes }) => bytes),
    'although all of them waited before the first was read',
  )
})

t.test('each write is one frame, byte for byte, of a Uint8Array too', { skip }, async (t) => {
  const { ns, tap } = await fixture(t)
  const receiver = await FrameReceiver.on(ns, tap.name)
  const frames = [14, 60, 1514, 61].map((length, number) => numbered(number, length))
  for (const { bytes } of frames) tap.write(new Uint8Array(bytes))
  t.same(await receiver.framesUntil(frames[3]), frames)
})

t.test('the longest frame of the largest MTU is not cut', { skip }, async (t) => {
  const { ns, tap } = await fixture(t)
  tap.mtu = 65521
  const longest = numbered(1, 14 + 65521)
  await sendFrames(ns, tap.name, [longest])
  const [frame] = await read(tap, 1)
  t.ok(frame.equals(longest.bytes))
})

t.test('a super-frame arrives cut into plain frames whose checksums are complete', { skip }, async (t) => {
  const { ns, tap } = await fixture(t)
  const tcp = '30 39  00 50  00 00 00 01  00 00 00 00  50 10 ff ff  8f d6  00 00' // 8fd6: the pseudo-header's sum
  const superFrame = {
    // NEEDS_CSUM, TCPV4, hdr_len 54, gso_size 1000, csum_start 34, csum_offset 16, little-endian as this host
    vnet: hex('01 01 36 00 e8 03 22 00 10 00'),
    bytes: Buffer.concat([
      hex(BROADCAST, SOURCE, '08 00'),
      hex('45 00 0b e0  00 01 40 00  40 06 00 00  c0 00 02 01  c0 00 02 02', tcp), // 20 + 20 + 3000 bytes
      Buffer.alloc(3000, 0x5a),
    ]),
  }
  t.same(await sendFrames(ns, tap.name, [superFrame]), ['sent'])
  const frames = await read(tap, 3)
  t.same(
    frames.map((frame) => frame.length),
    [1054, 1054, 1054],
  )
  for (const frame of frames) t.equal(tcpSum(frame), 0xffff, 'the sum over pseudo-header and segment')
})

/** RFC 1071 over the TCP pseudo-header and segment of an IPv4 frame without options: 0xffff when it is right. */
function tcpSum(frame: Buffer): number {
  const segment = frame.subarray(34)
  let sum = 6 + segment.length
  for (let i = 26; i < 34; i += 2) sum += frame.readUInt16BE(i)
  for (let i = 0; i < segment.length; i += 2) sum += segment.readUInt16BE(i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  return sum
}

t.test('two Taps piped into each other join two namespaces', { skip }, async (t) => {
  const topology = Topology.of(t)
  const [left, right] = [await topology.namespace('left'), await topology.namespace('right')]
  const taps = [new Tap({ netns: left.name }), new Tap({ netns: right.name })]
  for (const [i, tap] of taps.entries()) {
    topology.defer(() => tap.release())
    tap.ipv4 = `192.0.2.${i + 1}/24`
    tap.isUp = true
  }
  taps[0].pipe(taps[1]).pipe(taps[0])
  await ping(left, '192.0.2.2')
})

t.test('a slow consumer stops the reading: the kernel drops and counts what it cannot hold', { skip }, async (t) => {
  const { ns, tap } = await fixture(t)
  await ns.do('ip link set tap0 txqueuelen 100')
  const frames = Array.from({ length: 1000 }, (_, number) => numbered(number, 60))
  tap.once('readable', () => {}) // reads ahead, and consumes nothing
  await sendFrames(ns, 'tap0', frames)
  t.equal(tap.readableLength, tap.readableHighWaterMark, 'as many as the highWaterMark are read ahead')
  const { tx } = (await kernelLink({ ns, dev: 'tap0' })).stats64
  t.ok(tx.dropped >= 1000 - tap.readableHighWaterMark - 100 - 1, `the kernel dropped ${tx.dropped}`)

  const last = numbered(5000, 60)
  const numbers: number[] = []
  tap.on('data', (frame: Buffer) => isOurs(frame) && numbers.push(frame.readUInt32BE(14)))
  await until('the waiting frames to be read', () => numbers.length > 0 && tap.readableLength === 0)
  await sendFrames(ns, 'tap0', [last])
  await until('the last frame', () => numbers.at(-1) === 5000)
  t.same(
    numbers,
    [...new Set(numbers)].sort((a, b) => a - b),
    'those that were not lost arrive once, in order',
  )
})

t.test('a frame that the kernel does not take is told of, and the stream goes on', { skip }, async (t) => {
  const { ns, tap } = await fixture(t, { up: false })
  const dropped: [length: number, code: string, errno?: number][] = []
  tap.on('drop', (frame: Buffer, error: VethdError) => dropped.push([frame.length, error.code, error.errno]))
  const receiver = async () => (await kernelLink({ ns, dev: 'tap0' })).stats64.rx
  const write = (frame: Buffer) => new Promise<unknown>((done) => tap.write(frame, (error) => done(error)))

  t.notOk(await write(numbered(1, 60).bytes), 'the write itself is done')
  t.equal((await receiver()).dropped, 1, 'a device that is down counts it')
  tap.isUp = true
  await write(Buffer.alloc(13))
  await write(numbered(2, 60).bytes)
  t.equal((await receiver()).packets, 1)
  t.same(dropped, [
    [60, 'KERNEL_REFUSED', -5],
    [13, 'KERNEL_REFUSED', -22],
  ])
})

t.test('a write that the kernel has no room for is made later, and those behind it wait', { skip }, async (t) => {
  const { ns, tap } = await fixture(t)
  const receiver = await FrameReceiver.on(ns, 'tap0')
  const { write } = native()
  let refused = false
  t.intercept(native(), 'write', {
    value: (fd: number, frame: Uint8Array) => {
      if (refused) return write(fd, frame)
      refused = true
      return -EAGAIN
    },
  })
  const frames = [1, 2, 3].map((number) => numbered(number, 60))
  for (const { bytes } of frames) tap.write(bytes)
  t.equal(tap.writableLength, 180, 'nothing has gone yet')
  t.same(await receiver.framesUntil(frames[2]), frames, 'all of them arrive, in order')
})

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
  ] as [Partial<Tap>, string][]) {
    t.match(set(change), { name: 'VethdError', code }, JSON.stringify(change))
  }
  const taken = set({ name: 'lo' })
  t.ok(taken instanceof NetlinkError)
  t.match(taken, { code: 'EEXIST' })
  t.match(set({ ipv6: 'ff02::5/64' }), { code: 'EADDRNOTAVAIL' }, 'after the former one was taken away')
  t.equal(await ns.do('ip -j address show tap0'), before)
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
  const current = native().netnsOpen(`/run/netns/${ns.name}`)
  const here = native().netnsRun(current, () => new Tap('here'))
  native().close(current)
  topology.defer(() => here.release())
  const sleeper = ns.start('sleep 60')
  const inside = readlinkSync(`/proc/self/ns/net`)
  await until('sleep to be in its namespace', () => readlinkSync(`/proc/${sleeper.pid}/ns/net`) !== inside)
  const there = new Tap({ name: 'there', netns: sleeper.pid })
  topology.defer(() => there.release())
  t.same((await ns.devices()).sort(), ['here', 'tap0', 'there'])
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

t.test(
  `it does not keep a namespace alive: "ip netns del" ends it within ${GONE_WITHIN_MS} ms`,
  { skip },
  async (t) => {
    const topology = Topology.of(t)
    const delays: number[] = []
    for (let i = 0; i < 9; i++) {
      const ns = await topology.namespace('brief')
      const tap = new Tap({ netns: ns.name })
      tap.isUp = true
      tap.ipv4 = '192.0.2.1/24'
      tap.on('error', () => {})
      const closed = closeOf(tap)
      await ns.delete()
      const deleted = performance.now()
      await closed
      delays.push(performance.now() - deleted)
    }
    t.comment(`${delays.map((delay) => delay.toFixed(0)).join(' ')} ms`)
    t.ok(quantile(delays, 1 / 3) < GONE_WITHIN_MS)
  },
)

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
