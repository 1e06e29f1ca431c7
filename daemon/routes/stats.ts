/** /v1/stats: counters of one device or of all, the kernel's, vethd's and veth's. */
import { AllStats, SomeDevices } from '../../src/api/schema.js'
import { netnsIdentity } from '../../src/netlink/netns.js'
import { inCallersNetns } from '../caller.js'
import { describeStats, Reader } from '../describe.js'
import { JSON_TYPE, Lists, statsList } from '../lists.js'
import type { App, RouteContext } from './context.js'

export function statsRoutes(app: App, { driver, registry }: RouteContext): void {
  const lists = new Lists()

  app.get(
    '/v1/stats',
    { schema: { querystring: SomeDevices, response: { 200: AllStats } } },
    async (request, reply) => {
      const { dev, netns } = request.query
      const only = netns !== undefined
      return inCallersNetns(request.raw.socket, netns, async (here) => {
        const inode = netnsIdentity(here)
        if (dev !== undefined) {
          const found = registry.find(dev, inode, only)
          return { devices: [describeStats(found, new Reader(driver, [found]))] }
        }
        const answer = await lists.inTurn(`${inode} ${only}`, () => {
          const found = registry.devices(inode, only)
          return statsList(found, new Reader(driver, found))
        })
        return reply.type(JSON_TYPE).send(answer as never)
      })
    },
  )
}
