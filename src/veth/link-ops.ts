/**
 * A pair's life, after veth_link_ops (drivers/net/veth.c): setup, newlink, dellink.
 *
 *     nursery                                              where it was asked for
 *       open peer, configure ─┐
 *       open dev,  configure ─┤
 *       lanes start ──────────┤
 *                             ├─ rename, move peer ───────▶  veth2   (down, no carrier)
 *                             └─ rename, move dev  ───────▶  veth1
 *
 * Nobody outside the nursery sees a half-made device. When a step fails, the steps before it are undone in reverse.
 */

import { type NativeError, native } from '../../native-bindings/index.js'
import { EBUSY, EEXIST, EMFILE, ENFILE } from '../abi/errno.js'
import { IFF_MULTI_QUEUE, IFF_NO_CARRIER, IFF_NO_PI, IFF_TAP, IFF_TUN_EXCL, IFF_VNET_HDR } from '../abi/if-tun.js'
import type { LaneRequest, Pool } from '../dataplane/pool.js'
import { VethdError } from '../errors.js'
import { setGro, setLinkSpeed } from '../netlink/ethtool.js'
import { deleteGroup, deleteLink, getLink, listLinks, setLink } from '../netlink/link.js'
import { netnsIdentity } from '../netlink/netns.js'
import { setNoqueue } from '../netlink/qdisc.js'
import { inNetns, NetlinkError, type Rtnetlink } from '../netlink/socket.js'
import { type AddressBook, receiverAddress } from './address.js'
import { Device } from './device.js'
import { attachLengthFilter } from './filter.js'
import { offloadsFor } from './offload.js'
import { type ChecksumMode, type EndOptions, MTU_DEFAULT, type PairOptions, TXQUEUELEN_DEFAULT } from './options.js'
import { Pair } from './pair.js'
import { validatePair } from './validate.js'
import { VNET_HDR_LEN } from './xmit.js'

/** What a pair needs around it. */
export interface LinkContext {
  /** fd of the nursery namespace. */
  nursery: number
  pool: Pool
  /** TUN_F_* that work here (offload.ts). */
  offloads: number
  /** IFF_* that the tun driver offers. */
  tunFeatures: number
  addresses: AddressBook
  log: { warn(fields: object, message: string): void }
}

/** DRV_NAME "%d" in drivers/net/veth.c. */
const DEFAULT_NAME = 'veth%d'
/** What a device is called in the nursery; nobody is likely to ask for such a name, which the nursery would refuse. */
const NURSERY_NAME = 'vethd.new%d'
/** veth's speed, in Mb/s (veth_get_link_ksettings); a TAP claims 10 otherwise. */
const LINK_SPEED_MBPS = 10_000
/** Tries for a free name or index: more than one is needed only when somebody else makes devices meanwhile. */
const TRIES = 8
/** The kernel's ifindex is an int. */
const IFINDEX_MAX = 0x7fffffff

/** Steps that know how to undo themselves. Tests let one fail. */
export class Steps {
  readonly #undo: (() => void | Promise<void>)[] = []

  /** Carries out a step; `undo` is called when a later one fails. */
  async run<T>(_name: string, act: () => T | Promise<T>, undo?: (result: T) => void | Promise<void>): Promise<T> {
    const result = await act()
    if (undo !== undefined) this.#undo.push(() => undo(result))
    return result
  }

  /** Undoes every step carried out so far, last one first, and goes on past one that cannot be undone: these errors. */
  async rollBack(): Promise<unknown[]> {
    const failures: unknown[] = []
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop())
      try {
        await undo()
      } catch (error) {
        failures.push(error)
      }
    return failures
  }
}

/** One end while it is being made. */
interface End {
  options: EndOptions
  /** The final name; an automatic one may change until the end is moved. */
  name: string
  netnsFd: number
}

/**
 * veth_newlink: makes a pair, peer first. Throws VethdError or NetlinkError (with the kernel's words), and leaves
 * nothing behind then.
 */
export async function newlink(
  context: LinkContext,
  id: number,
  options: PairOptions,
  steps = new Steps(),
): Promise<Pair> {
  validatePair(options)
  const home = native().netnsCurrent()
  try {
    const peer = endOf(options.peer, home, [])
    const dev = endOf(options.dev, home, [peer])
    return await build(context, new Pair(id, options.checksum ?? 'offload'), dev, peer, steps)
  } catch (error) {
    for (const err of await steps.rollBack()) context.log.warn({ err }, 'undoing a step of a failed pair failed')
    throw error
  } finally {
    native().close(home)
  }
}

function endOf(options: EndOptions, home: number, others: End[]): End {
  const netnsFd = options.netnsFd ?? home
  const end = { options, netnsFd, name: options.name ?? DEFAULT_NAME }
  if (isPattern(end)) end.name = freeName(end, others)
  return end
}

/** The kernel chooses the number in a name with `%d`. */
function isPattern({ options }: End): boolean {
  return options.name === undefined || options.name.includes('%')
}

/** The first free of veth0, veth1, … (dev_alloc_name), leaving out what other ends are about to be called. */
function freeName({ options, netnsFd }: End, others: End[]): string {
  const here = netnsIdentity(netnsFd)
  const taken = new Set(inNetns(netnsFd, (rtnl) => listLinks(rtnl).flatMap((link) => [link.name, ...link.altnames])))
  for (const end of others) if (netnsIdentity(end.netnsFd) === here) taken.add(end.name)
  for (let n = 0; ; n++) {
    const name = (options.name ?? DEFAULT_NAME).replace('%d', String(n))
    if (!taken.has(name)) return name
  }
}

async function build(context: LinkContext, pair: Pair, dev: End, peer: End, steps: Steps): Promise<Pair> {
  const addresses = await steps.run(
    'addresses',
    () => context.addresses.reserve(dev.name, peer.name, dev.options.address, peer.options.address),
    (reserved) => context.addresses.release(reserved),
  )
  pair.b = await openEnd(context, pair, 'b', peer, addresses[1], steps)
  pair.a = await openEnd(context, pair, 'a', dev, addresses[0], steps)
  await steps.run('filter b', () => attachFilter(context, pair.b, mtuOf(dev.options)))
  await steps.run('filter a', () => attachFilter(context, pair.a, mtuOf(peer.options)))
  const requests = [
    ...lanesFrom(pair.a, mtuOf(peer.options), addresses[1]),
    ...lanesFrom(pair.b, mtuOf(dev.options), addresses[0]),
  ]
  const lanes = await steps.run(
    'lanes',
    () => context.pool.addLanes(requests),
    (started) => context.pool.removeLanes(started),
  )
  pair.a.lanes = lanes.slice(0, pair.a.queues.length)
  pair.b.lanes = lanes.slice(pair.a.queues.length)
  await steps.run(
    'move b',
    () => moveOut(context, pair.b, peer),
    () => deleteDevices([pair.b]),
  )
  await steps.run(
    'move a',
    () => moveOut(context, pair.a, dev, peer),
    () => deleteDevices([pair.a]),
  )
  return pair
}

function mtuOf(options: EndOptions): number {
  return options.mtu ?? MTU_DEFAULT
}

/** veth_setup: a TAP in the nursery that looks as a new veth does. */
async function openEnd(
  context: LinkContext,
  pair: Pair,
  side: 'a' | 'b',
  { options }: End,
  address: string,
  steps: Steps,
): Promise<Device> {
  const count = options.numTxQueues ?? 1
  const queues = await steps.run(`open ${side}`, () => openQueues(context, count), closeAll)
  const device = new Device(pair, side, queues, address)
  await steps.run(`offloads ${side}`, () => setOffloads(context, device, pair.checksum))
  await steps.run(`configure ${side}`, () => configure(context, device, options))
  return device
}

function openQueues(context: LinkContext, count: number): number[] {
  const noCarrier = context.tunFeatures & IFF_NO_CARRIER
  const flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | noCarrier | (count > 1 ? IFF_MULTI_QUEUE : 0)
  const fds: number[] = []
  try {
    native().netnsRun(context.nursery, () => {
      fds.push(native().tapOpen(NURSERY_NAME, flags | IFF_TUN_EXCL))
      const { name } = native().tapGetInterface(fds[0])
      while (fds.length < count) fds.push(native().tapOpen(name, flags))
    })
    for (const fd of fds) native().tapSetCarrier(fd, false)
    return fds
  } catch (error) {
    closeAll(fds)
    throw explainOpen(error as NativeError)
  }
}

function closeAll(fds: number[]): void {
  for (const fd of fds) native().close(fd)
}

export function explainOpen(error: NativeError): Error {
  const details = { errno: error.errno, syscall: error.syscall, cause: error }
  if (error.errno === -EMFILE || error.errno === -ENFILE) {
    const which =
      error.errno === -EMFILE ? 'this process has (LimitNOFILE= or ulimit -n)' : 'this machine has (fs.file-max)'
    return new VethdError('LIMIT_REACHED', `no more files can be opened: raise the limit that ${which}`, details)
  }
  if (error.code === 'EPERM' || error.code === 'EACCES')
    return new VethdError('NOT_PERMITTED', 'a TAP device cannot be made: vethd needs CAP_NET_ADMIN, run it as root', {
      ...details,
      iproute2: 'RTNETLINK answers: Operation not permitted',
    })
  return new VethdError(
    'TUN_UNAVAILABLE',
    `${error.message}: is /dev/net/tun there and of the tun driver? "vethctl doctor" tells more`,
    details,
  )
}

function setOffloads(context: LinkContext, device: Device, mode: ChecksumMode): void {
  native().tapSetVnetHdrSize(device.fd, VNET_HDR_LEN)
  native().tapSetOffload(device.fd, offloadsFor(mode, context.offloads))
}

function configure(context: LinkContext, device: Device, options: EndOptions): void {
  inNetns(context.nursery, (rtnl) => {
    const { index } = getLink(rtnl, { name: device.name })!
    setLink(rtnl, index, {
      address: device.address,
      broadcast: options.broadcast,
      mtu: mtuOf(options),
      txqueuelen: options.txqueuelen || TXQUEUELEN_DEFAULT,
      group: options.group,
    })
    setGro(device.name, false)
    setLinkSpeed(device.name, LINK_SPEED_MBPS)
  })
}

/** Without CAP_BPF, or where the kernel is built without it, xmit drops what is too long. */
function attachFilter(context: LinkContext, device: Device, peerMtu: number): void {
  try {
    device.filter = attachLengthFilter(device.fd, peerMtu)
  } catch (error) {
    context.log.warn(
      { err: error },
      'no length filter: frames too long for the peer are dropped without the sender being told',
    )
  }
}

/** The lanes that read from a device, one a queue. */
function lanesFrom(device: Device, peerMtu: number, peerAddress: string): LaneRequest[] {
  const { peer } = device
  return device.queues.map((fromFd, queue) => ({
    fromFd,
    toFd: peer.queues[queue % peer.queues.length],
    checksum: device.pair.checksum,
    totals: device.totals,
    receiver: { ...receiverAddress(peerAddress), mtu: peerMtu },
  }))
}

/**
 * Gives a device its name and moves it to where it was asked for, in that order: so a taken name fails unseen. `peer`:
 * the end that has moved already, whose index is to be the lower one.
 */
function moveOut(context: LinkContext, device: Device, end: End, peer?: End): void {
  let newIndex = indexFor(device, end, peer)
  for (let tries = 1; ; tries++) {
    try {
      inNetns(context.nursery, (rtnl) => renameAndMove(rtnl, device, end, newIndex))
      break
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error
      if (error.errno === -EBUSY && end.options.index !== undefined) throw indexTaken(end.options.index, error)
      if (error.errno === -EBUSY && newIndex !== undefined) newIndex = tries < TRIES ? newIndex + 1 : undefined
      else if (error.errno !== -EEXIST) throw error
      else if (!isPattern(end) || tries === TRIES) throw nameTaken(end.name, error)
      else end.name = freeName(end, peer === undefined ? [] : [peer])
    }
  }
  device.inItsNetns((rtnl, name) => setNoqueue(rtnl, getLink(rtnl, { name })!.index))
}

/**
 * The index to have at the destination: what was asked for, or beside the peer the one after its, or undefined: the
 * kernel keeps the nursery's where it is free there.
 */
function indexFor(device: Device, { options, netnsFd }: End, peer?: End): number | undefined {
  if (options.index !== undefined || peer === undefined) return options.index
  if (netnsIdentity(netnsFd) !== netnsIdentity(peer.netnsFd)) return undefined
  const { index } = device.peer.inItsNetns((rtnl, name) => getLink(rtnl, { name })!)
  return index < IFINDEX_MAX ? index + 1 : undefined
}

/** A name that is refused is given back at once: another pair may want it in another namespace. */
function renameAndMove(rtnl: Rtnetlink, device: Device, end: End, newIndex: number | undefined): void {
  const born = device.name
  const { index } = getLink(rtnl, { name: born })!
  setLink(rtnl, index, { name: end.name })
  try {
    setLink(rtnl, index, { netnsFd: end.netnsFd, newIndex })
  } catch (error) {
    setLink(rtnl, index, { name: born })
    throw error
  }
}

/** The kernel says EBUSY to a move where veth_newlink, and so `ip`, says EEXIST. */
function indexTaken(index: number, cause: NetlinkError): VethdError {
  return new VethdError('DEVICE_EXISTS', `the index ${index} is another device's already: choose another one`, {
    iproute2: 'RTNETLINK answers: File exists',
    errno: -EEXIST,
    syscall: cause.syscall,
    cause,
  })
}

export function nameTaken(name: string, cause: NetlinkError): VethdError {
  return new VethdError(
    'DEVICE_EXISTS',
    `there is a device "${name}" already where this one was to appear: choose another name, or delete that one`,
    {
      iproute2: 'RTNETLINK answers: File exists',
      errno: cause.errno,
      syscall: cause.syscall,
      cause,
    },
  )
}

/** Devices of ours put into one group, so that one request deletes them; above what people use, and random. */
const GROUP_BASE = 0x40000000

/**
 * veth_dellink of many pairs: the devices are deleted, namespace by namespace with one request each, because deleting
 * one by one costs 18 ms a device. Devices that are gone already are passed over.
 */
export function deleteDevices(devices: Device[]): void {
  for (const [there, ...others] of byNamespace(devices)) {
    unlessGone(() => {
      there.inItsNetns((rtnl, name) => {
        if (others.length === 0) return deleteLink(rtnl, getLink(rtnl, { name })!.index)
        const group = GROUP_BASE + Math.floor(Math.random() * GROUP_BASE)
        for (const device of [there, ...others]) unlessGone(() => setGroup(rtnl, device.name, group))
        deleteGroup(rtnl, group)
      })
    })
  }
}

/** Index 0 means: the one of that name. */
function setGroup(rtnl: Rtnetlink, name: string, group: number): void {
  setLink(rtnl, 0, { name, group })
}

function byNamespace(devices: Device[]): Device[][] {
  const groups = new Map<number, Device[]>()
  for (const device of devices) {
    unlessGone(() => {
      const inode = device.netnsInode()
      const there = groups.get(inode)
      if (there === undefined) groups.set(inode, [device])
      else there.push(device)
    })
  }
  return [...groups.values()]
}

/** A device that somebody else has deleted meanwhile is what was wanted. */
function unlessGone(act: () => void): void {
  try {
    act()
  } catch (error) {
    const gone =
      error instanceof VethdError ? error.code === 'DEVICE_NOT_FOUND' : (error as NetlinkError).code === 'ENODEV'
    if (!gone) throw error
  }
}

/** veth_dellink: removes pairs, whichever of their devices are still there. */
export async function dellink(context: LinkContext, pairs: Pair[]): Promise<void> {
  const devices = pairs.flatMap((pair) => pair.devices)
  try {
    deleteDevices(devices)
  } finally {
    // What could not be deleted goes when its last file is closed.
    await context.pool.removeLanes(devices.flatMap((device) => device.lanes))
    for (const device of devices) {
      closeAll(device.queues.splice(0))
      context.addresses.release([device.address])
    }
  }
}
