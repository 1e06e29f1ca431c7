/**
 * The registry: finds the device that a DEV names. Two namespaces can have devices of the same name, so a DEV is a name in one
 * namespace, or `ID/a`, `ID/b` wherever the device is.
 *
 * Neighbours: routes/ call it, src/veth/driver.ts owns the pairs. A look-up first applies all changes that `ip` made so far, so
 * that the answer is the kernel's current state. The found device is verified by its fd.
 */
import { VethdError } from '../src/errors.js'
import { getLink } from '../src/netlink/link.js'
import { netnsName } from '../src/netlink/netns.js'
import { NetlinkError } from '../src/netlink/rtnetlink.js'
import type { Pair } from '../src/veth/device.js'
import { type Device, type Place, unlessGone } from '../src/veth/device.js'
import type { Driver } from '../src/veth/driver.js'

type Pairs = Pick<Driver, 'pairs' | 'settle' | 'place'>

export class Registry {
  readonly #driver: Pairs

  constructor(driver: Pairs) {
    this.#driver = driver
  }

  /** Every pair, oldest first. */
  get pairs(): Pair[] {
    return [...this.#driver.pairs.values()]
  }

  /** Throws PAIR_NOT_FOUND. */
  pair(id: number): Pair {
    const pair = this.#driver.pairs.get(id)
    if (pair === undefined) throw new VethdError('PAIR_NOT_FOUND', `there is no pair ${id}: see "vethctl link show"`)
    return pair
  }

  /** Every device, those of the namespace `inode` first; with `only`, no others. */
  devices(inode: number, only: boolean): Device[] {
    this.#driver.settle()
    const here: Device[] = []
    const elsewhere: Device[] = []
    for (const device of this.#all()) {
      const place = this.#driver.place(device)
      if (place?.inode === inode) here.push(device)
      else if (place !== undefined && !only) elsewhere.push(device)
    }
    return [...here, ...elsewhere]
  }

  /**
   * The device to read as `dev`: one of the namespace `inode`, otherwise (unless `only`) the only one of that name in any
   * namespace. Throws DEVICE_NOT_FOUND, DEVICE_AMBIGUOUS.
   */
  find(dev: string, inode: number, only: boolean): Device {
    const found = this.#lookUp(dev, inode)
    if (found !== undefined) return found
    const elsewhere = only ? [] : this.#named(dev)
    if (elsewhere.length === 1) return elsewhere[0]
    if (elsewhere.length > 1) {
      throw new VethdError(
        'DEVICE_AMBIGUOUS',
        `"${dev}" is ${listed(elsewhere)}: say which, with ${choices(elsewhere)}`,
      )
    }
    throw new VethdError('DEVICE_NOT_FOUND', noSuchDevice(dev), { iproute2: `Device "${dev}" does not exist.` })
  }

  /**
   * The device to change or delete as `dev`: a name reaches only devices of the namespace `inode`. Pairs in `doomed` count
   * as gone. Throws DEVICE_NOT_FOUND, which tells where devices of that name are.
   */
  findHere(dev: string, inode: number, doomed: ReadonlySet<Pair> = new Set()): Device {
    const found = this.#lookUp(dev, inode, doomed)
    if (found !== undefined) return found
    const elsewhere = this.#named(dev, doomed)
    const detail =
      elsewhere.length === 0 ? noSuchDevice(dev) : `"${dev}" is ${listed(elsewhere)}: say ${choices(elsewhere)}`
    throw new VethdError('DEVICE_NOT_FOUND', detail, { iproute2: `Cannot find device "${dev}"` })
  }

  #lookUp(dev: string, inode: number, doomed: ReadonlySet<Pair> = new Set()): Device | undefined {
    const [, id, side] = /^([0-9]+)\/([ab])$/.exec(dev) ?? []
    if (id !== undefined) {
      const pair = this.#driver.pairs.get(Number(id))
      return pair === undefined || doomed.has(pair) ? undefined : pair[side as 'a' | 'b']
    }
    this.#driver.settle()
    const found = this.#called(dev, inode, doomed)
    if (found !== undefined) return found
    const neighbour = this.#first(doomed, (device) => this.#driver.place(device)?.inode === inode)
    const name = nameByAltname(dev, neighbour)
    return name === undefined ? undefined : this.#called(name, inode, doomed)
  }

  /** The device of that name there: the one that is known so, as long as its own fd says the same. */
  #called(name: string, inode: number, doomed: ReadonlySet<Pair>): Device | undefined {
    const isIt = (place: Place | undefined) => place?.inode === inode && place.name === name
    const found = this.#first(doomed, (device) => isIt(this.#driver.place(device)))
    if (found === undefined || isIt(placeByFd(found))) return found
    return this.#first(doomed, (device) => isIt(placeByFd(device)))
  }

  /** One pass without a list of all: a request that deletes five hundred pairs looks up as many names. */
  #first(doomed: ReadonlySet<Pair>, isIt: (device: Device) => boolean): Device | undefined {
    for (const pair of this.#driver.pairs.values()) {
      if (doomed.has(pair) || pair.removal !== null) continue
      const found = isIt(pair.a) ? pair.a : isIt(pair.b) ? pair.b : undefined
      if (found !== undefined) return found
    }
    return undefined
  }

  #named(dev: string, doomed: ReadonlySet<Pair> = new Set()): Device[] {
    return this.#all(doomed).filter((device) => this.#driver.place(device)?.name === dev)
  }

  #all(doomed: ReadonlySet<Pair> = new Set()): Device[] {
    return this.pairs.filter((pair) => !doomed.has(pair) && pair.removal === null).flatMap((pair) => pair.devices)
  }
}

/** Undefined if somebody has deleted the device, and its pair is not removed yet. */
function placeByFd(device: Device): Place | undefined {
  return unlessGone(() => device.whereabouts())
}

/** The name of the link that has `altname` as an alternative one, in the namespace where `neighbour` is. */
function nameByAltname(altname: string, neighbour: Device | undefined): string | undefined {
  try {
    return unlessGone(() => neighbour?.inItsNetns((rtnl) => getLink(rtnl, { name: altname }))?.name)
  } catch (error) {
    if (error instanceof NetlinkError) return undefined // not a possible name
    throw error
  }
}

/** `in netns t1 (1/a) and in net:[4026532208] (2/a)` */
function listed(devices: Device[]): string {
  return devices.map((device) => `in netns ${netnsOf(device).text} (${device.reference})`).join(' and ')
}

/** `"-n t1" or "1/a"` */
function choices(devices: Device[]): string {
  const words = devices.flatMap((device) => {
    const { name } = netnsOf(device)
    return name === undefined ? [`"${device.reference}"`] : [`"-n ${name}"`, `"${device.reference}"`]
  })
  return words.join(' or ')
}

function netnsOf(device: Device): { name?: string; text: string } {
  const inode = placeByFd(device)?.inode
  const name = inode === undefined ? undefined : netnsName(inode)
  return { name, text: name ?? (inode === undefined ? 'unknown' : `net:[${inode}]`) }
}

function noSuchDevice(dev: string): string {
  return `no end of a pair of vethd is called "${dev}" here: "vethctl link show" lists them all`
}
