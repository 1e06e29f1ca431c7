/**
 * A test bed for newlink and dellink without a daemon: their context, namespaces for the pairs, and the clean-up.
 */
import { closeSync } from 'node:fs'
import type { Test } from 'tap'
import { native } from '../../../native-bindings/index.js'
import type { EngineName } from '../../../src/io/index.js'
import { getLink, listLinks } from '../../../src/netlink/link.js'
import { resolveNetns } from '../../../src/netlink/netns.js'
import { inNetns } from '../../../src/netlink/rtnetlink.js'
import { AddressBook } from '../../../src/veth/birth/address-book.js'
import { IndexBook } from '../../../src/veth/birth/index-book.js'
import { newlink } from '../../../src/veth/birth/newlink.js'
import { probeOffloads } from '../../../src/veth/birth/offload.js'
import type { Steps } from '../../../src/veth/birth/steps.js'
import type { LinkContext } from '../../../src/veth/context.js'
import { dellink } from '../../../src/veth/delete.js'
import type { Degradation, Device, Pair } from '../../../src/veth/device.js'
import type { EndOptions } from '../../../src/veth/options.js'
import { Pool } from '../../../src/veth/pool.js'
import { type Namespace, Topology } from './topology.js'

/** The context of newlink, and namespaces for the pairs. */
export class Bed {
  readonly topology: Topology
  readonly context: LinkContext
  readonly warnings: string[] = []
  readonly #pairs = new Set<Pair>()
  #lastId = 0

  private constructor(topology: Topology, nursery: number, pool: Pool, without: number) {
    const { mask, tunFeatures, vnetHdrLen } = probeOffloads(nursery, ~without)
    const log = { warn: (_fields: object, message: string) => this.warnings.push(message) }
    this.topology = topology
    const degraded = (_device: Device, { what, why }: Degradation) => this.warnings.push(`${what}: ${why}`)
    this.context = {
      nursery,
      pool,
      offloads: mask,
      vnetHdrLen,
      tunFeatures,
      addresses: new AddressBook('a machine'),
      indexes: new IndexBook(),
      log,
      degraded,
    }
  }

  /** `without`: TUN_F_* bits that the test treats as missing in this kernel. */
  static async open(t: Test, engine: EngineName = 'uring', without = 0): Promise<Bed> {
    const topology = Topology.of(t)
    const nursery = native().netnsCreate()
    const onFault = (error: Error): void => {
      t.fail(error)
    }
    const pool = await Pool.open({
      engine,
      workers: 1,
      cpus: [],
      onGone: () => {},
      onReadFailed: () => {},
      onSlowed: () => {},
      onRefused: () => {},
      onFault,
    })
    const bed = new Bed(topology, nursery, pool, without)
    t.teardown(async () => {
      await dellink(bed.context, [...bed.#pairs])
      await pool.close()
      closeSync(nursery)
    })
    return bed
  }

  async namespace(label: string): Promise<Home> {
    const home = new Home(await this.topology.namespace(label))
    this.topology.defer(() => closeSync(home.fd))
    return home
  }

  async add(dev: EndOptions, peer: EndOptions, steps?: Steps): Promise<Pair> {
    const pair = await newlink(this.context, ++this.#lastId, { dev, peer }, steps)
    this.#pairs.add(pair)
    return pair
  }

  async remove(pairs: Pair[]): Promise<void> {
    for (const pair of pairs) this.#pairs.delete(pair)
    await dellink(this.context, pairs)
  }

  nurseryDevices(): string[] {
    return devicesIn(this.context.nursery)
  }
}

/** A named namespace and its open fd. */
export class Home {
  readonly fd: number
  constructor(readonly ns: Namespace) {
    this.fd = resolveNetns(ns.name)
  }
  devices(): string[] {
    return devicesIn(this.fd)
  }
  link(name: string) {
    const link = inNetns(this.fd, (rtnl) => getLink(rtnl, { name }))
    if (link === undefined) throw new Error(`no ${name} there`)
    return link
  }
}

function devicesIn(netnsFd: number): string[] {
  const names = inNetns(netnsFd, (rtnl) => listLinks(rtnl).map(({ name }) => name))
  return names.filter((name) => name !== 'lo').sort()
}
