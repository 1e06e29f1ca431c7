/** What a TAP cannot do as veth does: docs/differences.md has a line for each, and the kernel's function in the way. */
import type { Row } from '../row.js'

const PAIR = ['link add v1 type veth peer name v2']
const ENDS = 'link add v1 netns {a} type veth peer name v2 netns {b}'
const UP = [ENDS, 'a: ip link set v1 up', 'b: ip link set v2 up', 'carrier a v1', 'carrier b v2']

export const DIFFERENCES: Row[] = [
  { differs: 'kind', name: 'the kind is tun', steps: PAIR, compare: ['info host v1 info_kind'] },
  { differs: 'iflink', name: 'there is no link to the peer', steps: PAIR, compare: ['member host v1 link'] },
  {
    differs: 'LOWERLAYERDOWN',
    name: 'an end that is up alone is DOWN and not LOWERLAYERDOWN',
    steps: [ENDS, 'a: ip link set v1 up'],
    compare: ['member a v1 operstate'],
  },
  { differs: 'max_mtu', name: 'the largest MTU is 65521', steps: PAIR, compare: ['member host v1 max_mtu'] },
  { differs: 'txqueuelen', name: 'txqueuelen is 256 and not 1000', steps: PAIR, compare: ['member host v1 txqlen'] },
  {
    differs: 'txqueuelen 0',
    name: 'a txqueuelen of 0 becomes 256',
    steps: ['link add v1 txqueuelen 0 type veth peer name v2'],
    compare: ['member host v1 txqlen'],
  },
  { differs: 'queues', name: 'the queues shown are 1', steps: PAIR, compare: ['member host v1 num_tx_queues'] },
  {
    differs: 'queues asked for',
    name: 'several queues are shown as 256',
    steps: ['link add v1 numtxqueues 4 numrxqueues 4 type veth peer name v2'],
    compare: ['member host v1 num_tx_queues'],
  },
  {
    differs: 'unequal queues',
    name: 'more to transmit than to receive are refused',
    steps: ['? link add v1 numtxqueues 4 numrxqueues 2 type veth peer name v2'],
    compare: [],
  },
  { differs: 'tso_max_size', name: 'super-frames are of 64 KB', steps: PAIR, compare: ['member host v1 tso_max_size'] },
  { differs: 'driver', name: 'ethtool -i says tun', steps: PAIR, compare: ['sh host ethtool -i v1 | head -1'] },
  {
    differs: 'ethtool -S',
    name: 'there are no statistics of the driver',
    steps: PAIR,
    compare: ['sh host ethtool -S v1 | grep -o peer_ifindex'],
  },
  {
    differs: 'rx_dropped',
    name: "the kernel's own rx_dropped leaves out what was too long",
    steps: [...UP, 'b: ip link set v2 mtu 1000', 'b: sleep 0.02', 'send a v1 all/88b5/1500*3'],
    compare: ['sh b cat /sys/class/net/v2/statistics/rx_dropped'],
  },
  {
    differs: 'skb mark',
    name: 'a mark does not cross the wire',
    steps: [
      ...UP,
      'b: tc qdisc add dev v2 clsact; tc filter add dev v2 ingress handle 7 fw action drop',
      'a: tc qdisc add dev v1 clsact; tc filter add dev v1 egress matchall action skbedit mark 7',
      'send a v1 all/0806/60*5',
    ],
    compare: ['counters b v2'],
  },
  {
    differs: 'VLAN tag',
    name: 'a tag that a bridge puts on counts 4 bytes',
    steps: [
      'link add v1 type veth peer name v2 netns {b}',
      'link add w1 type veth peer name w2 netns {a}',
      'host: ip link add br0 type bridge vlan_filtering 1',
      'host: ip link set br0 up; ip link set v1 master br0 up; ip link set w1 master br0 up',
      'host: bridge vlan add dev w1 vid 7 pvid untagged; bridge vlan add dev v1 vid 7',
      'a: ip link set w2 up',
      'b: ip link set v2 up',
      'carrier b v2',
      'carrier a w2',
      'host: sleep 0.1',
      'send a w2 all/0800/60*10',
    ],
    compare: ['sh b cat /sys/class/net/v2/statistics/rx_bytes'],
  },
]
