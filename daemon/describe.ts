/**
 * What the driver knows, in the control API's words: LinkInfo and DeviceStats become the schema's Device and
 * DeviceStats, under the names of `ip -j`, counters as decimal strings. Neighbours: src/api/schema.ts, lists.ts, routes/.
 */
import type * as api from '../src/api/schema.js'
import { getLink } from '../src/netlink/link.js'
import type { LinkInfo, Stats64 } from '../src/netlink/link-info.js'
import type { Device, DeviceState, Pair } from '../src/veth/device.js'
import type { Driver } from '../src/veth/driver.js'
import { deviceFate, deviceStats } from '../src/veth/stats.js'

/** The devices of one answer, all read at once, together with their peers. */
export class Reader {
  readonly #seen: Map<Device, DeviceState>

  constructor(driver: Pick<Driver, 'look'>, devices: readonly Device[]) {
    const both = new Set<Device>()
    for (const device of devices) both.add(device).add(device.peer)
    this.#seen = driver.look([...both])
  }

  /** Throws DEVICE_NOT_FOUND when it is gone. */
  read(device: Device): DeviceState {
    return this.#seen.get(device) ?? device.state()
  }

  /** Undefined when it is gone. */
  peerOf({ peer }: Device): DeviceState | undefined {
    return this.#seen.get(peer)
  }
}

/** Throws DEVICE_NOT_FOUND when one end is gone. */
export function describePair(pair: Pair, reader: Reader): api.Pair {
  return {
    id: pair.id,
    checksum: pair.checksum,
    created_at: pair.createdAt.toISOString(),
    a: describeDevice(pair.a, reader),
    b: describeDevice(pair.b, reader),
  }
}

/** Throws DEVICE_NOT_FOUND when it is gone. */
export function describeDevice(device: Device, reader: Reader): api.Device {
  const state = reader.read(device)
  const { drops, veth } = deviceFate(device, state.link.stats)
  const fate = { drops: digits(drops), veth: { rx: digits({ ...veth.rx }), tx: digits({ ...veth.tx }) } }
  const vethd = { ...membership(device, state, reader), gro_flush_us: device.record.groFlushUs, ...fate }
  return describeLink(state.link, masterName(device, state), vethd)
}

/** Throws DEVICE_NOT_FOUND when it is gone. */
export function describeStats(device: Device, reader: Reader): api.DeviceStats {
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
  const texts = {} as Record<Names, string>
  for (const name in counters) texts[name] = decimal(counters[name])
  return texts
}

/** A shortcut: most counters of most devices are 0. */
function decimal(count: bigint): string {
  return count === 0n ? '0' : String(count)
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
function masterName(device: Device, { link: { master }, master: name }: DeviceState): string | undefined {
  if (master === undefined || name !== undefined) return name
  return device.inItsNetns((rtnl) => getLink(rtnl, { index: master })?.name) ?? `if${master}`
}

function describeLink(link: LinkInfo, master: string | undefined, vethd: api.Device['vethd']): api.Device {
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
    vethd,
  }
}

function describeStats64(stats: Stats64): api.Stats64 {
  return {
    rx: {
      bytes: decimal(stats.rxBytes),
      packets: decimal(stats.rxPackets),
      errors: decimal(stats.rxErrors),
      dropped: decimal(stats.rxDropped),
      over_errors: decimal(stats.rxOverErrors),
      multicast: decimal(stats.multicast),
      compressed: decimal(stats.rxCompressed),
      length_errors: decimal(stats.rxLengthErrors),
      crc_errors: decimal(stats.rxCrcErrors),
      frame_errors: decimal(stats.rxFrameErrors),
      fifo_errors: decimal(stats.rxFifoErrors),
      missed_errors: decimal(stats.rxMissedErrors),
      nohandler: decimal(stats.rxNohandler),
    },
    tx: {
      bytes: decimal(stats.txBytes),
      packets: decimal(stats.txPackets),
      errors: decimal(stats.txErrors),
      dropped: decimal(stats.txDropped),
      carrier_errors: decimal(stats.txCarrierErrors),
      collisions: decimal(stats.collisions),
      compressed: decimal(stats.txCompressed),
      aborted_errors: decimal(stats.txAbortedErrors),
      fifo_errors: decimal(stats.txFifoErrors),
      window_errors: decimal(stats.txWindowErrors),
      heartbeat_errors: decimal(stats.txHeartbeatErrors),
    },
  }
}
