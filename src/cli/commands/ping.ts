/**
 * `vethctl ping [-n NETNS] ADDRESS`: echoes through a pair, one at a time, and after each how far it came.
 *
 *     ping/options.ts ─→ (a child in NETNS ─→) ping/way.ts ─→ counters ─→ ping/socket.ts ─→ counters
 *                                                    ─→ ping/trace.ts ─→ ping/explain.ts ─→ ping/format.ts
 *
 * A raw socket belongs to the namespace of the process that opens it, and Node's threads never change theirs. So `-n`
 * starts vethctl anew, by nsenter, as a process that begins its life in NETNS.
 *
 * Exit codes are ping's: 0 answered, 1 none answered, 2 for every error, whatever its code is elsewhere.
 */
import { spawnSync } from 'node:child_process'
import { lookup } from 'node:dns/promises'
import { isIPv6, SocketAddress } from 'node:net'
import { join, resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { openNetnsOption } from '../../client/netns.js'
import { VethdError } from '../../errors.js'
import { formatJson } from '../json.js'
import { framesOf } from '../ping/echo.js'
import { explain } from '../ping/explain.js'
import { type Echo, echoJson, echoText, headText, summaryText } from '../ping/format.js'
import { PING_USAGE, type PingOptions, parsePing, pingWords } from '../ping/options.js'
import { CALLER_PID } from '../ping/place.js'
import { EchoSocket } from '../ping/socket.js'
import { laneWindow, passage, type Snapshot } from '../ping/trace.js'
import { findWay, peerReferenceOf, referenceOf, type Target, type Way } from '../ping/way.js'
import { exitAs, runProgram } from '../programs.js'
import { report } from '../report.js'
import type { Context } from './context.js'

const MAIN = join(import.meta.dirname, '../main.js')

/** How often the counters are read again until an answer that is here already is counted, and how long in between. */
const [COUNTED_READS, COUNTED_AFTER_MS] = [20, 10]

const [ANSWERED, NONE_ANSWERED, FAILED] = [0, 1, 2]

export async function ping(words: readonly string[], context: Context): Promise<number> {
  try {
    const asked = parsePing(words)
    if (asked === undefined) {
      context.out(PING_USAGE)
      return ANSWERED
    }
    const { json, pretty, netns, socket } = context.options
    const options = { ...asked, netns: asked.netns ?? netns, json: asked.json || json, pretty: asked.pretty || pretty }
    return options.netns === undefined
      ? await pingFromHere(options, context)
      : await pingFrom(options.netns, options, socket)
  } catch (error) {
    report(error, context.err)
    return FAILED
  }
}

/** The same command in a process that starts in `netns`. */
async function pingFrom(netns: string, options: PingOptions, socket: string): Promise<number> {
  const file = `/proc/${process.pid}/fd/${openNetnsOption(netns)}` // open for as long as this process lives
  const enter = ['nsenter', `--net=${file}`, '--']
  // nsenter ends with 1 where it fails, which would say that there was no answer
  const { error, status, stderr } = spawnSync(enter[0], [...enter.slice(1), 'true'], { encoding: 'utf8' })
  if (error !== undefined) {
    throw new VethdError('ARGUMENT_INVALID', 'vethctl ping -n starts nsenter, of util-linux: install it', {
      cause: error,
    })
  }
  if (status !== 0) throw new VethdError('NOT_PERMITTED', `${netns} cannot be entered: use sudo (${stderr.trim()})`)
  const vethctl = [process.execPath, MAIN, '--socket', resolve(socket), 'ping', ...pingWords(options)]
  return exitAs(await runProgram([...enter, ...vethctl], { ...process.env, [CALLER_PID]: String(process.pid) }))
}

async function pingFromHere(options: PingOptions, context: Context): Promise<number> {
  const target = await resolveTarget(options)
  using pinger = await Pinger.open(target, options, context)
  const end = new AbortController()
  const stop = () => end.abort()
  process.once('SIGINT', stop)
  process.stdout.once('error', stop) // nobody reads it any more
  try {
    return await pinger.run(end.signal)
  } finally {
    process.off('SIGINT', stop)
    process.stdout.off('error', stop)
  }
}

/** The address of a host name, or of an address as ping takes it (127.1). */
async function resolveTarget({ address: typed, family: wanted }: PingOptions): Promise<Target> {
  const [host, zone] = typed.split('%', 2)
  if (host === '') throw new VethdError('ARGUMENT_INVALID', `"${typed}" is no address`)
  const { address: found, family } = await lookup(host, { family: wanted ?? 0 }).catch((cause) => {
    throw new VethdError('ARGUMENT_INVALID', `${typed} is no address, and no host of that name is known`, { cause })
  })
  if (wanted !== undefined && family !== wanted) {
    throw new VethdError('ARGUMENT_INVALID', `${typed} is no IPv${wanted} address: leave -${wanted} out`)
  }
  if (!isIPv6(found)) return { family: 4, address: found, zone }
  const { address } = new SocketAddress({ address: found, family: 'ipv6' })
  const isLinkLocal = /^fe[89ab]/.test(address)
  if (isLinkLocal && zone === undefined) {
    throw new VethdError('ARGUMENT_INVALID', `${typed} is on every link: say which, as in ${address}%veth1`)
  }
  return { family: 6, address, zone }
}

/** The pair was deleted between two looks at it. */
function lostWithPair(seq: number, error: unknown): Echo {
  if (!(error instanceof VethdError && error.code === 'DEVICE_NOT_FOUND')) throw error
  const [why, advice] = ['the pair is gone', 'vethctl link show']
  return { seq, loss: { after: null, reason: 'pair_gone', certain: true, why, advice } }
}

class Pinger implements Disposable {
  readonly #target: Target
  readonly #options: PingOptions
  readonly #context: Context
  readonly #socket: EchoSocket
  readonly #rttsMs: number[] = []
  #sent = 0

  static async open(target: Target, options: PingOptions, context: Context): Promise<Pinger> {
    return new Pinger(target, options, context, await EchoSocket.open(target.family))
  }

  private constructor(target: Target, options: PingOptions, context: Context, socket: EchoSocket) {
    this.#target = target
    this.#options = options
    this.#context = context
    this.#socket = socket
  }

  /** Pings until all echoes are sent, or `signal`; the exit code. */
  async run(signal: AbortSignal): Promise<number> {
    const { count = Number.POSITIVE_INFINITY, intervalMs, json, size } = this.#options
    const { out } = this.#context
    const way = await findWay(this.#context.client, this.#target)
    // later a route that is missing is news, as any other reason for which an echo is lost
    if (!('near' in way)) throw new VethdError('NO_ROUTE', `${way.why}: ${way.advice}`)
    if (!json) out(headText(way, size))
    const startedAt = performance.now()
    try {
      while (this.#sent < count && !signal.aborted) {
        const next = performance.now() + intervalMs
        await this.#echo(signal)
        if (this.#sent < count)
          await sleep(Math.max(0, next - performance.now()), undefined, { signal }).catch(() => {})
      }
    } finally {
      if (!json) out(summaryText(this.#to, this.#sent, this.#rttsMs, performance.now() - startedAt))
    }
    return this.#rttsMs.length > 0 ? ANSWERED : NONE_ANSWERED
  }

  async #echo(signal: AbortSignal): Promise<void> {
    const { json, pretty } = this.#options
    const address = this.#to
    this.#sent += 1
    const echo = await this.#follow(this.#sent, signal).catch((error) => lostWithPair(this.#sent, error))
    if (echo.answer !== undefined) this.#rttsMs.push(echo.answer.rttMs)
    else if (signal.aborted) return // its time was not up
    this.#context.out(json ? `${formatJson(echoJson(address, echo), pretty)}\n` : echoText(address, echo))
  }

  /** Sends one echo, and looks at the counters before and after it. */
  async #follow(seq: number, signal: AbortSignal): Promise<Echo> {
    const { client } = this.#context
    const { size, waitMs } = this.#options
    const way = await findWay(client, this.#target)
    if (!('near' in way)) return { seq, loss: { after: null, certain: true, ...way } }
    const before = await this.#counters(way)
    const outcome = await this.#socket.exchange({ seq: seq & 0xffff, size, address: this.#to, waitMs }, signal)
    if (signal.aborted) return { seq, way }
    const { from, rttMs, icmpError } = outcome
    const isAnswered = from !== undefined && icmpError === undefined
    const { packets, bytes } = framesOf(this.#target.family, size, way.mtu)
    for (let reads = 1; ; reads++) {
      const after = await this.#counters(way)
      const forward = passage(laneWindow(before, after, 'near'), packets, bytes, this.#target.family)
      const backward = laneWindow(before, after, 'far')
      if (!isAnswered) {
        return { seq, way, forward, loss: await explain(client, { way, outcome, forward, backward, size }) }
      }
      const isCounted = forward.passed.includes('written') && backward.written > 0
      if (isCounted || reads === COUNTED_READS) return { seq, way, forward, answer: { from, rttMs: rttMs! } }
      await sleep(COUNTED_AFTER_MS)
    }
  }

  /** The address with its zone, as sendto(2) has to know it. */
  get #to(): string {
    const { address, zone } = this.#target
    return zone === undefined ? address : `${address}%${zone}`
  }

  async #counters({ near }: Way): Promise<Snapshot> {
    const { client } = this.#context
    const of = async (dev: string) => (await client.stats({ dev })).devices[0]
    return { near: await of(referenceOf(near)), far: await of(peerReferenceOf(near)) }
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }
}
