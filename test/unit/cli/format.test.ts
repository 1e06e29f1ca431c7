/** The output of `link show` and `stats`. test/daemon compares it with `ip` for the same device. */
import t from 'tap'
import type { Device, DeviceStats } from '../../../src/api/schema.js'
import { type Appearance, appearanceOf, humanNumber } from '../../../src/cli/appearance.js'
import { formatJson } from '../../../src/cli/json.js'
import { linkJson, linkText as linkTextAs } from '../../../src/cli/link-format.js'
import { statsJson, statsText } from '../../../src/cli/stats-format.js'

const PAST_2_53 = '9007199254740993'
const zeros = <N extends string>(...names: N[]) =>
  Object.fromEntries(names.map((name) => [name, '0'])) as Record<N, string>

const stats64: Device['stats64'] = {
  rx: {
    ...zeros('packets', 'errors', 'dropped', 'over_errors', 'multicast', 'compressed', 'length_errors', 'crc_errors'),
    ...zeros('frame_errors', 'fifo_errors', 'missed_errors', 'nohandler'),
    bytes: PAST_2_53,
  },
  tx: {
    ...zeros('bytes', 'packets', 'errors', 'dropped', 'carrier_errors', 'collisions', 'compressed', 'aborted_errors'),
    ...zeros('fifo_errors', 'window_errors', 'heartbeat_errors'),
  },
}

const vethd = {
  pair: 1,
  side: 'a',
  peer: 'veth2',
  peer_ifindex: 8,
  peer_netns: 't2',
  peer_netns_inode: 4026532209,
  netns: 't1',
  netns_inode: 4026532208,
  checksum: 'offload',
} as const
const fate = {
  drops: { peer_down: '2', too_long: '0' },
  veth: { rx: { packets: '12', bytes: '1080', dropped: '0' }, tx: { packets: '9', bytes: '540', dropped: '2' } },
}

const plain = appearanceOf({ oneline: false, human: false, iec: false, color: 'never' })
const linkText = (device: Device, show: Parameters<typeof linkTextAs>[1], look: Appearance = plain) =>
  linkTextAs(device, show, look)

const device: Device = {
  ifindex: 7,
  ifname: 'veth1',
  flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'],
  mtu: 1500,
  qdisc: 'noqueue',
  master: 'br0',
  operstate: 'UP',
  linkmode: 'DEFAULT',
  group: 'default',
  txqlen: 256,
  link_type: 'ether',
  address: '02:00:00:00:00:01',
  broadcast: 'ff:ff:ff:ff:ff:ff',
  promiscuity: 1,
  min_mtu: 68,
  max_mtu: 65521,
  linkinfo: { info_kind: 'tun' },
  num_tx_queues: 1,
  num_rx_queues: 1,
  gso_max_size: 65536,
  gso_max_segs: 65535,
  carrier_changes: 2,
  altnames: [],
  stats64,
  vethd: { ...vethd, gro_flush_us: 0, ...fate },
}

t.test('a link is two lines as ip prints them, and one of vethd', async (t) => {
  t.equal(
    linkText(device, { statistics: 0, details: false }),
    `7: veth1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master br0 state UP mode DEFAULT group default qlen 256
    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff
    vethd pair 1/a netns t1 peer veth2 checksum offload
`,
  )
})

t.test('how long runs may be held is shown where they are', async (t) => {
  const text = linkText({ ...device, vethd: { ...device.vethd, gro_flush_us: 50 } }, { statistics: 0, details: false })
  t.match(text, '    vethd pair 1/a netns t1 peer veth2 checksum offload gro-flush-us 50\n')
})

t.test('a namespace without a name is shown by its inode, a peer that is gone by a dash', async (t) => {
  const text = linkText(
    { ...device, vethd: { ...device.vethd, netns: null, peer: null } },
    { statistics: 0, details: false },
  )
  t.match(text, 'vethd pair 1/a netns net:[4026532208] peer - checksum offload')
})

t.test('details say where the peer is', async (t) => {
  const details = (change: Partial<Device['vethd']>) =>
    linkText({ ...device, vethd: { ...device.vethd, ...change } }, { statistics: 0, details: true })
  t.match(details({}), '\n    vethd pair 1/a netns t1 peer veth2 peer-ifindex 8 peer-netns t2 checksum offload\n')
  t.match(details({ peer_netns: null }), ' peer-ifindex 8 peer-netns net:[4026532209] checksum ')
  const gone = { peer: null, peer_ifindex: null, peer_netns: null, peer_netns_inode: null }
  t.match(details(gone), '\n    vethd pair 1/a netns t1 peer - checksum offload\n')
  const { vethd } = linkJson(device, { statistics: 0, details: false }) as { vethd: object }
  t.match(vethd, { peer: 'veth2', peer_ifindex: 8, peer_netns: 't2', peer_netns_inode: 4026532209 })
})

t.test('a number for people has three digits or so, rounded as printf rounds', async (t) => {
  const shown = (iec: boolean, ...counts: number[]) => counts.map((count) => humanNumber(`${count}`, iec))
  t.same(shown(false, 0, 999, 1000, 1601, 2125, 2135, 9999), ['0', '999', '1.00k', '1.60k', '2.12k', '2.13k', '10.00k'])
  t.same(shown(false, 12_250, 12_350, 100_500, 999_999), ['12.2k', '12.3k', '100k', '1000k'])
  t.same(humanNumber('18446744073709551615', false), '18.4E')
  t.same(shown(true, 1023, 1024, 1536, 2 ** 20), ['1023', '1.00ki', '1.50ki', '1.00Mi'])
})

t.test('colours are bold on a dark background, and only where they are wanted', async (t) => {
  const wishes = { oneline: false, human: false, iec: false }
  const paint = (color: 'never' | 'auto' | 'always', isTerminal: boolean, background?: string) =>
    appearanceOf({ ...wishes, color }, isTerminal, background).paint('x', 'name')
  t.equal(paint('always', false), '\x1b[36mx\x1b[0m')
  t.equal(paint('always', false, '15;0'), '\x1b[1;36mx\x1b[0m')
  t.equal(paint('always', false, '0;15'), '\x1b[36mx\x1b[0m')
  t.equal(paint('auto', false), 'x')
  t.equal(paint('auto', true), '\x1b[36mx\x1b[0m')
  t.equal(paint('never', true), 'x')
})

t.test('columns grow with the widest counter', async (t) => {
  const text = linkText(device, { statistics: 1, details: false })
  t.match(text, '    RX:        bytes packets errors dropped  missed   mcast           \n    9007199254740993       0')
  t.match(text, '    TX:        bytes packets errors dropped carrier collsns           \n                   0       0')
})

t.test('with -s comes what became of the frames, and what veth would show', async (t) => {
  const text = linkText(device, { statistics: 1, details: false })
  const expected = [
    '    vethd pair 1/a netns t1 peer veth2 checksum offload',
    '    vethd drops peer_down 2',
    '    veth RX: bytes packets dropped',
    '              1080      12       0',
    '    veth TX: bytes packets dropped',
    '               540       9       2',
  ]
  t.ok(text.endsWith(`\n${expected.join('\n')}\n`), text)
  t.match(linkJson(device, { statistics: 1, details: false }), {
    vethd: { drops: { peer_down: 2n }, veth: { tx: { packets: 9n } } },
  })
  t.notMatch(linkText(device, { statistics: 0, details: false }), 'drops')
})

t.test('JSON has what was asked for, and counters in all their digits', async (t) => {
  const keys = (statistics: number, details: boolean) =>
    Object.keys(JSON.parse(formatJson(linkJson(device, { statistics, details }), false)))
  t.same(keys(0, false).slice(-2), ['broadcast', 'vethd'])
  t.same(keys(1, false).slice(-2), ['stats64', 'vethd'])
  t.ok(keys(0, true).includes('linkinfo'))
  t.match(formatJson(linkJson(device, { statistics: 1, details: false }), false), `"rx":{"bytes":${PAST_2_53},`)
})

t.test('the error counters are there when -s is given twice', async (t) => {
  const json = (statistics: number) => formatJson(linkJson(device, { statistics, details: false }), false)
  t.notMatch(json(1), 'crc_errors')
  t.match(json(2), '"crc_errors":0')
  t.match(json(2), '"carrier_changes":2')
  t.match(linkText(device, { statistics: 2, details: false }), /TX errors:.* transns\n/)
})

const traffic = { packets: '2', bytes: PAST_2_53 }

const stats: DeviceStats = {
  ...vethd,
  ifname: 'veth1',
  kernel: stats64,
  vethd: {
    read: traffic,
    written: traffic,
    drops: { too_long: '3', peer_down: '0' },
    checksum_errors: zeros('ipv4', 'tcp', 'udp', 'icmp', 'icmpv6'),
    classes: { ...zeros('broadcast', 'multicast', 'otherhost'), host: '2' },
    protocols: { ...zeros('ipv6', 'arp', 'vlan', '802.3', '802.2', 'other'), ipv4: '2' },
    gro: { frames: zeros('held', 'merged'), runs: zeros('burst_end', 'sequence') },
  },
  veth: { rx: { ...traffic, dropped: '0' }, tx: { ...traffic, dropped: '3' } },
}

t.test('stats are an aligned table and the counters that are not zero', async (t) => {
  t.equal(
    statsText(stats),
    `veth1: pair 1/a netns t1 peer veth2 checksum offload
                    packets             bytes  dropped   errors
    kernel rx             0  9007199254740993        0        0
    kernel tx             0                 0        0        0
    veth rx               2  9007199254740993        0
    veth tx               2  9007199254740993        3
    read from             2  9007199254740993
    written to            2  9007199254740993
    drops           too_long 3
    checksum errors none
    classes         host 2
    protocols       ipv4 2
`,
  )
})

t.test('what GRO did is told once it has done something', async (t) => {
  const gro = { frames: { held: '1', merged: '9' }, runs: { burst_end: '1', sequence: '0' } }
  t.match(
    statsText({ ...stats, vethd: { ...stats.vethd, gro } }),
    '    protocols       ipv4 2\n    gro frames      held 1  merged 9\n    gro runs        burst_end 1\n',
  )
})

t.test('stats in JSON are exact numbers', async (t) => {
  const json = formatJson(statsJson(stats), false)
  t.match(json, `"read":{"packets":2,"bytes":${PAST_2_53}}`)
  t.match(JSON.parse(json), { pair: 1, side: 'a', ifname: 'veth1', vethd: { drops: { too_long: 3, peer_down: 0 } } })
})
