/**
 * veth_setup: configures a TAP in the nursery like a new veth, and prepares its length filter and its lanes.
 *
 * Neighbours: newlink.ts calls these functions as steps; placement.ts then gives the device its name and namespace.
 */

import { type NativeError, native } from '../../../native-bindings/index.js'
import { IFF_NO_CARRIER, IFF_VNET_HDR } from '../../abi/if-tun.js'
import { setGro, setLinkSpeed } from '../../netlink/ethtool.js'
import { setLink } from '../../netlink/link.js'
import { inNetns } from '../../netlink/rtnetlink.js'
import type { LinkContext } from '../context.js'
import { Device, type Pair } from '../device.js'
import { type ChecksumMode, type EndOptions, MTU_DEFAULT, TXQUEUELEN_DEFAULT } from '../options.js'
import type { LaneRequest } from '../pool.js'
import { receiverAddress } from './address-book.js'
import { attachLengthFilter } from './length-filter.js'
import { offloadsFor } from './offload.js'
import { closeAll, openTap } from './open-tap.js'
import type { Steps } from './steps.js'

/** veth's speed, in Mb/s (veth_get_link_ksettings). A TAP's default is 10. */
const LINK_SPEED_MBPS = 10_000

export function mtuOf(options: EndOptions): number {
  return options.mtu ?? MTU_DEFAULT
}

/** veth_setup: opens a TAP in the nursery and configures it like a new veth. */
export async function openEnd(
  context: LinkContext,
  pair: Pair,
  side: 'a' | 'b',
  options: EndOptions,
  steps: Steps,
): Promise<Device> {
  const queues = await steps.run(`open ${side}`, () => openQueues(context, pair.record.ends[side].queues), closeAll)
  const device = new Device(pair, side, queues)
  await steps.run(`offloads ${side}`, () => setOffloads(context, device, pair.checksum))
  await steps.run(`configure ${side}`, () => configure(context, device, options))
  return device
}

function openQueues({ nursery, tunFeatures }: LinkContext, count: number): number[] {
  const fds = openTap(nursery, IFF_VNET_HDR | (tunFeatures & IFF_NO_CARRIER), count)
  for (const fd of fds) native().tapSetCarrier(fd, false)
  return fds
}

function setOffloads(context: LinkContext, device: Device, mode: ChecksumMode): void {
  native().tapSetVnetHdrSize(device.fd, context.vnetHdrLen)
  device.record.offloads = offloadsFor(mode, context.offloads)
  native().tapSetOffload(device.fd, device.record.offloads)
}

function configure(context: LinkContext, device: Device, options: EndOptions): void {
  inNetns(context.nursery, (rtnl) => {
    const { name: _, netnsFd: __, index: ___, numTxQueues: ____, numRxQueues: _____, ...attributes } = options
    setLink(rtnl, device.linkIn(rtnl, device.name).index, {
      ...attributes,
      address: device.record.address,
      mtu: mtuOf(options),
      txqueuelen: options.txqueuelen || TXQUEUELEN_DEFAULT,
    })
    setGro(rtnl, device.name, false)
    setLinkSpeed(rtnl, device.name, LINK_SPEED_MBPS)
  })
}

/**
 * Attaches the length filter. Without CAP_BPF, or on a kernel without BPF, xmit drops frames that are too long instead.
 */
export function attachFilter(context: LinkContext, device: Device, peerMtu: number): void {
  try {
    device.filter = attachLengthFilter(device.fd, peerMtu)
  } catch (error) {
    const { message } = error as NativeError
    const why = `${message}: frames too long for the peer are dropped without the sender being told`
    context.degraded(device, { what: 'length filter', why })
  }
}

/** Requests for the lanes that read from a device, one per queue. */
export function lanesFrom(context: LinkContext, device: Device, peerMtu: number, peerAddress: string): LaneRequest[] {
  const { peer } = device
  return device.queues.map((fromFd, queue) => ({
    fromFd,
    toFd: peer.queues[queue % peer.queues.length],
    queue,
    vnetHdrLen: context.vnetHdrLen,
    checksum: device.pair.checksum,
    totals: device.totals[queue],
    receiver: { ...receiverAddress(peerAddress), mtu: peerMtu, stages: {} },
  }))
}
