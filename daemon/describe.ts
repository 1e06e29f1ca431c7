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

/** Throws DEVICE_NOT_FOUND when one end is gone. */
export function describePair(pair: Pair): api.Pair {
  return {
    id: pair.id,
    checksum: pair.checksum,
    created_at: pair.createdAt.toISOString(),
    a: describeDevice(pair.a),
    b: describeDevice(pair.b),
  }
}

/** Throws DEVICE_NOT_FOUND when it is gone. */
export function describeDevice(device: Device): api.Device {
  const state = device.state()
  const { drops, veth } = deviceStats(device, state.link.stats)
  const fate = { drops: digits(drops), veth: { rx: digits({ ...veth.rx }), tx: digits({ ...veth.tx }) } }
  return {
    ...describeLink(state.link, masterName(device, state.link)),
    vethd: { ...membership(device, state), gro_flush_us: device.groFlushUs, ...fate },
  }
}

/** Leaves out those that went away meanwhile. */
export function describeAll<T, D>(things: readonly T[], describe: (thing: T) => D): D[] {
  return things.flatMap((thing) => {
    try {
      return [describe(thing)]
    } catch (error) {
      if (error instanceof VethdError && error.code === 'DEVICE_NOT_FOUND') return []
      throw error
    }
  })
}

export function describeStats(device: Device): api.DeviceStats {
  const { kernel, received, sent, drops, checksumErrors, classes, protocols, gro, veth } = deviceStats(device)
  const { pair, side, ...where } = membership(device, device.state())
  return {
    pair,
    side,
    ifname: device.name,
    ...where,
    kernel: describeStats64(kernel),
    vethd: {
      received: digits({ ...received }),
      sent: digits({ ...sent }),
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

function membership(device: Device, { netns }: DeviceState): api.Membership {
  return {
    pair: device.pair.id,
    side: device.side,
    peer: nameOf(device.peer),
    netns: netns.name ?? null,
    netns_inode: netns.inode,
    checksum: device.pair.checksum,
  }
}

function nameOf(device: Device): string | null {
  try {
    return device.name
  } catch {
    return null
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
