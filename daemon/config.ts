/** The command line of vethd. Neighbours: main.ts. */
import yargs from 'yargs'
import { DEFAULT_SOCKET } from '../src/api/control-socket.js'
import { packageVersion } from '../src/api/version.js'
import { VethdError } from '../src/errors.js'
import { parseCpuList } from '../src/veth/cpus.js'
import { ENGINE_CHOICES, type EngineChoice } from '../src/veth/options.js'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** With a longer time a worker would hardly ever sleep. */
const BUSY_POLL_MAX_US = 100_000

export interface Config {
  socket: string
  engine: EngineChoice
  /** Worker threads. Default: the driver chooses. */
  workers?: number
  /** CPU affinity of the workers. Default: every CPU on which the process may run. */
  cpus?: number[]
  /** Busy-poll time of the workers in microseconds. Default: adaptive. */
  busyPollUs?: number
  /** Names of dev and peer of the pairs to create at start, in the daemon's own network namespace. */
  pairs: [dev: string, peer: string][]
  logLevel: LogLevel
}

/** Parses the words after `vethd`. Throws ARGUMENT_INVALID. For --help and --version it prints, and ends the process. */
export function parseConfig(words: readonly string[]): Config {
  const { socket, engine, workers, cpus, busyPoll, pair, logLevel } = yargs([...words])
    .scriptName('vethd')
    .locale('en')
    .usage('vethd [options]: pairs of TAP devices that work as kernel veth pairs do')
    .option('socket', { type: 'string', default: DEFAULT_SOCKET, describe: 'control socket', requiresArg: true })
    .option('engine', {
      choices: ENGINE_CHOICES,
      default: 'auto' as const,
      describe: 'I/O engine: io_uring, or batched reads and writes with epoll',
      requiresArg: true,
    })
    .option('workers', { type: 'number', describe: 'number of worker threads', requiresArg: true })
    .option('cpus', {
      type: 'string',
      describe: 'CPUs of the worker threads, such as 0-2,5; each thread gets the next one',
      requiresArg: true,
    })
    .option('busy-poll', {
      type: 'number',
      describe: 'busy-poll time in µs before sleeping (default: adaptive; 0: off)',
      requiresArg: true,
    })
    .option('pair', {
      type: 'string',
      array: true,
      default: [] as string[],
      describe: 'DEV,PEER: names of a pair to create at start; may be repeated',
      requiresArg: true,
    })
    .option('log-level', {
      choices: LOG_LEVELS,
      default: 'info' as const,
      describe: 'minimum log level',
      requiresArg: true,
    })
    .version(packageVersion())
    .strict()
    .demandCommand(0, 0)
    .check((said) => {
      const twice = Object.keys(said).find((name) => Array.isArray(said[name]) && !['_', 'pair'].includes(name))
      if (twice !== undefined) throw new Error(`--${twice} is given more than once`)
      return true
    })
    .fail((message, error) => {
      if (error instanceof VethdError) throw error
      throw new VethdError('ARGUMENT_INVALID', `${(message || error.message).replace(/\s+/g, ' ')}; see vethd --help`)
    })
    .parseSync()
  if (socket === '') throw new VethdError('ARGUMENT_INVALID', '--socket needs a path, but the given one is empty')
  if (workers !== undefined && !(Number.isInteger(workers) && workers >= 1)) {
    throw new VethdError('ARGUMENT_INVALID', '--workers needs a whole number, 1 or more')
  }
  if (busyPoll !== undefined && !(Number.isInteger(busyPoll) && busyPoll >= 0 && busyPoll <= BUSY_POLL_MAX_US)) {
    throw new VethdError(
      'ARGUMENT_INVALID',
      `--busy-poll needs a whole number of microseconds, 0 to ${BUSY_POLL_MAX_US}`,
    )
  }
  return {
    socket,
    engine,
    workers,
    cpus: cpus === undefined ? undefined : parseCpuList(cpus),
    busyPollUs: busyPoll,
    pairs: pair.map(splitPair),
    logLevel,
  }
}

function splitPair(text: string): [string, string] {
  const [dev, peer, ...more] = text.split(',')
  if (!dev || !peer || more.length > 0) {
    throw new VethdError('ARGUMENT_INVALID', `--pair needs two names, DEV,PEER, not "${text}"`)
  }
  return [dev, peer]
}
