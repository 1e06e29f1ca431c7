/** What `ip link add … type veth` makes: veth_newlink, veth_setup. */
import type { Row } from '../row.js'

export const CREATION: Row[] = [
  {
    name: 'two devices appear, the peer with the lower index, down and without carrier',
    steps: ['link add v1 type veth peer name v2'],
    compare: ['names host', 'link host v1', 'link host v2', 'order host v1 host v2', 'addresses host v1 host v2'],
  },
  {
    name: 'without names they are veth0 and veth1, the peer veth0',
    steps: ['link add type veth', 'link add type veth'],
    compare: ['names host', 'order host veth1 host veth0', 'order host veth3 host veth2'],
  },
  {
    name: 'an automatic name is the first that is free',
    steps: ['host: ip link add veth1 type bridge', 'link add type veth', 'link add veth%d type veth peer name x%d'],
    compare: ['names host'],
  },
  {
    name: 'an alternative name counts as taken',
    steps: [
      'host: ip link add br0 type bridge',
      'host: ip link property add dev br0 altname veth0',
      'link add type veth',
    ],
    compare: ['names host'],
  },
  {
    name: 'a name is only taken where the other device is',
    steps: ['link add v1 type veth peer name v2', 'link add v1 netns {a} type veth peer name v2 netns {b}'],
    compare: ['names host', 'names a', 'names b'],
  },
  {
    name: 'with a peer block nothing is inherited',
    steps: [
      'link add v1 mtu 1400 group 7 broadcast ff:ff:ff:ff:ff:fe address 02:00:00:00:00:01 type veth peer name v2',
    ],
    compare: ['link host v1', 'link host v2', 'member host v1 address'],
  },
  {
    name: 'without one the peer copies the MTU, the group and the broadcast address',
    steps: ['link add v1 mtu 1400 group 7 broadcast ff:ff:ff:ff:ff:fe address 02:00:00:00:00:01 type veth'],
    compare: ['names host', 'link host v1', 'link host veth0', 'addresses host v1 host veth0'],
  },
  {
    name: 'without one the peer goes into the same namespace',
    steps: ['link add v1 netns {a} type veth'],
    compare: ['names host', 'names a'],
  },
  {
    name: 'each side takes its own attributes',
    steps: [
      'link add v1 mtu 1400 address 02:00:00:00:00:01 type veth peer name v2 mtu 9000 address 02:00:00:00:00:02 group 3',
    ],
    compare: ['link host v1', 'link host v2', 'member host v1 address', 'member host v2 address'],
  },
  {
    name: 'each side goes where it is asked for',
    steps: ['link add v1 netns {a} type veth peer name v2 netns {b}'],
    compare: ['names host', 'names a', 'names b', 'link a v1', 'link b v2'],
  },
  {
    name: 'made with -n, both are in that namespace',
    steps: ['-n {a} link add v1 type veth peer name v2'],
    compare: ['names host', 'names a'],
  },
  {
    name: 'an index is given where it is asked for, on either side',
    steps: ['link add v1 index 4000 type veth peer name v2 index 3000'],
    compare: ['names host', 'member host v1 ifindex', 'member host v2 ifindex'],
  },
  {
    name: 'an index is given in another namespace too',
    steps: ['link add v1 netns {a} index 77 type veth peer name v2 index 99'],
    compare: ['member a v1 ifindex', 'member host v2 ifindex'],
  },
  {
    name: 'not asked for, an index is above those of the namespace, and none is given again',
    steps: [
      'host: ip link add br0 type bridge',
      'link add v1 type veth peer name v2',
      'link add w1 netns {a} type veth peer name w2 netns {b}',
      'host: cat /sys/class/net/v1/ifindex > /tmp/oracle-{a}; ip link del v1',
      'wait host v2',
      'link add v1 type veth peer name v2 netns {a}',
      'host: test $(cat /sys/class/net/v1/ifindex) -gt $(cat /tmp/oracle-{a})',
      'host: rm /tmp/oracle-{a}',
    ],
    compare: ['names host', 'names a', 'names b'],
  },
  {
    name: 'a group by its number',
    steps: ['link add v1 group 42 type veth peer name v2 group default'],
    compare: ['member host v1 group', 'member host v2 group'],
  },
  {
    name: 'an end can be born up',
    steps: ['link add v1 up type veth peer name v2', 'host: ip link set v2 up', 'carrier host v1', 'carrier host v2'],
    compare: ['link host v1', 'link host v2'],
  },
  {
    name: "a peer's index counts only beside one of the device's",
    steps: ['link add v1 type veth peer name v2 index 3000'],
    compare: ['order host v1 host v2', 'sh host ip link show dev v2 | grep -c ^3000:'],
  },
  {
    name: 'the qdisc is noqueue, after a move too',
    steps: [
      'link add v1 type veth peer name v2',
      'link set v1 netns {a}',
      'a: ip link set v1 up',
      'host: ip link set v2 netns {b}',
      'b: ip link set v2 up',
      'carrier a v1',
    ],
    compare: ['member a v1 qdisc', 'member b v2 qdisc'],
  },
  {
    name: 'a qdisc that a user set stays',
    steps: [
      'link add v1 up type veth peer name v2',
      'host: ip link set v2 up',
      'carrier host v1',
      'host: tc qdisc replace dev v1 root handle 1: tbf rate 10mbit burst 10kb latency 50ms',
      'host: ip link set v1 mtu 1400',
      'host: ip link set v2 down',
      'host: ip link set v2 up',
      'carrier host v1',
    ],
    compare: ['member host v1 qdisc', 'member host v2 qdisc'],
  },
  {
    name: 'a qdisc that a user deletes is replaced by the default again',
    steps: [
      'link add v1 up type veth peer name v2',
      'host: ip link set v2 up',
      'carrier host v1',
      'host: tc qdisc replace dev v1 root handle 1: pfifo limit 10',
      'host: tc qdisc del dev v1 root',
    ],
    compare: ['member host v1 qdisc'],
  },
  {
    name: '10000 Mb/s, full duplex, whether up or down',
    steps: ['link add v1 type veth peer name v2', 'host: ip link set v2 up'],
    compare: [
      'settings host v1 Speed Duplex Auto-negotiation',
      'settings host v2 Speed Duplex',
      'sh host cat /sys/class/net/v2/speed',
    ],
  },
  {
    name: 'GRO is off',
    steps: ['link add v1 type veth peer name v2'],
    compare: ['features host v1 generic-receive-offload', 'features host v2 generic-receive-offload'],
  },
  {
    name: 'an address is permanent for nobody, and one that was asked for is known as set',
    steps: ['link add v1 address 02:00:00:00:00:01 type veth peer name v2'],
    compare: ['sh host cat /sys/class/net/v1/addr_assign_type', 'sh host cat /sys/class/net/v1/address'],
  },
  {
    name: 'no other namespace sees a half-made device',
    steps: [
      'listen host',
      'listen a',
      'listen b',
      'listen c',
      'link add v1 netns {a} type veth peer name v2 netns {b}',
    ],
    compare: ['events host', 'events c'],
  },
  {
    name: 'the namespace that gets a device hears of it by its own name',
    steps: ['listen a', 'link add v1 netns {a} mtu 1400 type veth peer name v2 netns {b}'],
    compare: ['events a'],
  },
  {
    name: 'a txqueuelen is shown as asked for, and copied without a peer block',
    steps: ['link add v1 txqueuelen 500 type veth peer name v2 txqueuelen 600', 'link add v3 txqueuelen 700 type veth'],
    compare: ['member host v1 txqlen', 'member host v2 txqlen', 'member host v3 txqlen', 'member host veth0 txqlen'],
  },
  {
    name: 'without a peer block the peer copies the queues',
    steps: ['link add v1 numtxqueues 1 numrxqueues 1 type veth'],
    compare: ['member host v1 num_tx_queues', 'member host veth0 num_tx_queues', 'member host veth0 num_rx_queues'],
  },
  {
    name: 'numtxqueues 1 and numrxqueues 1',
    steps: ['link add v1 numtxqueues 1 numrxqueues 1 type veth peer name v2 numtxqueues 1 numrxqueues 1'],
    compare: ['member host v1 num_tx_queues', 'member host v1 num_rx_queues', 'member host v2 num_tx_queues'],
  },
  {
    name: 'several queues work',
    steps: [
      'link add v1 numtxqueues 4 numrxqueues 4 type veth peer name v2 numtxqueues 4 numrxqueues 4',
      'host: ip link set v2 netns {a}',
      'host: ip addr add 10.0.0.1/24 dev v1',
      'host: ip link set v1 up',
      'a: ip addr add 10.0.0.2/24 dev v2',
      'a: ip link set v2 up',
      'carrier host v1',
      'host: ping -n -q -c 3 -i 0.01 -W 5 10.0.0.2',
    ],
    compare: ['link host v1', 'link a v2'],
  },
  {
    name: 'flags are for the end that they are said of, and not inherited',
    steps: [
      'link add v1 arp off multicast off promisc on type veth peer name v2 allmulticast on dynamic on trailers off',
      'link add v3 arp off allmulticast on type veth',
      'link add v4 arp off arp on promisc on promisc off type veth peer name v5',
    ],
    compare: ['link host v1', 'link host v2', 'link host v3', 'link host veth0', 'link host v4'],
  },
  {
    name: 'flags stay where the ends go',
    steps: ['link add v1 netns {a} arp off promisc on type veth peer name v2 netns {b} multicast off'],
    compare: ['link a v1', 'link b v2'],
  },
  {
    name: 'flags of an end that is born up',
    steps: ['link add v1 up promisc on multicast off type veth peer name v2'],
    compare: ['link host v1'],
  },
  {
    name: 'the link mode, inherited without a peer block',
    steps: ['link add v1 mode dormant type veth', 'link add v3 mode DEFAULT type veth peer name v4 mode dormant'],
    compare: ['link host v1', 'link host veth0', 'link host v3', 'link host v4'],
  },
  {
    name: 'limits of super-frames, inherited without a peer block',
    steps: [
      'link add v1 gso_max_size 30000 gso_max_segs 9 gro_max_size 20000 type veth',
      'link add v3 gso_max_size 0x8000 type veth peer name v4 gso_max_segs 0 gro_max_size 100000 netns {a}',
    ],
    compare: ['link host v1', 'link host veth0', 'link host v3', 'link a v4'],
  },
  {
    name: 'what the kernel reads and does not obey at creation',
    steps: [
      'link add v1 alias wan state dormant carrier off protodown on parentdev pci0 nomaster type veth peer name v2',
      'link add v3 type veth peer name v4 alias lan state UP carrier on protodown off parentdev x nomaster',
    ],
    compare: ['link host v1', 'link host v2', 'link host v3', 'link host v4'],
  },
  {
    name: 'an end can be born into a bridge; that of a peer is not obeyed',
    steps: [
      'host: ip link add br0 type bridge',
      'link add v1 up master br0 type veth peer name v2 master br0',
      'link add v3 master br0 type veth',
      'link add v4 master br0 nomaster type veth peer name v5',
    ],
    compare: ['link host v1', 'link host v2', 'link host v3', 'link host veth0', 'member host v4 master'],
  },
]
