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
    name: 'an end that is up alone is DOWN and not LOWERLAYERDOWN, where its peer is in the same namespace',
    steps: [...PAIR, 'host: ip link set v1 up'],
    compare: ['member host v1 operstate'],
  },
  {
    differs: 'carrier by hand',
    name: 'somebody else may switch the carrier, for a moment',
    steps: [...PAIR, '? host: ip link set v1 carrier off'],
    compare: [],
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
    differs: 'index',
    name: 'an index is above that of every device there, and not the next of those that the kernel gave',
    steps: ['host: ip link add br0 index 2000000000 type bridge', ...PAIR],
    compare: ['order host v1 host br0'],
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
    name: 'the mark of a frame does not cross the wire, within a namespace',
    steps: [
      ...PAIR,
      'host: ip link set v1 up; ip link set v2 up',
      'carrier host v1',
      'host: nft add table netdev t; nft add chain netdev t c "{ type filter hook ingress device v2 priority 0; }"',
      'host: nft add rule netdev t c meta mark 7 counter',
      'sockets host send-marked v1 7 5',
    ],
    compare: ['sh host nft list ruleset | grep -o "packets [0-9]*"; nft delete table netdev t'],
  },
  {
    differs: 'VLAN tag',
    name: 'a tag that a bridge forwards beside the frame counts 4 bytes',
    steps: [
      'link add v1 type veth peer name v2 netns {b}',
      'link add w1 type veth peer name w2 netns {a}',
      'host: ip link add br0 type bridge; ip link set br0 up',
      'host: ip link set v1 master br0 up; ip link set w1 master br0 up',
      'a: ip link set w2 up',
      'b: ip link set v2 up',
      'carrier b v2',
      'carrier a w2',
      'host: sleep 0.1',
      'send a w2 all/8100/64*10',
    ],
    compare: ['sh b cat /sys/class/net/v2/statistics/rx_bytes'],
  },
  {
    differs: 'qdisc of a device that was never up',
    name: 'a device that was never up has noqueue, where veth shows noop',
    steps: PAIR,
    compare: ['member host v1 qdisc'],
  },
  {
    differs: 'qdisc handle',
    name: 'noqueue has a handle',
    steps: [...PAIR, 'host: ip link set v1 up'],
    compare: ['sh host tc qdisc show dev v1'],
  },
  {
    differs: 'tc qdisc add',
    name: 'another root qdisc needs "replace" when it is given a handle',
    steps: [...PAIR, '? host: tc qdisc add dev v1 root handle 1: pfifo limit 10'],
    compare: [],
  },
  {
    differs: 'MTU of 65535',
    name: 'an MTU above 65521 is refused',
    steps: ['? link add v1 mtu 65535 type veth peer name v2'],
    compare: ['left'],
  },
  {
    differs: 'many queues',
    name: 'more than 256 queues are refused',
    steps: ['? link add v1 numtxqueues 300 numrxqueues 300 type veth peer name v2'],
    compare: ['left'],
  },
  {
    differs: 'features',
    name: 'features that a TAP has not',
    steps: PAIR,
    compare: ['featuresApart host v1'],
  },
  {
    differs: 'settling',
    name: 'what happens to one end is seen at the other a moment later',
    steps: [...PAIR, 'host: ip link set v1 up; ip link set v2 up', 'carrier host v1', 'sockets host toggle v2 v1 20'],
    compare: [],
  },
  {
    differs: 'full ring',
    name: 'a sender that is faster than vethd fills the ring, and is told',
    steps: [...UP, 'a: ip link set v1 txqueuelen 1', 'send a v1 all/88b5/60*3000'],
    compare: [],
  },
  {
    differs: 'ethtool -l',
    name: 'channels are combined',
    steps: PAIR,
    compare: ['sh host ethtool -l v1'],
  },
  {
    differs: 'BIG TCP',
    name: 'super-frames longer than 64 KB are refused',
    steps: ['? link add v1 gso_max_size 100000 type veth peer name v2'],
    compare: ['left'],
  },
  {
    differs: 'tunnel features',
    name: 'one feature of tunnels is not on without the other, and has to be asked for again',
    steps: [
      ...PAIR,
      'host: ethtool -K v1 tx-udp_tnl-segmentation off',
      'host: sleep 0.02',
      'host: ethtool -K v1 tx-udp_tnl-segmentation on',
    ],
    compare: ['features host v1 tx-udp_tnl-segmentation tx-udp_tnl-csum-segmentation'],
  },
]
