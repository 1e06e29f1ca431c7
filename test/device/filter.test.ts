/**
 * The length filter, compared with kernel veth byte by byte. A frame that the peer's MTU does not allow is refused in
 * the sender's own system call, other frames pass, and a change of the MTU is effective at once.
 *
 *     one: frames.py send ─ veth1 ═══ veth2 ─ receive :two
 */
import { closeSync } from 'node:fs'
import t from 'tap'
import { native } from '../../native-bindings/index.js'
import { resolveNetns } from '../../src/netlink/netns.js'
import type { Pair } from '../../src/veth/device.js'
import { Driver } from '../../src/veth/driver.js'
import { deviceStats } from '../../src/veth/stats.js'
import { atRest, kernelLink } from './harness/counters.js'
import { type Frame, FrameReceiver, hex, plain, SOURCE, sendFrames } from './harness/frames.js'
import { until } from './harness/processes.js'
import { missing, type Namespace, Topology } from './harness/topology.js'

const skip = missing('ip', 'python3')
t.setTimeout(60_000)

const TO = '02 76 64 00 00 02'
const ETH_HLEN = 14
const END = plain(hex(TO, SOURCE, '88 b5', '65 6e 64'))

/** A frame of `len` bytes, header included. */
function frameOfLen(len: number): Frame {
  return plain(Buffer.concat([hex(TO, SOURCE, '88 b5'), Buffer.alloc(len - ETH_HLEN, 0x5a)]))
}

/** struct virtio_net_hdr of TCP over IPv4 in segments of 1000 bytes, its checksum left to the device. */
const TCP_SEGMENTS = hex('01 01 36 00', 'e8 03 22 00 10 00')

/** 5000 bytes of TCP in one super-frame. */
function superFrame(): Frame {
  const payload = 5000
  const total = 40 + payload
  const ip = Buffer.from(hex('45 00 00 00 00 01 40 00 40 06 00 00 c0 00 02 01 c0 00 02 02'))
  ip.writeUInt16BE(total, 2)
  const tcp = hex('04 00 04 00 00 00 00 01 00 00 00 01 50 10 ff ff 00 00 00 00')
  return { vnet: TCP_SEGMENTS, bytes: Buffer.concat([hex(TO, SOURCE, '08 00'), ip, tcp, Buffer.alloc(payload)]) }
}

interface Ends {
  one: Namespace
  two: Namespace
  /** Absent for kernel veth. */
  pair?: Pair
}

const SUBJECTS: [name: string, make: (topology: Topology, one: Namespace, two: Namespace) => Promise<Ends>][] = [
  [
    'kernel veth',
    async (_topology, one, two) => {
      await one.do(`ip link add veth1 type veth peer name veth2 netns ${two.name}`)
      return { one, two }
    },
  ],
  [
    'vethd',
    async (topology, one, two) => {
      const driver = await Driver.open({ workers: 1 })
      topology.defer(() => driver.close())
      const [dev, peer] = [one, two].map(({ name }) => resolveNetns(name))
      const pair = await driver.addPair({
        dev: { name: 'veth1', netnsFd: dev },
        peer: { name: 'veth2', netnsFd: peer },
      })
      closeSync(dev)
      closeSync(peer)
      return { one, two, pair }
    },
  ],
]

for (const [name, make] of SUBJECTS)
  t.test(name, { skip }, async (t) => {
    const topology = Topology.of(t)
    const [one, two] = [await topology.namespace('one'), await topology.namespace('two')]
    for (const ns of [one, two]) await ns.sysctl('net.ipv6.conf.default.disable_ipv6', 1)
    const { pair } = await make(topology, one, two)
    await one.do('ip link set veth1 up')
    await two.do('ip link set veth2 up')
    await until('the carrier', async () => (await kernelLink({ ns: one, dev: 'veth1' })).flags.includes('LOWER_UP'))
    const receiver = await FrameReceiver.on(two, 'veth2')
    let rounds = 0

    /** Sends frames and one more, and waits for that: the answers, the lengths that arrived, what veth1 counted. */
    const send = async (frames: Frame[]) => {
      const end = plain(Buffer.concat([END.bytes, Buffer.of(rounds++)]))
      const before = (await kernelLink({ ns: one, dev: 'veth1' })).stats64.tx
      const tooLong = tooLongOf(pair)
      const answers = await sendFrames(one, 'veth1', [...frames, end])
      const arrived = await receiver.framesUntil(end)
      const { packets, dropped } = (await kernelLink({ ns: one, dev: 'veth1' })).stats64.tx
      const lengths = arrived.slice(alreadyArrived, -1).map(({ bytes }) => bytes.length)
      alreadyArrived = arrived.length
      return {
        answers: answers.slice(0, -1),
        lengths,
        packets: packets - before.packets - 1,
        dropped: dropped - before.dropped,
        tooLong: pair === undefined ? dropped - before.dropped : tooLongOf(pair) - tooLong,
      }
    }
    let alreadyArrived = 0

    for (const mtu of [1500, 68, 9000, 1400])
      await t.test(`at an MTU of ${mtu}, set live, the limit is exact`, async (t) => {
        await two.do(`ip link set veth2 mtu ${mtu}`)
        if (pair !== undefined) await until('the change to be seen', () => pair.b.known?.mtu === mtu)
        await one.do('ip link set veth1 mtu 9100')
        const fits = [ETH_HLEN, mtu + 14, mtu + 17, mtu + 18]
        const long = [mtu + 19, mtu + 20, 9100]
        t.match(await send([...fits, ...long].map(frameOfLen)), {
          answers: [...fits.map(() => 'sent'), ...long.map(() => 'ENOBUFS')],
          lengths: fits,
          packets: fits.length,
          dropped: long.length,
          tooLong: long.length,
        })
      })

    await t.test('a super-frame is judged by its segments', async (t) => {
      const frame = superFrame()
      t.match(await send([frame]), { answers: ['sent'], lengths: [frame.bytes.length], dropped: 0, packets: 1 })
    })

    if (pair !== undefined)
      await t.test('without the filter vethd drops, and counts what the sender is not told', async (t) => {
        native().tapSetFilter(pair.a.fd, -1)
        t.match(await send([1418, 1419, 9100].map(frameOfLen)), {
          answers: ['sent', 'sent', 'sent'],
          lengths: [1418],
          packets: 3,
          dropped: 0,
          tooLong: 2,
        })
        await two.do('ip link set veth2 mtu 2000')
        await until('the change to be seen', () => pair.b.known?.mtu === 2000)
        t.match(await send([2018, 2019].map(frameOfLen)), { lengths: [2018], tooLong: 1 })
        const { read, written, drops } = await atRest(async () => deviceStats(pair.a))
        t.equal(written.packets, 0n, 'nothing came the other way')
        t.equal(deviceStats(pair.b).written.packets, read.packets - 3n)
        t.equal(drops.too_long, BigInt(4 * 3 + 3))
      })
    receiver.stop()
  })

function tooLongOf(pair?: Pair): number {
  return pair === undefined ? 0 : Number(deviceStats(pair.a).drops.too_long)
}
