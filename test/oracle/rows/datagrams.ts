/**
 * Many datagrams in one send, which the sender's stack cuts up because its device takes no super-frames of UDP: how many
 * packets they are at the receiver, with and without an XDP program there, over both versions of IP and in a tunnel.
 */
import type { Row } from '../row.js'
import { UP } from './pair.js'

const COUNT = 20

interface Sent {
  /** Of the receiver, switched before. */
  features: string
  /** They are in a VXLAN; program and features are those of the device below it. */
  tunnel?: boolean
}

/**
 * A send after the other, and the packets that the receiver has counted after each. They go to an address that it translates, or
 * the kernel would look for their socket before it merges, if there is any tunnel on the machine. All of a send are there before
 * vethd reads one, as they are on veth before its NAPI runs. A program at the receiver takes super-frames from the sender.
 */
function datagrams(version: '4' | '6', program: boolean, ...sends: Sent[]): string[] {
  const [outer, inner, len, ip] = version === '4' ? ['10.0.0.', '10.1.0.', 24, 'ip'] : ['fd00::', 'fd01::', 64, 'ip6']
  const give = (dev: string, address: string) => {
    const nodad = version === '4' ? '' : ' nodad'
    return `sysctl -q -w net.ipv6.conf.${dev}.disable_ipv6=0; ip addr add ${address}/${len} dev ${dev}${nodad}`
  }
  const set = (dev: string, own: number, other: number) => [
    give(dev, `${outer}${own}`),
    `ip link add vx type vxlan id 4 dstport 4789 remote ${outer}${other}; ip link set vx up`,
    give('vx', `${inner}${own}`),
  ]
  const translated = [
    give('v2', `${outer}3`),
    give('vx', `${inner}3`),
    `nft add table ${ip} t`,
    `nft add chain ${ip} t n "{ type nat hook prerouting priority -100; }"`,
    `nft add chain ${ip} t c "{ type filter hook input priority 0; }"`,
    `nft add rule ${ip} t c udp dport 9 counter`,
    ...[outer, inner].map((prefix) => `nft add rule ${ip} t n ${ip} daddr ${prefix}3 dnat to ${prefix}2`),
  ]
  const isOff = 'ethtool -k v1 | grep -q "tx-udp-segmentation: off"'
  return [
    ...UP,
    `a: ${set('v1', 1, 2).join('; ')}`,
    program ? 'xdp b v2 drv' : 'a: ethtool -K v1 tx-udp-segmentation off',
    `b: ${[...set('v2', 2, 1), ...translated].join('; ')}`,
    `a: timeout 10 sh -c 'until ${isOff}; do sleep 0.01; done'; ping -q -c 1 ${outer}3; ping -q -c 1 ${inner}3`,
    ...sends.flatMap(({ features, tunnel = false }) => {
      const to = tunnel ? inner : outer
      return [
        `b: ethtool -K v2 ${features}`,
        `background b sockets receive ${to}2 9 ${COUNT}`,
        `unserved sockets a send-gso ${to}3 9 ${COUNT} 1000`,
        'joined',
        `? b: nft list chain ${ip} t c | grep -o "packets [0-9]*"`,
      ]
    }),
    'b: nft flush ruleset',
    ...(program ? ['xdp b v2 off'] : []),
  ]
}

const [LIST, FORWARDING] = ['rx-gro-list', 'rx-udp-gro-forwarding']
const VERSIONS = ['4', '6'] as const

export const DATAGRAMS: Row[] = [
  {
    name: 'the datagrams of one send arrive as one, as a list or to be forwarded',
    steps: datagrams('4', false, { features: `gro on ${LIST} on` }, { features: `${LIST} off ${FORWARDING} on` }),
    compare: [],
  },
  ...VERSIONS.flatMap((version): Row[] => [
    {
      name: `behind an XDP program they arrive one by one over IPv${version}, without gro or in a tunnel`,
      steps: datagrams(
        version,
        true,
        { features: 'gro off' },
        { features: `gro on ${LIST} on`, tunnel: true },
        { features: `${LIST} off ${FORWARDING} on`, tunnel: true },
      ),
      compare: [],
    },
    ...[LIST, FORWARDING].map(
      (feature): Row => ({
        differs: 'gro behind XDP',
        name: `behind an XDP program they arrive one by one with ${feature} over IPv${version}, where veth merges`,
        steps: datagrams(version, true, { features: `gro on ${feature} on` }),
        compare: [],
      }),
    ),
  ]),
]
