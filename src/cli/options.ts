/**
 * The options before the object, parsed as in ip.c: one or two dashes; an abbreviation means the first match in this order; no
 * options after the object. Neighbours: main.ts.
 */
import { DEFAULT_SOCKET } from '../api/control-socket.js'
import { VethdError } from '../errors.js'
import { incompleteCommand, matches } from './keywords.js'

export interface Options {
  socket: string
  /** `-n NS`: the namespace to act in, instead of the caller's. */
  netns?: string
  /** How often `-s` was given: from the second on, `link show` has the error counters too. */
  statistics: number
  details: boolean
  json: boolean
  pretty: boolean
  brief: boolean
  oneline: boolean
  /** `-h`: counters as 1.60k; `iec`: with 1024 as base, as 1.56Ki. */
  human: boolean
  iec: boolean
  color: 'never' | 'auto' | 'always'
  batch?: string
  force: boolean
  help: boolean
  version: boolean
}

/** Parses the options, and returns them with the words after them. Throws with ip's text, exit 255. */
export function parseOptions(words: readonly string[]): { options: Options; rest: string[] } {
  const options: Options = {
    socket: process.env.VETHD_SOCKET || DEFAULT_SOCKET,
    statistics: 0,
    details: false,
    json: false,
    pretty: false,
    brief: false,
    oneline: false,
    human: false,
    iec: false,
    color: 'never',
    force: false,
    help: false,
    version: false,
  }
  let at = 0
  const value = () => {
    if (at + 1 >= words.length) throw incompleteCommand(words[at])
    at += 1
    return words[at]
  }
  for (; at < words.length; at++) {
    const word = words[at]
    if (word === '--') {
      at += 1
      break
    }
    if (!word.startsWith('-')) break
    const [option, attached] = splitAttached(word.startsWith('--') ? word.slice(1) : word)
    if (option === '-socket') options.socket = attached ?? value()
    else if (matches(option, '-human-readable')) options.human = true
    else if (matches(option, '-iec')) options.iec = true
    else if (matches(option, '-stats') || matches(option, '-statistics')) options.statistics += 1
    else if (matches(option, '-details')) options.details = true
    else if (matches(option, '-oneline')) options.oneline = true
    else if (matches(option, '-Version') || option === '-version') options.version = true
    else if (option !== '-f' && matches(option, '-force'))
      options.force = true // -f is ip's -family
    else if (matches(option, '-batch')) options.batch = value()
    else if (matches(option, '-brief')) options.brief = true
    else if (matches(option, '-json')) options.json = true
    else if (matches(option, '-pretty')) options.pretty = true
    else if (colorOf(option)) options.color = colorOf(option)!
    else if (matches(option, '-help')) options.help = true
    else if (matches(option, '-netns')) options.netns = value()
    else {
      throw new VethdError('ARGUMENT_INVALID', 'options must stand before the object: vethctl -s -j link show', {
        iproute2: `Option "${option}" is unknown, try "vethctl -help".`,
      })
    }
  }
  return { options, rest: words.slice(at) }
}

/** `-socket` is not iproute2's: it accepts `-socket=PATH` and `-socket PATH`. */
function splitAttached(word: string): [option: string, value?: string] {
  return word.startsWith('-socket=') ? ['-socket', word.slice('-socket='.length)] : [word]
}

/** matches_color(): `-c`, `-color=auto`; undefined for another option. */
function colorOf(option: string): Options['color'] | undefined {
  const [word, choice = 'always'] = option.split('=', 2)
  if (!matches(word, '-color')) return undefined
  return (['always', 'auto', 'never'] as const).find((known) => known === (choice || 'always'))
}
