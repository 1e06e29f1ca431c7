/**
 * The control API's schemas: the source of the daemon's validation, and of the types of daemon and client. The client imports
 * only types, so that vethctl never loads them.
 *
 * Names are iproute2's: those of `ip link add` in requests, and those of `ip -j -d -s link show` in answers. 64-bit counters are
 * decimal strings, because most readers parse a JSON number as a double, which is exact only up to 2^53. docs/api.md explains
 * the routes.
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

/** Settings of a device, at its creation and later. */
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

/** One end of a new pair. The driver checks the ranges, because its errors tell the limits. */
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

/** A new pair. Without `peer`, the peer copies everything of `dev` except name, address, index, flags and master. */
export const NewPair = Type.Object(
  { dev: Type.Optional(NewEnd), peer: Type.Optional(NewEnd), checksum: Type.Optional(Type.String()) },
  strict,
)
export type NewPair = Static<typeof NewPair>

/** Changes of `link set`. `master: null` removes the device from its bridge, `alias: ''` removes its alias. */
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

/** The namespace in which a request acts, as with `ip -n`. Default: the client's own. */
export const InNetns = Type.Object({ netns: Type.Optional(Type.String()) }, strict)
export type InNetns = Static<typeof InNetns>

/** A request without query members. */
export const NoQuery = Type.Object({}, strict)

/** A device by name in that namespace, or as `ID/a`, `ID/b` wherever it is. */
export const OneDevice = Type.Object({ dev: Type.String(), netns: Type.Optional(Type.String()) }, strict)
export type OneDevice = Static<typeof OneDevice>

/** The same, or every device (of the given namespace, if any). */
export const SomeDevices = Type.Object(
  { dev: Type.Optional(Type.String()), netns: Type.Optional(Type.String()) },
  strict,
)
export type SomeDevices = Static<typeof SomeDevices>

/** The same, restricted to the ports of the bridge `master`, a device in the request's namespace. */
export const ShownDevices = Type.Object({ ...SomeDevices.properties, master: Type.Optional(Type.String()) }, strict)
export type ShownDevices = Static<typeof ShownDevices>

/** Devices in the order of their deletion: `?dev=veth1&dev=veth3`. */
export const ManyDevices = Type.Object(
  { dev: Type.Union([Type.String(), Type.Array(Type.String())]), netns: Type.Optional(Type.String()) },
  strict,
)
export type ManyDevices = Static<typeof ManyDevices>

export const PairId = Type.Object({ id: Type.String({ pattern: '^[0-9]+$' }) }, strict)
export type PairId = Static<typeof PairId>

/** `present`: list existing devices first, as events of the kind `added`. */
export const EventsWanted = Type.Object(
  { netns: Type.Optional(Type.String()), present: Type.Optional(Type.Literal('true')) },
  strict,
)
export type EventsWanted = Static<typeof EventsWanted>

/** The id of the last event that the client has read. */
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

/** What `ip` cannot show of a device: its pair, its current namespace, and its peer. */
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

/** One device: the members of `ip -j -d -s -s link show`, its pair, and its drops. */
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
    gro_flush_us: Type.Integer({ description: 'how long, in µs, received frames may be held to be coalesced' }),
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
 * The counters of one device: the kernel's, unchanged; vethd's own (`read` from the device, which is its tx; `written` to it,
 * which is its rx; `drops`: frames that its stack sent and that did not reach its peer); and those that a veth would show,
 * derived from both.
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

/** Members of every event: the time, the device, and its name and namespace after the event. */
const AboutDevice = {
  time: Type.String({ description: 'RFC 3339' }),
  pair: Type.Integer(),
  device: Type.String({ pattern: '^[0-9]+/[ab]$' }),
  name: Type.String(),
  ...Place,
}

/** One event of one device. A change to a pair is reported for both ends. */
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

/** Replaces requested events that the daemon no longer has. */
export const Lost = Type.Object({ kind: Type.Literal('lost') })
export type Lost = Static<typeof Lost>

/** One check of the machine: something that vethd requires, or that improves it. `detail`: the finding, and what to do. */
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

/** The state of the running daemon: the checks of its machine, the chosen engine, the offloads that work. */
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
      cpus: Type.Union([Type.String(), Type.Null()], { description: 'CPU affinity, 0-2,5; null: any CPU' }),
    }),
  ),
  offloads: Type.Object({ names: Type.Array(Type.String()), refused: Type.Array(Type.String()) }),
})
export type Doctor = Static<typeof Doctor>

/** RFC 9457, with two additions for the command line: iproute2's own text and the exit code. */
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
