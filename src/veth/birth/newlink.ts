/**
 * veth_newlink (drivers/net/veth.c): makes a pair. Neighbours: delete.ts, which has dellink; the steps in this folder.
 *
 *     nursery                                              target namespaces
 *       open peer, configure ─┐
 *       open dev,  configure ─┤
 *       lanes start ──────────┤
 *                             ├─ rename, move peer ───────▶  veth2   (down, no carrier)
 *                             └─ rename, move dev  ───────▶  veth1
 *
 * Invariants: no half-made device is visible outside the nursery. If a step fails, the steps before it are undone in
 * reverse order.
 */

import { native } from '../../../native-bindings/index.js'
import { setNoqueue } from '../../netlink/qdisc.js'
import type { LinkContext } from '../context.js'
import { deleteDevices } from '../delete.js'
import { type Device, Pair } from '../device.js'
import { type ChecksumMode, type PairOptions, TXQUEUELEN_DEFAULT } from '../options.js'
import type { EndRecord } from '../record.js'
import { type End, endOf, moveOut } from './placement.js'
import { attachFilter, lanesFrom, mtuOf, openEnd } from './setup.js'
import { Steps } from './steps.js'
import { validatePair } from './validate.js'

/**
 * veth_newlink: makes a pair, peer first. Throws VethdError or NetlinkError (with the kernel's own words), and then
 * leaves nothing behind.
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
    // As in veth_newlink, the peer's index counts only if dev has one too.
    const { index } = options.dev
    const peer = endOf(index === undefined ? { ...options.peer, index } : options.peer, home, [])
    const dev = endOf(options.dev, home, [peer])
    return await build(context, id, options.checksum ?? 'offload', dev, peer, steps)
  } catch (error) {
    for (const err of await steps.rollBack()) context.log.warn({ err }, 'a step of a failed pair could not be undone')
    throw error
  } finally {
    native().close(home)
  }
}

async function build(
  context: LinkContext,
  id: number,
  checksum: ChecksumMode,
  dev: End,
  peer: End,
  steps: Steps,
): Promise<Pair> {
  const addresses = await steps.run(
    'addresses',
    () => context.addresses.reserve(dev.name, peer.name, dev.options.address, peer.options.address),
    (reserved) => context.addresses.release(reserved),
  )
  const ends = { a: endRecord(dev, addresses[0]), b: endRecord(peer, addresses[1]) }
  const pair = new Pair({ id, checksum, createdAt: new Date().toISOString(), ends })
  pair.b = await openEnd(context, pair, 'b', peer.options, steps)
  pair.a = await openEnd(context, pair, 'a', dev.options, steps)
  await steps.run('filter b', () => attachFilter(context, pair.b, mtuOf(dev.options)))
  await steps.run('filter a', () => attachFilter(context, pair.a, mtuOf(peer.options)))
  const requests = [
    ...lanesFrom(context, pair.a, mtuOf(peer.options), addresses[1]),
    ...lanesFrom(context, pair.b, mtuOf(dev.options), addresses[0]),
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
    () => moveEnd(context, pair.b, peer),
    () => deleteDevices([pair.b]),
  )
  await steps.run(
    'move a',
    () => moveEnd(context, pair.a, dev, peer),
    () => deleteDevices([pair.a]),
  )
  return pair
}

function endRecord({ name, options }: End, address: string): EndRecord {
  return {
    name,
    address,
    queues: options.numTxQueues ?? 1,
    offloads: 0, // setup.ts sets it together with the device's offloads
    withheld: null,
    refusedSuperFrames: 0,
    groFlushUs: 0,
    ring: options.txqueuelen ? null : TXQUEUELEN_DEFAULT,
    carrierDrops: 0,
    carrierDropsBase: 0,
  }
}

/**
 * Moves an end and removes its qdisc. A veth has none by default, but a TAP gets the default qdisc with its first move.
 */
function moveEnd({ nursery, indexes }: LinkContext, device: Device, end: End, peer?: End): void {
  moveOut(nursery, device, end, peer, indexes)
  device.record.name = end.name
  device.inItsNetns((rtnl, name) => setNoqueue(rtnl, device.linkIn(rtnl, name).index))
}
