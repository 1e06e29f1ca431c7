/**
 * The control API's client: one method for each route, over node:http and the daemon's unix socket.
 *
 * Neighbours: api/schema.ts has the types (only types are imported, so nothing is loaded), netns.ts opens the namespaces of
 * a request, cli/ is the caller.
 * Invariant: every failure is thrown as a VethdError with the next step. A problem document of the daemon becomes the error
 * from which it was made, with code, exit code and iproute2's text.
 */
import { statSync } from 'node:fs'
import { Agent, type ClientRequest, type IncomingMessage, type RequestOptions, request } from 'node:http'
import { encodeText } from '../abi/text.js'
import { DEFAULT_SOCKET } from '../api/control-socket.js'
import type {
  AllStats,
  Device,
  Devices,
  Doctor,
  Event,
  LinkChange,
  Lost,
  NewPair,
  Pair,
  Pairs,
  Problem,
  Removed,
  Version,
} from '../api/schema.js'
import { ERRORS, type ErrorCode, VethdError } from '../errors.js'
import { readEventStream } from './event-stream.js'
import { OpenNamespaces } from './netns.js'

/**
 * How long the daemon may be silent before it counts as stopped. The longest request deletes as many devices as its query can
 * name, which takes some seconds.
 */
export const ANSWER_WITHIN_MS = 30_000

interface Answer {
  status: number
  body: string
}

export class Client {
  /** One connection, kept open while commands follow each other (`-batch`). */
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  constructor(
    readonly socketPath: string = DEFAULT_SOCKET,
    readonly answerWithinMs = ANSWER_WITHIN_MS,
  ) {}

  async addPair(pair: NewPair, netns?: string): Promise<Pair> {
    using open = new OpenNamespaces()
    const path = `/v1/pairs${query({ netns: open.option(netns) })}`
    const [dev, peer] = [open.argument(pair.dev), open.argument(pair.peer)]
    return await this.#call('POST', path, { ...pair, dev, peer })
  }

  pairs(): Promise<Pairs> {
    return this.#call('GET', '/v1/pairs')
  }

  /** Deletes the pairs of the named devices, in order, up to the first that cannot be found; see {@link removedOf}. */
  async removeDevices(devices: string[], netns?: string): Promise<Removed> {
    using open = new OpenNamespaces()
    return await this.#call('DELETE', `/v1/devices${query({ netns: open.option(netns), dev: devices })}`)
  }

  async devices({ netns, ...filter }: { dev?: string; netns?: string; master?: string } = {}): Promise<Devices> {
    using open = new OpenNamespaces()
    return await this.#call('GET', `/v1/devices${query({ ...filter, netns: open.option(netns) })}`)
  }

  async setDevice(dev: string, change: LinkChange, netns?: string): Promise<Device> {
    using open = new OpenNamespaces()
    const path = `/v1/devices${query({ dev, netns: open.option(netns) })}`
    return await this.#call('PATCH', path, open.argument(change))
  }

  async stats({ dev, netns }: { dev?: string; netns?: string } = {}): Promise<AllStats> {
    using open = new OpenNamespaces()
    return await this.#call('GET', `/v1/stats${query({ dev, netns: open.option(netns) })}`)
  }

  doctor(): Promise<Doctor> {
    return this.#call('GET', '/v1/doctor')
  }

  version(): Promise<Version> {
    return this.#call('GET', '/v1/version')
  }

  /**
   * Streams changes to devices until `signal`; with `present`, existing devices first. After it was cut off because it read too
   * slowly, it resumes at the last event, and yields `lost` if the daemon no longer has the next ones. Throws
   * DAEMON_NOT_RUNNING when the daemon ends.
   */
  async *events(filter: { netns?: string; present?: boolean }, signal: AbortSignal): AsyncGenerator<Event | Lost> {
    const present = filter.present ? 'true' : undefined
    let lastId: string | undefined
    for (;;) {
      const begunAt = lastId
      try {
        const incoming = await this.#stream({ netns: filter.netns, present }, lastId, signal)
        for await (const { id, data } of readEventStream(incoming.setEncoding('utf8'))) {
          lastId = id ?? lastId
          if (data !== undefined) yield JSON.parse(data)
        }
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof VethdError) throw error
        const cutOff = (error as NodeJS.ErrnoException).code === 'ECONNRESET' && lastId !== begunAt
        if (cutOff) continue
        const unreachable = this.#unreachable(error as NodeJS.ErrnoException, 'GET')
        // a killed daemon may still accept a connection, and then reset it
        if (lastId === undefined || unreachable.code !== 'DAEMON_NOT_RUNNING') throw unreachable
      }
      throw new VethdError('DAEMON_NOT_RUNNING', `vethd on ${this.socketPath} has ended`)
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  /** A streamed answer, on its own connection. After its start, it has no time limit. */
  async #stream(
    { netns, present }: { netns?: string; present?: string },
    lastId: string | undefined,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    using open = new OpenNamespaces()
    const path = `/v1/events${query({ netns: open.option(netns), present })}`
    return await new Promise((resolve, reject) => {
      const headers = lastId === undefined ? {} : { 'last-event-id': lastId }
      const outgoing = this.#request({ agent: false, path, headers, signal }, (incoming) => {
        if (incoming.statusCode === 200) resolve(incoming.setTimeout(0))
        else readAll(incoming).then((answer) => reject(errorOf(answer)), reject)
      })
      outgoing.on('error', reject)
      outgoing.end()
    })
  }

  /** A request that fails with DAEMON_SILENT if no byte arrives for `answerWithinMs`. */
  #request(options: RequestOptions, answered: (incoming: IncomingMessage) => void): ClientRequest {
    const { socketPath, answerWithinMs: timeout } = this
    const outgoing = request({ ...options, socketPath, timeout }, answered)
    return outgoing.on('timeout', () => {
      const message =
        `vethd on ${socketPath} has not answered for ${timeout / 1000} s: it is stopped (SIGCONT continues it) or ` +
        'overloaded. It may still carry out the request'
      outgoing.destroy(new VethdError('DAEMON_SILENT', message))
    })
  }

  async #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.#exchange(method, path, body === undefined ? undefined : JSON.stringify(body))
    if (answer.status >= 400) throw errorOf(answer)
    return JSON.parse(answer.body) as T
  }

  #exchange(method: string, path: string, body: string | undefined): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': 'application/json' }
      const fail = (error: NodeJS.ErrnoException) => reject(this.#unreachable(error, method))
      const outgoing = this.#request({ agent: this.#agent, method, path, headers }, (incoming) =>
        readAll(incoming).then(resolve, fail),
      )
      outgoing.on('error', fail)
      outgoing.end(body)
    })
  }

  #unreachable(error: NodeJS.ErrnoException | VethdError, method: string): VethdError {
    if (error instanceof VethdError) return error
    const details = { errno: error.errno, syscall: error.syscall, cause: error }
    switch (error.code) {
      case 'EACCES':
      case 'EPERM':
        return new VethdError('NOT_PERMITTED', `${whoMayUse(this.socketPath)}: use sudo`, {
          ...details,
          // with ip everybody can read; changes are refused with this text
          ...(method === 'GET' ? { exit: 1 } : { iproute2: 'RTNETLINK answers: Operation not permitted' }),
        })
      case 'ENOENT':
      case 'ECONNREFUSED':
      case 'ENOTDIR':
        return new VethdError(
          'DAEMON_NOT_RUNNING',
          `no vethd answers on ${this.socketPath}: start it with "sudo npm start" or "systemctl start vethd", ` +
            'or name its socket with --socket',
          details,
        )
      case 'EAGAIN': {
        const message = `vethd on ${this.socketPath} accepts no more connections: it is stopped or overloaded`
        return new VethdError('DAEMON_SILENT', message, details)
      }
      case 'ECONNRESET':
      case 'EPIPE':
        return new VethdError('DAEMON_NOT_RUNNING', `vethd on ${this.socketPath} ended during the request`, details)
      default:
        return new VethdError('SOCKET_UNUSABLE', `${this.socketPath}: ${error.message}`, details)
    }
  }
}

async function readAll(incoming: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  return { status: incoming.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }
}

/** How many devices were deleted before the one that an error of {@link Client.removeDevices} is about. */
export function removedOf(error: unknown): number {
  return error instanceof VethdError ? ((error.cause as Partial<Problem> | undefined)?.removed ?? 0) : 0
}

function query(parameters: Record<string, string | string[] | undefined>): string {
  const members = Object.entries(parameters).flatMap(([name, value = []]) => {
    return (Array.isArray(value) ? value : [value]).map((one) => `${name}=${percentEncode(one)}`)
  })
  return members.length === 0 ? '' : `?${members.join('&')}`
}

/** encodeURIComponent that also encodes bytes that are not UTF-8. */
function percentEncode(text: string): string {
  const bytes = encodeText(text).toString('latin1')
  return bytes.replace(/[^\w.~-]/g, (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`)
}

function errorOf(answer: Answer): VethdError {
  let problem: Partial<Problem>
  try {
    problem = JSON.parse(answer.body)
  } catch {
    return new VethdError('INTERNAL', `vethd answered ${answer.status}: ${answer.body.slice(0, 200)}`)
  }
  const code = problem.code !== undefined && problem.code in ERRORS ? (problem.code as ErrorCode) : 'INTERNAL'
  return new VethdError(code, problem.detail ?? problem.title ?? `vethd answered ${answer.status}`, {
    iproute2: problem.iproute2,
    exit: problem.exit,
    errno: problem.errno,
    syscall: problem.syscall,
    cause: problem,
  })
}

/** Tells who may use the socket, from its mode and group. */
function whoMayUse(socketPath: string): string {
  try {
    const { mode } = statSync(socketPath)
    if (mode & 0o060) return `only root and the socket's group may use ${socketPath}`
  } catch {
    // even its folder is not readable
  }
  return `only root may use ${socketPath}`
}
