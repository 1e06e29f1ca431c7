/**
 * The rtnetlink requests against the running kernel, with ip(8), tc(8), bridge(8) and ethtool(8) as the oracle.
 *
 * Everything happens in namespaces of this test.
 */
import { closeSync, rmSync, statSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { native } from '../../native-bindings/index.js'
import { addAddress, listAddresses, removeAddress } from '../../src/netlink/address.js'
import { getDriverInfo, getGro, setGro, setLinkSpeed } from '../../src/netlink/ethtool.js'
import { deleteGroup, deleteLink, getLink, listLinks, setLink } from '../../src/netlink/link.js'
import type { LinkInfo } from '../../src/netlink/link-info.js'
import { netnsIdentity, netnsName, resolveNetns } from '../../src/netlink/netns.js'
import { assignNsid } from '../../src/netlink/nsid.js'
import { setNoqueue } from '../../src/netlink/qdisc.js'
import { addRoute } from '../../src/netlink/route.js'
import { inNetns, NetlinkError, type Rtnetlink } from '../../src/netlink/socket.js'
import { run, until } from './harness/processes.js'
import { missing, type Namespace, Topology } from './harness/topology.js'

t.test('rtnetlink', { skip: missing('ip', 'tc', 'ethtool') }, async (t) => {
  /** Runs inside a namespace and leaves no fd of it open. */
  function inside<T>(ns: Namespace, act: (rtnl: Rtnetlink) => T): T {
    return withNetns(ns.name, (fd) => inNetns(fd, act))
  }

  function withNetns<T>(spec: string, act: (netnsFd: number) => T): T {
    const fd = resolveNetns(spec)
    try {
      return act(fd)
    } finally {
      closeSync(fd)
    }
  }

  function indexOf(ns: Namespace, name: string): number {
    return inside(ns, (rtnl) => getLink(rtnl, { name }))!.index
  }

  /** The NetlinkError that `act` has to throw. */
  function refusal(act: () => unknown): NetlinkError {
    try {
      act()
    } catch (error) {
      if (error instanceof NetlinkError) return error
      throw error
    }
    throw new Error('the kernel did not refuse')
  }

  await t.test('a link is what ip -d -s says it is, field by field', async (t) => {
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

  await t.test('one link is found by index, by name and by an alternative name', async (t) => {
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

  await t.test('a link of another namespace is read by NSID', async (t) => {
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
        listLinks(rtnl, nsid).map((link) => link.name),
        ['lo', 'v1', 'v0'],
      )
      t.equal(getLink(rtnl, { index: 88 }), undefined)
    })
  })

  await t.test('one request moves, renames, numbers and configures a device', async (t) => {
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

  await t.test('a name taken in the new namespace leaves a device there under its old one', async (t) => {
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

  await t.test('a device becomes the port of a bridge and is released', async (t) => {
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

  await t.test('a refusal says what ip says', async (t) => {
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

  await t.test('a hundred devices of one group go in one request, and nobody else', async (t) => {
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

  await t.test('a dump of many parts is whole', async (t) => {
    const ns = await Topology.of(t).namespace('many')
    const count = 150
    const batch = Array.from({ length: count }, (_, i) => `tuntap add tap${i} mode tap\n`)
    await ns.do('ip -batch -', batch.join(''))
    const links = inside(ns, (rtnl) => listLinks(rtnl))
    t.equal(new Set(links.map((link) => link.name)).size, count + 1)
  })

  await t.test('addresses come and go', async (t) => {
    const ns = await Topology.of(t).namespace('addresses')
    await ns.do('ip tuntap add tap0 mode tap')
    await ns.sysctl('net.ipv6.conf.tap0.accept_dad', 1)
    const index = indexOf(ns, 'tap0')
    inside(ns, (rtnl) => {
      addAddress(rtnl, index, '192.168.1.200/24')
      addAddress(rtnl, index, 'fd00::1/64', { nodad: true })
      addAddress(rtnl, index, 'fd00::2/64')
      t.equal(refusal(() => addAddress(rtnl, index, '192.168.1.200/24')).code, 'EEXIST')
    })
    const [shown] = JSON.parse(await ns.do('ip -j addr show dev tap0')) as [
      { addr_info: { local: string; prefixlen: number; nodad?: boolean }[] },
    ]
    const oracle = shown.addr_info.map(({ local, prefixlen, nodad }) => `${local}/${prefixlen}${nodad ? ' nodad' : ''}`)
    t.same(oracle.sort(), ['192.168.1.200/24', 'fd00::1/64 nodad', 'fd00::2/64'])
    const ours = inside(ns, (rtnl) => listAddresses(rtnl, index))
    t.same(ours.map(({ address, prefixLength }) => `${address}/${prefixLength}`).sort(), [
      '192.168.1.200/24',
      'fd00::1/64',
      'fd00::2/64',
    ])
    inside(ns, (rtnl) => {
      removeAddress(rtnl, index, '192.168.1.200/24')
      removeAddress(rtnl, index, 'fd00::1/64')
      t.equal(refusal(() => removeAddress(rtnl, index, '192.168.1.200/24')).code, 'EADDRNOTAVAIL')
    })
    t.notMatch(await ns.do('ip addr show dev tap0'), /192\.168\.1\.200|fd00::1\//)
  })

  await t.test('routes are those that ip would add', async (t) => {
    const ns = await Topology.of(t).namespace('routes')
    const oracle = await Topology.of(t).namespace('oracle')
    for (const each of [ns, oracle]) {
      await each.do('ip link add tap0 index 50 type veth peer name far')
      await each.do('ip link set far up')
      await each.do('ip link set tap0 up')
      await each.do('ip addr add 192.168.1.200/24 dev tap0')
      await each.do('ip addr add fd00::1/64 dev tap0 nodad')
    }
    inside(ns, (rtnl) => {
      addRoute(rtnl, { to: 'default', via: '192.168.1.1' })
      addRoute(rtnl, { to: 'default', via: 'fd00::ffff' })
      addRoute(rtnl, { to: '10.9.0.0/16', dev: 50 })
      addRoute(rtnl, { to: 'fd09::/32', via: 'fd00::ffff', dev: 50 })
      const twice = refusal(() => addRoute(rtnl, { to: 'default', via: '192.168.1.1' }))
      t.equal(twice.iproute2, 'RTNETLINK answers: File exists')
      const unreachable = refusal(() => addRoute(rtnl, { to: '10.8.0.0/16', via: '172.16.0.1' }))
      t.equal(unreachable.iproute2, 'Error: Nexthop has invalid gateway.')
      t.throws(() => addRoute(rtnl, { to: '10.8.0.0/16', via: 'fd00::1' }), { code: 'ARGUMENT_INVALID' })
    })
    await oracle.do('ip route add default via 192.168.1.1')
    await oracle.do('ip -6 route add default via fd00::ffff')
    await oracle.do('ip route add 10.9.0.0/16 dev tap0')
    await oracle.do('ip -6 route add fd09::/32 via fd00::ffff dev tap0')
    const shown = async (ns: Namespace): Promise<string> =>
      (await ns.do('ip route')) + (await ns.do('ip -6 route')).replaceAll(/^fe80.*\n/gm, '')
    t.equal(await shown(ns), await shown(oracle))
  })

  await t.test('noqueue takes the place of a default qdisc, and of no other', async (t) => {
    const topology = Topology.of(t)
    const ns = await topology.namespace('qdisc')
    const other = await topology.namespace('other')
    const qdisc = async (where: Namespace, dev: string): Promise<string> => {
      const [root] = JSON.parse(await where.do(`tc -j qdisc show dev ${dev} root`)) as { kind: string }[]
      return root.kind
    }
    await ns.do('ip tuntap add tap0 mode tap')
    await ns.do('ip tuntap add tap1 mode tap multi_queue')
    await ns.do('ip link set tap0 up')
    await ns.do('ip link set tap1 up')
    t.not(await qdisc(ns, 'tap0'), 'noqueue', 'the default of a TAP is another')
    for (const dev of ['tap0', 'tap1']) {
      t.ok(inside(ns, (rtnl) => setNoqueue(rtnl, getLink(rtnl, { name: dev })!.index)))
      t.equal(await qdisc(ns, dev), 'noqueue')
    }
    const index = indexOf(ns, 'tap0')
    t.notOk(
      inside(ns, (rtnl) => setNoqueue(rtnl, index)),
      'it is there already',
    )
    for (const handle of ['1:', '8001:']) {
      await ns.do(`tc qdisc replace dev tap0 root handle ${handle} tbf rate 1mbit burst 10kb latency 50ms`)
      t.notOk(inside(ns, (rtnl) => setNoqueue(rtnl, index)))
      t.equal(await qdisc(ns, 'tap0'), 'tbf', `a user's with the handle ${handle} stays`)
    }
    withNetns(other.name, (netnsFd) => inside(ns, (rtnl) => setLink(rtnl, index, { netnsFd })))
    t.ok(
      inside(other, (rtnl) => setNoqueue(rtnl, getLink(rtnl, { name: 'tap0' })!.index)),
      'while it is still down',
    )
    await other.do('ip link set tap0 up')
    t.equal(await qdisc(other, 'tap0'), 'noqueue')
    t.equal(refusal(() => inside(ns, (rtnl) => setNoqueue(rtnl, 4711))).code, 'ENODEV')
  })

  await t.test('ethtool: GRO off, 10000 Mb/s full duplex, driver tun', async (t) => {
    const ns = await Topology.of(t).namespace('ethtool')
    await ns.do('ip tuntap add tap0 mode tap')
    await ns.do('ip link set tap0 up')
    t.ok(
      inside(ns, () => getGro('tap0')),
      'the default of a TAP',
    )
    inside(ns, () => setGro('tap0', false))
    t.notOk(inside(ns, () => getGro('tap0')))
    t.match(await ns.do('ethtool -k tap0'), /^generic-receive-offload: off/m)
    await ns.do('ethtool -K tap0 gro on')
    t.ok(inside(ns, () => getGro('tap0')))
    inside(ns, () => setLinkSpeed('tap0', 10000))
    const settings = await ns.do('ethtool tap0')
    t.match(settings, /Speed: 10000Mb\/s\n\s*Duplex: Full\n\s*Auto-negotiation: off\n\s*Port: Twisted Pair/)
    t.match(
      inside(ns, () => getDriverInfo('tap0')),
      { driver: 'tun', version: '1.6', busInfo: 'tap' },
    )
    t.throws(() => inside(ns, () => getGro('nothing')), { code: 'ENODEV' })
  })

  await t.test('a namespace is named by name, path or pid, in the order of ip', async (t) => {
    const topology = Topology.of(t)
    const ns = await topology.namespace('named')
    const identity = (spec: string): number => withNetns(spec, netnsIdentity)
    const inode = identity(ns.name)
    t.equal(identity(`/run/netns/${ns.name}`), inode)
    t.equal(netnsName(inode), ns.name)
    const sleeper = ns.start('sleep 60')
    await until('sleep to be in its namespace', () =>
      run(['ip', 'netns', 'identify', String(sleeper.pid)]).then((output) => output.stdout.trim() === ns.name),
    )
    t.equal(identity(String(sleeper.pid)), inode)
    // A name made of digits goes before the pid that it could also be.
    const named = String(sleeper.pid)
    topology.defer(() => void run(['ip', 'netns', 'del', named]))
    await run(['ip', 'netns', 'add', named])
    t.not(identity(named), inode)
    t.equal(netnsName(identity(named)), named)
    await run(['ip', 'netns', 'del', named])
    t.equal(identity(named), inode)
  })

  await t.test('what is no namespace is refused with the words and the exit code of ip', async (t) => {
    const topology = Topology.of(t)
    const ns = await topology.namespace('wrong')
    await ns.do('ip tuntap add tap0 mode tap')
    for (const spec of ['no-such-ns', '99999999', '99999999999', '/etc/passwd', '/proc/self/ns/mnt', '/no/such', '']) {
      const oracle = await ns.run(['ip', 'link', 'set', 'tap0', 'netns', spec])
      t.throws(
        () => resolveNetns(spec),
        { code: 'NETNS_INVALID', exit: oracle.code, iproute2: oracle.stderr.trim() },
        `"${spec}"`,
      )
    }
  })

  await t.test('a namespace without a name has none', async (t) => {
    const topology = Topology.of(t)
    const nameless = native().netnsCreate()
    try {
      t.equal(netnsName(netnsIdentity(nameless)), undefined)
    } finally {
      closeSync(nameless)
    }
    // What "ip netns add" leaves when it is interrupted: a file that nothing is mounted on.
    const file = `/run/netns/vd${process.pid}.file`
    topology.defer(() => rmSync(file))
    writeFileSync(file, '')
    t.equal(netnsName(statSync(file).ino), undefined, 'a plain file is no namespace')
    const ns = await topology.namespace('gone')
    const inode = withNetns(ns.name, netnsIdentity)
    t.equal(netnsName(inode), ns.name)
    await ns.delete()
    t.equal(netnsName(inode), undefined)
  })

  await t.test('nothing keeps a namespace alive once it was configured', async (t) => {
    const topology = Topology.of(t)
    const home = await topology.namespace('home')
    for (let round = 0; round < 10; round++) {
      const ns = await topology.namespace('dies')
      await home.do('ip link add near type veth peer name far')
      const watch = await home.watchLinks()
      withNetns(ns.name, (netnsFd) =>
        inside(home, (rtnl) =>
          setLink(rtnl, getLink(rtnl, { name: 'far' })!.index, { netnsFd, name: 'veth1', up: true }),
        ),
      )
      inside(ns, (rtnl) => {
        const { index } = getLink(rtnl, { name: 'veth1' })!
        addAddress(rtnl, index, '192.168.1.1/24')
        setGro('veth1', false)
      })
      const started = performance.now()
      const gone = watch.gone('near')
      await ns.delete()
      await gone
      const tookMs = performance.now() - started
      t.ok(tookMs < 500, `the other end went ${tookMs.toFixed(1)} ms after ip netns del began`)
    }
  })
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
