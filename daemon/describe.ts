/**
 * What the driver knows, in the control API's words: LinkInfo and DeviceStats become the schema's Device and
 * DeviceStats, under the names of `ip -j`, counters as decimal strings. Neighbours: src/api/schema.ts, routes/.
 */
import type * as api from '../src/api/schema.js'
import { VethdError } from '../src/errors.js'
import { getLink } from '../src/netlink/link.js'
import type { LinkInfo, Stats64 } from '../src/netlink/link-info.js'
import type { Device, DeviceState } from '../src/veth/device.js'
import type { Pair } from '../src/veth/pair.js'
import { deviceStats } from '../src/veth/stats.js'

/**
 * Reads devices for one answer. What a device counts is read when the device itself is described; where it is and what
 * it is called is remembered, for the description of its peer.
 */
class Reader {
  readonly #seen = new Map<Device, DeviceState>()

  read(device: Device): DeviceState {
    const state = device.state()
    this.#seen.set(device, state)
    return state
  }

  /** Undefined when it is gone. */
  peerOf({ peer }: Device): DeviceState | undefined {
    return this.#seen.get(peer) ?? unlessGone(() => this.read(peer))
  }
}

/** Throws DEVICE_NOT_FOUND when one end is gone. */
export function describePair(pair: Pair, reader = new Reader()): api.Pair {
  return {
    id: pair.id,
    checksum: pair.checksum,
    created_at: pair.createdAt.toISOString(),
    a: describeDevice(pair.a, reader),
    b: describeDevice(pair.b, reader),
  }
}

/** Throws DEVICE_NOT_FOUND when it is gone. */
export function describeDevice(device: Device, reader = new Reader()): api.Device {
  const state = reader.read(device)
  const { link } = state
  const { drops, veth } = deviceStats(device, link.stats)
  const fate = { drops: digits(drops), veth: { rx: digits({ ...veth.rx }), tx: digits({ ...veth.tx }) } }
  return {
    ...describeLink(link, masterName(device, link)),
    vethd: { ...membership(device, state, reader), gro_flush_us: device.groFlushUs, ...fate },
  }
}

/** Leaves out those that went away meanwhile. */
export function describeAll<T, D>(things: readonly T[], describe: (thing: T, reader: Reader) => D): D[] {
  const reader = new Reader()
  return things.flatMap((thing) => unlessGone(() => describe(thing, reader)) ?? [])
}

function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (error instanceof VethdError && error.code === 'DEVICE_NOT_FOUND') return undefined
    throw error
  }
}

/** Throws DEVICE_NOT_FOUND when it is gone. */
export function describeStats(device: Device, reader = new Reader()): api.DeviceStats {
  const state = reader.read(device)
  const stats = deviceStats(device, state.link.stats)
  const { kernel, read, written, drops, checksumErrors, classes, protocols, gro, veth } = stats
  const { pair, side, ...where } = membership(device, state, reader)
  return {
    pair,
    side,
    ifname: state.link.name,
    ...where,
    kernel: describeStats64(kernel),
    vethd: {
      read: digits({ ...read }),
      written: digits({ ...written }),
      drops: digits(drops),
      checksum_errors: digits(checksumErrors),
      classes: digits(classes),
      protocols: digits(protocols),
      gro: { frames: digits(gro.frames), runs: digits(gro.runs) },
    },
    veth: { rx: digits({ ...veth.rx }), tx: digits({ ...veth.tx }) },
  }
}

function digits<Names extends string>(counters: Record<Names, bigint>): Record<Names, string> {
  const entries = Object.entries<bigint>(counters).map(([name, count]) => [name, `${count}`])
  return Object.fromEntries(entries) as Record<Names, string>
}

function membership(device: Device, { netns }: DeviceState, reader: Reader): api.Membership {
  const peer = reader.peerOf(device)
  return {
    pair: device.pair.id,
    side: device.side,
    peer: peer?.link.name ?? null,
    peer_ifindex: peer?.link.index ?? null,
    peer_netns: peer?.netns.name ?? null,
    peer_netns_inode: peer?.netns.inode ?? null,
    netns: netns.name ?? null,
    netns_inode: netns.inode,
    checksum: device.pair.checksum,
  }
}

/** The link that it is enslaved to, in the namespace where both are. */
function masterName(device: Device, { master }: LinkInfo): string | undefined {
  if (master === undefined) return undefined
  return device.inItsNetns((rtnl) => getLink(rtnl, { index: master })?.name) ?? `if${master}`
}

function describeLink(link: LinkInfo, master: string | undefined): Omit<api.Device, 'vethd'> {
  return {
    ifindex: link.index,
    ifname: link.name,
    flags: link.flagNames,
    mtu: link.mtu,
    qdisc: link.qdisc,
    master,
    operstate: link.operstate,
    linkmode: link.linkmode,
    group: link.group === 0 ? 'default' : String(link.group),
    txqlen: link.txqueuelen,
    link_type: link.linkType,
    address: link.address,
    broadcast: link.broadcast,
    permaddr: link.permAddress,
    link_netnsid: link.linkNetnsid,
    promiscuity: link.promiscuity,
    allmulti: link.allmulti,
    min_mtu: link.minMtu,
    max_mtu: link.maxMtu,
    linkinfo: {
      info_kind: link.kind ?? '',
      info_data: link.tun && {
        type: link.tun.type,
        pi: link.tun.pi,
        vnet_hdr: link.tun.vnetHdr,
        multi_queue: link.tun.multiQueue,
        numqueues: link.tun.numQueues,
        numdisabled: link.tun.numDisabledQueues,
        persist: link.tun.persist,
      },
      info_slave_kind: link.slaveKind,
    },
    inet6_addr_gen_mode: link.addrGenMode,
    num_tx_queues: link.numTxQueues,
    num_rx_queues: link.numRxQueues,
    gso_max_size: link.gsoMaxSize,
    gso_max_segs: link.gsoMaxSegs,
    tso_max_size: link.tsoMaxSize,
    tso_max_segs: link.tsoMaxSegs,
    gro_max_size: link.groMaxSize,
    ifalias: link.alias,
    carrier_changes: link.carrierChanges,
    altnames: link.altnames,
    stats64: describeStats64(link.stats),
  }
}

function describeStats64(stats: Stats64): api.Stats64 {
  return {
    rx: {
      bytes: `${stats.rxBytes}`,
      packets: `${stats.rxPackets}`,
      errors: `${stats.rxErrors}`,
      dropped: `${stats.rxDropped}`,
      over_errors: `${stats.rxOverErrors}`,
      multicast: `${stats.multicast}`,
      compressed: `${stats.rxCompressed}`,
      length_errors: `${stats.rxLengthErrors}`,
      crc_errors: `${stats.rxCrcErrors}`,
      frame_errors: `${stats.rxFrameErrors}`,
      fifo_errors: `${stats.rxFifoErrors}`,
      missed_errors: `${stats.rxMissedErrors}`,
      nohandler: `${stats.rxNohandler}`,
    },
    tx: {
      bytes: `${stats.txBytes}`,
      packets: `${stats.txPackets}`,
      errors: `${stats.txErrors}`,
      dropped: `${stats.txDropped}`,
      carrier_errors: `${stats.txCarrierErrors}`,
      collisions: `${stats.collisions}`,
      compressed: `${stats.txCompressed}`,
      aborted_errors: `${stats.txAbortedErrors}`,
      fifo_errors: `${stats.txFifoErrors}`,
      window_errors: `${stats.txWindowErrors}`,
      heartbeat_errors: `${stats.txHeartbeatErrors}`,
    },
  }
}
