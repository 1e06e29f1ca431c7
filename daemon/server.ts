/**
 * The control API's server: fastify with the routes, and one error handler for all of them (problem.ts).
 *
 *     request ─→ size, JSON, schema ─→ routes/<noun>.ts ─→ caller.ts, registry.ts ─→ src/veth
 *                    └── refused ──┐         └── thrown ──┐
 *                                  └──────────────────────┴─→ problem.ts, also for bytes that are not HTTP
 *
 * Neighbours: main.ts starts it, control-socket.ts gives it its socket.
 */
import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { parse } from 'node:querystring'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyBaseLogger, type FastifyReply, LogController } from 'fastify'
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
import { validatorOf } from './validators.js'

/** The longest body is a new pair with every option. */
const BODY_LIMIT = 64 * 1024

/** Node's limit for a request line and its headers; a DELETE of many devices names them in its request line. */
const HEADERS_LIMIT = 64 * 1024

/** Builds the server; nothing listens yet. */
export async function buildServer(context: RouteContext, log: Log): Promise<App> {
  const app: App = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT,
    http: { maxHeaderSize: HEADERS_LIMIT },
    frameworkErrors: (error, _request, reply) => answer(reply, toVethdError(error)),
    clientErrorHandler: (error, socket) => refuseConnection(error, socket),
    routerOptions: { querystringParser },
    forceCloseConnections: true,
    schemaController: {
      compilersFactory: {
        // fastify's type for it is that of ajv's compile(), which is not what fastify calls
        buildValidator: (() => validatorOf) as never,
        // a route's answer already has the schema's type, and fastify's serializers take four times as long
        buildSerializer: () => () => (answer) => JSON.stringify(answer),
      },
    },
  }).withTypeProvider<TypeBoxTypeProvider>()

  app.setErrorHandler((thrown, request, reply) => {
    const error = toVethdError(thrown)
    if (error.code === 'INTERNAL')
      log.error({ err: thrown, method: request.method, url: request.url }, 'request failed')
    return answer(reply, error)
  })
  app.setNotFoundHandler((request, reply) => {
    const error = new VethdError('REQUEST_INVALID', `there is no ${request.method} ${request.url}: see docs/api.md`)
    return answer(reply, error, 404)
  })

  for (const routes of [pairRoutes, deviceRoutes, statsRoutes, doctorRoutes, eventRoutes]) routes(app, context)
  await app.ready()
  return app
}

function answer(reply: FastifyReply, error: VethdError, status = problemOf(error).status): FastifyReply {
  return reply
    .code(status)
    .type(PROBLEM_TYPE)
    .send({ ...problemOf(error), status })
}

/** HTTP status by the code of Node's error; 400 for all others. */
const CONNECTION_STATUS: Record<string, number> = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 }

/** Answers bytes that are not HTTP. Node's parser rejects them before any route, so this writes the response to the socket. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  const begun = (socket as Socket & { _httpMessage?: ServerResponse })._httpMessage?.headersSent
  if (socket.writable && !begun && error.code !== 'ECONNRESET') {
    const status = CONNECTION_STATUS[error.code ?? ''] ?? 400
    const detail = `this is no HTTP/1.1 request that can be read (${error.message}): see docs/api.md`
    const body = JSON.stringify({ ...problemOf(new VethdError('REQUEST_INVALID', detail)), status })
    socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    )
  }
  socket.destroy(error)
}

/** The name of a device can contain any byte, such as %FF. */
function querystringParser(query: string): Record<string, unknown> {
  return parse(query, '&', '=', { decodeURIComponent: percentDecode, maxKeys: 0 })
}

function percentDecode(text: string): string {
  const byteOf = (_: string, hex: string): string => String.fromCharCode(Number.parseInt(hex, 16))
  return decodeText(Buffer.from(text.replace(/%([0-9a-f]{2})/gi, byteOf), 'latin1'))
}
