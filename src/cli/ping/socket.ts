/**
 * A raw socket for echoes, by the npm package raw-socket, which is optional.
 *
 * Neighbours: echo.ts has the bytes, commands/ping.ts asks. One request is under way at a time.
 * Invariant: raw-socket is loaded here and nowhere else of vethctl, and only when an echo is to be sent.
 */
import { performance } from 'node:perf_hooks'
import type { RawSocket } from 'raw-socket'
import { EAGAIN, errnoText } from '../../abi/errno.js'
import { VethdError } from '../../errors.js'
import { echoRequest, type Family, readAnswer } from './echo.js'

/** What became of a request: sendto(2) failed, it was answered, an ICMP error came, or nothing in time. */
export interface Outcome {
  /** strerror(3). */
  sendError?: string
  from?: string
  rttMs?: number
  icmpError?: string
}

/** An IPv4 packet with its header is the largest that can come. */
const LARGEST_PACKET = 65535

export class EchoSocket {
  readonly #family: Family
  /** Tells our answers from those of others: every raw socket receives all of them. */
  readonly #id = Math.floor(Math.random() * 0x10000)
  readonly #socket: RawSocket
  #waiting: { seq: number; answered(from: string, icmpError?: string): void } | undefined
  #failed: (error: Error) => void = () => {}

  /** Throws RAW_SOCKET_MISSING, or NOT_PERMITTED without CAP_NET_RAW. */
  static async open(family: Family): Promise<EchoSocket> {
    return new EchoSocket(family, await openRawSocket(family))
  }

  private constructor(family: Family, socket: RawSocket) {
    this.#family = family
    this.#socket = socket
    socket.on('message', (packet, from) => {
      const answer = readAnswer(family, this.#id, packet)
      if (answer?.seq === this.#waiting?.seq) this.#waiting?.answered(from, answer?.error)
    })
    socket.on('error', ({ message }) => {
      if (message !== errnoText(EAGAIN))
        this.#failed(new VethdError('KERNEL_REFUSED', `the raw socket failed: ${message}`))
    })
  }

  /** Sends one request and waits for what comes back, until `waitMs` are over or `signal` ends it. */
  async exchange(
    { seq, size, address, waitMs }: { seq: number; size: number; address: string; waitMs: number },
    signal: AbortSignal,
  ): Promise<Outcome> {
    const request = echoRequest(this.#family, this.#id, seq, size)
    let timer: NodeJS.Timeout | undefined
    let stop = () => {}
    try {
      return await new Promise<Outcome>((resolve, reject) => {
        let sentAt = 0
        stop = () => resolve({})
        signal.addEventListener('abort', stop)
        this.#failed = reject
        this.#waiting = {
          seq,
          answered: (from, icmpError) => resolve({ from, icmpError, rttMs: performance.now() - sentAt }),
        }
        const sending = () => {
          sentAt = performance.now()
        }
        this.#socket.send(request, 0, request.length, address, sending, (error) => {
          if (error !== null) resolve({ sendError: error.message })
          // an answer that is here already is read before the time is said to be up
          else timer = setTimeout(() => setImmediate(stop), waitMs)
        })
      })
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      this.#waiting = undefined
    }
  }

  close(): void {
    this.#socket.close()
  }
}

async function openRawSocket(family: Family): Promise<RawSocket> {
  const { AddressFamily, createSocket, Protocol } = await loadRawSocket()
  const [addressFamily, protocol] =
    family === 4 ? [AddressFamily.IPv4, Protocol.ICMP] : [AddressFamily.IPv6, Protocol.ICMPv6]
  try {
    return createSocket({ addressFamily, protocol, bufferSize: LARGEST_PACKET })
  } catch (cause) {
    const { message } = cause as Error
    if (message !== 'Operation not permitted') throw cause
    throw new VethdError('NOT_PERMITTED', 'a raw socket takes root (CAP_NET_RAW): use sudo', { cause })
  }
}

async function loadRawSocket(): Promise<typeof import('raw-socket')> {
  try {
    return await import('raw-socket')
  } catch (cause) {
    const isAbsent = (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND'
    // installed beside vethd, or below it where that is a clone
    const [folder] = import.meta.dirname.split(/\/node_modules\/|\/dist\/src\//)
    const message = isAbsent
      ? `vethctl ping needs the raw-socket package: npm install raw-socket (in ${folder})`
      : `raw-socket cannot be loaded into Node ${process.version}: npm rebuild raw-socket (in ${folder})`
    throw new VethdError('RAW_SOCKET_MISSING', message, { cause })
  }
}
