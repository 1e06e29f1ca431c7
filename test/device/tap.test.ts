/**
 * Tap as a stream: every frame arrives whole, in order and unchanged, however fast or slow each side is.
 *
 * Neighbour: tap-device.test.ts, for properties and lifetimes.
 */
import t from 'tap'
import { Tap, type VethdError } from 'vethd'
import { native } from '../../native-bindings/index.js'
import { EAGAIN } from '../../src/abi/errno.js'
import { kernelLink } from './harness/counters.js'
import { FrameReceiver, hex, SOURCE, sendFrames } from './harness/frames.js'
import { until } from './harness/processes.js'
import { BROADCAST, fixture, isOurs, numbered, read } from './harness/tap.js'
import { missing, Topology } from './harness/topology.js'
import { ping } from './harness/traffic.js'

t.setTimeout(60_000)
const skip = missing('ip', 'python3', 'ping')

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
