/** Offloads: what `ethtool -k` says, what `ethtool -K` does, and traffic that is right either way. */
import type { Row } from '../row.js'

const UP = [
  'link add v1 netns {a} address 02:00:00:00:00:01 type veth peer name v2 netns {b} address 02:00:00:00:00:02',
  'a: ip addr add 10.0.0.1/24 dev v1; ip link set v1 up',
  'b: ip addr add 10.0.0.2/24 dev v2; ip link set v2 up',
  'carrier a v1',
  'carrier b v2',
]
const TRANSFER = [
  `b: (timeout 10 python3 -c "${serve()}" > /tmp/oracle-{b} & ) ; while ! ss -tln | grep -q :7; do sleep 0.01; done`,
  `a: python3 -c "${send()}"`,
  'b: while ! [ -s /tmp/oracle-{b} ]; do sleep 0.01; done; cat /tmp/oracle-{b}; rm /tmp/oracle-{b}',
]

/** A server that prints the digest of 2 MB that it got. */
function serve(): string {
  return [
    'import socket,hashlib',
    "s=socket.create_server(('10.0.0.2',7))",
    'c=s.accept()[0]',
    'h=hashlib.sha1()',
    'n=0',
    "exec('while True:\\n d=c.recv(65536)\\n if not d: break\\n h.update(d); n+=len(d)')",
    'print(n,h.hexdigest())',
  ].join(';')
}

function send(): string {
  return [
    'import socket',
    "s=socket.create_connection(('10.0.0.2',7))",
    's.sendall(bytes(i*7%251 for i in range(2000000)))',
    's.close()',
  ].join(';')
}

/** Traffic with a feature set to `value` on the end `at`, beside what the feature says then. */
function setFeature(at: 'a v1' | 'b v2', feature: string, value: 'on' | 'off', shown: string): Row {
  const [ns, dev] = at.split(' ')
  return {
    name: `${feature} ${value} on ${dev}: shown, kept, and 2 MB of TCP arrive whole`,
    steps: [
      ...UP,
      `${ns}: ethtool -K ${dev} ${feature} ${value}`,
      ...TRANSFER.map((step, i) => (i === 2 ? `? ${step}` : step)),
    ],
    compare: [`features ${at} ${shown}`],
  }
}

const COMMON = 'rx-checksumming tx-checksum-ip-generic scatter-gather tcp-segmentation-offload tx-tcp-segmentation'
const MORE = 'tx-tcp6-segmentation tx-tcp-ecn-segmentation generic-segmentation-offload generic-receive-offload'

export const OFFLOADS: Row[] = [
  { name: 'what is on', steps: UP, compare: [`features a v1 ${COMMON} ${MORE}`, `features b v2 ${COMMON} ${MORE}`] },
  ...(['a v1', 'b v2'] as const).flatMap((at) => [
    setFeature(at, 'tso', 'off', 'tcp-segmentation-offload tx-tcp-segmentation tx-tcp6-segmentation'),
    setFeature(at, 'gso', 'off', 'generic-segmentation-offload'),
    setFeature(at, 'tx', 'off', 'tx-checksumming tx-checksum-ip-generic tcp-segmentation-offload'),
    setFeature(at, 'sg', 'off', 'scatter-gather tcp-segmentation-offload generic-segmentation-offload'),
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
    steps: [
      ...UP,
      'a: ethtool -K v1 tx off',
      'a: ethtool -K v1 tx on tso on',
      ...TRANSFER.map((s, i) => (i === 2 ? `? ${s}` : s)),
    ],
    compare: ['features a v1 tx-checksumming tcp-segmentation-offload'],
  },
  {
    name: 'UDP with a checksum of zero arrives',
    steps: [
      ...UP,
      `b: (timeout 5 python3 -c "import socket; s=socket.socket(2,2); s.bind(('10.0.0.2',9)); print(s.recv(99))" > /tmp/oracle-{b} &); sleep 0.1`,
      `a: python3 -c "import socket; s=socket.socket(2,2); s.setsockopt(1,11,1); s.sendto(b'zero',('10.0.0.2',9))"`,
      '? b: sleep 0.05; cat /tmp/oracle-{b}; rm /tmp/oracle-{b}',
    ],
    compare: ['counters a v1', 'counters b v2'],
  },
  {
    name: 'UDP GSO and UDP GRO sockets: 20 segments in one send, whole at the receiver',
    steps: [
      ...UP,
      `b: (timeout 5 python3 -c "import socket; s=socket.socket(2,2); s.setsockopt(17,104,1); s.bind(('10.0.0.2',9)); s.settimeout(2); n=0; exec('while n<20000:\\n n+=len(s.recv(65535))'); print(n)" > /tmp/oracle-{b} &); sleep 0.15`,
      `a: python3 -c "import socket; s=socket.socket(2,2); s.setsockopt(17,103,1000); s.sendto(bytes(20000),('10.0.0.2',9))"`,
      '? b: sleep 0.1; cat /tmp/oracle-{b}; rm /tmp/oracle-{b}',
    ],
    compare: ['counters a v1', 'counters b v2'],
  },
  {
    name: 'IP fragments, with and without checksum offload',
    steps: [
      ...UP,
      'a: ping -n -q -c 3 -i 0.01 -W 1 -s 8000 10.0.0.2',
      'a: ethtool -K v1 tx off',
      'a: ping -n -q -c 3 -i 0.01 -W 1 -s 8000 10.0.0.2',
    ],
    compare: ['counters a v1', 'counters b v2'],
  },
  {
    name: 'SCTP, as raw frames, passes unharmed',
    steps: [...UP, 'watch b v2', 'send a v1 v2/0800/100 v2/0800/1400*5'],
    compare: ['frames b v2'],
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
      'a: ping -n -q -c 3 -i 0.01 -W 1 10.0.0.2',
      ...TRANSFER.map((step, i) => (i === 2 ? `? ${step}` : step)),
    ],
    compare: ['sh a ip -br link show x0 | tr -d "[:space:]" | grep -o UNKNOWN'],
  },
]
