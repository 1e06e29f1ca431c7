/**
 * `link show` in the layout of print_linkinfo of ip/ipaddress.c, as text and as JSON. One line (or member) is added: `vethd`,
 * with the device's pair, its namespace and its peer. Everything else is byte for byte what `ip` prints for the same device and
 * options; a test compares both.
 *
 * Neighbours: api/schema.ts (a Device already has ip's names), appearance.ts, link-stats.ts, commands/link.ts.
 */
import type { Device, Fate, Membership } from '../api/schema.js'
import type { Appearance } from './appearance.js'
import type { Json } from './json.js'
import { statsJson, statsText } from './link-stats.js'
import type { Options } from './options.js'

type Show = Pick<Options, 'statistics' | 'details'>

/** The members of `ip -br -j link show`. */
export function briefJson({ ifname, operstate, address, flags }: Device): Json {
  return { ifname, operstate, address, flags }
}

/** The members of `ip -j [-d] [-s [-s]] link show`, in its order, and `vethd`. */
export function linkJson(device: Device, show: Show): Json {
  const { vethd, stats64, carrier_changes, altnames, ifalias, ...link } = device
  const { drops, veth, ...membership } = vethd
  const basic = {
    ifindex: link.ifindex,
    ifname: link.ifname,
    flags: link.flags,
    mtu: link.mtu,
    qdisc: link.qdisc,
    master: link.master,
    operstate: link.operstate,
    linkmode: link.linkmode,
    group: link.group,
    txqlen: link.txqlen === 0 ? undefined : link.txqlen,
    link_type: link.link_type,
    address: link.address,
    broadcast: link.broadcast,
    permaddr: link.permaddr,
    link_netnsid: link.link_netnsid,
  }
  const details = {
    promiscuity: link.promiscuity,
    allmulti: link.allmulti,
    min_mtu: link.min_mtu,
    max_mtu: link.max_mtu,
    linkinfo: linkinfoJson(link.linkinfo),
    inet6_addr_gen_mode: link.inet6_addr_gen_mode,
    num_tx_queues: link.num_tx_queues,
    num_rx_queues: link.num_rx_queues,
    gso_max_size: link.gso_max_size,
    gso_max_segs: link.gso_max_segs,
    tso_max_size: link.tso_max_size,
    tso_max_segs: link.tso_max_segs,
    gro_max_size: link.gro_max_size,
  }
  return {
    ...basic,
    ...(show.details ? details : {}),
    ifalias,
    ...(show.statistics > 0 ? { stats64: statsJson(stats64, show.statistics > 1 ? carrier_changes : undefined) } : {}),
    ...(altnames.length > 0 ? { altnames } : {}),
    vethd: { ...membership, ...(show.statistics > 0 ? { drops: exact(drops), veth: exact(veth) } : {}) },
  }
}

/** Converts every string below `counters` to a number. */
export function exact(counters: object): Json {
  return Object.fromEntries(
    Object.entries(counters).map(([name, value]: [string, string | object]) => {
      return [name, typeof value === 'string' ? BigInt(value) : exact(value)]
    }),
  )
}

/** Members in ip's order. */
function linkinfoJson({ info_kind, info_data: tun, info_slave_kind }: Device['linkinfo']): Json {
  const info_data = tun && {
    type: tun.type,
    pi: tun.pi,
    vnet_hdr: tun.vnet_hdr,
    multi_queue: tun.multi_queue,
    numqueues: tun.numqueues,
    numdisabled: tun.numdisabled,
    persist: tun.persist,
  }
  return { info_kind, info_data, info_slave_kind }
}

/** print_linkinfo_brief(): a line of `ip -br link show`. */
export function briefText({ ifname, operstate, address, flags }: Device, { paint }: Appearance): string {
  const columns = [
    paint(`${ifname.padEnd(16)} `, 'name'),
    paint(`${operstate.padEnd(14)} `, paintOf(operstate)),
    paint(`${address} `, 'address'),
    `<${flags.join(',')}> `,
  ]
  return `${columns.join('')}\n`
}

/** The lines of `ip [-d] [-s [-s]] link show`, trailing blanks included, the last one ended by a new line. */
export function linkText(device: Device, show: Show, look: Appearance): string {
  const { linkinfo, vethd } = device
  const { eol, paint } = look
  let text = `${device.ifindex}: ${paint(`${device.ifname}: `, 'name')}<${device.flags.join(',')}> mtu ${device.mtu} `
  if (device.qdisc !== undefined) text += `qdisc ${device.qdisc} `
  if (device.master !== undefined) text += `master ${device.master} `
  text += `state ${paint(`${device.operstate} `, paintOf(device.operstate))}`
  text += `mode ${device.linkmode} group ${device.group} `
  if (device.txqlen !== 0) text += `qlen ${device.txqlen}`
  text += `${eol}    link/${device.link_type} ${paint(device.address, 'address')}`
  text += ` brd ${paint(device.broadcast, 'address')}`
  if (device.permaddr !== undefined) text += ` permaddr ${paint(device.permaddr, 'address')}`
  if (device.link_netnsid !== undefined) text += ` link-netnsid ${device.link_netnsid}`
  if (show.details) {
    text += ` promiscuity ${device.promiscuity} `
    if (device.allmulti !== undefined) text += ` allmulti ${device.allmulti} `
    text += `minmtu ${device.min_mtu} maxmtu ${device.max_mtu} ${eol}    ${linkinfo.info_kind} `
    if (linkinfo.info_data !== undefined) text += tunText(linkinfo.info_data)
    if (linkinfo.info_slave_kind !== undefined) text += `${eol}    ${linkinfo.info_slave_kind}_slave `
    if (device.inet6_addr_gen_mode !== undefined) text += `addrgenmode ${device.inet6_addr_gen_mode} `
    text += `numtxqueues ${device.num_tx_queues} numrxqueues ${device.num_rx_queues} `
    text += `gso_max_size ${device.gso_max_size} gso_max_segs ${device.gso_max_segs} `
    if (device.tso_max_size !== undefined) text += `tso_max_size ${device.tso_max_size} `
    if (device.tso_max_segs !== undefined) text += `tso_max_segs ${device.tso_max_segs} `
    if (device.gro_max_size !== undefined) text += `gro_max_size ${device.gro_max_size} `
  }
  if (device.ifalias !== undefined) text += `${eol}    alias ${device.ifalias}`
  if (show.statistics > 0)
    text += `${eol}${statsText(device.stats64, show.statistics > 1 ? device.carrier_changes : undefined, look)}`
  for (const altname of device.altnames) text += `${eol}    altname ${altname}`
  text += `${eol}    vethd ${membershipText(vethd, show.details)}${groText(vethd)}`
  if (show.statistics > 0) text += fateText(vethd, look)
  return `${text}\n`
}

/** print_operstate() */
function paintOf(operstate: string): 'up' | 'down' | undefined {
  return operstate === 'UP' ? 'up' : operstate === 'DOWN' ? 'down' : undefined
}

/**
 * Drops and veth's counters, in columns like those of the kernel's counters:
 *
 * ```text
 *     vethd drops peer_down 2
 *     veth RX:  bytes packets dropped
 *                1080      12       0
 *     veth TX:  bytes packets dropped
 *                1080      12       2
 * ```
 */
function fateText({ drops, veth }: Fate, { eol, number }: Appearance): string {
  const rows = [veth.rx, veth.tx].map(({ bytes, packets, dropped }) => [bytes, packets, dropped].map(number))
  const titles = ['bytes', 'packets', 'dropped']
  const width = titles.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)))
  const line = (head: string, cells: string[]) =>
    `${eol}    ${head.padEnd(9)}${cells.map((cell, i) => cell.padStart(width[i])).join(' ')}`
  const totals = ['RX', 'TX'].map((way, i) => line(`veth ${way}:`, titles) + line('', rows[i]))
  return `${eol}    vethd drops ${nonZero(drops)}${totals.join('')}`
}

/** `peer_down 2  too_long 1`, or `none`. */
export function nonZero(counters: Record<string, string>): string {
  const counted = Object.entries(counters).filter(([, count]) => count !== '0')
  return counted.length === 0 ? 'none' : counted.map(([name, count]) => `${name} ${count}`).join('  ')
}

/** The settings that are not the default. */
function groText({ gro_flush_us }: Device['vethd']): string {
  return gro_flush_us === 0 ? '' : ` gro-flush-us ${gro_flush_us}`
}

/** `pair 1/a netns t1 peer veth2 checksum offload`, with details `… peer veth2 peer-ifindex 8 peer-netns t2 …` */
export function membershipText(membership: Membership, details = false): string {
  const { pair, side, peer, peer_ifindex, peer_netns, peer_netns_inode, netns, netns_inode, checksum } = membership
  const where =
    details && peer_netns_inode !== null
      ? ` peer-ifindex ${peer_ifindex} peer-netns ${netnsText(peer_netns, peer_netns_inode)}`
      : ''
  return `pair ${pair}/${side} netns ${netnsText(netns, netns_inode)} peer ${peer ?? '-'}${where} checksum ${checksum}`
}

function netnsText(name: string | null, inode: number): string {
  return name ?? `net:[${inode}]`
}

/** tun_print_opt of ip/iptuntap.c. */
function tunText(tun: NonNullable<Device['linkinfo']['info_data']>): string {
  const onOff = (on: boolean) => (on ? 'on' : 'off')
  let text = `type ${tun.type} pi ${onOff(tun.pi)} vnet_hdr ${onOff(tun.vnet_hdr)} `
  if (tun.multi_queue) {
    text += 'multi_queue '
    if (tun.numqueues !== undefined) text += `numqueues ${tun.numqueues} `
    if (tun.numdisabled !== undefined) text += `numdisabled ${tun.numdisabled} `
  }
  return `${text}persist ${onOff(tun.persist)} `
}
