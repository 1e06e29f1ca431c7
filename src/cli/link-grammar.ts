/**
 * The grammar of `link add|set|del`, parsed as in ip/iplink.c (iplink_parse) and ip/link_veth.c (veth_parse_opt): keywords are
 * tried in the same order, so that an abbreviation has the same meaning, and a word that is not a keyword is a device.
 * Neighbours: keywords.ts (abbreviations, numbers, error texts), link-filter.ts (`link show`), commands/link.ts.
 *
 * This file does not know whether a device or a namespace exists, or which MTU is allowed. The daemon checks that.
 */
import { EAFNOSUPPORT } from '../abi/errno.js'
import { encodeText } from '../abi/text.js'
import type { LinkChange, NewEnd, NewPair } from '../api/schema.js'
import { VethdError } from '../errors.js'
import { scanLladdr } from '../lladdr.js'
import {
  duplicateArgument,
  garbageArgument,
  incompleteCommand,
  isDeviceName,
  isShortDeviceName,
  matches,
  ON_OFF,
  ONE_OF_ON_OFF,
  parseAtoi,
  parseGroup,
  parseInteger,
  parseOneOf,
  parseOnOff,
  parseUnsigned,
  wrongArgument,
} from './keywords.js'
import { type Command, keywordOf } from './link-keywords.js'

/** IF_OPER_* and IN6_ADDR_GEN_MODE_*, as ip spells them. */
const OPERSTATES = ['unknown', 'notpresent', 'down', 'lowerlayerdown', 'testing', 'dormant', 'up'] as const
const ADDR_GEN_MODES = ['eui64', 'none', 'stable_secret', 'random'] as const
/** include/uapi/linux/if.h */
const IFALIASZ = 256

const USAGE_VETH = 'Usage: vethctl link <options> type veth [checksum MODE] [peer <options>]'

/** The result of parsing one part: the device, its (new) name, its attributes, and the words after `type KIND`. */
interface Link {
  dev?: string
  name?: string
  attributes: Omit<NewEnd, 'name' | 'master'> & Pick<LinkChange, 'master' | 'alias' | 'gro_flush_us'>
  checksum?: string
  type?: string
  rest: string[]
}

/** `link add …`: [name|dev] NAME OPTIONS type veth [checksum MODE] [peer [name] NAME OPTIONS]. */
export function parseLinkAdd(words: readonly string[]): NewPair {
  const link = parseLink(words, 'add')
  if (link.type === undefined) {
    throw new VethdError('ARGUMENT_MISSING', 'add "type veth" after the options: vethctl link add veth1 type veth', {
      iproute2: 'Not enough information: "type" argument is required',
    })
  }
  if (link.type !== 'veth') {
    if (link.rest.length > 0) throw garbageAfterKind(link.rest[0])
    throw new VethdError('ARGUMENT_INVALID', `vethd makes links of type veth, not "${link.type}"`, {
      iproute2: 'Error: Unknown device type.',
      exit: 2,
    })
  }
  const pair: NewPair = { dev: endOf(link) }
  let rest = link.rest
  if (rest[0] === 'checksum') {
    pair.checksum = valueAfter(rest, 0)
    rest = rest.slice(2)
  }
  if (rest.length === 0) return pair
  if (rest[0] !== 'peer') {
    throw new VethdError('ARGUMENT_INVALID', `after "type veth" comes "checksum" or "peer", not "${rest[0]}"`, {
      iproute2: USAGE_VETH,
      exit: 1,
    })
  }
  const peer = parseLink(rest.slice(1), 'add', true)
  if (peer.type !== undefined) throw duplicateArgument('type', peer.type)
  if (peer.checksum !== undefined) {
    if (pair.checksum !== undefined) throw duplicateArgument('checksum', peer.checksum)
    pair.checksum = peer.checksum
  }
  pair.peer = endOf(peer)
  return pair
}

/** `link set [dev] DEV …`. */
export function parseLinkSet(words: readonly string[]): { dev: string; change: LinkChange } {
  const link = parseLink(words, 'set')
  if (link.dev === undefined && link.attributes.group !== undefined) throw notOurs('group', 'set')
  const dev = requireDevice(link)
  const { address } = link.attributes
  if (address !== undefined && address.length !== 17) {
    throw new VethdError('ADDRESS_INVALID', 'an Ethernet address is six bytes, such as 02:00:00:00:00:01', {
      iproute2: `Invalid address length ${(address.length + 1) / 3} - must be 6 bytes`,
      exit: 1,
    })
  }
  const change: LinkChange = { ...link.attributes }
  if (link.name !== undefined && link.name !== dev) change.name = link.name
  return { dev, change }
}

/** `link del [dev] DEV [type veth]`. */
export function parseLinkDel(words: readonly string[]): string {
  const link = parseLink(words, 'del')
  if (link.rest.length > 0) throw garbageAfterKind(link.rest[0])
  return requireDevice(link)
}

/** iplink_parse(). `afterKind`: the words of a peer, which may include vethd's own `checksum`. */
function parseLink(words: readonly string[], command: Command, afterKind = false): Link {
  const link: Link = { attributes: {}, rest: [] }
  const { attributes } = link
  const once = (key: keyof typeof attributes, word: string) => {
    if (attributes[key] !== undefined) throw duplicateArgument(key, word)
  }
  const number = (key: 'mtu' | 'txqueuelen' | 'numtxqueues' | 'numrxqueues' | 'gro_flush_us', word: string) => {
    once(key, word)
    const value = parseInteger(word)
    if (value === undefined) throw wrongArgument(word, `Invalid "${key}" value`, `"${key}" needs a whole number`)
    attributes[key] = value
  }

  for (let at = 0; at < words.length; at++) {
    if (afterKind && words[at] === 'checksum') {
      const mode = valueAfter(words, at++)
      if (link.checksum !== undefined) throw duplicateArgument('checksum', mode)
      link.checksum = mode
      continue
    }
    if (command === 'set' && words[at] === 'gro-flush-us') {
      number('gro_flush_us', valueAfter(words, at++))
      continue
    }
    const keyword = keywordOf(words[at])
    if (keyword !== undefined && !keyword.in.includes(command)) throw notOurs(keyword.word, command, words[at])
    switch (keyword?.word) {
      case 'up':
      case 'down':
        attributes.up = keyword.word === 'up'
        break
      case 'name': {
        const name = valueAfter(words, at++)
        if (link.name !== undefined) throw duplicateArgument('name', name)
        if (!isShortDeviceName(name)) throw badName(name, 'name')
        link.name = name
        link.dev ??= name
        break
      }
      case 'index': {
        const word = valueAfter(words, at++)
        once('index', word)
        const index = parseAtoi(word)
        if (!(index > 0))
          throw wrongArgument(word, 'Invalid "index" value', 'an index is a whole number from 1 to 2147483647')
        attributes.index = index
        break
      }
      case 'address':
      case 'broadcast':
        attributes[keyword.word] = scanLladdr(valueAfter(words, at++))
        break
      case 'txqueuelen':
      case 'txqlen':
        number('txqueuelen', valueAfter(words, at++))
        break
      case 'mtu':
      case 'numtxqueues':
      case 'numrxqueues':
        number(keyword.word, valueAfter(words, at++))
        break
      case 'netns': {
        const netns = valueAfter(words, at++)
        once('netns', netns)
        attributes.netns = netns
        break
      }
      case 'group': {
        const group = valueAfter(words, at++)
        once('group', group)
        attributes.group = parseGroup(group)
        break
      }
      case 'mode':
        attributes.mode = parseOneOf(['default', 'dormant'], valueAfter(words, at++), 'link mode')
        break
      case 'gso_max_size':
      case 'gso_max_segs':
      case 'gro_max_size':
        attributes[keyword.word] = superFrameLimit(keyword.word, valueAfter(words, at++))
        break
      case 'arp':
      case 'multicast':
      case 'allmulticast':
      case 'promisc':
      case 'dynamic':
      case 'trailers':
        attributes[keyword.word] = parseOnOff(keyword.word, valueAfter(words, at++), ON_OFF)
        break
      // Accepted without effect on a new device: rtnl_create_link() and rtnl_configure_link() ignore them.
      case 'carrier':
      case 'protodown':
        parseOnOff(keyword.word, valueAfter(words, at++), ONE_OF_ON_OFF)
        break
      case 'state':
        parseOneOf(OPERSTATES, valueAfter(words, at++), 'operstate')
        break
      case 'alias': {
        const alias = valueAfter(words, at++)
        if (encodeText(alias).length >= IFALIASZ)
          throw wrongArgument(alias, 'alias too long', `an alias has at most ${IFALIASZ - 1} bytes`)
        if (command === 'set') attributes.alias = alias // rtnl_create_link() ignores it
        break
      }
      case 'parentdev':
        valueAfter(words, at++)
        break
      case 'addrgenmode':
        parseOneOf(ADDR_GEN_MODES, valueAfter(words, at++), 'address generation mode')
        throw noAddressesYet()
      case 'master':
        attributes.master = valueAfter(words, at++)
        break
      case 'nomaster':
        attributes.master = null
        break
      case 'type':
        link.type = valueAfter(words, at)
        link.rest = words.slice(at + 2)
        at = words.length
        break
      default: {
        const dev = deviceAt(words, at)
        if (words[at] === 'dev') at += 1
        if (link.dev !== link.name) throw garbageArgument('dev', dev)
        // ID/a and ID/b name a device by its pair; any other word with a slash is not a device
        if (!isDeviceName(dev) && (command === 'add' || !/^[0-9]+\/[ab]$/.test(dev))) throw badName(dev, 'dev')
        link.dev = dev
      }
    }
  }
  return link
}

/** The device at `words[at]`, or after "dev" there. Without "dev", "help" and its abbreviations mean ip's usage. */
export function deviceAt(words: readonly string[], at: number): string {
  if (words[at] === 'dev') return valueAfter(words, at)
  if (!matches(words[at], 'help')) return words[at]
  throw new VethdError(
    'ARGUMENT_INVALID',
    `"${words[at]}" means help: for a device of that name, write "dev ${words[at]}"`,
    {
      iproute2: 'Usage: vethctl link help',
      exit: 255,
    },
  )
}

/** The word after `words[at]`. */
export function valueAfter(words: readonly string[], at: number): string {
  if (at + 1 >= words.length) throw incompleteCommand(words[at])
  return words[at + 1]
}

/** "ip link add dev" and "ip link add name" mean the same, once. */
function endOf(link: Link): NewEnd {
  if (link.name !== undefined && link.dev !== link.name) {
    throw new VethdError('ARGUMENT_INVALID', `a device cannot have two names: choose "${link.name}" or "${link.dev}"`, {
      iproute2: 'both "name" and "dev" cannot be used when creating devices.',
    })
  }
  const { master, gro_flush_us: _, ...attributes } = link.attributes
  if (link.dev === undefined) return { ...attributes, ...(master && { master }) }
  return { name: link.dev, ...attributes, ...(master && { master }) }
}

function requireDevice(link: Link): string {
  if (link.dev !== undefined) return link.dev
  throw new VethdError('ARGUMENT_MISSING', 'name a device, or an end of a pair as ID/a or ID/b', {
    iproute2: 'Not enough information: "dev" argument is required.',
    exit: 255,
  })
}

function badName(name: string, keyword: 'name' | 'dev'): VethdError {
  const why = `"${keyword}" not a valid ifname`
  return wrongArgument(name, why, 'a device name is 1 to 15 bytes without "/" and white space', 'NAME_INVALID')
}

function garbageAfterKind(word: string): VethdError {
  return new VethdError('ARGUMENT_INVALID', `"${word}" is not allowed after the type`, {
    iproute2: `Garbage instead of arguments "${word} ...". Try "vethctl link help".`,
    exit: 1,
  })
}

/** 32 bits without a sign; segments as many as 16 bits can count (GSO_MAX_SEGS). */
function superFrameLimit(key: string, word: string): number {
  const value = parseUnsigned(word)
  if (value !== undefined && (key !== 'gso_max_segs' || value <= 0xffff)) return value
  throw wrongArgument(word, `Invalid "${key}" value`, `"${key}" needs a whole number`)
}

/** inet6_validate_link_af(): a device that is being made has no IPv6 yet. */
function noAddressesYet(): VethdError {
  return new VethdError(
    'ARGUMENT_INVALID',
    'a new device cannot have "addrgenmode": use "ip link set" after it was created',
    {
      iproute2: 'RTNETLINK answers: Address family not supported by protocol',
      exit: 2,
      errno: -EAFNOSUPPORT,
    },
  )
}

export function notOurs(keyword: string, command: Command | 'show', word = keyword): VethdError {
  const meant =
    word === keyword ? `"${keyword}"` : `"${keyword}", which "${word}" abbreviates (write "dev ${word}" for a device)`
  const instead = command === 'add' ? 'ip link set' : `ip link ${command}`
  return new VethdError(
    'ARGUMENT_INVALID',
    `vethd does not support ${meant}: use "${instead}", which works on vethd's devices too`,
  )
}
