import t from 'tap'
import { deleteGroup, deleteLink, dumpLinks, getLink, listLinks, setLink } from '../../src/netlink/link.js'
import { type LinkInfo, readLink } from '../../src/netlink/link-info.js'
import { assignNsid } from '../../src/netlink/nsid.js'
import { until } from './harness/processes.js'
import { indexOf, inside, refusal, withNetns } from './harness/rtnetlink.js'
import { missing, type Namespace, Topology } from './harness/topology.js'

const skip = missing('ip', 'tc', 'ethtool')

t.test('a link is what ip -d -s says it is, field by field', { skip }, async (t) => {
  const ns = await Topology.of(t).namespace('fields')
  await ns.do('ip link add v0 type veth peer name v1')
  await ns.do('ip link add br0 type bridge')
  await ns.do('ip link set v0 master br0 up')
  await ns.do('ip link set br0 up')
  await ns.do('ip link set v1 up mtu 9000 txqueuelen 17 alias far-end group 7')
  await ns.do('ip link property add dev v1 altname an-alternative-name altname another')
  await ns.do('ip tuntap add tap0 mode tap user 54321 group 54322 multi_queue vnet_hdr')
  await ns.do('ip tuntap add tun0 mode tun pi')
  await ns.do('ping -c 2 -i 0.01 -q 127.0.0.1')
  await until('both ends to be up', async () => {
    const shown = await ns.do('ip -j link show')
    return (JSON.parse(shown) as { ifname: string; operstate: string }[]).every(
      ({ ifname, operstate }) => !ifname.startsWith('v') || operstate === 'UP',
    )
  })
  const [shown, links] = await untilAlike(ns)
  const names = new Map(links.map((link) => [link.index, link.name]))
  t.same(
    links.map((link) => link.name),
    ['lo', 'v1', 'v0', 'br0', 'tap0', 'tun0'],
  )
  for (const [i, link] of links.entries()) t.same(asIpShows(link, names), shown[i], link.name)
})

/** What ip says and what we say, read until no counter moved in between (IPv6 is talking in the background). */
async function untilAlike(ns: Namespace): Promise<[object[], LinkInfo[]]> {
  const show = async (): Promise<object[]> =>
    (JSON.parse(await ns.do('ip -j -d -s -s link show')) as Shown[]).map(comparable)
  let shown = await show()
  const links = await until('counters at rest', async () => {
    const read = inside(ns, (rtnl) => listLinks(rtnl))
    const before = JSON.stringify(shown)
    shown = await show()
    return JSON.stringify(shown) === before && read
  })
  return [shown, links]
}

t.test('one link is found by index, by name and by an alternative name', { skip }, async (t) => {
  const ns = await Topology.of(t).namespace('find')
  await ns.do('ip link add v0 index 77 type veth peer name v1')
  await ns.do('ip link property add dev v0 altname a-name-of-more-than-15-bytes')
  inside(ns, (rtnl) => {
    t.equal(getLink(rtnl, { index: 77 })?.name, 'v0')
    t.equal(getLink(rtnl, { name: 'v0' })?.index, 77)
    t.equal(getLink(rtnl, { name: 'a-name-of-more-than-15-bytes' })?.index, 77)
    t.equal(getLink(rtnl, { name: 'nothing' }), undefined)
    t.equal(getLink(rtnl, { index: 4711 }), undefined)
  })
})

t.test('a link of another namespace is read by NSID', { skip }, async (t) => {
  const topology = Topology.of(t)
  const here = await topology.namespace('here')
  const there = await topology.namespace('there')
  await there.do('ip link add v0 index 88 type veth peer name v1')
  inside(here, (rtnl) => {
    const nsid = withNetns(there.name, (fd) => assignNsid(rtnl, fd))
    t.equal(
      withNetns(there.name, (fd) => assignNsid(rtnl, fd)),
      nsid,
      'it keeps its NSID',
    )
    t.equal(getLink(rtnl, { index: 88, nsid })?.name, 'v0')
    t.same(
      [...dumpLinks(rtnl, nsid).values()].map((payload) => readLink(payload).name),
      ['lo', 'v1', 'v0'],
    )
    t.equal(getLink(rtnl, { index: 88 }), undefined)
  })
})

t.test('one request moves, renames, numbers and configures a device', { skip }, async (t) => {
  const topology = Topology.of(t)
  const from = await topology.namespace('from')
  const to = await topology.namespace('to')
  await from.do('ip tuntap add tmp0 mode tap')
  const index = indexOf(from, 'tmp0')
  withNetns(to.name, (netnsFd) =>
    inside(from, (rtnl) =>
      setLink(rtnl, index, {
        netnsFd,
        newIndex: 4242,
        name: 'veth1',
        address: '02:00:00:00:00:01',
        broadcast: 'ff:ff:ff:ff:ff:fe',
        mtu: 9000,
        txqueuelen: 256,
        group: 3,
        alias: 'one end',
        up: true,
      }),
    ),
  )
  t.same(await from.devices(), [])
  const link = inside(to, (rtnl) => getLink(rtnl, { index: 4242 }))
  t.match(link, {
    name: 'veth1',
    address: '02:00:00:00:00:01',
    broadcast: 'ff:ff:ff:ff:ff:fe',
    mtu: 9000,
    txqueuelen: 256,
    group: 3,
    alias: 'one end',
  })
  t.ok(link!.flagNames.includes('UP'))
  inside(to, (rtnl) => setLink(rtnl, 4242, { up: false, alias: '' }))
  const after = inside(to, (rtnl) => getLink(rtnl, { index: 4242 }))!
  t.notOk(after.flagNames.includes('UP'))
  t.notHas(after, 'alias')
})

t.test('a name taken in the new namespace leaves a device there under its old one', { skip }, async (t) => {
  const topology = Topology.of(t)
  const from = await topology.namespace('from')
  const to = await topology.namespace('to')
  await to.do('ip tuntap add veth1 mode tap')
  await from.do('ip tuntap add tmp0 mode tap')
  const index = indexOf(from, 'tmp0')
  const error = refusal(() =>
    withNetns(to.name, (netnsFd) => inside(from, (rtnl) => setLink(rtnl, index, { netnsFd, name: 'veth1' }))),
  )
  t.equal(error.code, 'EEXIST')
  t.same(await from.devices(), [])
  t.same((await to.devices()).sort(), ['tmp0', 'veth1'])
})

t.test('a device becomes the port of a bridge and is released', { skip }, async (t) => {
  const ns = await Topology.of(t).namespace('bridge')
  await ns.do('ip link add br0 type bridge')
  await ns.do('ip tuntap add tap0 mode tap')
  const master = indexOf(ns, 'br0')
  const index = indexOf(ns, 'tap0')
  inside(ns, (rtnl) => {
    setLink(rtnl, index, { master })
    t.match(getLink(rtnl, { index }), { master, slaveKind: 'bridge' })
    setLink(rtnl, index, { master: 0 })
    t.notHas(getLink(rtnl, { index })!, 'master')
  })
})

t.test('a refusal says what ip says', { skip }, async (t) => {
  const ns = await Topology.of(t).namespace('errors')
  await ns.do('ip tuntap add tap0 mode tap')
  await ns.do('ip tuntap add tap1 mode tap')
  const index = indexOf(ns, 'tap0')
  for (const [change, command] of [
    [{ mtu: 10 }, 'ip link set tap0 mtu 10'],
    [{ mtu: 65522 }, 'ip link set tap0 mtu 65522'],
    [{ address: '01:00:00:00:00:01' }, 'ip link set tap0 address 01:00:00:00:00:01'],
    [{ name: 'tap1' }, 'ip link set tap0 name tap1'],
    [{ name: 'a/b' }, undefined],
    [{ master: index }, 'ip link set tap0 master tap0'],
  ] as const) {
    const error = refusal(() => inside(ns, (rtnl) => setLink(rtnl, index, change)))
    t.equal(error.syscall, 'rtnetlink(RTM_SETLINK)')
    if (command !== undefined) t.equal(error.iproute2, (await ns.run(command)).stderr.trim(), command)
  }
  const small = refusal(() => inside(ns, (rtnl) => setLink(rtnl, index, { mtu: 10 })))
  t.match(small, { errno: -22, code: 'EINVAL', extack: 'mtu less than device minimum' })
  t.equal(small.message, `EINVAL: RTM_SETLINK of ifindex ${index}: mtu less than device minimum`)
  t.equal(refusal(() => inside(ns, (rtnl) => setLink(rtnl, 4711, { mtu: 1500 }))).code, 'ENODEV')
  t.throws(() => inside(ns, (rtnl) => setLink(rtnl, index, { address: '02:zz' })), {
    code: 'ADDRESS_INVALID',
    iproute2: (await ns.run('ip link set tap0 address 02:zz')).stderr.trim(),
  })
})

t.test('a hundred devices of one group go in one request, and nobody else', { skip }, async (t) => {
  const ns = await Topology.of(t).namespace('group')
  await ns.do('ip tuntap add stays mode tap')
  const batch = Array.from({ length: 100 }, (_, i) => `tuntap add tap${i} mode tap\nlink set tap${i} group 99\n`)
  await ns.do('ip -batch -', batch.join(''))
  t.equal(inside(ns, (rtnl) => listLinks(rtnl)).length, 102)
  inside(ns, (rtnl) => deleteGroup(rtnl, 99))
  t.same(await ns.devices(), ['stays'])
  t.equal(refusal(() => inside(ns, (rtnl) => deleteGroup(rtnl, 99))).code, 'ENODEV')
  t.equal(refusal(() => inside(ns, (rtnl) => deleteGroup(rtnl, 0))).code, 'EPERM', 'never the default group')
  inside(ns, (rtnl) => deleteLink(rtnl, getLink(rtnl, { name: 'stays' })!.index))
  t.same(await ns.devices(), [])
})

t.test('a dump of many parts is whole', { skip }, async (t) => {
  const ns = await Topology.of(t).namespace('many')
  const count = 150
  const batch = Array.from({ length: count }, (_, i) => `tuntap add tap${i} mode tap\n`)
  await ns.do('ip -batch -', batch.join(''))
  const links = inside(ns, (rtnl) => listLinks(rtnl))
  t.equal(new Set(links.map((link) => link.name)).size, count + 1)
})

/** What `ip -j -d -s -s link show` says of a link. */
type Shown = Record<string, unknown> & { flags: string[]; linkinfo?: Record<string, unknown> }

/** ip's record without what LinkInfo leaves out: what is a bridge's own, and the state of another link. */
function comparable(shown: Shown): object {
  const { linkinfo, flags, ...rest } = shown
  const kind = linkinfo?.info_kind
  return {
    ...rest,
    flags: flags.filter((flag) => flag !== 'M-DOWN'),
    ...(kind === undefined ? {} : { info_kind: kind }),
    ...(linkinfo?.info_slave_kind === undefined ? {} : { info_slave_kind: linkinfo.info_slave_kind }),
    ...(kind === 'tun' ? { info_data: linkinfo?.info_data } : {}),
  }
}

/** A LinkInfo in the same words. */
function asIpShows(link: LinkInfo, names: ReadonlyMap<number, string>): object {
  const { stats, tun } = link
  const only = (values: Record<string, unknown>): object =>
    Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
  return only({
    ifindex: link.index,
    link: link.link === undefined ? undefined : names.get(link.link),
    ifname: link.name,
    flags: link.flagNames,
    mtu: link.mtu,
    qdisc: link.qdisc,
    master: link.master === undefined ? undefined : names.get(link.master),
    operstate: link.operstate,
    linkmode: link.linkmode,
    group: link.group === 0 ? 'default' : String(link.group),
    txqlen: link.txqueuelen,
    link_type: link.linkType,
    address: link.address === '' ? undefined : link.address,
    broadcast: link.broadcast === '' ? undefined : link.broadcast,
    ifalias: link.alias,
    promiscuity: link.promiscuity,
    allmulti: link.allmulti,
    min_mtu: link.minMtu,
    max_mtu: link.maxMtu,
    info_kind: link.kind,
    info_slave_kind: link.slaveKind,
    info_data:
      tun &&
      only({
        type: tun.type,
        pi: tun.pi,
        vnet_hdr: tun.vnetHdr,
        multi_queue: tun.multiQueue,
        numqueues: tun.numQueues,
        numdisabled: tun.numDisabledQueues,
        persist: tun.persist,
        user: tun.user,
        group: tun.group,
      }),
    inet6_addr_gen_mode: link.addrGenMode,
    num_tx_queues: link.numTxQueues,
    num_rx_queues: link.numRxQueues,
    gso_max_size: link.gsoMaxSize,
    gso_max_segs: link.gsoMaxSegs,
    tso_max_size: link.tsoMaxSize,
    tso_max_segs: link.tsoMaxSegs,
    gro_max_size: link.groMaxSize,
    stats64: {
      rx: {
        bytes: Number(stats.rxBytes),
        packets: Number(stats.rxPackets),
        errors: Number(stats.rxErrors),
        dropped: Number(stats.rxDropped),
        over_errors: Number(stats.rxOverErrors),
        multicast: Number(stats.multicast),
        length_errors: Number(stats.rxLengthErrors),
        crc_errors: Number(stats.rxCrcErrors),
        frame_errors: Number(stats.rxFrameErrors),
        fifo_errors: Number(stats.rxFifoErrors),
        missed_errors: Number(stats.rxMissedErrors),
      },
      tx: {
        bytes: Number(stats.txBytes),
        packets: Number(stats.txPackets),
        errors: Number(stats.txErrors),
        dropped: Number(stats.txDropped),
        carrier_errors: Number(stats.txCarrierErrors),
        collisions: Number(stats.collisions),
        aborted_errors: Number(stats.txAbortedErrors),
        fifo_errors: Number(stats.txFifoErrors),
        window_errors: Number(stats.txWindowErrors),
        heartbeat_errors: Number(stats.txHeartbeatErrors),
        carrier_changes: link.carrierChanges,
      },
    },
    altnames: link.altnames.length === 0 ? undefined : link.altnames,
  })
}
