/** The command line of vethd. Neighbours: main.ts. */
import yargs from 'yargs'
import { DEFAULT_SOCKET } from '../src/api/control-socket.js'
import { packageVersion } from '../src/api/version.js'
import { VethdError } from '../src/errors.js'
import { parseCpuList } from '../src/veth/cpus.js'
import { ENGINE_CHOICES, type EngineChoice } from '../src/veth/options.js'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Longer than this it would be a loop that happens to wait now and then. */
const BUSY_POLL_MAX_US = 100_000

export interface Config {
  socket: string
  engine: EngineChoice
  /** Threads of the data plane; left out: the driver's own choice. */
  workers?: number
  /** The CPUs that they keep to; left out: wherever the process may run. */
  cpus?: number[]
  /** Microseconds for which they ask for the next frame before they wait for one; left out: they adapt. */
  busyPollUs?: number
  /** Pairs to make at the start, in the daemon's own network namespace: the names of dev and peer. */
  pairs: [dev: string, peer: string][]
  logLevel: LogLevel
}

/** Reads the words after `vethd`. Throws ARGUMENT_INVALID; prints and ends by itself for --help and --version. */
export function parseConfig(words: readonly string[]): Config {
  const { socket, engine, workers, cpus, busyPoll, pair, logLevel } = yargs([...words])
    .scriptName('vethd')
    .locale('en')
    .usage('vethd [options]: pairs of TAP devices, joined as veth joins its ends')
    .option('socket', { type: 'string', default: DEFAULT_SOCKET, describe: 'control socket', requiresArg: true })
    .option('engine', {
      choices: ENGINE_CHOICES,
      default: 'auto' as const,
      describe: 'how frames are read and written',
      requiresArg: true,
    })
    .option('workers', { type: 'number', describe: 'threads of the data plane', requiresArg: true })
    .option('cpus', {
      type: 'string',
      describe: 'CPUs that these threads keep to, 0-2,5: dealt out one by one',
      requiresArg: true,
    })
    .option('busy-poll', {
      type: 'number',
      describe: 'microseconds for which they ask for the next frame before they wait for one; left out, it adapts',
      requiresArg: true,
    })
    .option('pair', {
      type: 'string',
      array: true,
      default: [] as string[],
      describe: 'DEV,PEER: a pair to make at the start; may be repeated',
      requiresArg: true,
    })
    .option('log-level', {
      choices: LOG_LEVELS,
      default: 'info' as const,
      describe: 'least important line to log',
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
  if (socket === '') throw new VethdError('ARGUMENT_INVALID', '--socket takes a path, and this one is empty')
  if (workers !== undefined && !(Number.isInteger(workers) && workers >= 1)) {
    throw new VethdError('ARGUMENT_INVALID', '--workers takes a whole number from 1 on')
  }
  if (busyPoll !== undefined && !(Number.isInteger(busyPoll) && busyPoll >= 0 && busyPoll <= BUSY_POLL_MAX_US)) {
    throw new VethdError('ARGUMENT_INVALID', `--busy-poll takes whole microseconds, 0 to ${BUSY_POLL_MAX_US}`)
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
    throw new VethdError('ARGUMENT_INVALID', `--pair takes two names, DEV,PEER, not "${text}"`)
  }
  return [dev, peer]
}
