/**
 * A kernel that offers super-frames and then refuses them. vethd withdraws the offload while traffic flows, and a
 * feature that the user has switched off stays off.
 *
 * The refusal is simulated in two ways:
 * - The test gives the receiving TAP a shorter vnet header, so that its write refuses super-frames in tunnels. This works for
 *   both engines. Other frames suffer too, so only one frame is sent.
 * - A seccomp filter answers EINVAL to every long write, as some stable kernels did for super-frames. Real TCP must recover from
 *   it. A filter does not see the writes of io_uring, so this tests only the poll engine. No test covers an EINVAL of the uring
 *   engine for TCP and UDP super-frames; the code from the completion on is the same.
 */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { native } from '../../native-bindings/index.js'
import { VNET_HDR_HASH_TUNNEL_SIZE, VNET_HDR_MRG_RXBUF_SIZE } from '../../src/abi/virtio-net.js'
import { sumTotals } from '../../src/counters.js'
import type { Degradation, Device } from '../../src/veth/device.js'
import { Driver } from '../../src/veth/driver.js'
import { type Daemon, ROOT, startDaemon } from './harness/daemon.js'
import { until } from './harness/processes.js'
import { ENGINES } from './harness/subject.js'
import { DEADLINE_MS, missing, type Namespace, Topology } from './harness/topology.js'
import { ping, serveTransfers, transfer } from './harness/traffic.js'

const SOCKETS = join(ROOT, 'test/oracle/sockets.py')
const REFUSE_LONG_WRITES = ['python3', join(ROOT, 'test/device/harness/forbid.py'), 'long-write']
const REFUSE_GATHERED_WRITES = ['python3', join(ROOT, 'test/device/harness/forbid.py'), 'long-writev']

const TSO4 = 'tx-tcp-segmentation'
const TSO6 = 'tx-tcp6-segmentation'
const USO = 'tx-udp-segmentation'
const TUNNEL = 'tx-udp_tnl-segmentation'
const TUNNEL_CSUM = 'tx-udp_tnl-csum-segmentation'
const OTHERS = ['tx-checksum-ip-generic', 'scatter-gather', 'generic-segmentation-offload']

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'ping', 'ethtool', 'python3')

async function features(ns: Namespace, dev: string): Promise<Record<string, string>> {
  const text = await ns.do(`ethtool -k ${dev}`)
  return Object.fromEntries([...text.matchAll(/^\s*([\w-]+): (on|off)/gm)].map(([, name, value]) => [name, value]))
}

/** Sends 20 segments in one super-frame. */
async function sendUdpSuperFrame(from: Namespace, to: string): Promise<void> {
  await from.do(['python3', SOCKETS, 'send-gso', to, '9', '20', '1000'])
}

async function join1and2(ends: [Namespace, Namespace], host: Namespace): Promise<void> {
  for (const [i, ns] of ends.entries()) {
    const dev = `veth${i + 1}`
    await host.do(`ip link set ${dev} netns ${ns.name}`)
    await ns.do(`ip addr add 10.9.0.${i + 1}/24 dev ${dev}`)
    await ns.do(`ip link set ${dev} up`)
  }
}

for (const engine of ENGINES)
  t.test(
    `${engine}: tun refuses super-frames in tunnels: only those are given up, by their sender only`,
    { skip },
    async (t) => {
      const topology = Topology.of(t)
      const ends: [Namespace, Namespace] = [await topology.namespace('t1'), await topology.namespace('t2')]
      // nothing of its own accord: what the receiver sent while its header is short would not be readable
      for (const ns of ends) await ns.sysctl('net.ipv6.conf.default.disable_ipv6', 1)
      const failed = (fields: object, message: string): void => {
        t.fail(message, fields)
      }
      const log = { debug() {}, info() {}, warn() {}, error: failed }
      const driver = await Driver.open({ engine, log })
      t.teardown(() => driver.close())
      if (driver.offloads.vnetHdrLen !== VNET_HDR_HASH_TUNNEL_SIZE) {
        t.pass('degrading', { skip: 'this kernel has no super-frames in UDP tunnels' })
        return
      }
      const netns = ends.map(({ name }) => native().netnsOpen(`/run/netns/${name}`))
      t.teardown(() => {
        for (const fd of netns) native().close(fd)
      })
      const pair = await driver.addPair({
        dev: { name: 'veth1', netnsFd: netns[0] },
        peer: { name: 'veth2', netnsFd: netns[1] },
      })
      for (const [i, ns] of ends.entries()) {
        await ns.do(`ip addr add 10.9.0.${i + 1}/24 dev veth${i + 1}`)
        await ns.do(`ip link set veth${i + 1} up`)
      }
      await ping(ends[0], '10.9.0.2')
      for (const [i, ns] of ends.entries()) {
        await ns.do(`ip link add x0 type vxlan id 7 dev veth${i + 1} remote 10.9.0.${2 - i} dstport 4789 udpcsum`)
        await ns.do(`ip addr add 10.0.0.${i + 1}/24 dev x0`)
        await ns.do('ip link set x0 up')
      }
      await ping(ends[0], '10.0.0.2')
      await ends[0].do('ethtool -K veth1 tx-tcp6-segmentation off')

      const told: [Device, Degradation][] = []
      driver.on('device-degraded', (device, degradation) => told.push([device, degradation]))
      native().tapSetVnetHdrSize(pair.b.fd, VNET_HDR_MRG_RXBUF_SIZE)
      await sendUdpSuperFrame(ends[0], '10.0.0.2')
      await until('the device to be degraded', async () => told.length > 0).catch(() => {})
      native().tapSetVnetHdrSize(pair.b.fd, VNET_HDR_HASH_TUNNEL_SIZE)

      t.equal(told.length, 1, 'told once', { counted: sumTotals(pair.a.totals) })
      t.equal(told[0][0], pair.a, 'of the sender')
      t.match(told[0][1], { what: 'UDP_TUNNEL_GSO_CSUM', why: /EINVAL/ })
      t.same(pair.a.degradations, [told[0][1]])
      const [sender, receiver] = [await features(ends[0], 'veth1'), await features(ends[1], 'veth2')]
      for (const feature of [TSO4, USO, TUNNEL, ...OTHERS]) t.equal(sender[feature], 'on', feature)
      t.equal(sender[TUNNEL_CSUM], 'off', TUNNEL_CSUM)
      t.equal(sender[TSO6], 'off', 'what its user has switched off')
      for (const feature of [TSO4, TSO6, USO, TUNNEL, TUNNEL_CSUM])
        t.equal(receiver[feature], 'on', `the peer's ${feature}`)

      await serveTransfers(ends[1])
      await transfer(ends[0], 'tcp', '10.0.0.2', 5_000_000)
      await ends[0].do(['sh', '-c', 'ethtool -K veth1 tx-udp_tnl-csum-segmentation on; true'])
      t.equal((await features(ends[0], 'veth1'))[TUNNEL_CSUM], 'off', 'a user cannot have it again')
      await transfer(ends[0], 'tcp', '10.0.0.2', 5_000_000)
      t.equal(told.length, 1)
    },
  )

t.test('a machine that refuses super-frames', { skip }, async (t) => {
  const topology = Topology.of(t)
  const host = await topology.namespace('host')
  const daemon = await startDaemon(topology, host, { engine: 'poll', launcher: REFUSE_LONG_WRITES })
  const monitor = host.start(daemon.words('-j monitor'))
  await until('vethctl monitor to listen', async () => {
    await daemon.must('link add probe type veth peer name probe2')
    await daemon.must('link del probe')
    return monitor.stdout !== ''
  })
  const degraded = (dev: string) =>
    monitor.stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
      .filter(({ kind, name }) => kind === 'degraded' && name === dev)
  const pairUp = async (): Promise<[Namespace, Namespace]> => {
    const ends: [Namespace, Namespace] = [await topology.namespace('t1'), await topology.namespace('t2')]
    await daemon.must('link add veth1 type veth peer name veth2')
    await join1and2(ends, host)
    await ping(ends[0], '10.9.0.2')
    return ends
  }

  await t.test('TCP gets over it, and each end is degraded for itself', async (t) => {
    const [t1, t2] = await pairUp()
    await serveTransfers(t2)
    await transfer(t1, 'tcp', '10.9.0.2', 5_000_000)
    for (const [ns, dev] of [
      [t1, 'veth1'],
      [t2, 'veth2'],
    ] as const) {
      await until(`an event of ${dev}`, async () => degraded(dev).length > 0)
      t.match(degraded(dev), [{ kind: 'degraded', what: 'TSO4', why: /EINVAL/ }], `${dev}: once`)
      const now = await features(ns, dev)
      t.equal(now[TSO4], 'off')
      for (const feature of [TSO6, USO, ...OTHERS]) t.equal(now[feature], 'on', feature)
    }
    await everyDropExplained(t, daemon, t1)
    await t1.do('ip link del veth1')
  })

  await t.test('what a user has switched off stays off', async (t) => {
    const [t1] = await pairUp()
    await t1.do('ethtool -K veth1 tso off')
    const before = degraded('veth1').length
    await sendUdpSuperFrame(t1, '10.9.0.2')
    await until('an event of veth1', async () => degraded('veth1').length > before)
    t.match(degraded('veth1').slice(before), [{ what: 'USO' }])
    const now = await features(t1, 'veth1')
    for (const feature of [TSO4, TSO6, USO]) t.equal(now[feature], 'off', feature)
    for (const feature of OTHERS) t.equal(now[feature], 'on', feature)
    await t1.do('ip link del veth1')
  })

  await t.test('one that its user switched off while it was on its way is degraded when it comes back', async (t) => {
    const [t1] = await pairUp()
    const before = degraded('veth1').length
    daemon.process.signal('SIGSTOP')
    await sendUdpSuperFrame(t1, '10.9.0.2')
    await t1.do('ethtool -K veth1 tx-udp-segmentation off')
    daemon.process.signal('SIGCONT')
    await ping(t1, '10.9.0.2')
    t.equal(degraded('veth1').length, before, 'nothing is taken from who has it not')
    await t1.do('ethtool -K veth1 tx-udp-segmentation on')
    await sendUdpSuperFrame(t1, '10.9.0.2')
    await until('an event of veth1', async () => degraded('veth1').length > before)
    const now = await features(t1, 'veth1')
    t.equal(now[USO], 'off')
    for (const feature of [TSO4, TSO6, ...OTHERS]) t.equal(now[feature], 'on', feature)
    await t1.do('ip link del veth1')
  })

  t.equal((await daemon.stop()).code, 0)
  const warnings = daemon.log.filter(({ level, msg }) => level === 40 && msg === 'device degraded')
  t.equal(warnings.length, 4, 'the log has a line for each')
})

t.test('a machine that refuses what was merged: TCP gets over it, unmerged', { skip }, async (t) => {
  const topology = Topology.of(t)
  const host = await topology.namespace('host')
  const daemon = await startDaemon(topology, host, { engine: 'poll', launcher: REFUSE_GATHERED_WRITES })
  const [t1, t2] = [await topology.namespace('t1'), await topology.namespace('t2')]
  await daemon.must('link add veth1 type veth peer name veth2')
  await join1and2([t1, t2], host)
  await t1.do('ethtool -K veth1 tso off')
  await t2.do('ethtool -K veth2 gro on')
  await ping(t1, '10.9.0.2')
  await serveTransfers(t2)
  await transfer(t1, 'tcp', '10.9.0.2', 20_000_000)
  const log = daemon.log.filter(({ level, msg }) => level === 40 && msg === 'device degraded')
  t.match(log, [{ what: 'gro: TSO4', why: /EINVAL/ }], 'told once')
  await everyDropExplained(t, daemon, t1)
  t.equal((await features(t2, 'veth2'))['generic-receive-offload'], 'on', 'the flag stays: IPv6 is merged')
  t.equal((await daemon.stop()).code, 0)
})

async function everyDropExplained(t: Test, daemon: Daemon, ns: Namespace): Promise<void> {
  const [{ vethd }] = JSON.parse(await daemon.must(`-n ${ns.name} -j stats veth1`))
  t.ok(vethd.drops.bad_vnet_hdr > 0, 'the refused frames are counted')
  t.ok(vethd.drops.bad_vnet_hdr < 100, `${vethd.drops.bad_vnet_hdr} of them`)
}
