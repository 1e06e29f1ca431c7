/**
 * `link show` as print_linkinfo of ip/ipaddress.c lays it out, as text and as JSON, and one thing more: the line (or the
 * member) `vethd` that says whose end a device is, where it is now and who its peer is.
 *
 * Neighbours: api/schema.ts (a Device has ip's own names already), commands/link.ts. What `ip` would print for the
 * same device and options is printed byte for byte; a test compares them.
 */
import type { Device, Fate, Membership, Stats64 } from '../api/schema.js'
import type { Json } from './json.js'
import type { Options } from './options.js'

type Show = Pick<Options, 'statistics' | 'details'>

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

/** Every string below `counters` as the number it spells. */
export function exact(counters: object): Json {
  return Object.fromEntries(
    Object.entries(counters).map(([name, value]: [string, string | object]) => {
      return [name, typeof value === 'string' ? BigInt(value) : exact(value)]
    }),
  )
}

/** In ip's order, whatever order they came in. */
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

/** `stats64`: the error counters only where `-s` was given twice (`carrierChanges` is), zeros of rare ones never. */
function statsJson({ rx, tx }: Stats64, carrierChanges: number | undefined): Json {
  const all = carrierChanges !== undefined
  const unlessZero = (counter: string) => (counter === '0' ? undefined : BigInt(counter))
  return {
    rx: {
      bytes: BigInt(rx.bytes),
      packets: BigInt(rx.packets),
      errors: BigInt(rx.errors),
      dropped: BigInt(rx.dropped),
      over_errors: BigInt(rx.over_errors),
      multicast: BigInt(rx.multicast),
      compressed: unlessZero(rx.compressed),
      ...(all && {
        length_errors: BigInt(rx.length_errors),
        crc_errors: BigInt(rx.crc_errors),
        frame_errors: BigInt(rx.frame_errors),
        fifo_errors: BigInt(rx.fifo_errors),
        missed_errors: BigInt(rx.missed_errors),
        nohandler: unlessZero(rx.nohandler),
      }),
    },
    tx: {
      bytes: BigInt(tx.bytes),
      packets: BigInt(tx.packets),
      errors: BigInt(tx.errors),
      dropped: BigInt(tx.dropped),
      carrier_errors: BigInt(tx.carrier_errors),
      collisions: BigInt(tx.collisions),
      compressed: unlessZero(tx.compressed),
      ...(all && {
        aborted_errors: BigInt(tx.aborted_errors),
        fifo_errors: BigInt(tx.fifo_errors),
        window_errors: BigInt(tx.window_errors),
        heartbeat_errors: BigInt(tx.heartbeat_errors),
        carrier_changes: carrierChanges,
      }),
    },
  }
}

/** The lines of `ip [-d] [-s [-s]] link show`, trailing blanks included, each ended by a new line. */
export function linkText(device: Device, show: Show): string {
  const { linkinfo, vethd } = device
  let text = `${device.ifindex}: ${device.ifname}: <${device.flags.join(',')}> mtu ${device.mtu} `
  if (device.qdisc !== undefined) text += `qdisc ${device.qdisc} `
  if (device.master !== undefined) text += `master ${device.master} `
  text += `state ${device.operstate} mode ${device.linkmode} group ${device.group} `
  if (device.txqlen !== 0) text += `qlen ${device.txqlen}`
  text += `\n    link/${device.link_type} ${device.address} brd ${device.broadcast}`
  if (device.permaddr !== undefined) text += ` permaddr ${device.permaddr}`
  if (device.link_netnsid !== undefined) text += ` link-netnsid ${device.link_netnsid}`
  if (show.details) {
    text += ` promiscuity ${device.promiscuity} `
    if (device.allmulti !== undefined) text += ` allmulti ${device.allmulti} `
    text += `minmtu ${device.min_mtu} maxmtu ${device.max_mtu} \n    ${linkinfo.info_kind} `
    if (linkinfo.info_data !== undefined) text += tunText(linkinfo.info_data)
    if (linkinfo.info_slave_kind !== undefined) text += `\n    ${linkinfo.info_slave_kind}_slave `
    if (device.inet6_addr_gen_mode !== undefined) text += `addrgenmode ${device.inet6_addr_gen_mode} `
    text += `numtxqueues ${device.num_tx_queues} numrxqueues ${device.num_rx_queues} `
    text += `gso_max_size ${device.gso_max_size} gso_max_segs ${device.gso_max_segs} `
    if (device.tso_max_size !== undefined) text += `tso_max_size ${device.tso_max_size} `
    if (device.tso_max_segs !== undefined) text += `tso_max_segs ${device.tso_max_segs} `
    if (device.gro_max_size !== undefined) text += `gro_max_size ${device.gro_max_size} `
  }
  if (device.ifalias !== undefined) text += `\n    alias ${device.ifalias}`
  if (show.statistics > 0)
    text += `\n${statsText(device.stats64, show.statistics > 1 ? device.carrier_changes : undefined)}`
  for (const altname of device.altnames) text += `\n    altname ${altname}`
  return `${text}\n    vethd ${membershipText(vethd)}${groText(vethd)}\n${show.statistics > 0 ? fateText(vethd) : ''}`
}

/**
 * What became of the frames, in columns like those above:
 *
 * ```text
 *     vethd drops peer_down 2
 *     veth RX:  bytes packets dropped
 *                1080      12       0
 *     veth TX:  bytes packets dropped
 *                1080      12       2
 * ```
 */
function fateText({ drops, veth }: Fate): string {
  const rows = [veth.rx, veth.tx].map(({ bytes, packets, dropped }) => [bytes, packets, dropped])
  const titles = ['bytes', 'packets', 'dropped']
  const width = titles.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)))
  const line = (head: string, cells: string[]) =>
    `    ${head.padEnd(9)}${cells.map((cell, i) => cell.padStart(width[i])).join(' ')}\n`
  const totals = ['RX', 'TX'].map((way, i) => line(`veth ${way}:`, titles) + line('', rows[i]))
  return `    vethd drops ${nonZero(drops)}\n${totals.join('')}`
}

/** `peer_down 2  too_long 1`, or `none`. */
export function nonZero(counters: Record<string, string>): string {
  const counted = Object.entries(counters).filter(([, count]) => count !== '0')
  return counted.length === 0 ? 'none' : counted.map(([name, count]) => `${name} ${count}`).join('  ')
}

/** What is not as it is by default. */
function groText({ gro_flush_us }: Device['vethd']): string {
  return gro_flush_us === 0 ? '' : ` gro-flush-us ${gro_flush_us}`
}

/** `pair 1/a netns t1 peer veth2 checksum offload` */
export function membershipText({ pair, side, peer, netns, netns_inode, checksum }: Membership): string {
  return `pair ${pair}/${side} netns ${netns ?? `net:[${netns_inode}]`} peer ${peer ?? '-'} checksum ${checksum}`
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

/** print_stats64 of ip/ipaddress.c: columns as wide as the widest number of both directions. */
function statsText({ rx, tx }: Stats64, carrierChanges: number | undefined): string {
  const all = carrierChanges !== undefined
  const rows = [
    [rx.bytes, rx.packets, rx.errors, rx.dropped, rx.missed_errors, rx.multicast, rx.compressed],
    [tx.bytes, tx.packets, tx.errors, tx.dropped, tx.carrier_errors, tx.collisions, tx.compressed],
  ]
  if (all) {
    rows.push(
      ['', rx.length_errors, rx.crc_errors, rx.frame_errors, rx.fifo_errors, rx.over_errors, rx.nohandler],
      ['', '', tx.aborted_errors, tx.fifo_errors, tx.window_errors, tx.heartbeat_errors, `${carrierChanges}`],
    )
  }
  const least = ['*X errors:', 'packets', 'errors', 'dropped', 'heartbt', 'overrun', 'compressed']
  const width = least.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)))
  const cells = (texts: string[]) => texts.map((text, i) => `${text.padStart(width[i])} `).join('')
  const row = (texts: string[], compressed: string) => cells(compressed === '0' ? texts.slice(0, 6) : texts)
  const titles = (what: string, texts: string[], compressed: string) => {
    const shown = [...texts, compressed === '0' ? '' : 'compressed']
    return `    ${what}: ${shown.map((text, i) => text.padStart(width[i] - (i === 0 ? 4 : 0))).join(' ')}\n    `
  }
  const errorTitles = (what: string, texts: string[]) =>
    `\n    ${what} errors:${['', ...texts].map((text, i) => text.padStart(width[i] - (i === 0 ? 10 : 0))).join(' ')}`
  const indent = ' '.repeat(width[0] + 5)
  const errorCells = (texts: string[]) => texts.map((text, i) => `${text.padStart(width[i + 1])} `).join('')

  let text = titles('RX', ['bytes', 'packets', 'errors', 'dropped', 'missed', 'mcast'], rx.compressed)
  text += row(rows[0], rx.compressed)
  if (all) {
    const nohandler = rx.nohandler === '0' ? '' : ` ${'nohandler'.padStart(width[6])}`
    text += `${errorTitles('RX', ['length', 'crc', 'frame', 'fifo', 'overrun'])}${nohandler}\n${indent}`
    text += errorCells(rows[2].slice(1, rx.nohandler === '0' ? 6 : 7))
  }
  text += `\n${titles('TX', ['bytes', 'packets', 'errors', 'dropped', 'carrier', 'collsns'], tx.compressed)}`
  text += row(rows[1], tx.compressed)
  if (all) {
    text += `${errorTitles('TX', ['aborted', 'fifo', 'window', 'heartbt', 'transns'])}\n${indent}`
    text += errorCells([tx.aborted_errors, tx.fifo_errors, tx.window_errors, tx.heartbeat_errors, `${carrierChanges}`])
  }
  return text
}
