/**
 * GRO: the same frames sent into both, and the super-frames that come out compared byte by byte. veth's NAPI takes 64 frames
 * at a time, so no row sends more at once.
 */
import type { Row } from '../row.js'
import { UP } from './pair.js'

/** As long as it takes to send what a row sends, many times over. */
const HOLD = 'hold b v2 100000'
const ON = [...UP, 'a: ethtool -K v1 tso off', 'b: ethtool -K v2 gro on', HOLD]
const FORWARDING = [...ON, 'b: ethtool -K v2 rx-udp-gro-forwarding on']
const LATER = 'b: sleep 0.12'

function merges(name: string, frames: string, steps = ON): Row {
  return {
    name: `gro on: ${name}`,
    steps: [...steps, 'watch b v2', `send a v1 ${frames}`, LATER],
    compare: ['frames b v2', 'counters a v1', 'counters b v2'],
  }
}

/** Several connections at once, no more than have a run each. */
function mergesEach(name: string, cases: [name: string, change: string][], common = ''): Row[] {
  const rows: Row[] = []
  for (let i = 0; i < cases.length; i += MAX_RUNS) {
    const some = cases.slice(i, i + MAX_RUNS)
    const streams = some.map(([, change], flow) => `stream/5/sourcePort=${flow}${common}/${change}`)
    rows.push(merges(`${name} ${some.map(([what]) => what).join(', ')}`, streams.join(' ')))
  }
  return rows
}

const MAX_RUNS = 8

/** What the third of five segments is like. */
const THIRD: [name: string, change: string][] = [
  ['has PSH', '3!flags=24'],
  ['has FIN', '3!flags=17'],
  ['has SYN', '3!flags=18'],
  ['has RST', '3!flags=20'],
  ['has URG', '3!flags=48'],
  ['has CWR', '3!flags=144'],
  ['has ECE', '3!flags=80'],
  ['is short', '3!payload=.1.2'],
  ['is long', '3!payload=.1.2.3.4.5.6'],
  ['is a pure acknowledgement', '3!payload=.'],
  ['comes after a gap', '3:seq=+4'],
  ['has another acknowledgement', '3:ack=9'],
  ['has another window', '3:window=9'],
  ['has options', '3:tcpOptions=.1.1.1.1'],
]
const THIRD_OF_IPV4: typeof THIRD = [
  ['has another TTL', '3:ttl=63'],
  ['has a mark of congestion', '3:tos=3'],
  ['comes after a gap of ids', '3:id=+1'],
  ['has no DF', '3:fragOff=0'],
]
const THIRD_OF_IPV6: typeof THIRD = [
  ['has another hop limit', '3:ttl=63'],
  ['has a mark of congestion', '3:tos=3'],
]

/** What all five segments are like. */
const ALL: typeof THIRD = [
  ['with their checksums', 'needsCsum='],
  ['over IPv6 with their checksums', 'version=6/needsCsum='],
  ['without DF, with ids that count', 'fragOff=0'],
  ['with a constant id beside DF', 'id=7'],
  ['with an id that stays the same once', '3:id=+-1'],
  ['with equal options', 'tcpOptions=.1.1.8.10.0.0.0.1.0.0.0.2'],
]

export const GRO: Row[] = [
  merges('segments become a super-frame', 'stream/40'),
  merges('of IPv6, too', 'stream/40/version=6'),
  ...mergesEach('segments', ALL),
  merges('segments with CWR stay apart', 'stream/5/flags=144'),
  merges('another flow label begins another run', 'stream/5/version=6/3:flowLabel=9'),
  merges('a frame alone goes on as it is', 'stream/1'),
  merges('eight connections at once', 'stream/5/flows=8'),
  merges('a ninth pushes out the oldest', 'stream/5/flows=9'),
  merges('other protocols pass', 'all/0806/60*3 other/88b5/100*3'),
  merges('what is a super-frame already passes', 'gso/5000/1000*2', [...UP, ...FORWARDING.slice(-3)]),
  ...mergesEach('the third segment', [...THIRD, ...THIRD_OF_IPV4]),
  ...mergesEach('the third segment of IPv6', THIRD_OF_IPV6, '/version=6'),
  merges('UDP is not merged', 'stream/5/protocol=udp'),
  merges('but with rx-udp-gro-forwarding', 'stream/40/protocol=udp', FORWARDING),
  merges('and over IPv6', 'stream/40/protocol=udp/version=6', FORWARDING),
  merges('64 datagrams at most', 'stream/64/protocol=udp', FORWARDING),
  merges('and a shorter one is the last', 'stream/5/protocol=udp/3!payload=.1.2', FORWARDING),
  merges('and a longer one begins anew', 'stream/5/protocol=udp/3:payload=.1.2.3.4.5', FORWARDING),
  merges('with an empty datagram on its own', 'stream/5/protocol=udp/3!payload=.', FORWARDING),
  merges('with TSO at the sender nothing is merged', 'stream/5', [...UP, 'b: ethtool -K v2 gro on', HOLD]),
  merges('switched off again nothing is merged', 'stream/5', [...ON, 'b: ethtool -K v2 gro off']),
  merges('off by default', 'stream/5', [...UP, 'a: ethtool -K v1 tso off']),
  ...(['4', '6'] as const).map(
    (version): Row => ({
      name: `gro on: 20 MB of TCP over IPv${version} arrive whole, whatever is switched meanwhile`,
      steps: [
        ...ON,
        'hold b v2 0',
        'a: sysctl -q -w net.ipv6.conf.v1.disable_ipv6=0; ip addr add 10.0.0.1/24 dev v1; ip -6 addr add fd00::1/64 dev v1 nodad',
        'b: sysctl -q -w net.ipv6.conf.v2.disable_ipv6=0; ip addr add 10.0.0.2/24 dev v2; ip -6 addr add fd00::2/64 dev v2 nodad',
        `transfer a b tcp ${version === '4' ? '10.0.0.2' : 'fd00::2'} 20000000`,
      ],
      compare: ['features b v2 generic-receive-offload'],
    }),
  ),
]
