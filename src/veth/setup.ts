/**
 * veth_setup: a TAP in the nursery that looks as a new veth does, its length filter and its lanes.
 *
 * Neighbours: link-ops.ts calls these as steps of newlink; placement.ts then gives the device its name and place.
 */

import { type NativeError, native } from '../../native-bindings/index.js'
import { IFF_MULTI_QUEUE, IFF_NO_CARRIER, IFF_NO_PI, IFF_TAP, IFF_TUN_EXCL, IFF_VNET_HDR } from '../abi/if-tun.js'
import type { LaneRequest, Pool } from '../dataplane/pool.js'
import { noMoreFiles, VethdError } from '../errors.js'
import { setGro, setLinkSpeed } from '../netlink/ethtool.js'
import { getLink, setLink } from '../netlink/link.js'
import { tapName } from '../netlink/name.js'
import { inNetns } from '../netlink/socket.js'
import { type AddressBook, receiverAddress } from './address.js'
import { type Degradation, Device } from './device.js'
import { attachLengthFilter } from './filter.js'
import type { IndexBook } from './index-book.js'
import { offloadsFor } from './offload.js'
import { type ChecksumMode, type EndOptions, MTU_DEFAULT, TXQUEUELEN_DEFAULT } from './options.js'
import type { Pair } from './pair.js'
import type { Steps } from './steps.js'

/** What a pair needs around it. */
export interface LinkContext {
  /** fd of the nursery namespace. */
  nursery: number
  pool: Pool
  /** TUN_F_* that work here (offload.ts). */
  offloads: number
  /** Bytes of the vnet header of every device (offload.ts). */
  vnetHdrLen: number
  /** IFF_* that the tun driver offers. */
  tunFeatures: number
  addresses: AddressBook
  indexes: IndexBook
  log: { warn(fields: object, message: string): void }
  /** Tells that a device does without something from now on. */
  degraded(device: Device, degradation: Degradation): void
}

/** What a device is called in the nursery; nobody is likely to ask for such a name, which the nursery would refuse. */
const NURSERY_NAME = 'vethd.new%d'
/** veth's speed, in Mb/s (veth_get_link_ksettings); a TAP claims 10 otherwise. */
const LINK_SPEED_MBPS = 10_000

export function mtuOf(options: EndOptions): number {
  return options.mtu ?? MTU_DEFAULT
}

/** veth_setup: a TAP in the nursery that looks as a new veth does. */
export async function openEnd(
  context: LinkContext,
  pair: Pair,
  side: 'a' | 'b',
  options: EndOptions,
  address: string,
  steps: Steps,
): Promise<Device> {
  const count = options.numTxQueues ?? 1
  const queues = await steps.run(`open ${side}`, () => openQueues(context, count), closeAll)
  const device = new Device(pair, side, queues, address)
  if (options.txqueuelen) device.ring = null
  await steps.run(`offloads ${side}`, () => setOffloads(context, device, pair.checksum))
  await steps.run(`configure ${side}`, () => configure(context, device, options))
  return device
}

function openQueues(context: LinkContext, count: number): number[] {
  const noCarrier = context.tunFeatures & IFF_NO_CARRIER
  const flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | noCarrier | (count > 1 ? IFF_MULTI_QUEUE : 0)
  const fds: number[] = []
  try {
    fds.push(native().tapOpen(NURSERY_NAME, flags | IFF_TUN_EXCL, context.nursery))
    const name = tapName(fds[0])
    while (fds.length < count) fds.push(native().tapOpen(name, flags, context.nursery))
    for (const fd of fds) native().tapSetCarrier(fd, false)
    return fds
  } catch (error) {
    closeAll(fds)
    throw explainOpen(error as NativeError)
  }
}

export function closeAll(fds: number[]): void {
  for (const fd of fds) native().close(fd)
}

export function explainOpen(error: NativeError): Error {
  const limit = noMoreFiles(error)
  if (limit !== undefined) return limit
  const details = { errno: error.errno, syscall: error.syscall, cause: error }
  if (error.code === 'EPERM' || error.code === 'EACCES')
    return new VethdError('NOT_PERMITTED', 'a TAP device cannot be made: vethd needs CAP_NET_ADMIN, run it as root', {
      ...details,
      iproute2: 'RTNETLINK answers: Operation not permitted',
    })
  return new VethdError(
    'TUN_UNAVAILABLE',
    `${error.message}: check that /dev/net/tun exists and is the tun driver's; "vethctl doctor" tells more`,
    details,
  )
}

function setOffloads(context: LinkContext, device: Device, mode: ChecksumMode): void {
  native().tapSetVnetHdrSize(device.fd, context.vnetHdrLen)
  device.offloads = offloadsFor(mode, context.offloads)
  native().tapSetOffload(device.fd, device.offloads)
}

function configure(context: LinkContext, device: Device, options: EndOptions): void {
  inNetns(context.nursery, (rtnl) => {
    const { name: _, netnsFd: __, index: ___, numTxQueues: ____, numRxQueues: _____, ...attributes } = options
    setLink(rtnl, getLink(rtnl, { name: device.name })!.index, {
      ...attributes,
      address: device.address,
      mtu: mtuOf(options),
      txqueuelen: options.txqueuelen || TXQUEUELEN_DEFAULT,
    })
    setGro(rtnl, device.name, false)
    setLinkSpeed(rtnl, device.name, LINK_SPEED_MBPS)
  })
}

/** Without CAP_BPF, or where the kernel is built without it, xmit drops what is too long. */
export function attachFilter(context: LinkContext, device: Device, peerMtu: number): void {
  try {
    device.filter = attachLengthFilter(device.fd, peerMtu)
  } catch (error) {
    const { message } = error as NativeError
    const why = `${message}: frames too long for the peer are dropped without the sender being told`
    context.degraded(device, { what: 'length filter', why })
  }
}

/** The lanes that read from a device, one a queue. */
export function lanesFrom(context: LinkContext, device: Device, peerMtu: number, peerAddress: string): LaneRequest[] {
  const { peer } = device
  return device.queues.map((fromFd, queue) => ({
    fromFd,
    toFd: peer.queues[queue % peer.queues.length],
    queue,
    vnetHdrLen: context.vnetHdrLen,
    checksum: device.pair.checksum,
    totals: device.totals[queue],
    receiver: { ...receiverAddress(peerAddress), mtu: peerMtu, gro: null },
  }))
}
