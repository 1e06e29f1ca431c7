/**
 * The words behind `vethctl ping`, read as ping of iputils reads its own: `-c3`, `-i .2`, `-4j`. `-n` is vethctl's.
 * Neighbour: commands/ping.ts.
 */
import { parseArgs } from 'node:util'
import { VethdError } from '../../errors.js'
import { type Family, MAX_SIZE } from './echo.js'

export const PING_USAGE = `Usage: vethctl [ OPTIONS ] ping [ -n NETNS ] [ -c COUNT ] [ -i SECONDS ] [ -W SECONDS ] [ -s SIZE ]
                    [ -4 | -6 ] [ -j ] [ -p ] ADDRESS

Sends ICMP echoes through an end of a pair, one at a time, and says how far each came: sent, ring, read, verdict, written,
answered; or where it was lost, and why.

  -n NETNS    ping from that network namespace: a name, a PID or a file
  -c COUNT    how many echoes (default: until Ctrl-C)
  -i SECONDS  from one echo to the next (default 1)
  -W SECONDS  how long to wait for each answer (default 1)
  -s SIZE     bytes of data (default 56)
  -4, -6      use IPv4 or IPv6 for a host name
  -j, -p      JSON, one object for each echo; indented

Exit code: 0 if an echo was answered, 1 if none was, 2 for errors.
`

export interface PingOptions {
  /** As it was typed; a link-local one has its device: fe80::1%veth1. */
  address: string
  netns?: string
  count?: number
  intervalMs: number
  waitMs: number
  size: number
  family?: Family
  json: boolean
  pretty: boolean
}

/** setTimeout's longest. */
const LONGEST_S = 0x7fffffff / 1000

/** Undefined when help was asked for. Throws ARGUMENT_INVALID. */
export function parsePing(words: readonly string[]): PingOptions | undefined {
  const { values, positionals } = parse(words)
  if (values.help) return undefined
  if (positionals.length !== 1) throw wrong('say one address to ping: vethctl ping [-n NETNS] ADDRESS')
  if (values.ipv4 && values.ipv6) throw wrong('only one of -4 and -6 can be given')
  return {
    address: positionals[0],
    netns: values.netns,
    count: values.count === undefined ? undefined : number('-c', values.count, /^\d+$/, 1, Number.MAX_SAFE_INTEGER),
    intervalMs: 1000 * number('-i', values.interval ?? '1', SECONDS, 0, LONGEST_S),
    waitMs: 1000 * number('-W', values.timeout ?? '1', SECONDS, 0.001, LONGEST_S),
    size: number('-s', values.size ?? '56', /^\d+$/, 0, MAX_SIZE),
    family: values.ipv4 ? 4 : values.ipv6 ? 6 : undefined,
    json: values.json ?? false,
    pretty: values.pretty ?? false,
  }
}

/** The words that parsePing() reads as `options`, without the namespace. */
export function pingWords({ address, count, intervalMs, waitMs, size, family, json, pretty }: PingOptions): string[] {
  return [
    ...(count === undefined ? [] : ['-c', String(count)]),
    ...['-i', String(intervalMs / 1000), '-W', String(waitMs / 1000), '-s', String(size)],
    ...(family === undefined ? [] : [`-${family}`]),
    ...(json ? ['-j'] : []),
    ...(pretty ? ['-p'] : []),
    ...['--', address],
  ]
}

const SECONDS = /^(\d+\.?\d*|\.\d+)$/

function parse(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        netns: { type: 'string', short: 'n' },
        count: { type: 'string', short: 'c' },
        interval: { type: 'string', short: 'i' },
        timeout: { type: 'string', short: 'W' },
        size: { type: 'string', short: 's' },
        ipv4: { type: 'boolean', short: '4' },
        ipv6: { type: 'boolean', short: '6' },
        json: { type: 'boolean', short: 'j' },
        pretty: { type: 'boolean', short: 'p' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    // Node's own words: the first sentence says what is wrong, the others how parseArgs may be called
    throw wrong(`${(error as Error).message.split(/\.\s|\n/)[0]}: see "vethctl ping --help"`)
  }
}

function number(option: string, text: string, pattern: RegExp, min: number, max: number): number {
  const value = pattern.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw wrong(
    `"${text}" is wrong for ${option}: it takes ${pattern === SECONDS ? 'seconds' : 'a number'} from ${min} to ${max}`,
  )
}

function wrong(message: string): VethdError {
  return new VethdError('ARGUMENT_INVALID', message)
}
