/** Deleting, moving, renaming: veth_dellink, and what every netdev can. */
import type { Row } from '../row.js'
import { APART, UP } from './pair.js'

export const LIFE: Row[] = [
  {
    name: 'deleting either end deletes both',
    steps: ['link add v1 type veth peer name v2', 'link del v1', 'host: sleep 0.02'],
    compare: ['left', 'whereabouts'],
  },
  {
    name: 'deleting the peer deletes both',
    steps: ['link add v1 type veth peer name v2', 'link del v2'],
    compare: ['left', 'whereabouts'],
  },
  {
    name: 'by whoever deletes it, wherever the other end is',
    steps: [...UP, 'a: ip link del v1', 'wait b v2'],
    compare: ['left', 'whereabouts'],
  },
  { name: 'by its peer', steps: [...UP, 'b: ip link del v2', 'wait a v1'], compare: ['left', 'whereabouts'] },
  {
    name: 'with a namespace goes the end in it, and the other end',
    steps: [...UP, 'forget a', 'wait b v2'],
    compare: ['names b', 'names host'],
  },
  {
    name: 'with the other namespace too',
    steps: [...UP, 'forget b', 'wait a v1'],
    compare: ['names a', 'names host'],
  },
  {
    name: 'a group of devices goes in one',
    steps: [
      'link add v1 group 5 type veth peer name v2',
      'link add w1 group 5 type veth peer name w2',
      'host: ip link del group 5',
      'wait host v2',
      'wait host w2',
    ],
    compare: ['left'],
  },
  {
    name: 'moving there and back',
    steps: [
      'link add v1 type veth peer name v2',
      'link set v1 netns {a}',
      'a: ip link set v1 netns {b}',
      'b: ip link set v1 netns {host}',
    ],
    compare: ['names host', 'names a', 'names b', 'link host v1', 'whereabouts'],
  },
  {
    name: 'moving by the pid of a process that lives there',
    steps: [
      'link add v1 type veth peer name v2',
      'a: sleep 5 > /dev/null 2>&1 & echo $! > /tmp/oracle-{a}',
      'host: ip link set v1 netns $(cat /tmp/oracle-{a})',
      'host: rm /tmp/oracle-{a}',
    ],
    compare: ['names host', 'names a', 'whereabouts'],
  },
  {
    name: 'moving and renaming at once',
    steps: ['link add v1 type veth peer name v2', 'host: ip link set v1 netns {a} name eth0'],
    compare: ['names host', 'names a', 'link a eth0', 'whereabouts'],
  },
  {
    name: 'an index is kept in a move where it is free',
    steps: ['link add v1 index 500 type veth peer name v2', 'link set v1 netns {a}'],
    compare: ['member a v1 ifindex'],
  },
  {
    name: 'renaming',
    steps: ['link add v1 type veth peer name v2', 'host: ip link set v1 name w1'],
    compare: ['names host', 'whereabouts'],
  },
  {
    name: 'renaming a device that is up',
    steps: [...UP, 'a: ip link set v1 name w1', 'carrier a w1'],
    compare: ['names a', 'link a w1', 'link b v2', 'whereabouts'],
  },
  {
    name: 'two devices change names',
    steps: [
      'link add v1 type veth peer name v2',
      'host: ip link set v1 name tmp',
      'host: ip link set v2 name v1',
      'host: ip link set tmp name v2',
      'link del v1',
    ],
    compare: ['left', 'whereabouts'],
  },
  {
    name: 'another address, and traffic by it',
    steps: [
      ...UP,
      'a: ip addr add 10.0.0.1/24 dev v1',
      'b: ip addr add 10.0.0.2/24 dev v2',
      'b: ip link set v2 address 02:00:00:00:00:42',
      'a: ping -n -q -c 2 -i 0.01 -W 5 10.0.0.2',
    ],
    compare: ['member b v2 address', 'sh a ip neigh show 10.0.0.2 | grep -o "lladdr [^ ]*"', 'counters a v1'],
  },
  {
    name: 'promiscuous and allmulti',
    steps: [...UP, 'a: ip link set v1 promisc on', 'b: ip link set v2 allmulticast on'],
    compare: ['link a v1', 'link b v2'],
  },
  {
    name: 'an alias and alternative names',
    steps: [
      ...UP,
      'a: ip link set v1 alias "the lab uplink"',
      'a: ip link property add dev v1 altname uplink altname a-name-that-is-longer-than-fifteen-bytes',
      'a: ip link set uplink mtu 1400',
    ],
    compare: ['link a v1'],
  },
  {
    name: 'a device is found by an alternative name: shown, changed, moved and deleted',
    steps: [
      'link add v1 type veth peer name v2',
      'host: ip link property add dev v1 altname uplink altname a-name-that-is-longer-than-fifteen-bytes',
      'link set uplink mtu 1400',
      'link set a-name-that-is-longer-than-fifteen-bytes netns {a}',
      '-n {a} link set uplink up',
      '? link set uplink down',
      '-n {a} link show uplink',
      'host: sleep 0.02',
      '-n {a} link del dev uplink',
    ],
    compare: ['left', 'whereabouts'],
  },
  {
    name: 'ARP and multicast can be switched off',
    steps: [...UP, 'a: ip link set v1 arp off multicast off'],
    compare: ['link a v1'],
  },
  {
    name: 'the broadcast address can be changed',
    steps: [...UP, 'a: ip link set v1 broadcast ff:ff:ff:ff:ff:fe'],
    compare: ['link a v1'],
  },
  {
    name: 'a device joins a bridge and leaves it',
    steps: [
      'host: ip link add br0 type bridge',
      'link add v1 netns {a} type veth peer name v2',
      'link set v2 master br0',
      'host: ip link set v2 nomaster',
    ],
    compare: ['link host v2', 'sh host bridge link show'],
  },
  {
    name: 'a bridge port that is moved leaves its bridge',
    steps: [
      'host: ip link add br0 type bridge',
      'link add v1 netns {a} type veth peer name v2',
      'link set v2 master br0',
      'link set v2 netns {b}',
    ],
    compare: ['link b v2', 'sh host bridge link show'],
  },
  {
    name: 'a bridge port that is deleted leaves no trace',
    steps: [
      'host: ip link add br0 type bridge',
      'link add v1 netns {a} type veth peer name v2',
      'link set v2 master br0',
      'a: ip link del v1',
      'wait host v2',
    ],
    compare: ['names host', 'sh host bridge link show'],
  },
  {
    name: 'addresses and routes go with a device',
    steps: [
      ...UP,
      'a: ip addr add 10.0.0.1/24 dev v1',
      'a: ip route add 10.1.0.0/16 via 10.0.0.2',
      'b: ip link del v2',
      'wait a v1',
    ],
    compare: ['sh a ip route show', 'sh a ip addr show'],
  },
  {
    name: 'a move takes the addresses away',
    steps: [...UP, 'a: ip addr add 10.0.0.1/24 dev v1', 'a: ip link set v1 netns {c}'],
    compare: ['sh c ip -br addr show dev v1 | tr -d "@if0-9 "', 'sh a ip addr show'],
  },
  {
    name: 'a macvlan on top dies with it',
    steps: [
      'link add v1 netns {a} type veth peer name v2 netns {b}',
      'a: ip link add m0 link v1 type macvlan mode bridge',
      'b: ip link del v2',
      'wait a m0',
    ],
    compare: ['names a', 'names b'],
  },
  {
    name: 'the same names again, at once',
    steps: [
      APART,
      'a: ip link del v1',
      'wait b v2',
      APART,
      'a: ip link set v1 up',
      'b: ip link set v2 up',
      'carrier a v1',
      'send a v1 all/0806/60',
    ],
    compare: ['link a v1', 'counters a v1', 'counters b v2', 'whereabouts'],
  },
  {
    name: 'what others hear of a deletion',
    steps: [...UP, 'listen a', 'listen b', 'a: ip link del v1', 'wait b v2'],
    compare: ['sh a ip link show | grep -c v1', 'sh b ip link show | grep -c v2'],
  },
]
