/** /v1/stats: counters of one device or of all, the kernel's, vethd's and veth's. */
import { AllStats, SomeDevices } from '../../src/api/schema.js'
import { netnsIdentity } from '../../src/netlink/netns.js'
import { inCallersNetns } from '../caller.js'
import { describeAll, describeStats } from '../describe.js'
import type { App, RouteContext } from './context.js'

export function statsRoutes(app: App, { registry }: RouteContext): void {
  app.get('/v1/stats', { schema: { querystring: SomeDevices, response: { 200: AllStats } } }, (request) => {
    const { dev, netns } = request.query
    const only = netns !== undefined
    return inCallersNetns(request.raw.socket, netns, (here) => {
      const inode = netnsIdentity(here)
      if (dev !== undefined) return { devices: [describeStats(registry.find(dev, inode, only))] }
      return { devices: describeAll(registry.devices(inode, only), describeStats) }
    })
  })
}
