/**
 * What the sender has while an XDP program is attached to its peer, where kernel veth is no help: a TAP's user can switch
 * super-frames on all the same, and vethd may withdraw an offload meanwhile. And programs that come and go under traffic, on
 * kernel veth as well. test/oracle/rows/xdp.ts has the rest.
 */
import { closeSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import t, { type Test } from 'tap'
import * as tun from '../../src/abi/if-tun.js'
import { getFeatures } from '../../src/netlink/ethtool.js'
import { resolveNetns } from '../../src/netlink/netns.js'
import type { Device } from '../../src/veth/device.js'
import { Driver } from '../../src/veth/driver.js'
import { withdrawOffloads } from '../../src/veth/follow/features.js'
import { ROOT } from './harness/daemon.js'
import { type Process, until } from './harness/processes.js'
import { type Subject, startSubjects, stopSubjects } from './harness/subject.js'
import { DEADLINE_MS, missing, type Namespace, Topology } from './harness/topology.js'
import { serveTransfers, transfer } from './harness/traffic.js'

const XDP = join(ROOT, 'test/device/harness/xdp.py')
const SUPER_FRAMES = ['tx-tcp-segmentation', 'tx-tcp6-segmentation', 'tx-tcp-ecn-segmentation', 'tx-udp-segmentation']
const TUNNEL_CSUM = 'tx-udp_tnl-csum-segmentation'

t.setTimeout(DEADLINE_MS)

/** Which of these features are on. */
function on(device: Device, features: string[]): string[] {
  return device.inItsNetns((rtnl, name) => {
    const shown = getFeatures(rtnl, name, features)
    return features.filter((feature) => shown[feature]?.active)
  })
}

t.test('while its peer has an XDP program', { skip: missing('ip', 'python3', 'ethtool') }, async (t) => {
  const topology = Topology.of(t)
  const ns = await topology.namespace('xdp')
  const driver = await Driver.open({ workers: 1 })
  t.teardown(() => driver.close())
  const netnsFd = resolveNetns(ns.name)
  const { a, b } = await driver.addPair({ dev: { name: 'v1', netnsFd }, peer: { name: 'v2', netnsFd } })
  closeSync(netnsFd)
  for (const name of ['v1', 'v2']) await ns.do(`ip link set ${name} up`)
  const offered = on(a, [...SUPER_FRAMES, TUNNEL_CSUM])
  const superFrames = offered.filter((feature) => feature !== TUNNEL_CSUM)
  const without = () => until('the super-frames to be off', () => on(a, superFrames).length === 0)
  const attach = async (mode: string): Promise<Process> => {
    const program = ns.start(['python3', XDP, 'v2', mode])
    await program.line(/^ready/m)
    return program
  }
  const detach = async (program: Process): Promise<void> => {
    program.feed('')
    t.equal((await program.exit()).code, 0)
  }

  await t.test('super-frames that somebody asks for are off again, and do not stay when it goes', async (t) => {
    await ns.do('ethtool -K v1 tx-tcp6-segmentation off')
    const program = await attach('drv')
    await without()
    await ns.do('ethtool -K v1 tx-tcp6-segmentation on tx-udp-segmentation on')
    await without()
    await detach(program)
    const left = superFrames.filter((feature) => feature !== 'tx-tcp6-segmentation')
    await until('the others to be back', () => on(a, superFrames).length >= left.length)
    t.same(on(a, superFrames), left)
    await ns.do('ethtool -K v1 tx-tcp6-segmentation on')
    t.same(on(a, superFrames), superFrames)
  })

  await t.test('one of a bpf_link counts from the next time that the end is looked at', async (t) => {
    const program = await attach('link')
    driver.refresh(b)
    t.same(on(a, superFrames), [])
    await detach(program)
    driver.refresh(b)
    t.same(on(a, superFrames), superFrames)
  })

  await t.test('an offload that is withdrawn stays so when it goes, and the others are back', async (t) => {
    if (!offered.includes(TUNNEL_CSUM)) {
      t.pass('withdrawing', { skip: 'this kernel has no super-frames in UDP tunnels' })
      return
    }
    const program = await attach('drv')
    await without()
    t.equal(withdrawOffloads(a, tun.TUN_F_UDP_TUNNEL_GSO_CSUM), true)
    t.same(on(a, offered), [], 'at once')
    await detach(program)
    await until('the others to be back', () => on(a, superFrames).length === superFrames.length)
    t.same(on(a, offered), superFrames)
  })
})

const BYTES = 30_000_000

t.test('while programs come and go', { skip: missing('ip', 'python3', 'ethtool') }, async (t) => {
  const topology = Topology.of(t)
  const host = await topology.namespace('host')
  const subjects = await startSubjects(topology, host, ['offload'])
  for (const subject of subjects) await t.test(subject.name, (t) => comeAndGo(t, topology, subject))
  await stopSubjects(subjects)
})

/** TCP from `a` to `b` and back, a program at either end, of the driver or behind it, and `gro` on at both. */
async function comeAndGo(t: Test, topology: Topology, subject: Subject): Promise<void> {
  const [a, b] = [await topology.namespace('a'), await topology.namespace('b')]
  await subject.do(subject.newPair('veth1', 'veth2'))
  t.teardown(() => subject.do(`-n ${a.name} link del veth1`))
  const ends: [Namespace, string][] = [
    [a, 'veth1'],
    [b, 'veth2'],
  ]
  for (const [i, [ns, dev]] of ends.entries()) {
    await subject.do(`link set ${dev} netns ${ns.name}`)
    await ns.do(`ip addr add 10.0.0.${i + 1}/24 dev ${dev}`)
    await ns.do(`ip link set ${dev} up`)
    await ns.do(`ethtool -K ${dev} gro on`)
  }
  await a.do('ping -n -c 1 -W 2 10.0.0.2')
  const superFrames = async ([ns, dev]: [Namespace, string]) =>
    [...(await ns.do(`ethtool -k ${dev}`)).matchAll(/(tx-(?:tcp|udp)\S*: on)/g)].map(([feature]) => feature)
  const before = await Promise.all(ends.map(superFrames))

  const server = await serveTransfers(b)
  let busy = true
  const transferred = transfer(a, 'tcp', '10.0.0.2', BYTES).finally(() => {
    busy = false
  })
  let attached = 0
  for (; busy || attached < 4; attached++) {
    const [ns, dev] = ends[attached % 2]
    const program = ns.start(['python3', XDP, dev, attached % 4 < 2 ? 'drv' : 'skb'])
    await program.line(/^ready/m)
    program.feed('')
    t.equal((await program.exit()).code, 0)
  }
  await transferred
  server.signal('SIGTERM')
  await server.exit()
  t.pass(`whole, with ${attached} programs`)
  await until('the super-frames to be back', async () => {
    return isDeepStrictEqual(await Promise.all(ends.map(superFrames)), before)
  })
}
