/**
 * Addresses, routes, qdiscs, ethtool and namespaces against the running kernel, with ip(8), tc(8) and ethtool(8) as the
 * oracle. Everything happens in namespaces of this test.
 */
import { closeSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { native } from '../../native-bindings/index.js'
import { EINVAL } from '../../src/abi/errno.js'
import { addAddress, listAddresses, removeAddress } from '../../src/netlink/address.js'
import { getFeatures, setGro, setLinkSpeed } from '../../src/netlink/ethtool.js'
import { getLink, setLink } from '../../src/netlink/link.js'
import { netnsIdentity, netnsName, resolveNetns } from '../../src/netlink/netns.js'
import { setNoqueue } from '../../src/netlink/qdisc.js'
import { run, until } from './harness/processes.js'
import { indexOf, inside, refusal, withNetns } from './harness/rtnetlink.js'
import { missing, type Namespace, Topology } from './harness/topology.js'

const skip = missing('ip', 'tc', 'ethtool')

t.test('addresses come and go', { skip }, async (t) => {
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

t.test('noqueue takes the place of a default qdisc, and of no other', { skip }, async (t) => {
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

t.test('ethtool: GRO off, 10000 Mb/s full duplex', { skip }, async (t) => {
  const ns = await Topology.of(t).namespace('ethtool')
  await ns.do('ip tuntap add tap0 mode tap')
  await ns.do('ip link set tap0 up')
  const gro = () => inside(ns, (rtnl) => getFeatures(rtnl, 'tap0', ['rx-gro'])['rx-gro']?.active)
  t.equal(gro(), true, 'the default of a TAP')
  inside(ns, (rtnl) => setGro(rtnl, 'tap0', false))
  t.equal(gro(), false)
  t.match(await ns.do('ethtool -k tap0'), /^generic-receive-offload: off/m)
  await ns.do('ethtool -K tap0 gro on')
  t.equal(gro(), true)
  inside(ns, (rtnl) => setLinkSpeed(rtnl, 'tap0', 10000))
  const settings = await ns.do('ethtool tap0')
  t.match(settings, /Speed: 10000Mb\/s\n\s*Duplex: Full\n\s*Auto-negotiation: off\n\s*Port: Twisted Pair/)
  t.throws(() => inside(ns, (rtnl) => setGro(rtnl, 'nothing', true)), { code: 'ENODEV' })
})

t.test('a namespace is named by name, path or pid, in the order of ip', { skip }, async (t) => {
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

t.test('what is no namespace is refused with the words and the exit code of ip', { skip }, async (t) => {
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

t.test('a FIFO that is named as a namespace is not opened', { skip }, async (t) => {
  const topology = Topology.of(t)
  const fifo = join(t.testdir(), 'fifo')
  await run(['mkfifo', fifo])
  const writer = topology.start(['sh', '-c', `echo begin; echo waited > ${fifo}`])
  await writer.line(/begin/)
  t.throws(() => resolveNetns(fifo), { code: 'NETNS_INVALID', exit: 2, errno: -EINVAL })
  t.equal((await run(['timeout', '5', 'cat', fifo])).stdout, 'waited\n', 'its writer has waited on')
})

t.test('a process out of files is told so, not that there is no such namespace', { skip }, async (t) => {
  const program = `
    import { closeSync, openSync } from 'node:fs'
    import { resolveNetns } from '${import.meta.resolve('../../src/netlink/netns.js')}'
    const open = [resolveNetns('/proc/self/ns/net')] // what is needed for that is loaded now
    try { for (;;) open.push(openSync('/dev/null')) } catch {}
    const said = []
    for (const word of ['/proc/self/ns/net', 'no-such-ns', '1'])
      try { resolveNetns(word) } catch ({ code, message }) { said.push(code, message) }
    closeSync(open.pop()) // for stdout
    console.log(said.join('\\n'))`
  const words = ['prlimit', '--nofile=64:', process.execPath, '--input-type=module', '-e', program]
  const limit = 'no more files can be opened: raise the limit of this process (LimitNOFILE= or ulimit -n)'
  const { stdout, stderr } = await run(words)
  t.same(
    [stdout.trim().split('\n'), stderr],
    [['LIMIT_REACHED', limit, 'LIMIT_REACHED', limit, 'LIMIT_REACHED', limit], ''],
  )
})

t.test('a namespace without a name has none', { skip }, async (t) => {
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

t.test('nothing keeps a namespace alive once it was configured', { skip }, async (t) => {
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
      setGro(rtnl, 'veth1', false)
    })
    const started = performance.now()
    const gone = watch.gone('near')
    await ns.delete()
    await gone
    const tookMs = performance.now() - started
    t.ok(tookMs < 500, `the other end went ${tookMs.toFixed(1)} ms after ip netns del began`)
  }
})
