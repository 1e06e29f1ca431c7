/** Carrier: veth_open, veth_close. */
import type { Row } from '../row.js'
import { APART } from './pair.js'

const ENDS = ['link a v1', 'link b v2']
const ADDRESSED = [
  APART,
  'a: ip addr add 10.0.0.1/24 dev v1',
  'b: ip addr add 10.0.0.2/24 dev v2',
  'a: ip link set v1 up',
  'b: ip link set v2 up',
  'carrier a v1',
  'carrier b v2',
  'a: ping -n -q -c 1 -W 5 10.0.0.2',
]

/** SIOCSIFFLAGS without IFF_UP, as ifconfig does it. */
const IOCTL_DOWN = "import socket,fcntl,struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'v2', 0))"

export const CARRIER: Row[] = [
  { name: 'with one end up there is none', steps: [APART, 'a: ip link set v1 up'], compare: ENDS },
  { name: 'with the peer up there is none', steps: [APART, 'b: ip link set v2 up'], compare: ENDS },
  {
    name: 'with both up there is one, on both',
    steps: [APART, 'a: ip link set v1 up', 'b: ip link set v2 up'],
    compare: ENDS,
  },
  {
    name: 'it goes with either end, and comes back',
    steps: [APART, 'a: ip link set v1 up', 'b: ip link set v2 up', 'carrier a v1', 'a: ip link set v1 down'],
    compare: ENDS,
  },
  {
    name: 'it goes with the peer',
    steps: [APART, 'a: ip link set v1 up', 'b: ip link set v2 up', 'carrier a v1', 'b: ip link set v2 down'],
    compare: ENDS,
  },
  {
    name: 'it comes back',
    steps: [
      APART,
      'a: ip link set v1 up',
      'b: ip link set v2 up',
      'carrier a v1',
      'b: ip link set v2 down',
      'b: ip link set v2 up',
    ],
    compare: ENDS,
  },
  {
    name: 'a move takes the device down and the carrier with it',
    steps: [APART, 'a: ip link set v1 up', 'b: ip link set v2 up', 'carrier a v1', 'b: ip link set v2 netns {c}'],
    compare: ['link a v1', 'link c v2'],
  },
  {
    name: 'and after the move it can be had again',
    steps: [
      APART,
      'a: ip link set v1 up',
      'b: ip link set v2 up',
      'carrier a v1',
      'b: ip link set v2 netns {c}',
      'c: ip link set v2 up',
      'carrier a v1',
      'carrier c v2',
    ],
    compare: ['link a v1', 'link c v2'],
  },
  {
    name: 'by whoever changed it, by an ioctl too',
    steps: [APART, 'a: ip link set v1 up', 'b: ip link set v2 up', 'carrier a v1', `b: python3 -c "${IOCTL_DOWN}"`],
    compare: ENDS,
  },
  {
    name: 'a quick down and up leaves it on, and the other end has seen it go',
    steps: [
      APART,
      'a: ip link set v1 up',
      'b: ip link set v2 up',
      'carrier a v1',
      'b: sleep 0.05; ip -batch - < /dev/null; printf "link set v2 down\\nlink set v2 up\\n" | ip -batch -',
    ],
    compare: [...ENDS, 'sh a cat /sys/class/net/v1/carrier_changes'],
  },
  {
    name: 'it is nobody else\'s to switch: what "ip link set carrier" did is undone',
    steps: [
      ...ADDRESSED,
      'a: ip link set v1 carrier off || true',
      'carrier a v1',
      'a: ping -n -q -c 1 -W 5 10.0.0.2',
      'b: ip link set v2 down',
      'a: sleep 0.02; ip link set v1 carrier on || true',
    ],
    compare: ENDS,
  },
  {
    name: 'neighbours are learned',
    steps: ADDRESSED,
    compare: ['sh a ip neigh show | grep -c 10.0.0.2', 'sh b ip neigh show | grep -c 10.0.0.1'],
  },
  {
    name: "neighbours are forgotten when the other end loses the carrier, on the end's own side too",
    steps: [...ADDRESSED, 'b: ip link set v2 down'],
    compare: ['neigh a', 'neigh b', 'sh a ip route show', 'sh b ip route show'],
  },
  {
    name: 'permanent neighbours stay when the carrier goes, and go with the device',
    steps: [
      ...ADDRESSED,
      'a: ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev v1 nud permanent',
      'b: ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev v2 nud permanent',
      'b: ip link set v2 down',
    ],
    compare: ['neigh a', 'neigh b'],
  },
  {
    name: 'routes over an end without carrier are linkdown',
    steps: [...ADDRESSED, 'a: ip link set v1 down', 'b: sleep 0.05'],
    compare: ['sh a ip route show', 'sh b ip route show'],
  },
  {
    name: 'the admin state of the other end is left alone',
    steps: [
      ...ADDRESSED,
      'a: ip link set v1 down',
      'a: ip link set v1 up',
      'carrier b v2',
      'b: ping -n -q -c 1 -W 5 10.0.0.1',
    ],
    compare: ENDS,
  },
  {
    name: 'a bridge port without carrier is disabled, with it forwarding',
    steps: [
      'host: ip link add br0 type bridge',
      'host: ip link set br0 up',
      'link add v1 netns {a} type veth peer name v2',
      'host: ip link set v2 master br0 up',
    ],
    compare: ['sh host bridge link show dev v2 | grep -o "state [a-z]*"', 'link host br0'],
  },
  {
    name: 'a bridge port whose peer comes up is forwarding',
    steps: [
      'host: ip link add br0 type bridge',
      'host: ip link set br0 up',
      'link add v1 netns {a} type veth peer name v2',
      'host: ip link set v2 master br0 up',
      'a: ip link set v1 up',
      'carrier host v2',
    ],
    compare: ['sh host bridge link show dev v2 | grep -o "state [a-z]*"', 'link host v2', 'link host br0'],
  },
]
