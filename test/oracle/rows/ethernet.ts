/** What passes: every frame, unchanged and in order. */
import type { Row } from '../row.js'
import { UP_ADDRESSED } from './pair.js'

const UP = [...UP_ADDRESSED, 'watch a v1', 'watch b v2']
const BOTH = ['frames a v1', 'frames b v2', 'counters a v1', 'counters b v2']

export const ETHERNET: Row[] = [
  {
    name: 'EtherTypes of every kind',
    steps: [...UP, 'send a v1 all/0800/60 all/0806/60 all/86dd/60 all/88cc/60 all/8809/124 all/88b5/60 all/ffff/60'],
    compare: BOTH,
  },
  {
    name: '802.3 frames with a length, LLC and SNAP',
    steps: [...UP, 'send a v1 group/002e/60 group/0003/60 group/05dc/1514 group/05ff/60'],
    compare: BOTH,
  },
  {
    name: 'VLAN tags in the frame, one and two, priority too',
    steps: [...UP, 'send a v1 other/8100/64 other/88a8/64 other/8100/1518 all/9100/64'],
    compare: BOTH,
  },
  {
    name: 'all addresses, own and foreign, in both directions',
    steps: [
      ...UP,
      'send a v1 v2/0800/60 other/0800/60 group/0800/60 all/0800/60',
      'send b v2 other/0800/61 all/0800/62',
    ],
    compare: BOTH,
  },
  {
    name: 'frames from 14 bytes to the largest',
    steps: [
      ...UP,
      'a: ip link set v1 mtu 65521',
      'b: ip link set v2 mtu 65521',
      'b: sleep 0.02',
      'send a v1 all/88b5/14 all/88b5/15 all/88b5/64 all/88b5/1514 all/88b5/9014 all/88b5/65535 all/8100/65539 all/88b5/65540',
    ],
    compare: BOTH,
  },
  {
    name: 'as many frames as the ring takes, in order',
    steps: [...UP, 'send a v1 all/88b5/60*80 all/88b5/1000*80 all/88b5/61*80'],
    compare: BOTH,
  },
  {
    name: 'super-frames between plain ones',
    steps: [...UP, 'send a v1 all/88b5/60 gso/3000/1000 all/88b5/60 gso/30000/1448 all/88b5/60'],
    compare: BOTH,
  },
  {
    name: 'tags that a bridge took out of the frame and forwards beside it (accelerated)',
    steps: [
      'link add v1 type veth peer name v2 netns {b}',
      'link add w1 type veth peer name w2 netns {a}',
      'host: ip link add br0 type bridge; ip link set br0 up',
      'host: ip link set v1 master br0 up; ip link set w1 master br0 up',
      'a: ip link set w2 up',
      'b: ip link set v2 up',
      'carrier b v2',
      'carrier a w2',
      'watch b v2',
      'host: sleep 0.1',
      'send a w2 all/8100/64 all/8100/1518 all/88a8/64 all/0806/60 all/88b5/1514',
    ],
    compare: ['frames b v2'],
  },
  {
    name: 'macvlan on top: ping by it, both ways',
    steps: [
      'link add v1 netns {a} type veth peer name v2 netns {b}',
      'a: ip link add m1 link v1 type macvlan mode bridge',
      'b: ip link add m2 link v2 type macvlan mode bridge',
      'a: ip link set v1 up; ip link set m1 up; ip addr add 10.0.0.1/24 dev m1',
      'b: ip link set v2 up; ip link set m2 up; ip addr add 10.0.0.2/24 dev m2',
      'carrier a v1',
      'carrier b v2',
      'a: ping -n -q -c 3 -i 0.01 -W 5 10.0.0.2',
      'b: ping -n -q -c 3 -i 0.01 -W 5 10.0.0.1',
    ],
    compare: ['sh a ip neigh show dev m1 | grep -c 10.0.0.2', 'sh b ip neigh show dev m2 | grep -c 10.0.0.1'],
  },
  {
    name: 'IPv6, its neighbour discovery and its link-local addresses',
    steps: [
      'a: sysctl -qw net.ipv6.conf.default.disable_ipv6=0',
      'b: sysctl -qw net.ipv6.conf.default.disable_ipv6=0',
      'link add v1 netns {a} type veth peer name v2 netns {b}',
      'a: ip addr add fd00::1/64 dev v1 nodad; ip link set v1 up',
      'b: ip addr add fd00::2/64 dev v2 nodad; ip link set v2 up',
      'carrier a v1',
      'carrier b v2',
      'a: ping -n -q -c 3 -i 0.01 -W 5 fd00::2',
      'a: ping -n -q -c 1 -W 5 ff02::1%v1',
      'a: sysctl -qw net.ipv6.conf.default.disable_ipv6=1',
      'b: sysctl -qw net.ipv6.conf.default.disable_ipv6=1',
    ],
    compare: ['sh a ip -6 addr show dev v1 | grep -c inet6', 'sh b ip -6 neigh show fd00::1 | grep -c lladdr'],
  },
]
