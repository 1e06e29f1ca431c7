/**
 * The control API's shapes: the one place from which the daemon takes its validation and both daemon and client take
 * their types (the client imports types only, so that a command line never loads them).
 *
 * Names are iproute2's: what a request may say about a device is spelled as `ip link add` spells it, and what an answer
 * says about one is spelled as `ip -j -d -s link show` spells it. Counters of 64 bits are decimal strings, because a
 * JSON number is a double to most readers and ends being exact at 2^53. docs/api.md explains the routes.
 */
import type { Static } from 'typebox'
import { Type } from './schema-builders.js'

const strict = { additionalProperties: false }

/** A 64-bit counter in decimal digits. */
const Counter = Type.String({ pattern: '^[0-9]+$' })

const Int32 = Type.Integer({ minimum: -0x80000000, maximum: 0x7fffffff })
const Uint32 = Type.Integer({ minimum: 0, maximum: 0xffffffff })

export const Checksum = Type.Union([Type.Literal('offload'), Type.Literal('software'), Type.Literal('verify')])
export type Checksum = Static<typeof Checksum>

export const Side = Type.Union([Type.Literal('a'), Type.Literal('b')])
export type Side = Static<typeof Side>

// --- requests ------------------------------------------------------------------------------------------------------

/** What a device is given when it is made, and may be given later too. */
const Attributes = {
  address: Type.Optional(Type.String()),
  broadcast: Type.Optional(Type.String()),
  mtu: Type.Optional(Int32),
  group: Type.Optional(Uint32),
  txqueuelen: Type.Optional(Int32),
  mode: Type.Optional(Type.Union([Type.Literal('default'), Type.Literal('dormant')])),
  up: Type.Optional(Type.Boolean()),
  arp: Type.Optional(Type.Boolean()),
  multicast: Type.Optional(Type.Boolean()),
  allmulticast: Type.Optional(Type.Boolean()),
  promisc: Type.Optional(Type.Boolean()),
  dynamic: Type.Optional(Type.Boolean()),
  trailers: Type.Optional(Type.Boolean()),
}

/** One end of a pair to be made. Ranges are the driver's to check: its errors say what the limit is. */
export const NewEnd = Type.Object(
  {
    ...Attributes,
    name: Type.Optional(Type.String()),
    netns: Type.Optional(
      Type.String({ description: 'fd:N, NAME, PID or FILE (docs/api.md); default: the namespace of the request' }),
    ),
    index: Type.Optional(Int32),
    numtxqueues: Type.Optional(Int32),
    numrxqueues: Type.Optional(Int32),
    gso_max_size: Type.Optional(Uint32),
    gso_max_segs: Type.Optional(Uint32),
    gro_max_size: Type.Optional(Uint32),
    master: Type.Optional(Type.String({ description: 'name of a bridge in the namespace of the request' })),
  },
  strict,
)
export type NewEnd = Static<typeof NewEnd>

/** A pair to be made. Without `peer` the peer copies everything of `dev` but name, address, index, flags and master. */
export const NewPair = Type.Object(
  { dev: Type.Optional(NewEnd), peer: Type.Optional(NewEnd), checksum: Type.Optional(Type.String()) },
  strict,
)
export type NewPair = Static<typeof NewPair>

/** What `link set` may change. `master: null` takes the device out of its bridge, `alias: ''` takes its alias away. */
export const LinkChange = Type.Object(
  {
    ...Attributes,
    name: Type.Optional(Type.String()),
    netns: Type.Optional(Type.String()),
    alias: Type.Optional(Type.String()),
    master: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    gro_flush_us: Type.Optional(Int32),
  },
  strict,
)
export type LinkChange = Static<typeof LinkChange>

/** The namespace that a request acts in, as `ip -n` has it; default: the caller's own. */
export const InNetns = Type.Object({ netns: Type.Optional(Type.String()) }, strict)
export type InNetns = Static<typeof InNetns>

/** A request whose query says nothing. */
export const NoQuery = Type.Object({}, strict)

/** A device by name in that namespace, or as `ID/a`, `ID/b` wherever it is. */
export const OneDevice = Type.Object({ dev: Type.String(), netns: Type.Optional(Type.String()) }, strict)
export type OneDevice = Static<typeof OneDevice>

/** The same, or every device (of that namespace, when one is given). */
export const SomeDevices = Type.Object(
  { dev: Type.Optional(Type.String()), netns: Type.Optional(Type.String()) },
  strict,
)
export type SomeDevices = Static<typeof SomeDevices>

/** The same; of them the ports of the bridge `master`, a device in the namespace of the request. */
export const ShownDevices = Type.Object({ ...SomeDevices.properties, master: Type.Optional(Type.String()) }, strict)
export type ShownDevices = Static<typeof ShownDevices>

/** Devices in the order in which they are to be deleted: `?dev=veth1&dev=veth3`. */
export const ManyDevices = Type.Object(
  { dev: Type.Union([Type.String(), Type.Array(Type.String())]), netns: Type.Optional(Type.String()) },
  strict,
)
export type ManyDevices = Static<typeof ManyDevices>

export const PairId = Type.Object({ id: Type.String({ pattern: '^[0-9]+$' }) }, strict)
export type PairId = Static<typeof PairId>

/** `present`: first what is there already, as events of the kind `added`. */
export const EventsWanted = Type.Object(
  { netns: Type.Optional(Type.String()), present: Type.Optional(Type.Literal('true')) },
  strict,
)
export type EventsWanted = Static<typeof EventsWanted>

/** Where a reader of events left off. */
export const LastEventId = Type.Object({ 'last-event-id': Type.Optional(Type.String()) })
export type LastEventId = Static<typeof LastEventId>

// --- answers -------------------------------------------------------------------------------------------------------

const counters = <const Names extends readonly string[]>(...names: Names) =>
  Type.Object(Object.fromEntries(names.map((name) => [name, Counter])) as Record<Names[number], typeof Counter>)

/** struct rtnl_link_stats64, under the names of `ip -s -s -j link show`, every field. */
export const Stats64 = Type.Object({
  rx: counters(
    'bytes',
    'packets',
    'errors',
    'dropped',
    'over_errors',
    'multicast',
    'compressed',
    'length_errors',
    'crc_errors',
    'frame_errors',
    'fifo_errors',
    'missed_errors',
    'nohandler',
  ),
  tx: counters(
    'bytes',
    'packets',
    'errors',
    'dropped',
    'carrier_errors',
    'collisions',
    'compressed',
    'aborted_errors',
    'fifo_errors',
    'window_errors',
    'heartbeat_errors',
  ),
})
export type Stats64 = Static<typeof Stats64>

/** What no `ip` can say of a device: whose end it is, where it is now, and who its peer is. */
export const Membership = Type.Object({
  pair: Type.Integer(),
  side: Side,
  peer: Type.Union([Type.String(), Type.Null()], { description: 'null, as all of the peer, when that is gone' }),
  peer_ifindex: Type.Union([Type.Integer(), Type.Null()]),
  peer_netns: Type.Union([Type.String(), Type.Null()], { description: 'null also when it has no name' }),
  peer_netns_inode: Type.Union([Type.Integer(), Type.Null()]),
  netns: Type.Union([Type.String(), Type.Null()], { description: 'its name in /run/netns; null when it has none' }),
  netns_inode: Type.Integer(),
  checksum: Checksum,
})
export type Membership = Static<typeof Membership>

const VethTotals = counters('packets', 'bytes', 'dropped')

/** Why frames that a device sent did not reach its peer, and the totals that a kernel veth would show. */
export const Fate = Type.Object({
  drops: Type.Record(Type.String(), Counter),
  veth: Type.Object({ rx: VethTotals, tx: VethTotals }),
})
export type Fate = Static<typeof Fate>

/** One device, as `ip -j -d -s -s link show` shows it, its membership, and what became of its frames. */
export const Device = Type.Object({
  ifindex: Type.Integer(),
  ifname: Type.String(),
  flags: Type.Array(Type.String()),
  mtu: Type.Integer(),
  qdisc: Type.Optional(Type.String()),
  master: Type.Optional(Type.String()),
  operstate: Type.String(),
  linkmode: Type.String(),
  group: Type.String(),
  txqlen: Type.Integer(),
  link_type: Type.String(),
  address: Type.String(),
  broadcast: Type.String(),
  permaddr: Type.Optional(Type.String()),
  link_netnsid: Type.Optional(Type.Integer()),
  promiscuity: Type.Integer(),
  allmulti: Type.Optional(Type.Integer()),
  min_mtu: Type.Integer(),
  max_mtu: Type.Integer(),
  linkinfo: Type.Object({
    info_kind: Type.String(),
    info_data: Type.Optional(
      Type.Object({
        type: Type.String(),
        pi: Type.Boolean(),
        vnet_hdr: Type.Boolean(),
        multi_queue: Type.Boolean(),
        numqueues: Type.Optional(Type.Integer()),
        numdisabled: Type.Optional(Type.Integer()),
        persist: Type.Boolean(),
      }),
    ),
    info_slave_kind: Type.Optional(Type.String()),
  }),
  inet6_addr_gen_mode: Type.Optional(Type.String()),
  num_tx_queues: Type.Integer(),
  num_rx_queues: Type.Integer(),
  gso_max_size: Type.Integer(),
  gso_max_segs: Type.Integer(),
  tso_max_size: Type.Optional(Type.Integer()),
  tso_max_segs: Type.Optional(Type.Integer()),
  gro_max_size: Type.Optional(Type.Integer()),
  ifalias: Type.Optional(Type.String()),
  carrier_changes: Type.Integer(),
  altnames: Type.Array(Type.String()),
  stats64: Stats64,
  vethd: Type.Object({
    ...Membership.properties,
    gro_flush_us: Type.Integer({ description: 'how long what it receives may be held to be merged' }),
    ...Fate.properties,
  }),
})
export type Device = Static<typeof Device>

export const Pair = Type.Object({
  id: Type.Integer(),
  checksum: Checksum,
  created_at: Type.String({ description: 'RFC 3339' }),
  a: Device,
  b: Device,
})
export type Pair = Static<typeof Pair>

export const Devices = Type.Object({ devices: Type.Array(Device) })
export type Devices = Static<typeof Devices>

export const Pairs = Type.Object({ pairs: Type.Array(Pair) })
export type Pairs = Static<typeof Pairs>

export const Removed = Type.Object({ removed: Type.Integer({ description: 'devices named in the request' }) })
export type Removed = Static<typeof Removed>

const Flow = counters('packets', 'bytes')
/**
 * One device's counters: the kernel's verbatim; vethd's own (`read` from the device, which are its tx; `written` to it,
 * its rx; `drops`: frames that its stack sent and that did not reach its peer); and what veth would show, derived from
 * both.
 */
export const DeviceStats = Type.Object({
  ifname: Type.String(),
  ...Membership.properties,
  kernel: Stats64,
  vethd: Type.Object({
    read: Flow,
    written: Flow,
    drops: Fate.properties.drops,
    checksum_errors: counters('ipv4', 'tcp', 'udp', 'icmp', 'icmpv6'),
    classes: counters('host', 'broadcast', 'multicast', 'otherhost'),
    protocols: counters('ipv4', 'ipv6', 'arp', 'vlan', '802.3', '802.2', 'other'),
    gro: Type.Object({ frames: Type.Record(Type.String(), Counter), runs: Type.Record(Type.String(), Counter) }),
  }),
  veth: Fate.properties.veth,
})
export type DeviceStats = Static<typeof DeviceStats>

export const AllStats = Type.Object({ devices: Type.Array(DeviceStats) })
export type AllStats = Static<typeof AllStats>

/** A namespace by its name in /run/netns, null when it has none, and by its inode number. */
const Place = { netns: Membership.properties.netns, netns_inode: Membership.properties.netns_inode }

/** What every event says: when, of which device, and what it is called and where it is, once that has happened. */
const AboutDevice = {
  time: Type.String({ description: 'RFC 3339' }),
  pair: Type.Integer(),
  device: Type.String({ pattern: '^[0-9]+/[ab]$' }),
  name: Type.String(),
  ...Place,
}

/** One thing that happened to one device; what happens to a pair is told of both its ends. */
export const Event = Type.Union([
  Type.Object({
    kind: Type.Literal('added'),
    ...AboutDevice,
    peer: Membership.properties.peer,
    checksum: Checksum,
    carrier: Type.Boolean(),
  }),
  Type.Object({
    kind: Type.Literal('removed'),
    ...AboutDevice,
    reason: Type.Union([Type.Literal('asked'), Type.Literal('device-gone')]),
  }),
  Type.Object({ kind: Type.Literal('moved'), ...AboutDevice, from: Type.Object(Place) }),
  Type.Object({ kind: Type.Literal('renamed'), ...AboutDevice, was: Type.String() }),
  Type.Object({ kind: Type.Literal('carrier'), ...AboutDevice, carrier: Type.Boolean() }),
  Type.Object({ kind: Type.Literal('degraded'), ...AboutDevice, what: Type.String(), why: Type.String() }),
])
export type Event = Static<typeof Event>

/** In place of events that a reader asks for and that are not kept any more. */
export const Lost = Type.Object({ kind: Type.Literal('lost') })
export type Lost = Static<typeof Lost>

/** One thing that vethd needs (`required`) or is better with. `detail` says what was found, and what to do. */
export const Check = Type.Object({
  name: Type.String(),
  ok: Type.Boolean(),
  required: Type.Boolean(),
  detail: Type.String(),
})
export type Check = Static<typeof Check>

export const Version = Type.Object({
  version: Type.String(),
  node: Type.String(),
  pid: Type.Integer(),
  started_at: Type.String(),
})
export type Version = Static<typeof Version>

/** What the running daemon found: its machine's checks, the engine that the probe chose, the offloads that work. */
export const Doctor = Type.Object({
  daemon: Version,
  pairs: Type.Integer(),
  checks: Type.Array(Check),
  engine: Type.Object({
    name: Type.String(),
    asked: Type.String(),
    reason: Type.String(),
    missing: Type.Array(Type.String()),
  }),
  workers: Type.Array(
    Type.Object({
      cpus: Type.Union([Type.String(), Type.Null()], { description: 'that it keeps to, 0-2,5; null: any' }),
    }),
  ),
  offloads: Type.Object({ names: Type.Array(Type.String()), refused: Type.Array(Type.String()) }),
})
export type Doctor = Static<typeof Doctor>

/** RFC 9457, and what a command line needs of an error: iproute2's own text and the exit code. */
export const Problem = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  code: Type.String(),
  exit: Type.Integer(),
  iproute2: Type.Optional(Type.String()),
  errno: Type.Optional(Type.Integer({ description: 'negative, as in Node' })),
  syscall: Type.Optional(Type.String()),
  removed: Type.Optional(Type.Integer({ description: 'of a DELETE of several devices: how many were deleted' })),
})
export type Problem = Static<typeof Problem>
