/** MTU: per end; the receiver's decides what arrives (is_skb_forwardable in __dev_forward_skb). */
import type { Row } from '../row.js'
import { UP } from './pair.js'

const BOTH = ['counters a v1', 'counters b v2', 'frames b v2']

export const MTU: Row[] = [
  {
    name: 'a frame of the MTU passes, with a VLAN tag too, and one byte more does not',
    steps: [
      ...UP,
      'watch b v2',
      'a: ip link set v1 mtu 9000',
      'send a v1 other/0800/1514 other/0800/1518 other/0800/1519',
    ],
    compare: BOTH,
  },
  {
    name: 'a smaller MTU of the receiver counts at once',
    steps: [
      ...UP,
      'watch b v2',
      'b: ip link set v2 mtu 1000',
      'b: sleep 0.02',
      'send a v1 other/0800/1018 other/0800/1019',
    ],
    compare: BOTH,
  },
  {
    name: 'a larger one too',
    steps: [
      ...UP,
      'watch b v2',
      'a: ip link set v1 mtu 9000',
      'b: ip link set v2 mtu 9000',
      'b: sleep 0.02',
      'send a v1 other/0800/9018 other/0800/9019',
    ],
    compare: BOTH,
  },
  {
    name: "the sender's own MTU binds its stack and no raw frame within the device's",
    steps: [
      ...UP,
      'a: ip link set v1 mtu 1000',
      'a: sleep 0.02',
      'send a v1 other/0800/1014 other/0800/1100 other/0800/1514',
    ],
    compare: ['counters a v1', 'counters b v2'],
  },
  {
    name: 'each end has its own',
    steps: [...UP, 'a: ip link set v1 mtu 9000'],
    compare: ['link a v1', 'link b v2'],
  },
  {
    name: 'a super-frame longer than the MTU passes',
    steps: [...UP, 'watch b v2', 'send a v1 gso/5000/1000 gso/60000/1400'],
    compare: BOTH,
  },
  {
    name: 'the smallest MTU is 68',
    steps: [...UP, 'b: ip link set v2 mtu 68', 'b: sleep 0.02', 'send a v1 other/0800/86 other/0800/87'],
    compare: ['counters a v1', 'counters b v2', 'link b v2'],
  },
  {
    name: 'a ping that needs fragments is answered across ends of different MTU',
    steps: [
      ...UP,
      'a: ip addr add 10.0.0.1/24 dev v1',
      'b: ip addr add 10.0.0.2/24 dev v2',
      'a: ip link set v1 mtu 1000',
      'b: ip link set v2 mtu 1000',
      'b: sleep 0.02',
      'a: ping -n -q -c 2 -i 0.01 -W 5 -s 4000 10.0.0.2',
    ],
    compare: ['counters a v1', 'counters b v2'],
  },
  {
    name: 'a receiver that is too small for its sender gets none of it',
    steps: [
      ...UP,
      'a: ip addr add 10.0.0.1/24 dev v1',
      'b: ip addr add 10.0.0.2/24 dev v2',
      'a: ip neigh add 10.0.0.2 lladdr 02:00:00:00:00:99 dev v1 nud permanent',
      'b: ip link set v2 mtu 1000',
      'b: sleep 0.02',
      'a: ping -n -q -c 2 -i 0.01 -W 0.1 -s 1400 10.0.0.2 || true',
    ],
    compare: ['counters a v1', 'counters b v2'],
  },
]
