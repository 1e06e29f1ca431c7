/**
 * Super-frames inside a UDP tunnel: VXLAN over a pair, with kernel veth (the oracle) and with vethd. If the kernel's
 * TAP supports them (Linux 6.17), as many frames cross the pair as with veth, and not one per segment.
 *
 *      t1                                              t2
 *   ┌───────────────────┐                        ┌───────────────────┐
 *   │ x0 10.0.0.1       │     10.9.0.0/24        │       x0 10.0.0.2 │
 *   │  └─ vxlan ─ veth1 ╪════════════════════════╪ veth2 ─ vxlan ─┘  │
 *   └───────────────────┘      fd09::/64         └───────────────────┘
 */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { accounts, kernelLink, ledger, unexplained, vethdStats } from './harness/counters.js'
import { ROOT } from './harness/daemon.js'
import { type Subject, startSubjects, stopSubjects } from './harness/subject.js'
import { DEADLINE_MS, missing, type Namespace, Topology } from './harness/topology.js'
import { ping, serveTransfers, transfer } from './harness/traffic.js'

/** Enough for TCP to send super-frames most of the time. */
const SIX_MEGABYTES = 6_000_000
/** Payload of one segment inside the tunnel, at most. */
const SEGMENT = 1400
const SOCKETS = join(ROOT, 'test/oracle/sockets.py')
const VLAN = join(ROOT, 'test/device/harness/vlan.py')
const FEATURES = ['tx-udp_tnl-segmentation', 'tx-udp_tnl-csum-segmentation']

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'ping', 'ethtool', 'python3', 'tc')

interface Tunnel {
  name: string
  /** Of vxlan's `remote`, in t1 and in t2. */
  ends: [string, string]
  options: string
}
const TUNNELS: Tunnel[] = [
  { name: 'over IPv4', ends: ['10.9.0.1', '10.9.0.2'], options: 'noudpcsum' },
  { name: 'over IPv4 with an outer checksum', ends: ['10.9.0.1', '10.9.0.2'], options: 'udpcsum' },
  { name: 'over IPv6', ends: ['fd09::1', 'fd09::2'], options: 'udpcsum' },
]

/** Frames that kernel veth took for a transfer, by tunnel. */
const oracle = new Map<string, number>()

t.test('VXLAN over a pair', { skip }, async (t) => {
  const topology = Topology.of(t)
  const [host, t1, t2, t3] = await Promise.all(['host', 't1', 't2', 't3'].map((label) => topology.namespace(label)))
  for (const ns of [t1, t2, t3]) await serveTransfers(ns)
  const subjects = await startSubjects(topology, host)
  for (const subject of subjects) await t.test(subject.name, (t) => suite(t, subject, [t1, t2], t3))
  t.same(await stopSubjects(subjects), [0, 0], 'the daemons end when asked')
})

/** Whether this kernel's TAP takes super-frames in tunnels, and the subject passes them on. */
async function expectsSuperFrames({ daemon, checksum }: Subject): Promise<boolean> {
  if (!daemon) return true
  const { offloads } = JSON.parse(await daemon.must('-j doctor')) as { offloads: { names: string[] } }
  return checksum === 'offload' && offloads.names.includes('UDP_TUNNEL_GSO')
}

async function suite(t: Test, subject: Subject, ends: [Namespace, Namespace], t3: Namespace): Promise<void> {
  const { host } = subject
  const superFrames = await expectsSuperFrames(subject)
  const [t1, t2] = ends
  await subject.do(subject.newPair('veth1', 'veth2'))
  t.teardown(() => t1.do('ip link del veth1'))
  for (const [i, ns] of ends.entries()) {
    const dev = `veth${i + 1}`
    await host.do(`ip link set ${dev} netns ${ns.name}`)
    await ns.do(`ip addr add 10.9.0.${i + 1}/24 dev ${dev}`)
    await ns.do(`ip addr add fd09::${i + 1}/64 dev ${dev} nodad`)
    await ns.do(`ip link set ${dev} up`)
  }
  await ping(t1, '10.9.0.2')

  await t.test(`its features are ${superFrames ? "veth's" : 'off'}`, async (t) => {
    for (const [ns, dev] of [
      [t1, 'veth1'],
      [t2, 'veth2'],
    ] as const) {
      const text = await ns.do(`ethtool -k ${dev}`)
      for (const feature of FEATURES) t.equal(shown(text, feature), superFrames ? 'on' : 'off', `${dev}: ${feature}`)
    }
  })

  for (const tunnel of superFrames ? TUNNELS : [TUNNELS[1]])
    await t.test(`${tunnel.name}: TCP arrives whole, in super-frames if it can`, async (t) => {
      await withTunnel(tunnel, ends, async () => {
        const before = await framesSent(ends)
        await transfer(t1, 'tcp', '10.0.0.2', SIX_MEGABYTES)
        await transfer(t1, 'udp', '10.0.0.2', 100)
        const sent = (await framesSent(ends)) - before
        const segments = (2 * SIX_MEGABYTES) / SEGMENT
        t.comment(`${sent} frames for ${Math.round(segments)} segments, ${oracle.get(tunnel.name)} on kernel veth`)
        if (!subject.daemon) oracle.set(tunnel.name, sent)
        if (superFrames) {
          t.ok(sent < segments / 4, `${sent} frames`)
          t.ok(sent < 2 * oracle.get(tunnel.name)!, `${sent} frames, ${oracle.get(tunnel.name)} on kernel veth`)
        } else t.ok(sent > segments, `${sent} frames: the sender's kernel cuts them up`)
      })
    })

  if (superFrames)
    await t.test(
      'with a VLAN tag beside each frame they arrive so whole that the receiver can cut them up',
      async (t) => {
        await t1.do(['python3', VLAN, 'push', 'veth1', '5'])
        await t2.do(['python3', VLAN, 'pop', 'veth2'])
        await joinThrough(t2, t3)
        for (const tunnel of TUNNELS)
          await withTunnel(tunnel, [t1, t3], async () => {
            const before = [await framesSent([t1]), await framesSent([t2], 'cut')]
            await transfer(t1, 'tcp', '10.0.0.2', SIX_MEGABYTES)
            await transfer(t1, 'udp', '10.0.0.2', 100)
            const [sent, cut] = [(await framesSent([t1])) - before[0], (await framesSent([t2], 'cut')) - before[1]]
            const segments = SIX_MEGABYTES / SEGMENT
            t.ok(sent < segments / 2, `${tunnel.name}: ${sent} frames sent`)
            t.ok(cut > segments, `${tunnel.name}: ${cut} frames behind the receiver`)
          })
        for (const [ns, dev] of [
          [t1, 'veth1'],
          [t2, 'veth2'],
        ] as const)
          await ns.do(`tc qdisc del dev ${dev} clsact`)
        await t2.do('ip link del cut')
        await t1.do('ip neigh flush dev veth1')
      },
    )

  if (superFrames)
    await t.test('switched off and on under traffic, it carries on', async (t) => {
      await withTunnel(TUNNELS[1], ends, async () => {
        const carried = transfer(t1, 'tcp', '10.0.0.2', 10 * SIX_MEGABYTES)
        for (let round = 0; round < 6; round++) for (const value of ['off', 'on']) await setTunnelFeatures(t1, value)
        await carried
        await setTunnelFeatures(t1, 'off')
        const text = await t1.do('ethtool -k veth1')
        for (const feature of FEATURES) t.equal(shown(text, feature), 'off', feature)
        t.equal(shown(text, 'tx-tcp-segmentation'), shown(await t2.do('ethtool -k veth2'), 'tx-tcp-segmentation'))
        const sentBefore = (await kernelLink({ ns: t1, dev: 'veth1' })).stats64.tx.packets
        await transfer(t1, 'tcp', '10.0.0.2', SIX_MEGABYTES)
        const sent = (await kernelLink({ ns: t1, dev: 'veth1' })).stats64.tx.packets - sentBefore
        t.ok(sent > SIX_MEGABYTES / SEGMENT, `${sent} frames: cut up before they cross`)
      })
    })

  if (superFrames)
    await t.test('with tx-udp_tnl-segmentation alone switched off, outer checksums are right too', async () => {
      await t1.do('ethtool -K veth1 tx-udp_tnl-segmentation on tx-udp_tnl-csum-segmentation on')
      await t1.do('ethtool -K veth1 tx-udp_tnl-segmentation off')
      for (const tunnel of TUNNELS) await withTunnel(tunnel, ends, () => transfer(t1, 'tcp', '10.0.0.2', SIX_MEGABYTES))
      const text = await t1.do('ethtool -k veth1')
      t.equal(shown(text, 'tx-tcp-segmentation'), 'on', 'nothing else is off')
    })

  if (superFrames && subject.daemon)
    await t.test(
      'super-frames that waited when they were switched off are lost and counted, and no more than those',
      async (t) => {
        await setTunnelFeatures(t1, 'on')
        await withTunnel(TUNNELS[1], ends, async () => {
          subject.daemon!.process.signal('SIGSTOP')
          await t1.do(['python3', SOCKETS, 'send-gso', '10.0.0.2', '9', '20', '1000'])
          await setTunnelFeatures(t1, 'off')
          subject.daemon!.process.signal('SIGCONT')
          await transfer(t1, 'tcp', '10.0.0.2', SIX_MEGABYTES)
        })
        t.ok(await t1.has('veth1'), 'the pair is still there')
        const { undescribed } = (await vethdStats(subject, { ns: t1, dev: 'veth1' })).vethd.drops
        t.ok(undescribed >= 1, `${undescribed} counted`)
      },
    )

  await t.test('every frame that was sent has arrived or is explained', async (t) => {
    const [near, far] = await accounts(subject, { ns: t1, dev: 'veth1' }, { ns: t2, dev: 'veth2' })
    for (const books of [ledger(near, far), ledger(far, near)]) {
      t.comment(JSON.stringify(books))
      t.equal(unexplained(books), 0, JSON.stringify(books))
      t.equal(books.explained.bad_vnet_hdr ?? 0, 0, 'the kernel refused none')
    }
  })
}

function shown(text: string, feature: string): string | undefined {
  return new RegExp(`${feature}: (on|off)`).exec(text)?.[1]
}

async function setTunnelFeatures(ns: Namespace, value: string): Promise<void> {
  await ns.do(`ethtool -K veth1 ${FEATURES.map((feature) => `${feature} ${value}`).join(' ')}`)
}

async function withTunnel({ ends, options }: Tunnel, namespaces: Namespace[], act: () => Promise<void>): Promise<void> {
  for (const [i, ns] of namespaces.entries()) {
    const addresses = `local ${ends[i]} remote ${ends[1 - i]}`
    await ns.do(`ip link add x0 type vxlan id 7 dev veth${i + 1} ${addresses} dstport 4789 ${options}`)
    await ns.do(`ip addr add 10.0.0.${i + 1}/24 dev x0`)
    await ns.do('ip link set x0 up')
  }
  try {
    await ping(namespaces[0], '10.0.0.2')
    await act()
  } finally {
    for (const ns of namespaces) await ns.do('ip link del x0')
  }
}

/**
 * What veth2 receives in `here` goes on by a kernel veth that takes no super-frames, to another veth2 in `there`, and
 * what comes back from there goes out again.
 */
async function joinThrough(here: Namespace, there: Namespace): Promise<void> {
  await here.do(`ip link add cut type veth peer name veth2 netns ${there.name}`)
  await here.do('ethtool -K cut tso off gso off tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off')
  await there.do('ip addr add 10.9.0.2/24 dev veth2')
  await there.do('ip addr add fd09::2/64 dev veth2 nodad')
  await there.do('ip link set veth2 up')
  await here.do('ip link set cut up')
  await here.do('tc qdisc add dev cut clsact')
  for (const [from, to] of [
    ['veth2', 'cut'],
    ['cut', 'veth2'],
  ])
    await here.do(
      `tc filter add dev ${from} ingress pref 2 protocol all u32 match u32 0 0 action mirred egress redirect dev ${to}`,
    )
}

/** Frames that devices have sent so far: one in each namespace, veth1, veth2, or `dev`. */
async function framesSent(namespaces: Namespace[], dev?: string): Promise<number> {
  const links = namespaces.map((ns, i) => kernelLink({ ns, dev: dev ?? `veth${i + 1}` }))
  return (await Promise.all(links)).reduce((sum, link) => sum + link.stats64.tx.packets, 0)
}
