/**
 * The grammar of `link show` (ipaddr_list_flush_or_save of ip/ipaddress.c), and the filter that it describes. The daemon looks
 * up the bridge after `master`. Neighbours: link-grammar.ts, commands/link.ts.
 */
import type { Device } from '../api/schema.js'
import { garbageArgument, parseGroup } from './keywords.js'
import { deviceAt, notOurs, valueAfter } from './link-grammar.js'

/** The filter of `link show`; absent members do not matter. */
export interface LinkFilter {
  up?: boolean
  /** No port of any bridge. */
  nomaster?: boolean
  group?: number
  kind?: string
  slaveKind?: string
}

/** A device must match all words. */
interface ShowWords extends LinkFilter {
  dev?: string
  master?: string
}

/** An end has both kinds: `ip` shows tun, and vethctl creates it by `type veth`. */
const OUR_KIND = 'veth'

/** `link show [[dev] DEV] [up] [master BRIDGE | nomaster] [group GROUP] [type KIND]` (ipaddr_list_flush_or_save). */
export function parseLinkShow(words: readonly string[]): ShowWords {
  const filter: ShowWords = {}
  for (let at = 0; at < words.length; at++) {
    switch (words[at]) {
      case 'up':
        filter.up = true
        break
      case 'master':
        filter.master = valueAfter(words, at++)
        filter.nomaster = undefined
        break
      case 'nomaster':
        filter.nomaster = true
        filter.master = undefined
        break
      case 'group':
        filter.group = parseGroup(valueAfter(words, at++))
        break
      case 'type': {
        const kind = valueAfter(words, at++)
        if (kind.endsWith('_slave')) filter.slaveKind = kind.slice(0, -'_slave'.length)
        else filter.kind = kind
        break
      }
      case 'vrf':
        throw notOurs('vrf', 'show')
      default: {
        const dev = deviceAt(words, at)
        if (words[at] === 'dev') at += 1
        if (filter.dev !== undefined) throw garbageArgument('dev', dev)
        filter.dev = dev
      }
    }
  }
  return filter
}

export function isShown(device: Device, { up, nomaster, group, kind, slaveKind }: LinkFilter): boolean {
  const { flags, master, linkinfo } = device
  return (
    (!up || flags.includes('UP')) &&
    (!nomaster || master === undefined) &&
    (group === undefined || device.group === (group === 0 ? 'default' : `${group}`)) &&
    (kind === undefined || kind === OUR_KIND || kind === linkinfo.info_kind) &&
    (slaveKind === undefined || slaveKind === linkinfo.info_slave_kind)
  )
}
