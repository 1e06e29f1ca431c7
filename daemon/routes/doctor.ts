/** /v1/version and /v1/doctor: the running version, what the machine grants it, and the results of its probes. */
import { checkMachine } from '../../src/api/machine.js'
import { Doctor, NoQuery, Version } from '../../src/api/schema.js'
import { packageVersion } from '../../src/api/version.js'
import { formatCpuList } from '../../src/veth/cpus.js'
import type { App, RouteContext } from './context.js'

export function doctorRoutes(app: App, { driver, registry }: RouteContext): void {
  const version: Version = {
    version: packageVersion(),
    node: process.versions.node,
    pid: process.pid,
    started_at: new Date().toISOString(),
  }

  app.get('/v1/version', { schema: { querystring: NoQuery, response: { 200: Version } } }, async () => version)

  app.get('/v1/doctor', { schema: { querystring: NoQuery, response: { 200: Doctor } } }, async () => ({
    daemon: version,
    pairs: registry.pairs.length,
    checks: checkMachine(),
    engine: { ...driver.engine },
    workers: driver.workers.map((cpus) => ({ cpus: cpus.length > 0 ? formatCpuList(cpus) : null })),
    offloads: { names: driver.offloads.names, refused: driver.offloads.refused },
  }))
}
