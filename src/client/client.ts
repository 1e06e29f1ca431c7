/**
 * The control API's client: one method a route, over node:http and the daemon's unix socket.
 *
 * Neighbours: api/schema.ts has the shapes (types only: nothing of typebox is loaded here), cli/ is the caller.
 * Invariant: whatever goes wrong is thrown as a VethdError that says what to do next; a problem document of the daemon
 * comes back as the error it was made of, with code, exit code and iproute2's text.
 */
import { statSync } from 'node:fs'
import { Agent, type IncomingMessage, request } from 'node:http'
import { encodeText } from '../abi/text.js'
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
import { DEFAULT_SOCKET } from '../api/socket.js'
import { ERRORS, type ErrorCode, VethdError } from '../errors.js'
import { readEventStream } from './event-stream.js'

interface Answer {
  status: number
  body: string
}

export class Client {
  /** One connection, kept for as long as commands follow each other (`-batch`). */
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  constructor(readonly socketPath: string = DEFAULT_SOCKET) {}

  addPair(pair: NewPair, netns?: string): Promise<Pair> {
    return this.#call('POST', `/v1/pairs${query({ netns })}`, pair)
  }

  pairs(): Promise<Pairs> {
    return this.#call('GET', '/v1/pairs')
  }

  /** Deletes the pairs of the named devices, in order, up to the first that cannot be found; see {@link removedOf}. */
  removeDevices(devices: string[], netns?: string): Promise<Removed> {
    return this.#call('DELETE', `/v1/devices${query({ netns, dev: devices })}`)
  }

  devices(filter: { dev?: string; netns?: string } = {}): Promise<Devices> {
    return this.#call('GET', `/v1/devices${query(filter)}`)
  }

  setDevice(dev: string, change: LinkChange, netns?: string): Promise<Device> {
    return this.#call('PATCH', `/v1/devices${query({ dev, netns })}`, change)
  }

  stats(filter: { dev?: string; netns?: string } = {}): Promise<AllStats> {
    return this.#call('GET', `/v1/stats${query(filter)}`)
  }

  doctor(): Promise<Doctor> {
    return this.#call('GET', '/v1/doctor')
  }

  version(): Promise<Version> {
    return this.#call('GET', '/v1/version')
  }

  /**
   * What happens to devices from now on, until `signal`; with `present` first what there is. A reader that was cut off,
   * being too slow, goes on where it left off, and gets `lost` when that is not kept any more. Throws DAEMON_NOT_RUNNING
   * when the daemon ends.
   */
  async *events(filter: { netns?: string; present?: boolean }, signal: AbortSignal): AsyncGenerator<Event | Lost> {
    const path = `/v1/events${query({ netns: filter.netns, present: filter.present ? 'true' : undefined })}`
    let lastId: string | undefined
    for (;;) {
      const begunAt = lastId
      try {
        const incoming = await this.#stream(path, lastId, signal)
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
        // a daemon that is killed may still take a connection, and resets it then
        if (lastId === undefined || unreachable.code !== 'DAEMON_NOT_RUNNING') throw unreachable
      }
      throw new VethdError('DAEMON_NOT_RUNNING', `vethd on ${this.socketPath} has ended`)
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  /** An answer that goes on, on a connection of its own. */
  #stream(path: string, lastId: string | undefined, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers = lastId === undefined ? {} : { 'last-event-id': lastId }
      const outgoing = request({ socketPath: this.socketPath, agent: false, path, headers, signal }, (incoming) => {
        if (incoming.statusCode === 200) resolve(incoming)
        else readAll(incoming).then((answer) => reject(errorOf(answer)), reject)
      })
      outgoing.on('error', reject)
      outgoing.end()
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
      const outgoing = request({ socketPath: this.socketPath, agent: this.#agent, method, path, headers }, (incoming) =>
        readAll(incoming).then(resolve, fail),
      )
      outgoing.on('error', fail)
      outgoing.end(body)
    })
  }

  #unreachable(error: NodeJS.ErrnoException, method: string): VethdError {
    const details = { errno: error.errno, syscall: error.syscall, cause: error }
    switch (error.code) {
      case 'EACCES':
      case 'EPERM':
        return new VethdError('NOT_PERMITTED', `${whoMayUse(this.socketPath)}: use sudo`, {
          ...details,
          // ip lets everybody look, and refuses changes in these words
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
      case 'ECONNRESET':
      case 'EPIPE':
        return new VethdError('DAEMON_NOT_RUNNING', `vethd on ${this.socketPath} went away while it was asked`, details)
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

/** encodeURIComponent, also of bytes that are no UTF-8. */
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

/** Says who may use the socket, from its mode and group. */
function whoMayUse(socketPath: string): string {
  try {
    const { mode } = statSync(socketPath)
    if (mode & 0o060) return `only root and the socket's group may use ${socketPath}`
  } catch {
    // not even its folder may be read
  }
  return `only root may use ${socketPath}`
}
