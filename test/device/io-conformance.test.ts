/**
 * The conformance test of FrameIo on real TAP devices, by io_uring and by plain system calls.
 *
 * A port is two TAPs in a bridge of their own: `tap` belongs to the engine, and `stack` acts as the stack behind it.
 * The engine reads from `tap` the frames that the test writes into `stack`, and the other way round.
 *
 *     test ── stack ─┐ bridge ┌─ tap ── engine ── tap ─┐ bridge ┌─ stack ── test
 *
 * Everything is in a nameless network namespace and is deleted with it.
 */
import t, { type Test } from 'tap'
import { native } from '../../native-bindings/index.js'
import { ENOMEM } from '../../src/abi/errno.js'
import { IFF_NO_PI, IFF_TAP, IFF_VNET_HDR } from '../../src/abi/if-tun.js'
import { createTotals, readTotals } from '../../src/counters.js'
import { type FrameIo, OP_READ } from '../../src/io/frame-io.js'
import { PollIo } from '../../src/io/poll.js'
import { MAX_LANES, SLOT_BYTES } from '../../src/io/slab.js'
import { UringIo } from '../../src/io/uring.js'
import { Lane } from '../../src/lane/lane.js'
import { STAGES } from '../../src/lane/stages.js'
import type { StageSettings } from '../../src/messages.js'
import { Scheduler } from '../../src/worker/scheduler.js'
import { type Bench, type BenchPort, conformance, frameOf } from '../unit/io/conformance.js'
import { SIEVE } from '../unit/lane/sieve.js'
import { until } from './harness/processes.js'
import { missing } from './harness/topology.js'
import { Nursery, runInside } from './native-nursery.js'

const ENGINES: [name: string, make: (wakeFd: number) => FrameIo][] = [
  ['uring', (wakeFd) => new UringIo(wakeFd)],
  ['poll', (wakeFd) => new PollIo(wakeFd)],
  ['poll, call by call', (wakeFd) => new PollIo(wakeFd, false)],
]
const VNET_HDR_LEN = 12
const MTU = 65521
/** Deletes them together: closing TAPs one by one costs 18 ms each. */
const GROUP = 7

/** Bridged ports in a namespace of their own. */
class Ports {
  readonly #netns = native().netnsCreate()
  readonly #fds: number[] = []

  /** Links with nothing of their own to say: no IPv6, no multicast snooping. */
  constructor() {
    const [all, byDefault] = ['all', 'default'].map((name) => `net.ipv6.conf.${name}.disable_ipv6=1`)
    this.#do(['sysctl', '-qw', all, byDefault])
  }

  open(count: number): BenchPort[] {
    const opened = Array.from({ length: count }, (_, i) => ({ tap: this.#tap(`t${i}`), stack: this.#tap(`s${i}`) }))
    const commands = opened.flatMap((_, i) => [
      `link add b${i} type bridge mcast_snooping 0`,
      ...['t', 's'].map((dev) => `link set ${dev}${i} master b${i} group ${GROUP} mtu ${MTU} up`),
      `link set b${i} up`,
    ])
    this.#do(['ip', '-batch', '-'], commands.join('\n'))
    return opened.map(({ tap, stack }, i) => ({
      fd: tap,
      transmit: (frame) => {
        if (native().write(stack, frame) !== frame.length) throw new Error('the stack cannot transmit')
      },
      receive: () => {
        const into = new Uint8Array(VNET_HDR_LEN + MTU + 18)
        const len = native().read(stack, into)
        return len < 0 ? undefined : into.subarray(0, len)
      },
      setDown: () => this.#do(['ip', 'link', 'set', `t${i}`, 'down']),
      remove: () => this.#do(['ip', 'link', 'del', `t${i}`]),
    }))
  }

  #tap(name: string): number {
    const fd = native().tapOpen(name, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, this.#netns)
    native().tapSetVnetHdrSize(fd, VNET_HDR_LEN)
    this.#fds.push(fd)
    return fd
  }

  #do(argv: string[], input = ''): void {
    runInside(this.#netns, argv, input)
  }

  close(): void {
    this.#do(['ip', 'link', 'del', 'group', String(GROUP)])
    for (const fd of this.#fds) native().close(fd)
    native().close(this.#netns)
  }
}

function deviceBench(make: (wakeFd: number) => FrameIo): Bench {
  const ports = new Ports()
  const wakeFd = native().eventfd()
  const io = make(wakeFd)
  return {
    io,
    waits: true,
    openPorts: (count) => ports.open(count),
    wakeUp: () => native().eventfdSignal(wakeFd),
    close: () => {
      io.close()
      native().close(wakeFd)
      ports.close()
    },
  }
}

const skip = missing('ip', 'sysctl')

for (const [name, make] of ENGINES)
  t.test(name, { skip }, (t) => {
    conformance(t, () => deviceBench(make))
    t.end()
  })

t.test('one non-blocking fd serves one engine after the other', { skip }, (t) => {
  const ports = new Ports()
  t.teardown(() => ports.close())
  const [a, b] = ports.open(2)
  for (const [name, make] of [...ENGINES, ...ENGINES]) {
    const wakeFd = native().eventfd()
    const io = make(wakeFd)
    carryOne(t, name, io, a, b)
    io.close()
    native().close(wakeFd)
  }
  t.end()
})

t.test('a lane that io_uring cannot have keeps no device', { skip }, async (t) => {
  const nursery = new Nursery(t)
  const device = nursery.open(t, 'pinned')
  const wakeFd = native().eventfd()
  const io = new UringIo(wakeFd)
  t.throws(() => io.addLane(0, device.fd, 0x7fff0000), { code: 'EBADF' })
  device.close()
  await until('the end of the device', () => !nursery.ip('link', 'show').includes('pinned'))
  t.pass('it went with its fd')
  io.close()
  native().close(wakeFd)
})

t.test('a stage drops and holds frames of real devices, and every one is accounted for', { skip }, (t) => {
  const ports = new Ports()
  t.teardown(() => ports.close())
  const [a, b] = ports.open(2)
  for (const [name, make] of ENGINES) {
    const wakeFd = native().eventfd()
    const io = make(wakeFd)
    const fail = () => t.fail('nothing fails')
    const scheduler = new Scheduler(io, { gone: fail, readFailed: fail, refused: fail }, [SIEVE, ...STAGES])
    const stages: StageSettings = Object.assign({ gro: null }, { sieve: { dropEvery: 5, holdEvery: 3 } })
    const receiver = { macHigh: 0, macLow: 0, mtu: MTU, stages }
    const [vnetHdrLen, totals] = [VNET_HDR_LEN, createTotals()]
    scheduler.add(new Lane({ index: 0, vnetHdrLen, checksum: 'offload', totals, receiver }), a.fd, b.fd, stages)
    for (let i = 1; i <= 60; i++) a.transmit(frameOf(i))
    const received: number[] = []
    for (const end = performance.now() + 2000; received.length < 48 && performance.now() < end; ) {
      scheduler.turn(20)
      for (let frame = b.receive(); frame !== undefined; frame = b.receive()) received.push(frame[VNET_HDR_LEN + 11])
    }
    const passed = Array.from({ length: 60 }, (_, i) => i + 1).filter((i) => i % 5 !== 0)
    const isHeld = (i: number) => i % 3 === 0
    t.same(received, [...passed.filter((i) => !isHeld(i)), ...passed.filter(isHeld)], name)
    t.match(readTotals(totals), { received_packets: 60n, sent_packets: 48n, drop_no_memory: 12n })
    io.close()
    native().close(wakeFd)
  }
  t.end()
})

t.test('a lane whose reads fail for a while is served afterwards, and costs nothing meanwhile', { skip }, (t) => {
  const ports = new Ports()
  t.teardown(() => ports.close())
  const [a, b] = ports.open(2)
  for (const [name, make] of ENGINES) {
    const wakeFd = native().eventfd()
    const reads = { errno: -ENOMEM }
    const io = failingReads(make(wakeFd), reads)
    const told: [lane: number, errno: number][] = []
    const lanes = new Scheduler(io, {
      gone: () => t.fail('its device is there'),
      readFailed: (...failed) => told.push(failed),
      refused: () => t.fail('nothing is refused'),
    })
    const receiver = { macHigh: 0, macLow: 0, mtu: MTU, stages: {} }
    const [vnetHdrLen, totals] = [VNET_HDR_LEN, createTotals()]
    lanes.add(new Lane({ index: 0, vnetHdrLen, checksum: 'offload', totals, receiver }), a.fd, b.fd, {})
    for (let i = 1; i <= 3; i++) a.transmit(frameOf(i))
    let turns = 0
    for (const end = performance.now() + 100; performance.now() < end; turns++) lanes.turn(20)
    t.ok(turns < 50, `${turns} turns in 100 ms, ${name}`)
    t.same(told, [[0, -ENOMEM]])
    reads.errno = 0
    const received: number[] = []
    for (const end = performance.now() + 2000; received.length < 3 && performance.now() < end; ) {
      lanes.turn(20)
      for (let frame = b.receive(); frame !== undefined; frame = b.receive()) received.push(frame[VNET_HDR_LEN + 11])
    }
    t.same(received, [1, 2, 3], name)
    io.close()
    native().close(wakeFd)
  }
  t.end()
})

/** An engine whose reads answer `reads.errno` while that is not 0; its waits are its own. */
function failingReads(io: FrameIo, reads: { errno: number }): FrameIo {
  const failed: [lane: number, slot: number, errno: number][] = []
  const instead: Partial<FrameIo> = {
    read: (lane, slot) => {
      if (reads.errno === 0) io.read(lane, slot)
      else failed.push([lane, slot, reads.errno])
    },
    submit: (timeoutMs) => io.submit(failed.length > 0 ? 0 : timeoutMs),
    reap: (sink) => {
      for (const [lane, slot, errno] of failed.splice(0)) sink.completed(OP_READ, lane, slot, errno)
      io.reap(sink)
    },
  }
  return new Proxy(io, {
    get: (_, key) => {
      const member = instead[key as keyof FrameIo] ?? io[key as keyof FrameIo]
      return typeof member === 'function' ? (member as () => void).bind(io) : member
    },
  })
}

/** A frame from `a` to `b`, then a wait that is still under way when the engine ends. */
function carryOne(t: Test, name: string, io: FrameIo, a: BenchPort, b: BenchPort): void {
  io.addLane(0, a.fd, b.fd)
  io.wait(0)
  io.submit(0)
  a.transmit(frameOf(1))
  const completed = (_op: number, lane: number, slot: number, result: number): void => {
    if (result > 0) io.write(lane, slot, slot * SLOT_BYTES, result)
    else io.read(lane, MAX_LANES)
  }
  for (let turns = 0; turns < 3; turns++) {
    io.submit(100)
    io.reap({ completed })
  }
  t.same(b.receive(), frameOf(1), name)
  io.wait(0)
  io.submit(0)
}
