/** What is refused, in which words, with which exit code; and nothing is left half made. */
import type { Row } from '../row.js'

const NOTHING_LEFT = ['left']

/** A command line that is refused; `before` what has to be there already. */
function refused(what: string, command: string, before: string[] = []): Row {
  return { name: `refused: ${what}`, steps: [...before, `? ${command}`], compare: NOTHING_LEFT }
}

const TAKEN = ['host: ip link add br0 type bridge']

export const REFUSALS: Row[] = [
  refused('a name that is taken', 'link add br0 type veth peer name v2', TAKEN),
  refused('a name that is taken, of the peer', 'link add v1 type veth peer name br0', TAKEN),
  refused('an alternative name', 'link add x type veth peer name v2', [
    ...TAKEN,
    'host: ip link property add dev br0 altname x',
  ]),
  refused('the same name twice', 'link add v1 type veth peer name v1'),
  refused('a name that is taken where it is going', 'link add br0 netns {a} type veth peer name v2', [
    'a: ip link add br0 type bridge',
  ]),
  refused('a name of 16 bytes', 'link add v123456789012345 type veth peer name v2'),
  refused('a name of 16 bytes, of the peer', 'link add v1 type veth peer name v123456789012345'),
  refused('a name with a slash', 'link add v/1 type veth peer name v2'),
  refused('a name that is a dot', 'link add . type veth peer name v2'),
  refused('an empty address', 'link add v1 address x type veth peer name v2'),
  refused('a multicast address', 'link add v1 address 01:00:00:00:00:01 type veth peer name v2'),
  refused('a multicast address, of the peer', 'link add v1 type veth peer name v2 address 01:00:00:00:00:01'),
  refused('an address that is all zero', 'link add v1 address 00:00:00:00:00:00 type veth peer name v2'),
  refused('an address that is too short', 'link add v1 address 02:00:00 type veth peer name v2'),
  refused('an address without colons', 'link add v1 address 020000000001 type veth peer name v2'),
  refused('an address with dashes, of the peer', 'link add v1 type veth peer name v2 address 02-00-00-00-00-01'),
  refused('an MTU of 67', 'link add v1 mtu 67 type veth peer name v2'),
  refused('an MTU of 67, of the peer', 'link add v1 type veth peer name v2 mtu 67'),
  refused('an MTU of 65536', 'link add v1 mtu 65536 type veth peer name v2'),
  refused('an MTU that is no number', 'link add v1 mtu big type veth peer name v2'),
  refused('4097 queues', 'link add v1 numtxqueues 4097 type veth peer name v2'),
  refused('no queues', 'link add v1 numtxqueues 0 type veth peer name v2'),
  refused('no queues to receive', 'link add v1 numrxqueues 0 type veth peer name v2'),
  refused('an index that is taken', 'link add v1 index 1 type veth peer name v2'),
  refused('an index that is taken, of the peer', 'link add v1 index 77 type veth peer name v2 index 1'),
  refused('the same index twice', 'link add v1 index 77 type veth peer name v2 index 77'),
  refused('a peer that is to be born up', 'link add v1 type veth peer name v2 up'),
  refused(
    'both are bad, and the device is looked at first',
    'link add v1 mtu 67 type veth peer name v2 address 01:00:00:00:00:01',
  ),
  refused('an index of zero', 'link add v1 index 0 type veth peer name v2'),
  refused('an index below zero', 'link add v1 index -5 type veth peer name v2'),
  refused('a group that is unknown', 'link add v1 group nonsense type veth peer name v2'),
  refused('a namespace that is not there', 'link add v1 netns nowhere type veth peer name v2'),
  refused('a namespace that is not there, of the peer', 'link add v1 type veth peer name v2 netns nowhere'),
  refused('a namespace file that is not there', 'link add v1 netns ./nowhere type veth peer name v2'),
  refused('a group above 31 bits', 'link add v1 group 2147483648 type veth peer name v2'),
  refused('a name that asks for help', 'link add h type veth peer name v2'),
  refused('a name that asks for help, of the peer', 'link add v1 type veth peer help'),
  refused('no type', 'link add v1'),
  refused('an unknown keyword after the type', 'link add v1 type veth peers name v2'),
  refused('an unknown keyword of the peer', 'link add v1 type veth peer name v2 nonsense 5'),
  refused('a keyword without its value', 'link add v1 mtu'),
  refused('the MTU twice', 'link add v1 mtu 1500 mtu 1400 type veth peer name v2'),
  refused('a live MTU of 67', 'link set v1 mtu 67', ['link add v1 type veth peer name v2']),
  refused('a live MTU of 70000', 'link set v1 mtu 70000', ['link add v1 type veth peer name v2']),
  refused('a live multicast address', 'link set v1 address 01:00:00:00:00:01', ['link add v1 type veth peer name v2']),
  refused('moving a device that is not there', 'link set nothing netns {a}'),
  refused('moving to a namespace that is not there', 'link set v1 netns nowhere', [
    'link add v1 type veth peer name v2',
  ]),
  refused('moving to where the name is taken', 'link set br0 netns {a}', [
    'a: ip link add br0 type bridge',
    'link add br0 type veth peer name v2',
  ]),
  refused('a name for a device that another one has', 'link set v1 name v2', ['link add v1 type veth peer name v2']),
  refused('renaming a device that is up to a bad name', 'link set v1 name v/1', ['link add v1 type veth peer name v2']),
  refused('a master that is not there', 'link set v1 master nothing', ['link add v1 type veth peer name v2']),
  refused('a master that is no bridge', 'link set v1 master v2', ['link add v1 type veth peer name v2']),
  refused('deleting a device that is not there', 'link del nothing'),
  refused('deleting a device of another namespace', 'link del v1', ['-n {a} link add v1 type veth peer name v2']),
  refused('showing a device that is not there', 'link show nothing'),
  refused('a flag that is neither on nor off', 'link add v1 arp maybe type veth peer name v2'),
  refused('a flag without a value', 'link add v1 multicast'),
  refused('a carrier that is neither on nor off', 'link add v1 carrier maybe type veth peer name v2'),
  refused('a link mode that is unknown', 'link add v1 mode dorm type veth peer name v2'),
  refused('an operational state that is unknown', 'link add v1 state sleepy type veth peer name v2'),
  refused('an alias of 256 bytes', `link add v1 alias ${'x'.repeat(256)} type veth peer name v2`),
  refused('a mode of addresses, before there can be any', 'link add v1 addrgenmode none type veth peer name v2'),
  refused('a mode of addresses that is unknown', 'link add v1 type veth peer name v2 addrgenmode some'),
  refused('super-frames too small for a header', 'link add v1 gso_max_size 100 type veth peer name v2'),
  refused('super-frames that are too large', 'link add v1 type veth peer name v2 gso_max_size 600000'),
  refused('a limit of super-frames that is no number', 'link add v1 gso_max_size big type veth peer name v2'),
  refused('a limit below zero', 'link add v1 gro_max_size -1 type veth peer name v2'),
  refused('more segments than 16 bits can count', 'link add v1 gso_max_segs 70000 type veth peer name v2'),
  refused('a bridge that is not there', 'link add v1 master nothing type veth peer name v2'),
  refused('a bridge that is not there, of the peer', 'link add v1 type veth peer name v2 master nothing'),
  refused('a master that is no bridge, at creation', 'link add v1 master lo type veth peer name v2'),
  refused('a bridge of another namespace', 'link add v1 netns {a} master br0 type veth peer name v2', [
    ...TAKEN,
    'host: ip link add br1 type bridge',
  ]),
]
