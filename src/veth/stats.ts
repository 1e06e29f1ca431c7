/**
 * The counters of a device as a user sees them, assembled in one place.
 *
 * Inside the data plane a lane receives from one device and sends to another. Users think as `ip -s link` does: what a lane
 * receives from a device is the device's tx, and what it sends to a device is the device's rx.
 *
 *     kernel   the device's own counters, verbatim
 *     vethd    what we read from it, wrote to it, and the frames it transmitted that did not reach its peer, by reason
 *     veth     what a kernel veth would show for the same traffic, derived from both
 *
 * So, at rest:  kernel tx_packets + tx_dropped  =  the peer's kernel rx_packets + the sum of `drops`
 *                                                   + what GRO merged into others (gro.frames.merged)
 * Two things are missing there: `undescribed`, which the kernel counts nowhere, and frames that an XDP program of the peer's
 * driver drops or redirects.
 *
 * veth counts received frames before its NAPI merges them, and so does vethd. Only the kernel's rx of a TAP counts super-frames.
 */
import { ETH_HLEN } from '../abi/ether.js'
import { type CounterName, sumTotals, versionOf } from '../counters.js'
import { GRO_VERDICTS } from '../frame/gro.js'
import { GRO_FLUSHES } from '../frame/gro-run.js'
import type { Stats64 } from '../netlink/link-info.js'
import type { Device } from './device.js'

/** Why frames that a device transmitted did not reach its peer. The first three are the kernel's drops (tx_dropped). */
export const DROP_REASONS = [
  /** The ring (txqueuelen) was full: vethd did not read fast enough. */
  'tap_ring_full',
  /** Longer than the peer's MTU allows. */
  'too_long',
  /** The peer was down. */
  'peer_down',
  /** The peer's device had been deleted. */
  'peer_gone',
  /** A checksum was wrong (mode verify). */
  'bad_checksum',
  /** The vnet header contradicts the frame, or the kernel said so (EINVAL). */
  'bad_vnet_hdr',
  /** Shorter than an Ethernet header. */
  'too_short',
  /** There was no memory: in the kernel, or in the lane's hold. */
  'no_memory',
  /** Writing failed for another reason. */
  'write_error',
  /** The kernel could not put into a vnet header what kind of super-frame it is (EINVAL from read). */
  'undescribed',
] as const

export type DropReason = (typeof DROP_REASONS)[number]

export type GroVerdict = (typeof GRO_VERDICTS)[number]
export type GroFlush = (typeof GRO_FLUSHES)[number]

export interface Traffic {
  packets: bigint
  bytes: bigint
}

/** Drops of the frames that a device transmitted, and the counters that a kernel veth would show. */
export interface DeviceFate {
  drops: Record<DropReason, bigint>
  veth: { rx: Traffic & { dropped: bigint }; tx: Traffic & { dropped: bigint } }
}

export interface DeviceStats extends DeviceFate {
  kernel: Stats64
  /** Frames that vethd read from the device: its stack transmitted them. */
  read: Traffic
  /** Frames that vethd wrote to the device: its stack received them. */
  written: Traffic
  checksumErrors: Record<'ipv4' | 'tcp' | 'udp' | 'icmp' | 'icmpv6', bigint>
  classes: Record<'host' | 'broadcast' | 'multicast' | 'otherhost', bigint>
  protocols: Record<'ipv4' | 'ipv6' | 'arp' | 'vlan' | '802.3' | '802.2' | 'other', bigint>
  /** The verdicts of GRO about frames to the device, and why runs were written. */
  gro: { frames: Record<GroVerdict, bigint>; runs: Record<GroFlush, bigint> }
}

/** The counters of a device now, or at the moment of `kernel`. Throws DEVICE_NOT_FOUND if it is gone. */
export function deviceStats(device: Device, kernel = device.state().link.stats): DeviceStats {
  const own = sumTotals(device.totals)
  const peerOwn = sumTotals(device.peer.totals)
  return {
    ...fateOf(device, kernel, own, peerOwn),
    kernel,
    read: { packets: own.received_packets, bytes: own.received_bytes },
    written: { packets: peerOwn.sent_packets, bytes: peerOwn.sent_bytes },
    checksumErrors: group(own, CHECKSUM_ERRORS),
    classes: group(own, CLASSES),
    protocols: group(own, PROTOCOLS),
    gro: { frames: group(peerOwn, GRO_FRAMES), runs: group(peerOwn, GRO_RUNS) },
  }
}

/** The part of deviceStats() that lists of many devices show. */
export function deviceFate(device: Device, kernel: Stats64): DeviceFate {
  return fateOf(device, kernel, sumTotals(device.totals), sumTotals(device.peer.totals))
}

type Counted = Record<CounterName, bigint>

/**
 * A number that changes when any counter of vethd changes that deviceStats() uses. Each counter only grows, so the sum stays
 * the same only if all of them do. The carrier itself is no part of it: carrier.ts counts at its edges.
 */
export function countedBy(device: Device): number {
  return countedByEnd(device) + countedByEnd(device.peer)
}

function countedByEnd({ totals, filter, record }: Device): number {
  let sum = record.carrierDrops + record.carrierDropsBase
  if (filter !== null) sum += Number(filter.drops)
  for (const lane of totals) sum += versionOf(lane)
  return sum
}

function fateOf(device: Device, kernel: Stats64, own: Counted, peerOwn: Counted): DeviceFate {
  const drops = dropsOf(device, kernel.txDropped, own)
  return {
    drops,
    veth: {
      // veth_xmit counts tx for a frame that its peer took.
      tx: { ...vethTraffic(own), dropped: sum(drops) },
      rx: { ...vethTraffic(peerOwn), dropped: rxDropped(device, kernel, peerOwn) },
    },
  }
}

/**
 * A veth with `gro` on counts the frames that its NAPI takes from the ring, before they are merged, and without their
 * Ethernet headers, which are removed by then (veth_xdp_rcv).
 */
function vethTraffic(own: Counted): Traffic {
  let byNapi = 0n
  for (const [, counter] of GRO_FRAMES) byNapi += own[counter]
  return { packets: own.sent_packets, bytes: own.sent_bytes - byNapi * BigInt(ETH_HLEN) }
}

function dropsOf(device: Device, txDropped: bigint, own: Counted): Record<DropReason, bigint> {
  const filtered = device.filter?.drops ?? 0n
  const { carrierDrops, carrierDropsBase } = device.record
  const carrierOff = BigInt(carrierDrops) + (device.carrier ? 0n : txDropped - BigInt(carrierDropsBase))
  return {
    tap_ring_full: atLeast0(txDropped - filtered - carrierOff),
    too_long: tooLong(device, own),
    peer_down: carrierOff + own.drop_peer_down,
    peer_gone: own.drop_peer_gone,
    bad_checksum: own.drop_bad_checksum,
    bad_vnet_hdr: own.drop_bad_vnet_hdr,
    too_short: own.drop_too_short,
    no_memory: own.drop_no_memory,
    write_error: own.drop_write_error,
    undescribed: own.drop_undescribed,
  }
}

/**
 * rx_dropped of a veth: frames that its stack dropped, such as those of an unknown protocol, and frames that were too long
 * for it. A TAP counts the former too, but also frames that vethd failed to write, which on veth are the peer's tx_dropped.
 */
function rxDropped(device: Device, kernel: Stats64, peerOwn: Counted): bigint {
  const notWritten = peerOwn.drop_peer_down + peerOwn.drop_no_memory
  return atLeast0(kernel.rxDropped - notWritten) + tooLong(device.peer, peerOwn)
}

/** The kernel's counters and vethd's are not read at the same moment. */
function atLeast0(difference: bigint): bigint {
  return difference > 0n ? difference : 0n
}

/** Frames refused by the length filter in the kernel, or by xmit if there is no filter. */
function tooLong(device: Device, own: Counted): bigint {
  return (device.filter?.drops ?? 0n) + own.drop_too_long
}

function sum(drops: Record<string, bigint>): bigint {
  let total = 0n
  for (const reason in drops) total += drops[reason]
  return total
}

/** Names without a prefix, and the counters with it. */
type Group<N extends string> = readonly (readonly [name: N, counter: CounterName])[]

function groupOf<N extends string>(prefix: string, names: readonly N[]): Group<N> {
  return names.map((name) => [name, (prefix + name) as CounterName] as const)
}

const CHECKSUM_ERRORS = groupOf('checksum_', ['ipv4', 'tcp', 'udp', 'icmp', 'icmpv6'])
const CLASSES = groupOf('class_', ['host', 'broadcast', 'multicast', 'otherhost'])
const PROTOCOLS = groupOf('protocol_', ['ipv4', 'ipv6', 'arp', 'vlan', '802.3', '802.2', 'other'])
const GRO_FRAMES = groupOf('gro_frame_', GRO_VERDICTS)
const GRO_RUNS = groupOf('gro_run_', GRO_FLUSHES)

function group<N extends string>(own: Counted, counters: Group<N>): Record<N, bigint> {
  const found = {} as Record<N, bigint>
  for (const [name, counter] of counters) found[name] = own[counter]
  return found
}
