/**
 * Carrier and counters of a pair, compared with kernel veth after the same commands and frames. The `veth` block shows
 * the same as the kernel, and the counters of both ends balance at rest.
 */
import { closeSync } from 'node:fs'
import t from 'tap'
import { resolveNetns } from '../../src/netlink/netns.js'
import { changeDevice } from '../../src/veth/change.js'
import type { Device, Pair } from '../../src/veth/device.js'
import { Driver } from '../../src/veth/driver.js'
import { type DeviceStats, deviceStats } from '../../src/veth/stats.js'
import { atRest, kernelLink } from './harness/counters.js'
import {
  type Classified,
  classified,
  classifier,
  type Frame,
  FrameReceiver,
  hex,
  plain,
  SOURCE,
  sendFrames,
} from './harness/frames.js'
import { until } from './harness/processes.js'
import { missing, type Namespace, Topology } from './harness/topology.js'

const skip = missing('ip', 'python3')
t.setTimeout(60_000)

/** Two namespaces with a kernel pair veth1-veth2 and one of vethd's beside it, vethd1-vethd2. */
class Twins {
  readonly one: Namespace
  readonly two: Namespace
  readonly pair: Pair

  private constructor(one: Namespace, two: Namespace, pair: Pair) {
    this.one = one
    this.two = two
    this.pair = pair
  }

  static async make(topology: Topology): Promise<Twins> {
    const [one, two] = [await topology.namespace('one'), await topology.namespace('two')]
    for (const ns of [one, two]) await ns.sysctl('net.ipv6.conf.default.disable_ipv6', 1)
    await one.do(`ip link add veth1 type veth peer name veth2 netns ${two.name}`)
    const driver = await Driver.open({ workers: 1 })
    topology.defer(() => driver.close())
    const [dev, peer] = [one, two].map(({ name }) => resolveNetns(name))
    const pair = await driver.addPair({
      dev: { name: 'vethd1', netnsFd: dev },
      peer: { name: 'vethd2', netnsFd: peer },
    })
    closeSync(dev)
    closeSync(peer)
    return new Twins(one, two, pair)
  }

  /** The namespace of end 1 or 2. */
  at(end: 1 | 2): Namespace {
    return end === 1 ? this.one : this.two
  }

  /** `ip link set DEV …` for both twins of an end. */
  async set(end: 1 | 2, change: string): Promise<void> {
    for (const kind of ['veth', 'vethd']) await this.at(end).do(`ip link set ${kind}${end} ${change}`)
  }

  async send(from: 1 | 2, frames: Frame[]): Promise<[kernel: string[], vethd: string[]]> {
    return [
      await sendFrames(this.at(from), `veth${from}`, frames),
      await sendFrames(this.at(from), `vethd${from}`, frames),
    ]
  }

  /** What the kernels of both twins' second ends make of frames that the first ones send. */
  async classify(frames: Frame[]): Promise<Classified[][]> {
    const scripts = await Promise.all(['veth2', 'vethd2'].map((dev) => classifier(this.two, dev)))
    await this.send(1, frames)
    return Promise.all(scripts.map((script) => classified(script, frames)))
  }

  device(end: 1 | 2): Device {
    return end === 1 ? this.pair.a : this.pair.b
  }

  /** Both ends of both twins say that there is a carrier, or that there is none. */
  async carrier(expected: boolean): Promise<void> {
    for (const kind of ['veth', 'vethd'])
      for (const end of [1, 2] as const)
        await until(`${kind}${end} to have ${expected ? 'a' : 'no'} carrier`, async () => {
          const { flags } = await kernelLink({ ns: this.at(end), dev: `${kind}${end}` })
          return flags.includes('LOWER_UP') === expected
        })
  }

  /** Flags as `ip` shows them, of both twins; kernel veth's own M-DOWN is about a link that a TAP has not. */
  async flags(end: 1 | 2): Promise<string[][]> {
    const links = ['veth', 'vethd'].map((kind) => kernelLink({ ns: this.at(end), dev: `${kind}${end}` }))
    return (await Promise.all(links)).map(({ flags }) => flags.filter((flag) => flag !== 'M-DOWN').sort())
  }

  /** What kernel veth counted, and vethd's `veth` block, in the same shape. */
  async counts(end: 1 | 2): Promise<{ kernel: object; vethd: object }> {
    const { rx, tx } = (await atRest(() => kernelLink({ ns: this.at(end), dev: `veth${end}` }))).stats64
    const { veth } = await atRest(async () => deviceStats(this.device(end)))
    const pick = <N>({ packets, bytes, dropped }: { packets: N; bytes: N; dropped: N }) => ({
      packets: Number(packets),
      bytes: Number(bytes),
      dropped: Number(dropped),
    })
    return { kernel: { rx: pick(rx), tx: pick(tx) }, vethd: { rx: pick(veth.rx), tx: pick(veth.tx) } }
  }
}

function frame(destination: string, type: string, len = 60): Frame {
  const head = hex(destination, SOURCE, type)
  return plain(Buffer.concat([head, Buffer.alloc(len - head.length, 0x5a)]))
}

const TO_ALL = 'ff ff ff ff ff ff'
const TO_NOBODY = '02 76 64 00 00 02'

const OTHER = '02 76 64 00 00 03'
/** A group address. */
const GROUP = '03 76 64 00 00 03'

/** What stands behind the addresses: EtherTypes and lengths, with what tells them apart. */
const PROTOCOLS = [
  '08 00 45',
  '08 06',
  '86 dd 60',
  '81 00 00 0a 08 00 45 00',
  '88 a8 00 64 81 00 00 0a 08 00',
  '91 00 00 0a 08 00',
  '88 b5',
  'ff ff ff ff',
  '06 00 ff ff',
  '05 ff ff ff',
  '00 22 ff ff 00 22',
  '00 22 ff fe',
  '00 22 42 42 03',
  '00 08 aa aa 03 00 00 00 08 00',
  '00 01 ff',
  '00 00',
]

/** By PACKET_* and ETH_P_* as the kernel numbers them. */
const CLASSES = ['host', 'broadcast', 'multicast', 'otherhost']
const COUNTED_AS: Record<number, string> = {
  2048: 'ipv4',
  34525: 'ipv6',
  2054: 'arp',
  33024: 'vlan',
  34984: 'vlan',
  1: '802.3',
  4: '802.2',
}

const colons = (address: string): string => address.replaceAll(' ', ':')

/** An address with its last bit the other way round. */
function nearly(address: string): string {
  const bytes = hex(address.replaceAll(':', ' '))
  bytes[5] ^= 1
  return bytes.toString('hex')
}

function tally(names: string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

/** The counters that have grown, and by how much. */
function grown(before: Record<string, bigint>, after: Record<string, bigint>): Record<string, number> {
  const changes = Object.keys(after).map((name) => [name, Number(after[name] - before[name])] as const)
  return Object.fromEntries(changes.filter(([, change]) => change !== 0))
}

t.test('beside kernel veth', { skip }, async (t) => {
  const topology = Topology.of(t)
  const twins = await Twins.make(topology)

  await t.test('there is a carrier while both ends are up, whichever went up or down', async (t) => {
    const same = async (what: string): Promise<void> => {
      for (const end of [1, 2] as const) {
        const [kernel, vethd] = await twins.flags(end)
        t.same(vethd, kernel, `${what}: end ${end}`)
      }
    }
    await twins.carrier(false)
    await same('both down')
    await twins.set(1, 'up')
    await until('it to be seen', () => twins.pair.a.known?.up === true)
    await twins.carrier(false)
    await same('one up')
    await twins.set(2, 'up')
    await twins.carrier(true)
    await same('both up')
    await twins.set(1, 'down')
    await twins.carrier(false)
    await same('the other up')
    await twins.set(1, 'up')
    await twins.carrier(true)
    await same('both up again')
  })

  await t.test('frames of every class and length are counted alike', async (t) => {
    const frames = [
      frame(TO_ALL, '08 06'),
      frame('33 33 00 00 00 01', '86 dd', 90),
      frame('01 80 c2 00 00 0e', '88 cc', 200),
      frame(TO_NOBODY, '08 00', 1514),
      frame(TO_NOBODY, '00 2e 42 42', 60),
      frame(TO_NOBODY, '81 00 00 0a 08 00', 1518),
      frame(TO_NOBODY, '88 b5', 14 + 8),
    ]
    const receivers = [await FrameReceiver.on(twins.two, 'veth2'), await FrameReceiver.on(twins.two, 'vethd2')]
    const [kernel, vethd] = await twins.send(1, frames)
    t.same(vethd, kernel)
    for (const receiver of receivers) {
      await receiver.framesUntil(frames[frames.length - 1])
      receiver.stop()
    }
    for (const end of [1, 2] as const) {
      const counts = await twins.counts(end)
      t.same(counts.vethd, counts.kernel, `end ${end}`)
    }
    const { classes, protocols } = deviceStats(twins.pair.a)
    t.match(classes, { host: 0n, broadcast: 1n, multicast: 2n, otherhost: 4n })
    t.match(protocols, { arp: 1n, ipv6: 1n, ipv4: 1n, vlan: 1n, '802.2': 1n, '802.3': 0n, other: 2n })
  })

  await t.test("classes and protocols are what the receiver's kernel makes of each frame", async (t) => {
    const { a, b } = twins.pair
    const changes: [name: string, change: string, seen: () => boolean][] = [
      ['as it was born', `address ${b.record.address}`, () => true],
      ['with another address', `address ${colons(OTHER)}`, () => b.known?.address === colons(OTHER)],
      ['with another broadcast address', `broadcast ${colons(GROUP)}`, () => b.known?.broadcast === colons(GROUP)],
      ['with that of everybody again', `broadcast ${colons(TO_ALL)}`, () => b.known?.broadcast === colons(TO_ALL)],
    ]
    const destinations = [
      b.record.address,
      nearly(b.record.address),
      OTHER,
      nearly(OTHER),
      GROUP,
      '01 80 c2 00 00 00',
      TO_ALL,
      TO_NOBODY,
    ]
    // as many of each as of no other: a counter says which they were
    const frames = destinations.flatMap((to, i) =>
      PROTOCOLS.slice(i).map((rest) => plain(hex(to.replaceAll(':', ' '), SOURCE, rest))),
    )
    for (const [name, change, seen] of changes) {
      await twins.set(2, change)
      await until('it to be seen', seen)
      const before = deviceStats(a)
      const [veth, vethd] = await twins.classify(frames)
      t.same(vethd, veth, `${name}: what arrives`)
      const after = await atRest(async () => deviceStats(a))
      t.same(tally(vethd.map(({ packetType }) => CLASSES[packetType])), grown(before.classes, after.classes), name)
      t.same(
        tally(vethd.map(({ protocol }) => COUNTED_AS[protocol] ?? 'other')),
        grown(before.protocols, after.protocols),
        name,
      )
    }
  })

  await t.test('frames that are too long are counted alike, at both ends', async (t) => {
    await twins.set(2, 'mtu 1000')
    await until('it to be seen', () => twins.pair.b.known?.mtu === 1000)
    const [kernel, vethd] = await twins.send(1, [frame(TO_ALL, '88 b5', 1019), frame(TO_ALL, '88 b5', 1018)])
    t.same(vethd, kernel)
    for (const end of [1, 2] as const) {
      const counts = await twins.counts(end)
      t.same(counts.vethd, counts.kernel, `end ${end}`)
    }
  })

  await t.test('frames to a peer that is down are counted alike, and called peer_down', async (t) => {
    await twins.set(2, 'down')
    await twins.carrier(false)
    const [kernel, vethd] = await twins.send(1, [
      frame(TO_ALL, '08 06'),
      frame(TO_ALL, '08 06'),
      frame(TO_ALL, '08 06'),
    ])
    t.same(vethd, kernel)
    for (const end of [1, 2] as const) {
      const counts = await twins.counts(end)
      t.same(counts.vethd, counts.kernel, `end ${end}`)
    }
    t.match(deviceStats(twins.pair.a).drops, { peer_down: 3n, tap_ring_full: 0n, too_long: 1n })
    await twins.set(2, 'up')
    await twins.carrier(true)
    t.match(deviceStats(twins.pair.a).drops, { peer_down: 3n, tap_ring_full: 0n }, 'also once the carrier is back')
  })

  await t.test('frames written while the peer goes down are counted where they were lost', async (t) => {
    for (let round = 0; round < 5; round++) {
      const sending = sendFrames(twins.one, 'vethd1', Array(300).fill(frame(TO_ALL, '08 06')))
      await twins.two.do('ip link set vethd2 down')
      await twins.two.do('ip link set vethd2 up')
      await sending
      await twins.carrier(true)
    }
    const stats = await atRest(async () => [deviceStats(twins.pair.a), deviceStats(twins.pair.b)] as const)
    t.same(imbalance(...stats), { handedOver: 0n, read: 0n, written: 0n })
  })

  await t.test('a ring that is full is told from everything else', async (t) => {
    const { pair } = twins
    const before = deviceStats(pair.a)
    changeDevice(pair.a, { txqueuelen: 1 })
    const flood = `
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('vethd1', 0))
lost = 0
for i in range(20000):
    try: s.send(bytes.fromhex('${frame(TO_ALL, '88 b5', 60).bytes.toString('hex')}'))
    except OSError: lost += 1
print(lost)`
    const refused = BigInt(await twins.one.do(['python3', '-c', flood]))
    const [a, b] = await atRest(async () => [deviceStats(pair.a), deviceStats(pair.b)] as const)
    t.same(imbalance(a, b), { handedOver: 0n, read: 0n, written: 0n })
    t.equal(a.drops.tap_ring_full - before.drops.tap_ring_full, refused)
    t.equal(a.drops.peer_down, before.drops.peer_down)
    changeDevice(pair.a, { txqueuelen: 256 })
  })
})

/** Frames that no counter explains, of those that device a transmitted: three zeros, or a bug. */
function imbalance(a: DeviceStats, b: DeviceStats): { handedOver: bigint; read: bigint; written: bigint } {
  const drops = Object.values(a.drops).reduce((sum, count) => sum + count, 0n)
  return {
    handedOver: a.kernel.txPackets + a.kernel.txDropped - b.kernel.rxPackets - drops,
    read: a.kernel.txPackets - a.read.packets,
    written: b.kernel.rxPackets - b.written.packets,
  }
}
