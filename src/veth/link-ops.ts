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

import { native } from '../../native-bindings/index.js'
import { deleteDevices } from './delete.js'
import type { PairOptions } from './options.js'
import { Pair } from './pair.js'
import { type End, endOf, moveOut } from './placement.js'
import { attachFilter, closeAll, type LinkContext, lanesFrom, mtuOf, openEnd } from './setup.js'
import { Steps } from './steps.js'
import { ownTurn } from './turns.js'
import { validatePair } from './validate.js'

/** Devices that are deleted in one turn: the kernel takes some 20 ms for one, and 30 ms for so many. */
const DEVICES_AT_ONCE = 32

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
    // As in veth_newlink, a peer's index counts only beside one of dev's.
    const { index } = options.dev
    const peer = endOf(index === undefined ? { ...options.peer, index } : options.peer, home, [])
    const dev = endOf(options.dev, home, [peer])
    return await build(context, new Pair(id, options.checksum ?? 'offload'), dev, peer, steps)
  } catch (error) {
    for (const err of await steps.rollBack()) context.log.warn({ err }, 'a step of a failed pair could not be undone')
    throw error
  } finally {
    native().close(home)
  }
}

async function build(context: LinkContext, pair: Pair, dev: End, peer: End, steps: Steps): Promise<Pair> {
  const addresses = await steps.run(
    'addresses',
    () => context.addresses.reserve(dev.name, peer.name, dev.options.address, peer.options.address),
    (reserved) => context.addresses.release(reserved),
  )
  pair.b = await openEnd(context, pair, 'b', peer.options, addresses[1], steps)
  pair.a = await openEnd(context, pair, 'a', dev.options, addresses[0], steps)
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

/**
 * veth_dellink: removes pairs, whichever of their devices are still there. `atOnce`: devices that are deleted before others
 * have their turn.
 */
export async function dellink(context: LinkContext, pairs: Pair[], atOnce = DEVICES_AT_ONCE): Promise<void> {
  const devices = pairs.flatMap((pair) => pair.devices)
  for (let done = 0; done < devices.length; done += atOnce) {
    if (done > 0) await ownTurn()
    try {
      deleteDevices(devices.slice(done, done + atOnce))
    } catch (err) {
      const message = 'devices could not be deleted at once: each goes when its last file is closed, 18 ms later'
      context.log.warn({ err }, message)
    }
  }
  await context.pool.removeLanes(devices.flatMap((device) => device.lanes))
  for (const [i, device] of devices.entries()) {
    if (i > 0 && i % atOnce === 0) await ownTurn()
    closeAll(device.queues.splice(0))
    context.addresses.release([device.address])
  }
}
