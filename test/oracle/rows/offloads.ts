/** Offloads: what `ethtool -k` says, what `ethtool -K` does, and traffic that is right either way. */
import type { Row } from '../row.js'

const UP = [
  'link add v1 netns {a} address 02:00:00:00:00:01 type veth peer name v2 netns {b} address 02:00:00:00:00:02',
  'a: ip addr add 10.0.0.1/24 dev v1; ip link set v1 up',
  'b: ip addr add 10.0.0.2/24 dev v2; ip link set v2 up',
  'carrier a v1',
  'carrier b v2',
]
const TRANSFER = 'transfer a b tcp 10.0.0.2 2000000'

/** Traffic with a feature set to `value` on the end `at`, beside what the feature says then. */
function setFeature(at: 'a v1' | 'b v2', feature: string, value: 'on' | 'off', shown: string): Row {
  const [ns, dev] = at.split(' ')
  return {
    name: `${feature} ${value} on ${dev}: shown, kept, and 2 MB of TCP arrive whole`,
    steps: [...UP, `${ns}: ethtool -K ${dev} ${feature} ${value}`, TRANSFER],
    compare: [`features ${at} ${shown}`],
  }
}

export const OFFLOADS: Row[] = [
  {
    name: 'every feature is as on veth, but for the list in features.ts',
    steps: UP,
    compare: ['featuresAlike a v1', 'featuresAlike b v2'],
  },
  ...(['a v1', 'b v2'] as const).flatMap((at) => [
    setFeature(at, 'tso', 'off', 'tcp-segmentation-offload tx-tcp-segmentation tx-tcp6-segmentation'),
    setFeature(at, 'gso', 'off', 'generic-segmentation-offload'),
    setFeature(at, 'tx', 'off', 'tx-checksumming tx-checksum-ip-generic tx-tcp-segmentation tx-tcp6-segmentation'),
    setFeature(at, 'sg', 'off', 'scatter-gather tx-tcp-segmentation tx-tcp6-segmentation generic-segmentation-offload'),
  ]),
  {
    name: 'what a user switched off stays off through a move, a change of the MTU and a lost carrier',
    steps: [
      ...UP,
      'a: ethtool -K v1 tso off',
      'b: ip link set v2 mtu 1400',
      'b: ip link set v2 down; ip link set v2 up',
      'a: ip link set v1 netns {c}; true',
      'c: ip link set v1 up',
      'carrier c v1',
    ],
    compare: ['features c v1 tcp-segmentation-offload generic-segmentation-offload'],
  },
  {
    name: 'what was switched off can be had again',
    steps: [...UP, 'a: ethtool -K v1 tx off', 'a: ethtool -K v1 tx on tso on', TRANSFER],
    compare: ['features a v1 tx-checksumming tcp-segmentation-offload'],
  },
  {
    name: 'a checksum that is left to the device stays so, and one that is complete stays complete',
    steps: [...UP, 'watch b v2', 'send a v1 gso/1000/1000 gso/5000/1000 v2/0800/60'],
    compare: ['frames b v2'],
  },
  {
    name: 'UDP with a checksum of zero arrives',
    steps: [...UP, 'background b sockets receive 10.0.0.2 9 4', 'sockets a send-unchecked 10.0.0.2 9 4', 'joined'],
    compare: ['counters a v1', 'counters b v2'],
  },
  {
    name: 'UDP GSO to a plain socket: 20 segments in one send',
    steps: [...UP, 'background b sockets receive 10.0.0.2 9 20', 'sockets a send-gso 10.0.0.2 9 20 1000', 'joined'],
    compare: ['counters a v1', 'counters b v2'],
  },
  {
    name: 'UDP GSO to a UDP GRO socket: one super-frame, one read',
    steps: [
      ...UP,
      'background b sockets receive-gro 10.0.0.2 9 20000',
      'sockets a send-gso 10.0.0.2 9 20 1000',
      'joined',
    ],
    compare: ['counters a v1', 'counters b v2'],
  },
  {
    name: 'IP fragments, with and without checksum offload',
    steps: [
      ...UP,
      'a: ping -n -q -c 3 -i 0.01 -W 5 -s 8000 10.0.0.2',
      'a: ethtool -K v1 tx off',
      'a: ping -n -q -c 3 -i 0.01 -W 5 -s 8000 10.0.0.2',
    ],
    compare: ['counters a v1', 'counters b v2'],
  },
  {
    name: 'SCTP, as raw IP, passes unharmed',
    steps: [...UP, 'background b sockets receive-raw 10.0.0.2 132 3', 'sockets a send-raw 10.0.0.2 132 3', 'joined'],
    compare: ['counters a v1', 'counters b v2'],
  },
  {
    name: 'VXLAN over the pair: ping and 2 MB of TCP through the tunnel',
    steps: [
      'link add v1 netns {a} type veth peer name v2 netns {b}',
      'a: ip addr add 10.9.0.1/24 dev v1; ip link set v1 up',
      'b: ip addr add 10.9.0.2/24 dev v2; ip link set v2 up',
      'carrier a v1',
      'carrier b v2',
      'a: ip link add x0 type vxlan id 7 dev v1 remote 10.9.0.2 dstport 4789; ip addr add 10.0.0.1/24 dev x0; ip link set x0 up',
      'b: ip link add x0 type vxlan id 7 dev v2 remote 10.9.0.1 dstport 4789; ip addr add 10.0.0.2/24 dev x0; ip link set x0 up',
      'a: ping -n -q -c 3 -i 0.01 -W 5 10.0.0.2',
      TRANSFER,
    ],
    compare: ['sh a ip -br link show x0 | tr -d "[:space:]" | grep -o UNKNOWN'],
  },
]
