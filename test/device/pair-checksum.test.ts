/**
 * The checksum modes on real devices: `offload` changes nothing, `software` completes a checksum that the sender left
 * to its device, `verify` drops and counts each bad checksum.
 *
 *     host:  frames.py send ─ veth1 ═══ veth2 ─ receive
 */
import t, { type Test } from 'tap'
import { accounts, ledger, unexplained } from './harness/counters.js'
import { type Frame, FrameReceiver, hex, plain, SOURCE, sendFrames } from './harness/frames.js'
import { type Subject, startSubjects, stopSubjects } from './harness/subject.js'
import { DEADLINE_MS, missing, Topology } from './harness/topology.js'

const TO = '02 76 64 00 00 02'
const IPV4_ADDRESSES = 'c0 a8 01 01 c0 a8 01 02 # 192.168.1.1 → 192.168.1.2'
const IPV6_ADDRESSES = 'fd 00 '.concat('00 '.repeat(13), '01', 'fd 00 ', '00 '.repeat(13), '02')
const TEXT = '76 65 74 68 # "veth"'

const LAST = plain(hex(TO, SOURCE, '88 b5', '65 6e 64'))

/** Each protocol with its right checksum; `at` is where the checksum lies in the frame. */
const CHECKSUMMED: Record<string, { at: number; bytes: Buffer }> = {
  ipv4: {
    at: 14 + 10,
    bytes: hex(TO, SOURCE, '08 00', '45 00 00 28 00 01 00 00 40 06 f7 7b', IPV4_ADDRESSES, ...tcpSyn('f8 64')),
  },
  tcp: {
    at: 14 + 20 + 16,
    bytes: hex(TO, SOURCE, '08 00', '45 00 00 28 00 01 00 00 40 06 f7 7b', IPV4_ADDRESSES, ...tcpSyn('f8 64')),
  },
  udp: {
    at: 14 + 20 + 6,
    bytes: hex(TO, SOURCE, '08 00', '45 00 00 20 00 01 00 00 40 11 f7 78', IPV4_ADDRESSES, ...udp('61 72')),
  },
  icmp: {
    at: 14 + 20 + 2,
    bytes: hex(
      TO,
      SOURCE,
      '08 00',
      '45 00 00 20 00 01 00 00 40 01 f7 88',
      IPV4_ADDRESSES,
      '08 00 0d 30 00 01 00 01 # echo request, checksum, id, sequence',
      TEXT,
    ),
  },
  icmpv6: {
    at: 14 + 40 + 2,
    bytes: hex(
      TO,
      SOURCE,
      '86 dd',
      '60 00 00 00 00 0c 3a 40 # 12 bytes of ICMPv6, hop limit 64',
      IPV6_ADDRESSES,
      '80 00 9a e4 00 01 00 01 # echo request, checksum, id, sequence',
      TEXT,
    ),
  },
}

/** Frames whose checksum field says nothing that could be wrong. */
const UNCHECKED = [
  hex(TO, SOURCE, '08 00', '45 00 00 20 00 01 00 00 40 11 f7 78', IPV4_ADDRESSES, ...udp('00 00 # none')),
  hex(TO, SOURCE, '08 00', '45 00 00 20 00 01 20 00 40 11 d7 78 # a fragment', IPV4_ADDRESSES, ...udp('de ad')),
]

/**
 * A UDP datagram as a stack hands it to a device that offers checksumming: the pseudo-header sum stands in the field.
 */
const UNFINISHED: Frame = {
  vnet: hex('01 # NEEDS_CSUM', '00', '00 00', '00 00', '22 00 # csum_start 34', '06 00 # csum_offset 6'),
  bytes: hex(TO, SOURCE, '08 00', '45 00 00 20 00 01 00 00 40 11 f7 78', IPV4_ADDRESSES, ...udp('83 71')),
}
const FINISHED = CHECKSUMMED.udp.bytes

function udp(checksum: string): string[] {
  return ['30 39 00 09 00 0c # ports 12345 → 9, 12 bytes', checksum, TEXT]
}

function tcpSyn(checksum: string): string[] {
  return ['30 39 00 09 00 00 03 e8 00 00 00 00 50 02 ff ff # SYN', checksum, '00 00']
}

/** The same frame with one bit of its checksum flipped. */
function corrupted({ at, bytes }: { at: number; bytes: Buffer }): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] ^= 1
  return copy
}

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'python3')

t.test('checksums', { skip }, async (t) => {
  const topology = Topology.of(t)
  const host = await topology.namespace('host')
  await host.sysctl('net.ipv6.conf.default.disable_ipv6', 1)
  const subjects = await startSubjects(topology, host)
  for (const subject of subjects) await t.test(subject.name, (t) => suite(t, subject))
  t.same(await stopSubjects(subjects), [0, 0], 'the daemons end when asked')
})

async function suite(t: Test, subject: Subject): Promise<void> {
  const { host } = subject
  await subject.batch([subject.newPair('veth1', 'veth2'), 'link set veth1 up', 'link set veth2 up'])
  t.teardown(() => subject.do('link del veth1'))
  const good = Object.values(CHECKSUMMED).map(({ bytes }) => bytes)
  const bad = Object.values(CHECKSUMMED).map(corrupted)
  const arrivalsOf = async (frames: Frame[]) => {
    const receiver = await FrameReceiver.on(host, 'veth2')
    await sendFrames(host, 'veth1', [...frames, LAST])
    const received = (await receiver.framesUntil(LAST)).slice(0, -1)
    receiver.stop()
    return received
  }
  const hexes = (frames: Buffer[]) => frames.map((bytes) => bytes.toString('hex'))

  await t.test('good checksums and absent ones pass', async (t) => {
    const received = await arrivalsOf([...good, ...UNCHECKED].map(plain))
    t.same(hexes(received.map(({ bytes }) => bytes)), hexes([...good, ...UNCHECKED]))
  })

  await t.test(`bad checksums ${subject.checksum === 'verify' ? 'are dropped' : 'pass, as with veth'}`, async (t) => {
    const received = await arrivalsOf(bad.map(plain))
    t.same(hexes(received.map(({ bytes }) => bytes)), subject.checksum === 'verify' ? [] : hexes(bad))
  })

  await t.test('a checksum that the sender left undone is passed on undone, or finished', async (t) => {
    const [received] = await arrivalsOf([UNFINISHED])
    const expected = subject.checksum === 'offload' ? UNFINISHED : plain(FINISHED)
    t.equal(received.bytes.toString('hex'), expected.bytes.toString('hex'))
    t.equal(received.vnet[0] & 1, expected.vnet[0], 'NEEDS_CSUM')
  })

  await t.test('every drop has its reason', async (t) => {
    const [sender, receiver] = await accounts(subject, { ns: host, dev: 'veth1' }, { ns: host, dev: 'veth2' })
    const books = ledger(sender, receiver)
    t.equal(unexplained(books), 0, JSON.stringify(books))
    if (!sender.stats) return
    const { vethd } = sender.stats
    const each = subject.checksum === 'verify' ? 1 : 0
    t.equal(vethd.drops.bad_checksum, each * bad.length)
    t.same(vethd.checksum_errors, { ipv4: each, tcp: each, udp: each, icmp: each, icmpv6: each })
  })
}
