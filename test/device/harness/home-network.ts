/**
 * The usual topology with a veth pair: a namespace behind a bridge, masqueraded towards the world.
 *
 *      t1                       host                                            world
 *   ┌───────────────┐     ┌──────────────────────────────────────────────┐   ┌──────────────┐
 *   │ veth1         │     │ veth2 ─ br0                  nft       wan0  │   │ eth0         │
 *   │ 192.168.1.200 ├═════┤         192.168.1.1    ── masquerade ──  .1  ├───┤ 198.51.100.2 │
 *   │ fd00::200     │  ↑  │         fd00::1                         ::1  │ ↑ │ 2001:db8::2  │
 *   └───────────────┘  │  └──────────────────────────────────────────────┘ │ └──────────────┘
 *             the subject's pair                                       kernel veth
 *
 * Neighbours: topology.ts, subject.ts. Plain `ip` does everything except making, moving and changing the pair.
 */
import type { End } from './counters.js'
import type { Subject } from './subject.js'
import type { Namespace, Topology } from './topology.js'

export const GATEWAY = { v4: '192.168.1.1', v6: 'fd00::1' }
export const WORLD = { v4: '198.51.100.2', v6: '2001:db8::2' }

const MASQUERADE = `
table inet home {
  chain postrouting {
    type nat hook postrouting priority srcnat
    oifname "wan0" masquerade
  }
}`

/** The host and the world, without the pair. */
export async function hostWithWorld(topology: Topology): Promise<{ host: Namespace; world: Namespace }> {
  const host = await topology.namespace('host')
  const world = await topology.namespace('world')
  await host.sysctl('net.ipv4.ip_forward', 1)
  await host.sysctl('net.ipv6.conf.all.forwarding', 1)
  await host.do(['nft', '-f', '-'], MASQUERADE)
  await host.do(`ip link add wan0 type veth peer name eth0 netns ${world.name}`)
  await host.do('ip addr add 198.51.100.1/24 dev wan0')
  await host.do('ip addr add 2001:db8::1/64 dev wan0 nodad')
  await host.do('ip link set wan0 up')
  await world.do(`ip addr add ${WORLD.v4}/24 dev eth0`)
  await world.do(`ip addr add ${WORLD.v6}/64 dev eth0 nodad`)
  await world.do('ip link set eth0 up')
  await host.do('ip link add br0 type bridge')
  await host.do(`ip addr add ${GATEWAY.v4}/24 dev br0`)
  await host.do(`ip addr add ${GATEWAY.v6}/64 dev br0 nodad`)
  await host.do('ip link set br0 up')
  return { host, world }
}

/**
 * Makes the subject's pair, moves veth1 into `t1` and veth2 into the bridge, sets addresses and routes, and sets both
 * up.
 */
export async function joinHome(subject: Subject, t1: Namespace): Promise<{ inside: End; outside: End }> {
  await subject.batch([
    subject.newPair('veth1', 'veth2'),
    `link set veth1 netns ${t1.name}`,
    'link set veth2 master br0',
    'link set veth2 up',
  ])
  await subject.do(`-n ${t1.name} link set veth1 up`)
  await t1.do('ip addr add 192.168.1.200/24 dev veth1')
  await t1.do('ip addr add fd00::200/64 dev veth1 nodad')
  await t1.do(`ip route add default via ${GATEWAY.v4}`)
  await t1.do(`ip -6 route add default via ${GATEWAY.v6}`)
  return { inside: { ns: t1, dev: 'veth1' }, outside: { ns: subject.host, dev: 'veth2' } }
}
