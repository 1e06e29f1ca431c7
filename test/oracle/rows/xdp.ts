/** XDP: what a program on one end does to the other, while it is attached and after; frames pass it as on a wire. */
import type { Row } from '../row.js'
import { UP, UP_ADDRESSED } from './pair.js'

const FEATURES = ['featuresAlike a v1', 'featuresAlike b v2']

/** Waits until super-frames are on or off: with vethd they follow a moment later. */
function superFrames(ns: string, state: 'on' | 'off', dev = 'v1'): string {
  const looks = `until ethtool -k ${dev} | grep -q "tx-udp-segmentation: ${state}"; do sleep 0.01; done`
  return `${ns}: timeout 10 sh -c '${looks}'`
}

/** Compares now what a program takes, and some of what it leaves alone. */
function compareNow(ns: string): string {
  const features = 'tx-tcp-seg|tx-tcp-ecn|tx-tcp6|tx-udp|generic-seg|scatter-gather:|tx-checksum-ip-generic'
  return `? ${ns}: ethtool -k v1 | grep -E "${features}" | sed "s/ .fixed.//"`
}

function attachedTo(action: string): string[] {
  return [...UP, `xdp b v2 drv ${action}`, superFrames('a', 'off')]
}

const ATTACHED = attachedTo('pass')
const ADDRESSED = [...UP_ADDRESSED, 'a: ip addr add 10.0.0.1/24 dev v1', 'b: ip addr add 10.0.0.2/24 dev v2']
/** 20 datagrams in one send, all of which arrive. */
const UDP_SUPER_FRAME = [
  'background b sockets receive 10.0.0.2 9 20',
  'sockets a send-gso 10.0.0.2 9 20 1000',
  'joined',
]

/** Frames of two sizes to `v2`, whose program says what becomes of them. */
const FRAMES = ['watch b v2', 'send a v1 all/88b5/60*3 other/88b5/1514', 'b: sleep 0.1', 'xdp b v2 off']
const SENT_BACK = ['watch a v1', ...FRAMES]

/** A pair from `b` to `c`, to which a program of `v2` redirects. */
const SECOND_PAIR = [
  'link add w1 netns {b} type veth peer name w2 netns {c}',
  'b: ip link set w1 up',
  'c: ip link set w2 up',
  'carrier b w1',
]

const HELD = ['a: ethtool -K v1 tso off', 'b: ethtool -K v2 gro on', 'hold b v2 100000']

export const XDP: Row[] = [
  {
    name: 'XDP: a program at the driver takes the super-frames from the other end, and nothing else',
    steps: ATTACHED,
    compare: FEATURES,
  },
  {
    name: 'XDP: when it goes they are back, but for those that the user had switched off, who can have them again',
    steps: [
      ...UP,
      'a: ethtool -K v1 tx-tcp6-segmentation off tx-udp_tnl-csum-segmentation off',
      'xdp b v2 drv',
      superFrames('a', 'off'),
      compareNow('a'),
      'xdp b v2 off',
      superFrames('a', 'on'),
      compareNow('a'),
      'a: ethtool -K v1 tx-tcp6-segmentation on',
    ],
    compare: FEATURES,
  },
  {
    name: 'XDP: what the user switches meanwhile is as on veth, then and when the program goes',
    steps: [
      ...ATTACHED,
      '? a: ethtool -K v1 tso off > /dev/null',
      'a: ethtool -K v1 tx off; ethtool -K v1 tx-udp_tnl-csum-segmentation off',
      compareNow('a'),
      'a: ethtool -K v1 tx on',
      'xdp b v2 off',
      superFrames('a', 'on'),
    ],
    compare: [
      'features a v1 tx-checksumming tcp-segmentation-offload tx-udp-segmentation tx-udp_tnl-csum-segmentation',
    ],
  },
  {
    name: 'XDP: at both ends, with gro on, TCP arrives whole and no program sees more than the MTU allows',
    steps: [
      ...ADDRESSED,
      'b: ethtool -K v2 gro on rx-udp-gro-forwarding on',
      'xdp a v1 drv',
      'xdp b v2 drv',
      superFrames('a', 'off'),
      superFrames('b', 'off', 'v2'),
      'transfer a b tcp 10.0.0.2 2000000',
      ...UDP_SUPER_FRAME,
      'xdp a v1 off',
      'xdp b v2 off',
    ],
    compare: [],
  },
  {
    name: 'XDP: a program behind the driver takes nothing, and sees super-frames',
    steps: [...ADDRESSED, 'xdp b v2 skb', compareNow('a'), ...UDP_SUPER_FRAME, 'xdp b v2 off'],
    compare: FEATURES,
  },
  {
    name: 'XDP: a program that was attached while its end was down sees no super-frame when it is up',
    steps: [
      ...ADDRESSED,
      'b: ip link set v2 down',
      'xdp b v2 drv',
      'b: ip link set v2 up',
      'carrier a v1',
      ...UDP_SUPER_FRAME,
      'xdp b v2 off',
    ],
    compare: [],
  },
  {
    name: 'XDP: a program goes along where its end is moved to and renamed; detached while that is down, it is gone when up',
    steps: [
      ...ATTACHED,
      'b: ip link set v2 netns {c}; true',
      'c: ip link set v2 name w2; ip link set w2 up',
      'carrier a v1',
      'c: ip link show w2 | grep -q prog/xdp',
      compareNow('a'),
      'c: ip link set w2 down; ip link set w2 xdp off; ip link set w2 up',
      superFrames('a', 'on'),
      'carrier a v1',
    ],
    compare: ['featuresAlike a v1', 'featuresAlike c w2'],
  },
  {
    name: 'XDP: the end that lost its super-frames has none where it is moved to, and has them back when the program goes',
    steps: [
      ...ATTACHED,
      'a: ip link set v1 netns {c}; true',
      'c: ip link set v1 up',
      'carrier c v1',
      compareNow('c'),
      'xdp b v2 off',
      superFrames('c', 'on'),
    ],
    compare: ['featuresAlike c v1', 'featuresAlike b v2'],
  },
  {
    name: 'XDP: what a program of the driver drops does not arrive',
    steps: [
      ...attachedTo('drop'),
      'watch b v2',
      'send a v1 all/88b5/60*3',
      'b: sleep 0.1',
      'xdp b v2 off',
      'send a v1 all/88b5/61',
    ],
    compare: ['frames b v2'],
  },
  {
    name: 'XDP: what a program behind the driver drops does not arrive, and is counted alike',
    steps: [...UP, 'xdp b v2 skb drop', ...FRAMES],
    compare: ['frames b v2', 'counters a v1', 'counters b v2'],
  },
  {
    name: 'XDP: what a program of the driver sends back arrives at the other end, if that has one too',
    steps: [...UP, 'xdp a v1 drv', 'xdp b v2 drv tx', superFrames('a', 'off'), ...SENT_BACK, 'xdp a v1 off'],
    compare: ['frames a v1 in', 'frames b v2'],
  },
  {
    name: 'XDP: what a program behind the driver sends back arrives at the other end',
    steps: [...UP, 'xdp b v2 skb tx', ...SENT_BACK],
    compare: ['frames a v1 in', 'frames b v2', 'counters a v1', 'counters b v2'],
  },
  {
    name: 'XDP: what a program of the driver redirects comes out of the other pair, if that has one too',
    steps: [
      ...UP,
      ...SECOND_PAIR,
      'xdp c w2 drv',
      superFrames('b', 'off', 'w1'),
      'xdp b v2 drv w1',
      superFrames('a', 'off'),
      'watch c w2',
      ...FRAMES,
      'xdp c w2 off',
    ],
    compare: ['frames c w2', 'frames b v2'],
  },
  {
    name: 'XDP: what a program behind the driver redirects comes out of the other pair',
    steps: [...UP, ...SECOND_PAIR, 'xdp b v2 skb w1', 'watch c w2', ...FRAMES],
    compare: ['frames c w2', 'frames b v2', 'counters a v1', 'counters b v2', 'counters b w1', 'counters c w2'],
  },
  {
    name: 'XDP: for a program behind the driver nothing is merged',
    steps: [...UP, ...HELD, 'xdp b v2 skb', 'b: sleep 0.1', 'watch b v2', 'send a v1 stream/5', 'b: sleep 0.12'],
    compare: ['frames b v2'],
  },
]
