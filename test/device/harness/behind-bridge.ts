/**
 * The usual set-up with a veth pair: a namespace behind a bridge and NAT. The same commands run with kernel veth (the
 * oracle) and with vethd, with each engine in each checksum mode.
 *
 *      t1                       host                                            world
 *   ┌───────────────┐     ┌──────────────────────────────────────────────┐   ┌──────────────┐
 *   │ veth1         │     │ veth2 ─ br0                  nft       wan0  │   │ eth0         │
 *   │ 192.168.1.200 ├═════┤         192.168.1.1    ── masquerade ──  .1  ├───┤ 198.51.100.2 │
 *   │ fd00::200     │     │         fd00::1                         ::1  │   │ 2001:db8::2  │
 *   └───────────────┘     └──────────────────────────────────────────────┘   └──────────────┘
 */
import type { Test } from 'tap'
import { accounts, ledger, total, unexplained } from './counters.js'
import { GATEWAY, hostWithWorld, joinHome, WORLD } from './home-network.js'
import { type Subject, startSubjects, stopSubjects } from './subject.js'
import { type Namespace, Topology } from './topology.js'
import { arping, iperf, ping, serveTransfers, transfer } from './traffic.js'

const TWO_MEGABYTES = 2_000_000
/** A lower limit that any working data plane reaches on any machine; bench/ measures speed. */
const SLOW_BITS_PER_SECOND = 50e6

/** The parameters of a run: how much each iperf3 carries, as iperf3 options. */
export interface Load {
  iperf: string
}

/** Runs the suite with kernel veth and with vethd in all its modes. */
export async function behindBridge(t: Test, load: Load): Promise<void> {
  const topology = Topology.of(t)
  const { host, world } = await hostWithWorld(topology)
  await serveTransfers(world)
  const subjects = await startSubjects(topology, host)
  for (const subject of subjects) await t.test(subject.name, (t) => suite(t, topology, subject, world, load))
  t.same(await stopSubjects(subjects), [0, 0], 'the daemons end when asked')
}

async function suite(t: Test, topology: Topology, subject: Subject, world: Namespace, load: Load): Promise<void> {
  const { host, daemon } = subject
  const t1 = await topology.namespace('t1')
  const { inside, outside } = await joinHome(subject, t1)

  await t.test('answers ping, ping6 and arping at once', async () => {
    for (const address of [GATEWAY.v4, WORLD.v4, GATEWAY.v6, WORLD.v6]) await ping(t1, address)
    await arping(t1, 'veth1', GATEWAY.v4)
  })

  await t.test('carries TCP and UDP both ways without changing a byte', async () => {
    await transfer(t1, 'tcp', WORLD.v4, TWO_MEGABYTES)
    await transfer(t1, 'tcp', WORLD.v6, TWO_MEGABYTES)
    await transfer(t1, 'udp', WORLD.v4, 150)
    await transfer(t1, 'udp', WORLD.v6, 150)
    await serveTransfers(t1)
    await transfer(host, 'tcp', '192.168.1.200', TWO_MEGABYTES)
    await transfer(host, 'udp', '192.168.1.200', 150)
  })

  await t.test('carries jumbo frames once both ends have mtu 9000', async (t) => {
    t.not((await t1.run(`ping -n -c 1 -W 0.1 -M do -s 8972 ${GATEWAY.v4}`)).code, 0, 'not before')
    await subject.do('link set veth2 mtu 9000')
    await subject.do(`-n ${t1.name} link set veth1 mtu 9000`)
    await host.do('ip link set br0 mtu 9000')
    await ping(t1, GATEWAY.v4, '-c 5 -i 0.01 -w 5 -M do -s 8972')
    await ping(host, '192.168.1.200', '-c 5 -i 0.01 -w 5 -M do -s 8972')
  })

  await t.test('carries an iperf3 TCP run', async (t) => {
    const { bitsPerSecond } = await iperf(t1, world, WORLD.v4, load.iperf)
    t.comment(`${(bitsPerSecond / 1e9).toFixed(1)} Gbit/s`)
    t.ok(bitsPerSecond > SLOW_BITS_PER_SECOND, `${bitsPerSecond} bit/s`)
  })

  await t.test('carries an iperf3 UDP run of a sender without limit', async (t) => {
    const { bitsPerSecond, packets } = await iperf(t1, world, WORLD.v4, `${load.iperf} -u -b 0 -l 1400`)
    t.comment(`${packets} datagrams sent, ${(bitsPerSecond / 1e9).toFixed(2)} Gbit/s`)
    t.ok(packets > 1000, `${packets} datagrams`)
  })

  const [near, far] = await accounts(subject, inside, outside)

  await t.test('at rest its counters are those of ip -s link', async (t) => {
    for (const { dev, ip, shown } of [near, far]) {
      t.ok(ip.stats64.tx.packets > 100, `${dev} has sent ${ip.stats64.tx.packets} frames`)
      t.same(shown.stats64, ip.stats64, dev)
    }
  })

  await t.test('every frame that was sent has arrived or is explained', async (t) => {
    for (const books of [ledger(near, far), ledger(far, near)]) {
      t.comment(JSON.stringify(books))
      t.equal(unexplained(books), 0, JSON.stringify(books))
    }
  })

  if (daemon)
    await t.test('every frame that vethd read has one class, one protocol and one fate', async (t) => {
      for (const [from, to] of [
        [near.stats!, far.stats!],
        [far.stats!, near.stats!],
      ]) {
        const { read, classes, protocols, checksum_errors } = from.vethd
        t.equal(read.packets, from.kernel.tx.packets, `${from.ifname}: read all that the kernel gave`)
        t.equal(to.vethd.written.packets, to.kernel.rx.packets, `${to.ifname}: the kernel took all that was written`)
        t.equal(total(classes), read.packets, `${from.ifname}: classes`)
        t.equal(total(protocols), read.packets, `${from.ifname}: protocols`)
        t.equal(total(checksum_errors), 0, `${from.ifname}: no checksum was bad`)
      }
    })

  await t.test('"link del" of one end removes the other', async (t) => {
    await subject.do('link del veth2')
    t.notOk(await t1.has('veth1'))
    t.notOk(await host.has('veth2'))
  })
}
