/**
 * The keywords of `ip link` in iplink_parse's order, whether vethd supports them, and whether an ip command line adds a veth.
 *
 * Neighbours: link-grammar.ts reads the words of vethctl, as-ip.ts and iproute2-batch.ts those of `ip`.
 */
import { matches } from './keywords.js'

export type Command = 'add' | 'set' | 'del'

export interface Keyword {
  word: string
  /** May be abbreviated (matches() in iplink_parse); the others must be complete (strcmp()). */
  short?: true
  also?: string
  /** The commands in which vethd supports it. */
  in: readonly Command[]
}

/** In iplink_parse's order: an abbreviation means the first match. */
const KEYWORDS: readonly Keyword[] = [
  { word: 'up', in: ['add', 'set'] },
  { word: 'down', in: ['add', 'set'] },
  { word: 'name', in: ['add', 'set', 'del'] },
  { word: 'index', in: ['add'] },
  { word: 'link', short: true, in: [] },
  { word: 'address', short: true, in: ['add', 'set'] },
  { word: 'broadcast', short: true, also: 'brd', in: ['add', 'set'] },
  { word: 'txqueuelen', short: true, also: 'qlen', in: ['add', 'set'] },
  { word: 'txqlen', short: true, in: ['add', 'set'] },
  { word: 'mtu', in: ['add', 'set'] },
  { word: 'xdpgeneric', in: [] },
  { word: 'xdpdrv', in: [] },
  { word: 'xdpoffload', in: [] },
  { word: 'xdp', in: [] },
  { word: 'netns', in: ['add', 'set'] },
  { word: 'multicast', in: ['add', 'set'] },
  { word: 'allmulticast', in: ['add', 'set'] },
  { word: 'promisc', in: ['add', 'set'] },
  { word: 'trailers', in: ['add', 'set'] },
  { word: 'arp', in: ['add', 'set'] },
  { word: 'carrier', in: ['add'] },
  { word: 'vf', in: [] },
  { word: 'master', short: true, in: ['add', 'set'] },
  { word: 'vrf', in: [] },
  { word: 'nomaster', short: true, in: ['add', 'set'] },
  { word: 'dynamic', short: true, in: ['add', 'set'] },
  { word: 'type', short: true, in: ['add', 'del'] },
  { word: 'alias', short: true, in: ['add', 'set'] },
  { word: 'group', in: ['add', 'set'] },
  { word: 'mode', in: ['add', 'set'] },
  { word: 'state', in: ['add'] },
  { word: 'numtxqueues', short: true, in: ['add'] },
  { word: 'numrxqueues', short: true, in: ['add'] },
  { word: 'addrgenmode', short: true, in: ['add'] },
  { word: 'link-netns', short: true, in: [] },
  { word: 'link-netnsid', short: true, in: [] },
  { word: 'protodown', in: ['add'] },
  { word: 'protodown_reason', in: [] },
  { word: 'gso_max_size', in: ['add'] },
  { word: 'gso_max_segs', in: ['add'] },
  { word: 'gro_max_size', in: ['add'] },
  { word: 'parentdev', in: ['add'] },
]

/** The keyword that a word means, if any. */
export function keywordOf(text: string): Keyword | undefined {
  return KEYWORDS.find(({ word, short, also }) => text === word || text === also || (short && matches(text, word)))
}

/** Whether a command of `link` is `replace`, which adds a device that does not exist. */
export function isReplace(command: string): boolean {
  return matches(command, 'replace')
}

/** Keywords of iplink_parse without a value, or with a varying number of words. All others have exactly one value. */
const WITHOUT_VALUE = ['up', 'down', 'nomaster']
const WITH_MANY_VALUES = ['xdpgeneric', 'xdpdrv', 'xdpoffload', 'xdp', 'vf', 'protodown_reason']

/**
 * Whether the words after `ip` add a link of type veth; `replace` does if no link has the name. "type" and "veth" can also be
 * names. Does not count command lines at which ip can only print its usage.
 */
export function isVethAdd([object = '', command = '', ...words]: readonly string[]): boolean {
  if (!matches(object, 'link') || !(matches(command, 'add') || isReplace(command))) return false
  for (let at = 0; at < words.length; at++) {
    const keyword = keywordOf(words[at])?.word
    if (keyword === 'type') {
      const option = words[at + 2]
      return words[at + 1] === 'veth' && (option === undefined || ['peer', 'checksum'].includes(option))
    }
    if (keyword === undefined && matches(words[at], 'help')) return false
    if (keyword === undefined ? words[at] === 'dev' : !WITHOUT_VALUE.includes(keyword)) at += 1
    if (keyword !== undefined && WITH_MANY_VALUES.includes(keyword)) return false
  }
  return false
}
