/** /v1/stats: counters of one device or of all, the kernel's, vethd's and veth's. */
import { AllStats, SomeDevices } from '../../src/api/schema.js'
import { netnsIdentity } from '../../src/netlink/netns.js'
import { ownTurn } from '../../src/veth/turns.js'
import { inCallersNetns } from '../caller.js'
import { describeAll, describeStats, Reader } from '../describe.js'
import type { App, RouteContext } from './context.js'

export function statsRoutes(app: App, { driver, registry }: RouteContext): void {
  app.get('/v1/stats', { schema: { querystring: SomeDevices, response: { 200: AllStats } } }, async (request) => {
    const { dev, netns } = request.query
    const only = netns !== undefined
    if (dev === undefined) await ownTurn()
    return inCallersNetns(request.raw.socket, netns, (here) => {
      const inode = netnsIdentity(here)
      const found = dev === undefined ? registry.devices(inode, only) : [registry.find(dev, inode, only)]
      const reader = new Reader(driver, found)
      if (dev !== undefined) return { devices: [describeStats(found[0], reader)] }
      return { devices: describeAll(found, describeStats, reader) }
    })
  })
}
