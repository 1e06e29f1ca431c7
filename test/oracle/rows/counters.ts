/** Counters: what veth_xmit and veth_get_stats64 count, for the same scripted traffic, IPv6 off, at rest. */
import type { Row } from '../row.js'
import { UP_ADDRESSED as UP } from './pair.js'

const ADDRESSED = ['a: ip addr add 10.0.0.1/24 dev v1', 'b: ip addr add 10.0.0.2/24 dev v2']
const BOTH = ['counters a v1', 'counters b v2']

export const COUNTERS: Row[] = [
  { name: 'nothing yet', steps: UP, compare: BOTH },
  {
    name: 'frames with their 14 bytes of header, whoever they are for',
    steps: [...UP, 'send a v1 v2/0800/60 other/0800/60 all/0806/60 group/88cc/200*3 other/0800/1514*10'],
    compare: BOTH,
  },
  {
    name: 'both directions',
    steps: [...UP, 'send a v1 all/0806/60*7', 'send b v2 all/0806/100*9'],
    compare: BOTH,
  },
  { name: 'ping and ARP', steps: [...UP, ...ADDRESSED, 'a: ping -n -q -c 5 -i 0.01 -W 5 10.0.0.2'], compare: BOTH },
  {
    name: 'the shortest frames',
    steps: [...UP, 'send a v1 all/88b5/14 all/88b5/15 all/88b5/59'],
    compare: BOTH,
  },
  {
    name: 'frames that are too short are refused to their sender',
    steps: [...UP, 'send a v1 all/88b5/13 all/88b5/0 all/88b5/14'],
    compare: BOTH,
  },
  {
    name: 'a super-frame counts once, with all its bytes',
    steps: [...UP, 'send a v1 gso/5000/1000 gso/20000/1400*2'],
    compare: BOTH,
  },
  {
    name: "what a peer that is down does not take is the sender's drop, and its own nothing",
    steps: [...UP, 'b: ip link set v2 down', 'b: sleep 0.02', 'send a v1 all/0806/60*5'],
    compare: BOTH,
  },
  {
    name: 'and once it is up again, frames pass and the drops stay',
    steps: [
      ...UP,
      'b: ip link set v2 down',
      'b: sleep 0.02',
      'send a v1 all/0806/60*5',
      'b: ip link set v2 up',
      'carrier a v1',
      'send a v1 all/0806/60*5',
    ],
    compare: BOTH,
  },
  {
    name: 'an end that is down takes nothing: ENETDOWN',
    steps: [...UP, 'a: ip link set v1 down', 'send a v1 all/0806/60*2'],
    compare: BOTH,
  },
  {
    name: 'counters stay when a device moves and is renamed',
    steps: [
      ...UP,
      'send a v1 all/0806/60*5',
      'b: ip link set v2 netns {c}',
      'c: ip link set v2 name w2',
      'c: ip link set w2 up',
      'carrier a v1',
      'send a v1 all/0806/60*3',
    ],
    compare: ['counters a v1', 'counters c w2'],
  },
  {
    name: 'frames that are too long are the drops of both ends',
    steps: [...UP, 'a: ip link set v1 mtu 9000', 'send a v1 other/0800/2000*4 other/0800/60*2'],
    compare: BOTH,
  },
  {
    name: 'a protocol that nobody handles is dropped by the receiving stack',
    steps: [...UP, 'send a v1 all/88b5/60*6 v2/88b5/60*6'],
    compare: BOTH,
  },
  {
    name: 'what a qdisc of the user drops is no frame of the wire',
    steps: [
      ...UP,
      'a: tc qdisc replace dev v1 root handle 1: tbf rate 8kbit burst 1600 limit 2000',
      'send a v1 other/0800/1514*1',
    ],
    compare: BOTH,
  },
]
