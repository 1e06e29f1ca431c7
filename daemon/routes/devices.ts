/** /v1/devices: shows, changes and deletes ends of pairs, by DEV (registry.ts). Deleting an end also deletes its peer. */
import {
  Device,
  Devices,
  type LinkChange,
  LinkChange as LinkChangeSchema,
  ManyDevices,
  OneDevice,
  Problem,
  Removed,
  ShownDevices,
} from '../../src/api/schema.js'
import { netnsIdentity } from '../../src/netlink/netns.js'
import { inNetns } from '../../src/netlink/rtnetlink.js'
import { type DeviceChange, masterLink } from '../../src/veth/change.js'
import { type DeviceState, type Pair, unlessGone, type Device as VethDevice } from '../../src/veth/device.js'
import { ownTurn } from '../../src/veth/turns.js'
import { inCallersNetns, withNetns } from '../caller.js'
import { describeDevice, Reader } from '../describe.js'
import { devicesList, JSON_TYPE, Lists } from '../lists.js'
import { PROBLEM_TYPE, problemOf, toVethdError } from '../problem.js'
import type { App, RouteContext } from './context.js'

/** Names to look up before other requests get their turn; there may be a thousand devices. */
const NAMES_A_TURN = 32

export function deviceRoutes(app: App, { driver, registry }: RouteContext): void {
  const lists = new Lists()

  app.get(
    '/v1/devices',
    { schema: { querystring: ShownDevices, response: { 200: Devices } } },
    async (request, reply) => {
      const { dev, netns, master } = request.query
      const only = netns !== undefined
      const answer = await inCallersNetns(request.raw.socket, netns, (here) => {
        const inode = netnsIdentity(here)
        const bridge = master === undefined ? undefined : inNetns(here, (rtnl) => masterLink(rtnl, master).index)
        const isWanted = ({ link, netns }: DeviceState) =>
          bridge === undefined || (netns.inode === inode && link.master === bridge)
        const show = (found: VethDevice[], reader = new Reader(driver, found)) =>
          devicesList(inOrder(reader, found, inode, isWanted), reader)
        if (dev === undefined)
          return lists.inTurn(`${inode} ${only} ${bridge}`, () => show(registry.devices(inode, only)))
        const found = registry.find(dev, inode, only)
        const reader = new Reader(driver, [found])
        reader.read(found) // one that was named is there, or it is an error
        return show([found], reader)
      })
      return reply.type(JSON_TYPE).send(answer as never)
    },
  )

  app.patch(
    '/v1/devices',
    { schema: { querystring: OneDevice, body: LinkChangeSchema, response: { 200: Device } } },
    (request) => {
      const { dev, netns } = request.query
      return inCallersNetns(request.raw.socket, netns, (here) => {
        const device = registry.findHere(dev, netnsIdentity(here))
        return withNetns(request.raw.socket, [request.body.netns], ([netnsFd]) => {
          const change = deviceChange(request.body, netnsFd)
          if (Object.keys(change).length > 0) driver.set(device, change)
          return describeDevice(device, new Reader(driver, [device]))
        })
      })
    },
  )

  app.delete(
    '/v1/devices',
    { schema: { querystring: ManyDevices, response: { 200: Removed, '4xx': Problem } } },
    async (request, reply) => {
      const { dev, netns } = request.query
      const doomed = new Set<Pair>()
      let removed = 0
      let problem: Problem | undefined
      await inCallersNetns(request.raw.socket, netns, async (here) => {
        const inode = netnsIdentity(here)
        try {
          for (const [i, one] of [dev].flat().entries()) {
            if (i > 0 && i % NAMES_A_TURN === 0) await ownTurn()
            doomed.add(registry.findHere(one, inode, doomed).pair)
            removed += 1
          }
        } catch (error) {
          problem = problemOf(toVethdError(error), removed)
        }
      })
      // deleting them one at a time costs 18 ms each
      await driver.removePairs([...doomed])
      if (problem === undefined) return { removed }
      return reply
        .code(problem.status as 404)
        .type(PROBLEM_TYPE)
        .send(problem)
    },
  )
}

/** The wanted devices in the order of `ip`: by index, this namespace first, then the others by name. */
function inOrder(
  reader: Reader,
  devices: readonly VethDevice[],
  inode: number,
  isWanted: (state: DeviceState) => boolean,
): VethDevice[] {
  const rank = ({ netns }: DeviceState) => (netns.inode === inode ? 0 : netns.name === undefined ? 2 : 1)
  const found: { device: VethDevice; state: DeviceState; rank: number }[] = []
  for (const device of devices) {
    const state = unlessGone(() => reader.read(device))
    if (state !== undefined && isWanted(state)) found.push({ device, state, rank: rank(state) })
  }
  return found
    .sort(
      ({ state: one, rank }, { state: two, rank: other }) =>
        rank - other ||
        (one.netns.inode !== two.netns.inode && (one.netns.name ?? '').localeCompare(two.netns.name ?? '')) ||
        one.netns.inode - two.netns.inode ||
        one.link.index - two.link.index,
    )
    .map(({ device }) => device)
}

/** Has only the keys of what changes. */
function deviceChange(
  { netns: _, master, gro_flush_us: groFlushUs, mode: linkMode, ...rest }: LinkChange,
  netnsFd: number | undefined,
): DeviceChange {
  const change: DeviceChange = { ...rest }
  if (linkMode !== undefined) change.linkMode = linkMode
  if (groFlushUs !== undefined) change.groFlushUs = groFlushUs
  if (netnsFd !== undefined) change.netnsFd = netnsFd
  if (master === null) change.noMaster = true
  else if (master !== undefined) change.master = master
  return change
}
