/**
 * The life of a pair, after veth_link_ops: newlink makes it, leaves nothing behind if it fails, and dellink removes
 * both ends. Kernel veth is tested in the same way where that is possible.
 */
import { closeSync, readdirSync } from 'node:fs'
import t from 'tap'
import { describeDevice, describePair, Reader } from '../../daemon/describe.js'
import { native } from '../../native-bindings/index.js'
import { EBADFD } from '../../src/abi/errno.js'
import { resolveNetns } from '../../src/netlink/netns.js'
import { Steps } from '../../src/veth/birth/steps.js'
import { changeDevice } from '../../src/veth/change.js'
import type { Pair } from '../../src/veth/device.js'
import { type Device, unlessGone } from '../../src/veth/device.js'
import { Driver, type RemovalReason } from '../../src/veth/driver.js'
import type { EndOptions } from '../../src/veth/options.js'
import { atRest } from './harness/counters.js'
import { type Frame, hex, plain, SOURCE, sendFrames } from './harness/frames.js'
import { Bed, type Home } from './harness/link-bed.js'
import { until } from './harness/processes.js'
import { missing, Topology } from './harness/topology.js'

const skip = missing('ip', 'python3')
t.setTimeout(60_000)

function openFiles(): string[] {
  return readdirSync('/proc/self/fd')
}

/** Carries out steps until one of them has its turn to fail. */
class FailingSteps extends Steps {
  readonly names: string[] = []
  readonly #failing: string | undefined
  constructor(failing?: string) {
    super()
    this.#failing = failing
  }
  override run<T>(name: string, act: () => T | Promise<T>, undo?: (result: T) => void | Promise<void>): Promise<T> {
    this.names.push(name)
    if (name === this.#failing) return Promise.reject(new Error(`no ${name} today`))
    return super.run(name, act, undo)
  }
}

/** Asks each device by itself. */
function readerOf(pair: Pair): Reader {
  const look = (devices: readonly Device[]) =>
    new Map(devices.flatMap((device) => unlessGone(() => [[device, device.state()] as const]) ?? []))
  return new Reader({ look }, pair.devices)
}

t.test('newlink', { skip }, async (t) => {
  await t.test('makes both ends as a new veth looks, the peer first', async (t) => {
    const bed = await Bed.open(t)
    const [one, two] = [await bed.namespace('one'), await bed.namespace('two')]
    const peerOptions = { name: 'peer', netnsFd: two.fd, mtu: 1400, address: '02:00:00:00:00:0b', group: 5 }
    const pair = await bed.add({ name: 'dev', netnsFd: one.fd, txqueuelen: 0 }, peerOptions)
    t.same([one.devices(), two.devices(), bed.nurseryDevices()], [['dev'], ['peer'], []])
    const [dev, peer] = [one.link('dev'), two.link('peer')]
    t.match(dev, { qdisc: 'noqueue', mtu: 1500, txqueuelen: 256, address: pair.a.record.address, group: 0 })
    t.match(peer, { qdisc: 'noqueue', mtu: 1400, txqueuelen: 256, address: '02:00:00:00:00:0b', group: 5 })
    for (const { flagNames } of [dev, peer]) t.notOk(flagNames.includes('UP') || flagNames.includes('LOWER_UP'))
    t.match(await one.ns.do('ethtool dev'), /Speed: 10000Mb\/s\n\tDuplex: Full/)
    t.match(await one.ns.do('ethtool -k dev'), /generic-receive-offload: off/)
    t.same(bed.warnings, [])

    const { a, b } = describePair(pair, readerOf(pair))
    const where = ({ ifname, ifindex, vethd }: typeof a) => [ifname, ifindex, vethd.netns, vethd.netns_inode]
    const peerOf = ({ vethd }: typeof a) => [vethd.peer, vethd.peer_ifindex, vethd.peer_netns, vethd.peer_netns_inode]
    t.same([peerOf(a), peerOf(b)], [where(b), where(a)], 'each is described with where the other is')
    await two.ns.do('ip link del peer')
    t.same(peerOf(describeDevice(pair.a, readerOf(pair))), [null, null, null, null], 'which is gone')
  })

  await t.test('leaves nothing behind, whichever step fails', async (t) => {
    const bed = await Bed.open(t)
    const [one, two] = [await bed.namespace('one'), await bed.namespace('two')]
    const ends = [
      { name: 'dev', netnsFd: one.fd, numTxQueues: 2, numRxQueues: 2 },
      { name: 'peer', netnsFd: two.fd },
    ]
    const all = new FailingSteps()
    const first = await bed.add(ends[0], ends[1], all)
    const addresses = first.devices.map(({ record }) => record.address)
    await bed.remove([first])
    t.ok(all.names.length >= 12, all.names.join(', '))
    const files = openFiles()
    for (const name of all.names) {
      await t.rejects(bed.add(ends[0], ends[1], new FailingSteps(name)), { message: `no ${name} today` })
      t.same([one.devices(), two.devices(), bed.nurseryDevices()], [[], [], []], `${name}: devices`)
      t.same(openFiles(), files, `${name}: files`)
    }
    const again = await bed.add(ends[0], ends[1])
    t.same(
      again.devices.map(({ record }) => record.address),
      addresses,
      'addresses were released',
    )
    t.same(again.devices.flatMap(({ lanes }) => lanes.map(({ index }) => index)).sort(), [0, 1, 2], 'so were lanes')
    t.same(bed.warnings, [])
  })

  await t.test('goes on undoing when something cannot be undone, and says so', async (t) => {
    const bed = await Bed.open(t)
    const one = await bed.namespace('one')
    const files = openFiles()
    const steps = new FailingSteps('move a')
    await steps.run(
      'first',
      () => {},
      () => {
        throw new Error('cannot be undone')
      },
    )
    await t.rejects(bed.add({ name: 'x', netnsFd: one.fd }, { name: 'y', netnsFd: one.fd }, steps), /no move a today/)
    t.same([one.devices(), bed.nurseryDevices()], [[], []])
    t.same(openFiles(), files)
    t.equal(bed.warnings.length, 1)
  })

  await t.test('removes a device that its user renames at that moment', async (t) => {
    const bed = await Bed.open(t)
    const one = await bed.namespace('one')
    const pair = await bed.add({ name: 'x', netnsFd: one.fd }, { name: 'y', netnsFd: one.fd })
    const [a] = pair.devices
    Object.defineProperty(a, 'name', { get: () => 'was-x' }) // what it was called a moment ago
    Object.defineProperty(pair.b, 'netnsInode', { value: () => -1 }) // so that each is looked up by its name
    await bed.remove([pair])
    t.same(one.devices(), [])
    t.match(bed.warnings, [/could not be deleted at once/])
  })

  await t.test('refuses a name that is taken, whichever end it is for, and leaves nothing', async (t) => {
    const bed = await Bed.open(t)
    const [one, two] = [await bed.namespace('one'), await bed.namespace('two')]
    await one.ns.do('ip link add taken type bridge')
    const files = openFiles()
    const [taken, free] = [
      { name: 'taken', netnsFd: one.fd },
      { name: 'free', netnsFd: two.fd },
    ]
    for (const [dev, peer] of [
      [taken, free],
      [free, taken],
      [
        { ...free, name: 'same' },
        { ...free, name: 'same' },
      ],
    ]) {
      const refusal = { code: 'DEVICE_EXISTS', iproute2: 'RTNETLINK answers: File exists' }
      await t.rejects(bed.add(dev, peer), refusal)
      t.same([one.devices(), two.devices(), bed.nurseryDevices()], [['taken'], [], []])
    }
    t.same(openFiles(), files)
  })

  await t.test('a name refused here is free elsewhere, at the same time too', async (t) => {
    const bed = await Bed.open(t)
    const [one, two] = [await bed.namespace('one'), await bed.namespace('two')]
    await one.ns.do('ip link add eth0 type bridge')
    const outcomes = await Promise.allSettled([
      bed.add({ name: 'eth0', netnsFd: one.fd }, { name: 'a', netnsFd: one.fd }),
      bed.add({ name: 'eth0', netnsFd: two.fd }, { name: 'a', netnsFd: two.fd }),
      bed.add({ name: 'a', netnsFd: one.fd }, { name: 'eth0', netnsFd: one.fd }),
    ])
    t.same(
      outcomes.map(({ status }) => status),
      ['rejected', 'fulfilled', 'rejected'],
    )
    t.same([one.devices(), two.devices(), bed.nurseryDevices()], [['eth0'], ['a', 'eth0'], []])
  })

  await t.test('takes names that devices of the nursery might have had', async (t) => {
    const bed = await Bed.open(t)
    const one = await bed.namespace('one')
    for (const [dev, peer] of [
      ['tap0', 'tap1'],
      ['tap3', 'tap2'],
    ])
      await bed.add({ name: dev, netnsFd: one.fd }, { name: peer, netnsFd: one.fd })
    t.same(one.devices(), ['tap0', 'tap1', 'tap2', 'tap3'])
  })

  await t.test('finds names as the kernel does', async (t) => {
    const bed = await Bed.open(t)
    for (const [label, existing, dev, peer] of [
      ['bare', [], undefined, undefined],
      ['gap', ['veth1', 'veth3'], undefined, undefined],
      ['half', [], undefined, 'veth0'],
      ['other', ['veth0'], 'x', undefined],
      ['pattern', ['p1'], 'p%d', 'p%d'],
    ] as const) {
      const [ours, oracle] = [await bed.namespace(label), await bed.namespace(label)]
      for (const name of existing) for (const { ns } of [ours, oracle]) await ns.do(`ip link add ${name} type bridge`)
      await bed.add({ name: dev, netnsFd: ours.fd }, { name: peer, netnsFd: ours.fd })
      await oracle.ns.do(`ip link add${dev ? ` ${dev}` : ''} type veth${peer ? ` peer name ${peer}` : ''}`)
      t.same(ours.devices(), oracle.devices(), label)
    }
  })

  await t.test('gives the peer the lower index, also where indexes are taken', async (t) => {
    const bed = await Bed.open(t)
    for (let taken = 0; taken < 3; taken++) {
      const home = await bed.namespace('index')
      const indexes = Array.from({ length: 18 }, (_, i) => i + 2).filter((index) => index % 3 === taken)
      const bridges = indexes.map((index) => `link add b${index} index ${index} type bridge\n`)
      await home.ns.do('ip -batch -', bridges.join(''))
      await bed.add({ name: 'dev', netnsFd: home.fd }, { name: 'peer', netnsFd: home.fd })
      t.ok(home.link('peer').index < home.link('dev').index, `${home.link('peer').index} ${home.link('dev').index}`)
    }
    const home = await bed.namespace('asked')
    await bed.add({ name: 'd', netnsFd: home.fd, index: 77 }, { name: 'p', netnsFd: home.fd, index: 2147483647 })
    t.same([home.link('d').index, home.link('p').index], [77, 2147483647])
    await bed.add({ name: 'd2', netnsFd: home.fd, index: 80 }, { name: 'p2', netnsFd: home.fd, index: 78 })
    t.same([home.link('d2').index, home.link('p2').index], [80, 78])
    await bed.add({ name: 'd4', netnsFd: home.fd }, { name: 'p4', netnsFd: home.fd, index: 4000 })
    t.not(home.link('p4').index, 4000, "a peer's alone does not count, as in veth_newlink")
    const taken = bed.add({ name: 'd3', netnsFd: home.fd, index: 77 }, { name: 'p3', netnsFd: home.fd })
    await t.rejects(taken, { code: 'DEVICE_EXISTS', message: /index 77/ })
    t.same(home.devices(), ['d', 'd2', 'd4', 'p', 'p2', 'p4'])
  })

  await t.test('gives the same names the same addresses, unless they are in use', async (t) => {
    const bed = await Bed.open(t)
    const homes = [await bed.namespace('one'), await bed.namespace('two'), await bed.namespace('three')]
    const addressesOf = (pair: Pair) => pair.devices.map((device) => device.state().link.address)
    const make = async (home: Home, renamed: string): Promise<Pair> => {
      const pair = await bed.add({ name: 'eth0', netnsFd: home.fd }, { name: 'eth0', netnsFd: homes[2].fd })
      changeDevice(pair.b, { name: renamed })
      return pair
    }
    const first = await make(homes[0], 'first')
    const addresses = addressesOf(first)
    t.equal(new Set(addresses).size, 2)
    for (const address of addresses) t.equal(Number.parseInt(address, 16) & 3, 2, `${address} is local, individual`)
    const second = await make(homes[1], 'second')
    t.equal(new Set([...addresses, ...addressesOf(second)]).size, 4)
    await bed.remove([first])
    t.same(addressesOf(await make(homes[0], 'third')), addresses)
  })

  await t.test('makes as many queues as asked for, and all of them carry traffic', async (t) => {
    const bed = await Bed.open(t)
    const [one, two] = [await bed.namespace('one'), await bed.namespace('two')]
    for (const { ns } of [one, two]) await ns.sysctl('net.ipv6.conf.default.disable_ipv6', 1)
    const queues = { numTxQueues: 2, numRxQueues: 2 }
    const pair = await bed.add(
      { name: 'dev', netnsFd: one.fd, ...queues },
      { name: 'peer', netnsFd: two.fd, ...queues },
    )
    t.equal(one.link('dev').tun?.numQueues, 2)
    for (const device of pair.devices) {
      changeDevice(device, { up: true })
      native().tapSetCarrier(device.fd, true)
    }
    const flows = Array.from({ length: 64 }, (_, i) => udpFlow(i))
    const arrived = async (): Promise<number> => {
      const before = two.link('peer').stats.rxPackets
      t.same(new Set(await sendFrames(one.ns, 'dev', flows)), new Set(['sent']))
      const { stats } = await atRest(async () => two.link('peer'))
      return Number(stats.rxPackets - before)
    }
    t.equal(await arrived(), flows.length, 'by both queues')
    const [first] = pair.a.lanes.splice(0, 1)
    await bed.context.pool.removeLanes([first])
    const bySecond = await arrived()
    t.ok(bySecond > 0 && bySecond < flows.length, `${bySecond} of ${flows.length} by the second queue alone`)
  })

  await t.test('refuses what a TAP cannot have before anything is made', async (t) => {
    const bed = await Bed.open(t)
    const one = await bed.namespace('one')
    const files = openFiles()
    const refused: [options: EndOptions, code: string][] = [
      [{ numTxQueues: 257, numRxQueues: 257 }, 'QUEUES_INVALID'],
      [{ numTxQueues: 2, numRxQueues: 1 }, 'QUEUES_INVALID'],
      [{ numTxQueues: 0, numRxQueues: 0 }, 'QUEUES_INVALID'],
      [{ mtu: 67 }, 'MTU_INVALID'],
      [{ mtu: 65522 }, 'MTU_INVALID'],
      [{ name: 'a name' }, 'NAME_INVALID'],
      [{ name: 'sixteen-bytes-xx' }, 'NAME_INVALID'],
      [{ address: '01:00:00:00:00:01' }, 'ADDRESS_REFUSED'],
      [{ address: '00:00:00:00:00:00' }, 'ADDRESS_REFUSED'],
      [{ address: '02:00:00:00:00' }, 'ADDRESS_INVALID'],
      [{ broadcast: 'ff:ff' }, 'ADDRESS_INVALID'],
    ]
    for (const [options, code] of refused) {
      const end = { name: 'x', netnsFd: one.fd, ...options }
      const other = { name: 'y', netnsFd: one.fd }
      await t.rejects(bed.add(end, other), { code }, `dev ${JSON.stringify(options)}`)
      await t.rejects(bed.add(other, end), { code }, `peer ${JSON.stringify(options)}`)
    }
    t.same([one.devices(), openFiles()], [[], files])
    await bed.add({ netnsFd: one.fd, mtu: 68 }, { netnsFd: one.fd, mtu: 65521 })
    t.same([one.link('veth0').mtu, one.link('veth1').mtu], [65521, 68])
  })
})

/** A frame of UDP over IPv4, one of many flows: the TAP chooses a queue by its ports. */
function udpFlow(number: number): Frame {
  const ports = [4000 + number * 7, 9000 + number * 13].map((port) => port.toString(16).padStart(4, '0')).join(' ')
  const ip = '45 00 00 1c 00 01 40 00 40 11 00 00 c0 00 02 01 c0 00 02 02'
  return plain(hex('02 00 00 00 00 99', SOURCE, '08 00', ip, ports, '00 08 00 00'))
}

t.test('dellink', { skip }, async (t) => {
  await t.test('removes many pairs much faster than one by one, with all that belongs to them', async (t) => {
    const bed = await Bed.open(t)
    const homes = [await bed.namespace('one'), await bed.namespace('two')]
    const files = openFiles()
    const pairs: Pair[] = []
    for (let i = 0; i < 50; i++)
      pairs.push(await bed.add({ name: `d${i}`, netnsFd: homes[0].fd }, { name: `p${i}`, netnsFd: homes[i % 2].fd }))
    t.equal(homes[0].devices().length, 75)
    const before = performance.now()
    await bed.remove(pairs)
    const tookMs = performance.now() - before
    t.ok(tookMs < 1000, `${tookMs.toFixed()} ms; closed one by one they take 1800`)
    t.same([homes[0].devices(), homes[1].devices(), openFiles()], [[], [], files])
  })

  await t.test('passes over what somebody else has deleted already', async (t) => {
    const bed = await Bed.open(t)
    const one = await bed.namespace('one')
    const pairs: Pair[] = []
    for (let i = 0; i < 3; i++)
      pairs.push(await bed.add({ name: `d${i}`, netnsFd: one.fd }, { name: `p${i}`, netnsFd: one.fd }))
    await one.ns.do('ip link del d1')
    await one.ns.do('ip link del p2')
    await bed.remove(pairs)
    t.same(one.devices(), [])
    t.throws(() => pairs[0].a.state(), { code: 'DEVICE_NOT_FOUND' }, 'also when asked for afterwards')
  })
})

t.test('when either end is deleted, so is the other, and it is told once', { skip }, async (t) => {
  const topology = Topology.of(t)
  const [one, two] = [await topology.namespace('one'), await topology.namespace('two')]
  const fds = [one, two].map(({ name }) => resolveNetns(name))
  t.teardown(() => fds.forEach(closeSync))
  const driver = await Driver.open({ workers: 1 })
  t.teardown(() => driver.close())
  const removed: [id: number, reason: RemovalReason][] = []
  driver.on('pair-removed', ({ id }, reason) => removed.push([id, reason]))
  for (const [i, ns] of [one, two].entries()) {
    const pair = await driver.addPair({
      dev: { name: 'veth1', netnsFd: fds[0] },
      peer: { name: 'veth2', netnsFd: fds[1] },
    })
    const { worker, index } = pair.a.lanes[0]
    ;(driver as unknown as { deviceGone(lane: object, errno: number): void }).deviceGone({ worker, index }, -EBADFD)
    t.equal(driver.pairs.get(pair.id), pair, 'a worker that is wrong about it, or late, removes nothing')
    await ns.do(`ip link del veth${i + 1}`)
    await until('the pair to be removed', () => removed.length === i + 1)
    t.same(removed[i], [pair.id, 'device-gone'])
    t.same([await one.devices(), await two.devices()], [[], []])
  }
  t.equal(driver.pairs.size, 0)
})
