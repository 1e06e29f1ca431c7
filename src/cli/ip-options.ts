/**
 * The options before the object as ip.c reads them, all of them, for as-ip.ts. options.ts has those of vethctl.
 */
import { matches, parseInteger } from './keywords.js'

/** What vethd has to know of them. */
export interface IpOptions {
  /** The namespace of the last `-n`. */
  netns?: string
  batch?: string
  force: boolean
  /** All options but `-batch FILE`. */
  others: string[]
  /** The object and what follows. */
  rest: string[]
}

/** In ip.c's order, the first that fits is meant. `value`: another word belongs to it. */
const OPTIONS: readonly { word: string; value?: true; full?: true }[] = [
  { word: '-loops', value: true },
  { word: '-family', value: true },
  ...['-4', '-6', '-0', '-M', '-B'].map((word) => ({ word, full: true as const })),
  { word: '-human-readable' },
  { word: '-iec' },
  { word: '-statistics' },
  { word: '-stats' },
  { word: '-details' },
  { word: '-resolve' },
  { word: '-oneline' },
  { word: '-timestamp' },
  { word: '-tshort' },
  { word: '-Version' },
  { word: '-force' },
  { word: '-batch', value: true },
  { word: '-brief' },
  { word: '-json' },
  { word: '-pretty' },
  { word: '-rcvbuf', value: true },
  { word: '-color' },
  { word: '-help' },
  { word: '-netns', value: true },
  { word: '-Numeric' },
  { word: '-all' },
  { word: '-echo', full: true },
]

const FAMILIES = ['inet', 'inet6', 'link', 'bridge', 'mpls']

/** Reads the options; undefined where ip would end at one of them (`-V`, `-help`, a wrong one). */
export function parseIpOptions(words: readonly string[]): IpOptions | undefined {
  const options: IpOptions = { force: false, others: [], rest: [] }
  let at = 0
  for (; at < words.length; at++) {
    if (words[at] === '--') {
      at += 1
      break
    }
    if (!words[at].startsWith('-')) break
    const word = words[at].startsWith('--') ? words[at].slice(1) : words[at]
    // -c=always
    const [, bare] = /^(.+)=(?:always|auto|never)$/.exec(word) ?? [word, word]
    const option = OPTIONS.find((known) => (known.full ? bare === known.word : matches(bare, known.word)))
    if (option === undefined || option.word === '-Version' || option.word === '-help') return undefined
    const value = option.value ? words[at + 1] : undefined
    if (option.value && value === undefined) return undefined
    if (option.word === '-family' && !FAMILIES.includes(value!)) return undefined
    if (option.word === '-rcvbuf' && parseInteger(value!) === undefined) return undefined
    if (bare !== word && option.word !== '-color') return undefined
    if (option.word === '-batch') options.batch = value
    else options.others.push(...words.slice(at, at + (option.value ? 2 : 1)))
    if (option.word === '-netns') options.netns = value
    if (option.word === '-force') options.force = true
    if (option.value) at += 1
  }
  options.rest = words.slice(at)
  return options
}
