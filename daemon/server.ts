/**
 * The control API's server: fastify over the routes, and one way in which every error is answered (problem.ts).
 *
 *     request ─→ size, JSON, schema ─→ routes/<noun>.ts ─→ caller.ts, pairs.ts ─→ src/veth
 *                    └── refused ──┐         └── thrown ──┐
 *                                  └──────────────────────┴─→ problem.ts
 *
 * Neighbours: main.ts starts it, control-socket.ts gives it its socket.
 */
import { parse } from 'node:querystring'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyBaseLogger, LogController } from 'fastify'
import { decodeText } from '../src/abi/text.js'
import { VethdError } from '../src/errors.js'
import type { Log } from './log.js'
import { PROBLEM_TYPE, problemOf, toVethdError } from './problem.js'
import type { App, RouteContext } from './routes/context.js'
import { deviceRoutes } from './routes/devices.js'
import { doctorRoutes } from './routes/doctor.js'
import { eventRoutes } from './routes/events.js'
import { pairRoutes } from './routes/pairs.js'
import { statsRoutes } from './routes/stats.js'

/** The longest body is a new pair with every option. */
const BODY_LIMIT = 64 * 1024

/** Node's limit of a request line and its headers, in which a DELETE of many devices names them. */
const HEADERS_LIMIT = 64 * 1024

/** Builds the server; nothing listens yet. */
export async function buildServer(context: RouteContext, log: Log): Promise<App> {
  const app: App = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT,
    http: { maxHeaderSize: HEADERS_LIMIT },
    routerOptions: { querystringParser },
    forceCloseConnections: true,
    // a request says what it means: nothing is converted, nothing that is not understood is dropped
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
  }).withTypeProvider<TypeBoxTypeProvider>()

  app.setErrorHandler((thrown, request, reply) => {
    const error = toVethdError(thrown)
    const problem = problemOf(error)
    if (error.code === 'INTERNAL')
      log.error({ err: thrown, method: request.method, url: request.url }, 'request failed')
    return reply.code(problem.status).type(PROBLEM_TYPE).send(problem)
  })
  app.setNotFoundHandler((request, reply) => {
    const error = new VethdError('REQUEST_INVALID', `there is no ${request.method} ${request.url}: see docs/api.md`)
    return reply
      .code(404)
      .type(PROBLEM_TYPE)
      .send({ ...problemOf(error), status: 404 })
  })

  for (const routes of [pairRoutes, deviceRoutes, statsRoutes, doctorRoutes, eventRoutes]) routes(app, context)
  await app.ready()
  return app
}

/** Any byte may stand in the name of a device: %FF is one. */
function querystringParser(query: string): Record<string, unknown> {
  return parse(query, '&', '=', { decodeURIComponent: percentDecode, maxKeys: 0 })
}

function percentDecode(text: string): string {
  const byteOf = (_: string, hex: string): string => String.fromCharCode(Number.parseInt(hex, 16))
  return decodeText(Buffer.from(text.replace(/%([0-9a-f]{2})/gi, byteOf), 'latin1'))
}
