/**
 * The options before the object, as ip.c and tc.c read them, for as-ip.ts and as-tc.ts. options.ts has those of vethctl.
 */
import { matches, parseInteger } from './keywords.js'

/** The options that matter to vethd. */
export interface Iproute2Options {
  /** The namespace of the last `-n`. */
  netns?: string
  batch?: string
  force: boolean
  /** All options but `-batch FILE`. */
  others: string[]
  /** The object and what follows. */
  rest: string[]
}

interface Option {
  word: string
  /** No abbreviations. */
  full?: true
  /** It has a value; tells whether the program accepts a value. */
  value?: (word: string) => boolean
  /** The program ends here. */
  ends?: true
}

const anything = () => true
const FAMILIES = ['inet', 'inet6', 'link', 'bridge', 'mpls']

/** In ip.c's order: an abbreviation means the first match. */
const IP: readonly Option[] = [
  { word: '-loops', value: anything },
  { word: '-family', value: (word) => FAMILIES.includes(word) },
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
  { word: '-Version', ends: true },
  { word: '-force' },
  { word: '-batch', value: anything },
  { word: '-brief' },
  { word: '-json' },
  { word: '-pretty' },
  { word: '-rcvbuf', value: (word) => parseInteger(word) !== undefined },
  { word: '-color' },
  { word: '-help', ends: true },
  { word: '-netns', value: anything },
  { word: '-Numeric' },
  { word: '-all' },
  { word: '-echo', full: true },
]

/** In tc.c's order. */
const TC: readonly Option[] = [
  { word: '-stats' },
  { word: '-statistics' },
  { word: '-details' },
  { word: '-raw' },
  { word: '-pretty' },
  { word: '-graph' },
  { word: '-Version', ends: true },
  { word: '-iec' },
  { word: '-help', ends: true },
  { word: '-force' },
  { word: '-batch', value: anything },
  { word: '-netns', value: anything },
  { word: '-Numeric' },
  { word: '-names' },
  { word: '-nm' },
  { word: '-cf', value: anything },
  { word: '-conf', value: anything },
  { word: '-color' },
  { word: '-timestamp' },
  { word: '-tshort' },
  { word: '-json' },
  { word: '-oneline' },
  { word: '-brief' },
  { word: '-echo', full: true },
]

/** Parses ip's options; undefined if ip would exit at one of them (`-V`, `-help`, an unknown one). */
export function parseIpOptions(words: readonly string[]): Iproute2Options | undefined {
  return parse(words, IP, '--')
}

/** The same for tc. */
export function parseTcOptions(words: readonly string[]): Iproute2Options | undefined {
  return parse(words, TC)
}

/** `double`: the prefix that ip takes for `-`, and alone for the end of the options. */
function parse(words: readonly string[], known: readonly Option[], double?: '--'): Iproute2Options | undefined {
  const options: Iproute2Options = { force: false, others: [], rest: [] }
  let at = 0
  for (; at < words.length; at++) {
    if (words[at] === double) {
      at += 1
      break
    }
    if (!words[at].startsWith('-')) break
    const word = double !== undefined && words[at].startsWith(double) ? words[at].slice(1) : words[at]
    const [, color] = /^(.+)=(?:always|auto|never)$/.exec(word) ?? []
    const option = known.find((option) => {
      if (color !== undefined) return option.word === '-color' && matches(color, option.word)
      return option.full ? word === option.word : matches(word, option.word)
    })
    if (option === undefined || option.ends) return undefined
    const value = option.value ? words[at + 1] : undefined
    if (option.value && (value === undefined || !option.value(value))) return undefined
    if (option.word === '-batch') options.batch = value
    else options.others.push(...words.slice(at, at + (option.value ? 2 : 1)))
    if (option.word === '-netns') options.netns = value
    if (option.word === '-force') options.force = true
    if (option.value) at += 1
  }
  options.rest = words.slice(at)
  return options
}
