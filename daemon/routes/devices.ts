/** /v1/devices: shows, changes and deletes ends of pairs, by DEV (pairs.ts). Deleting an end also deletes its peer. */
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
import { inNetns } from '../../src/netlink/socket.js'
import {
  type DeviceChange,
  type DeviceState,
  masterLink,
  unlessGone,
  type Device as VethDevice,
} from '../../src/veth/device.js'
import type { Pair } from '../../src/veth/pair.js'
import { ownTurn } from '../../src/veth/turns.js'
import { inCallersNetns, withNetns } from '../caller.js'
import { describeDevice, deviceText, Reader } from '../describe.js'
import { PROBLEM_TYPE, problemOf, toVethdError } from '../problem.js'
import type { App, RouteContext } from './context.js'

/** Names to look up before other requests get their turn; there may be a thousand devices. */
const NAMES_A_TURN = 32

export function deviceRoutes(app: App, { driver, registry }: RouteContext): void {
  app.get(
    '/v1/devices',
    { schema: { querystring: ShownDevices, response: { 200: Devices } } },
    async (request, reply) => {
      const { dev, netns, master } = request.query
      const only = netns !== undefined
      if (dev === undefined) await ownTurn()
      const devices = await inCallersNetns(request.raw.socket, netns, (here) => {
        const inode = netnsIdentity(here)
        const bridge = master === undefined ? undefined : inNetns(here, (rtnl) => masterLink(rtnl, master).index)
        const found = dev === undefined ? registry.devices(inode, only) : [registry.find(dev, inode, only)]
        const reader = new Reader(driver, found)
        if (dev !== undefined) reader.read(found[0]) // a named device must exist, otherwise it is an error
        const isWanted = ({ link, netns }: DeviceState) =>
          bridge === undefined || (netns.inode === inode && link.master === bridge)
        return inOrder(reader, found, inode, isWanted).map((device) => deviceText(device, reader) ?? [])
      })
      return reply.type('application/json; charset=utf-8').send(`{"devices":[${devices.flat().join()}]}` as never)
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
          if (Object.keys(change).length > 0) device.set(change)
          if (change.groFlushUs !== undefined) driver.refresh(device) // the kernel sends no event for it
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
  return devices
    .flatMap((device) => {
      const state = unlessGone(() => reader.read(device))
      return state !== undefined && isWanted(state) ? [{ device, state, rank: rank(state) }] : []
    })
    .sort(
      ({ state: one, rank }, { state: two, rank: other }) =>
        rank - other ||
        (one.netns.name ?? '').localeCompare(two.netns.name ?? '') ||
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
