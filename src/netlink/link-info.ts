/**
 * A link as RTM_NEWLINK describes it, read into a record with the names that `ip -d -s link` uses.
 *
 * Neighbours: link.ts requests links, and monitor.ts receives their changes; both parse them here. A message may be incomplete
 * (RTM_DELLINK, or an older kernel): missing numbers are 0, missing texts are '', missing optional fields are absent.
 */
import { ARPHRD_ETHER, ARPHRD_LOOPBACK, ARPHRD_NONE } from '../abi/ether.js'
import { IFF_TAP } from '../abi/if-tun.js'
import * as abi from '../abi/rtnetlink.js'
import { AF_INET6 } from '../abi/socket.js'
import { Attributes, HOST_LITTLE_ENDIAN, readString, viewOf } from './codec.js'

/**
 * struct rtnl_link_stats64 in its order, 64 bits each, unchanged: received and transmitted are from the point of
 * view of the host's stack.
 */
const STATS64 = [
  'rxPackets',
  'txPackets',
  'rxBytes',
  'txBytes',
  'rxErrors',
  'txErrors',
  'rxDropped',
  'txDropped',
  'multicast',
  'collisions',
  'rxLengthErrors',
  'rxOverErrors',
  'rxCrcErrors',
  'rxFrameErrors',
  'rxFifoErrors',
  'rxMissedErrors',
  'txAbortedErrors',
  'txCarrierErrors',
  'txFifoErrors',
  'txHeartbeatErrors',
  'txWindowErrors',
  'rxCompressed',
  'txCompressed',
  'rxNohandler',
] as const

export type Stats64 = Record<(typeof STATS64)[number], bigint>

/** The fields of IFLA_INFO_DATA of kind tun (drivers/net/tun.c, tun_fill_info). */
export interface TunInfo {
  type: 'tun' | 'tap'
  pi: boolean
  vnetHdr: boolean
  multiQueue: boolean
  /** Of a multi-queue device. */
  numQueues?: number
  numDisabledQueues?: number
  persist: boolean
  user?: number
  group?: number
}

export interface LinkInfo {
  index: number
  name: string
  altnames: string[]
  /** IFF_*. */
  flags: number
  /** As `ip` shows them between the angle brackets, NO-CARRIER first, but without M-DOWN, which describes another link. */
  flagNames: string[]
  mtu: number
  /** 0 and 0: no limits. */
  minMtu: number
  maxMtu: number
  /** The root qdisc's kind. */
  qdisc: string
  /** `UP`, `DOWN`, `LOWERLAYERDOWN`, … */
  operstate: string
  linkmode: string
  group: number
  txqueuelen: number
  /** `ether`, `loopback`, `none`; others as `[N]`. */
  linkType: string
  /** Of an Ethernet link `02:00:00:00:00:01`. */
  address: string
  broadcast: string
  /** Only where it differs from the address. */
  permAddress?: string
  alias?: string
  /** ifindex of the link that this one is enslaved to. */
  master?: number
  /** ifindex of the other end or the lower device, in the namespace `linkNetnsid` if that is given. */
  link?: number
  linkNetnsid?: number
  promiscuity: number
  allmulti: number
  /** IFLA_INFO_KIND, `tun`, `veth`, `bridge`; absent for lo and hardware. */
  kind?: string
  slaveKind?: string
  tun?: TunInfo
  /** `eui64`, `none`, …; absent where IPv6 is off. */
  addrGenMode?: string
  numTxQueues: number
  numRxQueues: number
  gsoMaxSize: number
  gsoMaxSegs: number
  tsoMaxSize: number
  tsoMaxSegs: number
  groMaxSize: number
  /** netif_carrier_ok(), also of a device that is down. */
  carrier: boolean
  carrierChanges: number
  /** The driver runs an XDP program (`xdpdrv`). A generic program (`xdpgeneric`) runs after the driver and does not count. */
  driverXdp: boolean
  /** The kernel runs one behind the driver (`xdpgeneric`). */
  genericXdp: boolean
  stats: Stats64
}

/** In the order in which iproute2's print_link_flags names them; IFF_RUNNING is never named. */
const FLAG_NAMES: readonly (readonly [flag: number, name: string])[] = [
  [abi.IFF_LOOPBACK, 'LOOPBACK'],
  [abi.IFF_BROADCAST, 'BROADCAST'],
  [abi.IFF_POINTOPOINT, 'POINTOPOINT'],
  [abi.IFF_MULTICAST, 'MULTICAST'],
  [abi.IFF_NOARP, 'NOARP'],
  [abi.IFF_ALLMULTI, 'ALLMULTI'],
  [abi.IFF_PROMISC, 'PROMISC'],
  [abi.IFF_MASTER, 'MASTER'],
  [abi.IFF_SLAVE, 'SLAVE'],
  [abi.IFF_DEBUG, 'DEBUG'],
  [abi.IFF_DYNAMIC, 'DYNAMIC'],
  [abi.IFF_AUTOMEDIA, 'AUTOMEDIA'],
  [abi.IFF_PORTSEL, 'PORTSEL'],
  [abi.IFF_NOTRAILERS, 'NOTRAILERS'],
  [abi.IFF_UP, 'UP'],
  [abi.IFF_LOWER_UP, 'LOWER_UP'],
  [abi.IFF_DORMANT, 'DORMANT'],
  [abi.IFF_ECHO, 'ECHO'],
]

const OPERSTATES = ['UNKNOWN', 'NOTPRESENT', 'DOWN', 'LOWERLAYERDOWN', 'TESTING', 'DORMANT', 'UP']
/** In the order of IF_LINK_MODE_* (include/uapi/linux/if.h); a `dormant` one waits for a supplicant before it is up. */
export const LINK_MODES = ['default', 'dormant'] as const
export type LinkMode = (typeof LINK_MODES)[number]
const ADDR_GEN_MODES = ['eui64', 'none', 'stable_secret', 'random']

const LINK_TYPES = new Map([
  [ARPHRD_ETHER, 'ether'],
  [ARPHRD_LOOPBACK, 'loopback'],
  [ARPHRD_NONE, 'none'],
])

/** The payload of a RTM_NEWLINK or RTM_DELLINK: ifinfomsg and attributes. */
export function readLink(payload: Uint8Array): LinkInfo {
  const header = new DataView(new ArrayBuffer(abi.IFINFOMSG_SIZE))
  new Uint8Array(header.buffer).set(payload.subarray(0, abi.IFINFOMSG_SIZE))
  const attributes = new Attributes(payload, abi.IFINFOMSG_SIZE)
  const info = attributes.nested(abi.IFLA_LINKINFO)
  const xdp = attributes.nested(abi.IFLA_XDP)
  const kind = info.string(abi.IFLA_INFO_KIND)
  const flags = header.getUint32(abi.IFINFOMSG_FLAGS, HOST_LITTLE_ENDIAN)
  const type = header.getUint16(abi.IFINFOMSG_TYPE, HOST_LITTLE_ENDIAN)
  const number = (attribute: number): number => attributes.u32(attribute) ?? 0
  return {
    index: header.getInt32(abi.IFINFOMSG_INDEX, HOST_LITTLE_ENDIAN),
    name: attributes.string(abi.IFLA_IFNAME) ?? '',
    altnames: attributes.nested(abi.IFLA_PROP_LIST).all(abi.IFLA_ALT_IFNAME).map(readString),
    flags,
    flagNames: flagNames(flags),
    mtu: number(abi.IFLA_MTU),
    minMtu: number(abi.IFLA_MIN_MTU),
    maxMtu: number(abi.IFLA_MAX_MTU),
    qdisc: attributes.string(abi.IFLA_QDISC) ?? '',
    operstate: nameOf(OPERSTATES, attributes.u8(abi.IFLA_OPERSTATE)),
    linkmode: nameOf(LINK_MODES, attributes.u8(abi.IFLA_LINKMODE)).toUpperCase(),
    group: number(abi.IFLA_GROUP),
    txqueuelen: number(abi.IFLA_TXQLEN),
    linkType: LINK_TYPES.get(type) ?? `[${type}]`,
    address: formatLinkAddress(attributes.bytes(abi.IFLA_ADDRESS)),
    broadcast: formatLinkAddress(attributes.bytes(abi.IFLA_BROADCAST)),
    ...readPermanentAddress(attributes),
    ...present('alias', attributes.string(abi.IFLA_IFALIAS)),
    ...present('master', attributes.u32(abi.IFLA_MASTER)),
    ...present('link', attributes.u32(abi.IFLA_LINK)),
    ...present('linkNetnsid', attributes.i32(abi.IFLA_LINK_NETNSID)),
    promiscuity: number(abi.IFLA_PROMISCUITY),
    allmulti: number(abi.IFLA_ALLMULTI),
    ...present('kind', kind),
    ...present('slaveKind', info.string(abi.IFLA_INFO_SLAVE_KIND)),
    ...(kind === 'tun' ? { tun: readTun(info.nested(abi.IFLA_INFO_DATA)) } : {}),
    ...readAddrGenMode(attributes),
    numTxQueues: number(abi.IFLA_NUM_TX_QUEUES),
    numRxQueues: number(abi.IFLA_NUM_RX_QUEUES),
    gsoMaxSize: number(abi.IFLA_GSO_MAX_SIZE),
    gsoMaxSegs: number(abi.IFLA_GSO_MAX_SEGS),
    tsoMaxSize: number(abi.IFLA_TSO_MAX_SIZE),
    tsoMaxSegs: number(abi.IFLA_TSO_MAX_SEGS),
    groMaxSize: number(abi.IFLA_GRO_MAX_SIZE),
    carrier: attributes.u8(abi.IFLA_CARRIER) === 1,
    carrierChanges: number(abi.IFLA_CARRIER_CHANGES),
    driverXdp: xdp.u32(abi.IFLA_XDP_DRV_PROG_ID) !== undefined,
    genericXdp: xdp.u32(abi.IFLA_XDP_SKB_PROG_ID) !== undefined,
    stats: readStats64(attributes.bytes(abi.IFLA_STATS64) ?? new Uint8Array(0)),
  }
}

/** print_link_flags of iproute2: bits without a name come last, in hexadecimal. */
export function flagNames(flags: number): string[] {
  const names = (flags & abi.IFF_UP) !== 0 && (flags & abi.IFF_RUNNING) === 0 ? ['NO-CARRIER'] : []
  let rest = flags & ~abi.IFF_RUNNING
  for (const [flag, name] of FLAG_NAMES) {
    if ((rest & flag) === 0) continue
    names.push(name)
    rest &= ~flag
  }
  return rest === 0 ? names : [...names, (rest >>> 0).toString(16)]
}

/** `02:00:00:00:00:01`, or '' for nothing. */
export function formatLinkAddress(bytes: Uint8Array | undefined): string {
  if (bytes === undefined || bytes.length === 0) return ''
  let text = HEX[bytes[0]]
  for (let i = 1; i < bytes.length; i++) text += `:${HEX[bytes[i]]}`
  return text
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** The counters of a struct rtnl_link_stats64; those that an older kernel does not have are 0. */
export function readStats64(bytes: Uint8Array): Stats64 {
  const view = viewOf(bytes)
  const stats = { ...NO_STATS }
  for (let i = 0; i < STATS64.length && 8 * i + 8 <= bytes.length; i++) {
    const count = view.getBigUint64(8 * i, HOST_LITTLE_ENDIAN)
    if (count !== 0n) stats[STATS64[i]] = count
  }
  return stats
}

const NO_STATS = Object.fromEntries(STATS64.map((name) => [name, 0n])) as Stats64

function readTun(data: Attributes): TunInfo {
  const flag = (attribute: number): boolean => data.u8(attribute) === 1
  const multiQueue = flag(abi.IFLA_TUN_MULTI_QUEUE)
  return {
    type: data.u8(abi.IFLA_TUN_TYPE) === IFF_TAP ? 'tap' : 'tun',
    pi: flag(abi.IFLA_TUN_PI),
    vnetHdr: flag(abi.IFLA_TUN_VNET_HDR),
    multiQueue,
    ...(multiQueue ? present('numQueues', data.u32(abi.IFLA_TUN_NUM_QUEUES)) : {}),
    ...(multiQueue ? present('numDisabledQueues', data.u32(abi.IFLA_TUN_NUM_DISABLED_QUEUES)) : {}),
    persist: flag(abi.IFLA_TUN_PERSIST),
    ...present('user', data.u32(abi.IFLA_TUN_OWNER)),
    ...present('group', data.u32(abi.IFLA_TUN_GROUP)),
  }
}

function readPermanentAddress(attributes: Attributes): { permAddress?: string } {
  const permanent = formatLinkAddress(attributes.bytes(abi.IFLA_PERM_ADDRESS))
  const differs = permanent !== '' && permanent !== formatLinkAddress(attributes.bytes(abi.IFLA_ADDRESS))
  return differs ? { permAddress: permanent } : {}
}

function readAddrGenMode(attributes: Attributes): { addrGenMode?: string } {
  const mode = attributes.nested(abi.IFLA_AF_SPEC).nested(AF_INET6).u8(abi.IFLA_INET6_ADDR_GEN_MODE)
  return mode === undefined ? {} : { addrGenMode: nameOf(ADDR_GEN_MODES, mode) }
}

/** `ip` shows a number that has no name as a number. */
function nameOf(names: readonly string[], value = 0): string {
  return names[value] ?? String(value)
}

/** A field that is omitted if it has no value. */
function present<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: V })
}
