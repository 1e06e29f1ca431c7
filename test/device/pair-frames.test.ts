/**
 * Unusual frames: a frame sent into one end by AF_PACKET comes out of the other byte for byte and in order, with each
 * engine and mode of vethd as with kernel veth.
 *
 *         host
 *   ┌──────────────────────────────────────────────┐
 *   │ frames.py send ─ veth1 ═══ veth2 ─ receive   │
 *   └──────────────────────────────────────────────┘
 */
import t, { type Test } from 'tap'
import { type Frame, FrameReceiver, hex, plain, SOURCE, sendFrames } from './harness/frames.js'
import { type Subject, startSubjects, stopSubjects } from './harness/subject.js'
import { DEADLINE_MS, missing, Topology } from './harness/topology.js'

const STRANGER = '02 76 64 00 00 02 # nobody here has this address'

const FRAMES: Record<string, Buffer> = {
  'of 14 bytes, a header and nothing else': hex(STRANGER, SOURCE, '88 b5 # local experimental EtherType 1'),
  'of an unknown EtherType': hex(STRANGER, SOURCE, '88 b5', '00 01 02 03 04 05 06 07 08 09'),
  'to everybody': hex('ff ff ff ff ff ff', SOURCE, '88 b5', 'ca fe'),
  'of 15 bytes': hex(STRANGER, SOURCE, '88 b5', '2a'),
  'of 1514 bytes, all that mtu 1500 allows': hex(STRANGER, SOURCE, '88 b5', '5a'.repeat(1500)),
  'raw 802.3 (Novell)': hex(
    STRANGER,
    SOURCE,
    '00 22          # a length, 34',
    'ff ff          # IPX checksum "none": what tells 802.3 from 802.2',
    '00 22 00 11    # IPX length, hops, type',
    'aa '.repeat(28),
  ),
  '802.2 LLC: a spanning tree BPDU': hex(
    '01 80 c2 00 00 00 # all bridges',
    SOURCE,
    '00 26          # a length, 38',
    '42 42 03       # DSAP and SSAP spanning tree, unnumbered information',
    '00 00 00 00    # protocol, version, configuration BPDU',
    '00             # flags',
    '80 00 02 76 64 00 00 01 # root: priority, address',
    '00 00 00 00    # root path cost',
    '80 00 02 76 64 00 00 01 # bridge',
    '80 01          # port',
    '00 00 14 00 02 00 0f 00 # message age, max age, hello time, forward delay',
    '00 '.repeat(8),
  ),
  LACP: hex(
    '01 80 c2 00 00 02 # slow protocols',
    SOURCE,
    '88 09',
    '01 01          # LACP, version 1',
    '01 14 80 00 02 76 64 00 00 01 00 01 80 00 00 01 05 00 00 00 # actor: system, key, port, state',
    '02 14 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 # partner: not known yet',
    '03 10 00 00    # collector',
    '00 '.repeat(64),
  ),
  LLDP: hex(
    '01 80 c2 00 00 0e # nearest bridge',
    SOURCE,
    '88 cc',
    '02 07 04 02 76 64 00 00 01 # chassis: a MAC address',
    '04 03 05 65 30 # port "e0"',
    '06 02 00 78    # time to live 120 s',
    '00 00          # end',
  ),
  'with a VLAN tag': hex(STRANGER, SOURCE, '81 00 20 2a # 802.1Q, priority 1, VLAN 42', '88 b5', '01 02 03'),
  'of 1518 bytes with a VLAN tag': hex(STRANGER, SOURCE, '81 00 00 2a', '88 b5', 'a5'.repeat(1500)),
  'with two VLAN tags': hex(
    STRANGER,
    SOURCE,
    '88 a8 00 64    # 802.1ad, VLAN 100',
    '81 00 e0 2a    # 802.1Q, priority 7, VLAN 42',
    '88 b5',
    '01 02 03 04',
  ),
}

const LAST = plain(hex(STRANGER, SOURCE, '88 b5', '65 6e 64 # "end"'))

/** From 65536 bytes on (gso_max_size) the sender's kernel cuts a super-frame up itself. */
const SUPER_FRAME_LEN = 65535
const SUPER_PAYLOAD = Buffer.from(
  Uint8Array.from({ length: SUPER_FRAME_LEN - 14 - 20 - 20 }, (_, i) => (i * 31) & 0xff),
)
const SUPER_HEADERS = hex(
  STRANGER,
  SOURCE,
  '08 00',
  '45 00 ff f1    # IPv4, 65521 bytes',
  '00 01 40 00    # id, do not fragment',
  '40 06 b7 b1    # ttl 64, TCP, header checksum',
  'c0 a8 01 01 c0 a8 01 02 # 192.168.1.1 → 192.168.1.2',
  '30 39 00 09 00 00 03 e8 00 00 07 d0 # ports 12345 → 9, seq 1000, ack 2000',
  '50 10 ff ff    # 20 bytes of header, ACK, window',
  '83 38 00 00    # the pseudo-header sum: the rest of the checksum is still to be done',
)
const SUPER_FRAME: Frame = {
  vnet: hex(
    '01             # VIRTIO_NET_HDR_F_NEEDS_CSUM',
    '01             # VIRTIO_NET_HDR_GSO_TCPV4',
    '36 00          # hdr_len 54',
    'b4 05          # gso_size 1460',
    '22 00          # csum_start 34, the TCP header',
    '10 00          # csum_offset 16',
  ),
  bytes: Buffer.concat([SUPER_HEADERS, SUPER_PAYLOAD]),
}

const NEEDS_CSUM = 1

/** What a vnet header promises; hdr_len is a hint, and DATA_VALID says nothing about the bytes. */
function offloads({ vnet }: Frame) {
  return {
    needsCsum: vnet[0] & NEEDS_CSUM,
    gsoType: vnet[1],
    gsoSize: vnet.readUInt16LE(4),
    ...(vnet[0] & NEEDS_CSUM && { csumStart: vnet.readUInt16LE(6), csumOffset: vnet.readUInt16LE(8) }),
  }
}

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'python3')

t.test('frames by AF_PACKET', { skip }, async (t) => {
  const topology = Topology.of(t)
  const subjects = await startSubjects(topology, await topology.namespace('host'))
  for (const subject of subjects) await t.test(subject.name, (t) => suite(t, subject))
  t.same(await stopSubjects(subjects), [0, 0], 'the daemons end when asked')
})

async function suite(t: Test, subject: Subject): Promise<void> {
  const { host } = subject
  await subject.batch([subject.newPair('veth1', 'veth2'), 'link set veth1 up', 'link set veth2 up'])
  t.teardown(() => subject.do('link del veth1'))

  await t.test('odd frames arrive byte for byte and in order', async (t) => {
    const receiver = await FrameReceiver.on(host, 'veth2')
    const sent = [...Object.values(FRAMES).map(plain), LAST]
    t.same(new Set(await sendFrames(host, 'veth1', sent)), new Set(['sent']))
    const received = await receiver.framesUntil(LAST)
    const names = [...Object.keys(FRAMES), 'the last']
    t.equal(received.length, sent.length)
    for (const [i, name] of names.entries()) {
      t.equal(received[i]?.bytes.toString('hex'), sent[i].bytes.toString('hex'), name)
      t.same(received[i] && offloads(received[i]), { needsCsum: 0, gsoType: 0, gsoSize: 0 }, `${name}: no offloads`)
    }
    receiver.stop()
  })

  await t.test('a super-frame of 65535 bytes arrives whole, or as the segments it stands for', async (t) => {
    const receiver = await FrameReceiver.on(host, 'veth2')
    t.same(await sendFrames(host, 'veth1', [SUPER_FRAME, LAST]), ['sent', 'sent'])
    const segments = (await receiver.framesUntil(LAST)).slice(0, -1)
    if (subject.checksum === 'offload') {
      t.equal(segments.length, 1)
      t.ok(segments[0]?.bytes.equals(SUPER_FRAME.bytes), 'the same bytes')
      t.same(offloads(segments[0]), offloads(SUPER_FRAME), 'the same offloads')
    } else {
      t.equal(segments.length, Math.ceil(SUPER_PAYLOAD.length / 1460))
      const payload = Buffer.concat(segments.map(({ bytes }) => bytes.subarray(SUPER_HEADERS.length)))
      t.ok(payload.equals(SUPER_PAYLOAD), 'the same payload')
      t.ok(
        segments.every((segment) => offloads(segment).needsCsum === 0),
        'no checksum is left to be done',
      )
    }
    receiver.stop()
  })
}
