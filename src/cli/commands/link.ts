/**
 * `vethctl link …`: do_iplink of ip/iplink.c. The command may be abbreviated, and commands are tried in its order. No command
 * means `show`. Neighbours: link-grammar.ts parses the words, link-format.ts formats the output.
 */
import type { Device } from '../../api/schema.js'
import { VethdError } from '../../errors.js'
import { type Appearance, appearanceOf } from '../appearance.js'
import { formatJson } from '../json.js'
import { matches } from '../keywords.js'
import { isShown, parseLinkShow } from '../link-filter.js'
import { briefJson, briefText, linkJson, linkText } from '../link-format.js'
import { parseLinkAdd, parseLinkDel, parseLinkSet } from '../link-grammar.js'
import type { Context } from './context.js'

export const LINK_USAGE = `Usage: vethctl link add [[ name | dev ] NAME] [ OPTIONS ] type veth
                        [ checksum { offload | software | verify } ]
                        [ peer [[ name | dev ] NAME] [ OPTIONS ] ]
       vethctl link set [ dev ] DEV [ { up | down } ] [ address MAC ] [ broadcast MAC ] [ mtu MTU ] [ name NEWNAME ]
                        [ alias TEXT ] [ group GROUP ] [ txqueuelen PACKETS ] [ mode { default | dormant } ]
                        [ { arp | multicast | allmulticast | promisc | dynamic | trailers } { on | off } ]
                        [ master BRIDGE | nomaster ] [ netns { PID | NAME | FILE } ] [ gro-flush-us MICROSECONDS ]
       vethctl link del [ dev ] DEV
       vethctl [ OPTIONS ] link [ show [ [ dev ] DEV ] [ up ] [ master BRIDGE | nomaster ] [ group GROUP ]
                        [ type { veth | KIND | KIND_slave } ] ]

       OPTIONS := [ address MAC ] [ broadcast MAC ] [ mtu MTU ] [ index IDX ] [ netns { PID | NAME | FILE } ]
                  [ group GROUP ] [ txqueuelen PACKETS ] [ numtxqueues N ] [ numrxqueues N ] [ up | down ]
                  [ { arp | multicast | allmulticast | promisc | dynamic | trailers } { on | off } ]
                  [ mode { default | dormant } ] [ { gso_max_size | gso_max_segs | gro_max_size } N ]
                  [ master BRIDGE | nomaster ]
       DEV     := name of a device in this network namespace (or in that of -n NETNS), or an end of a pair: ID/a, ID/b
`

/** Runs one command and returns its exit code. */
export async function link(words: readonly string[], context: Context): Promise<number> {
  const [command = 'show', ...rest] = words
  if (matches(command, 'add')) return add(rest, context)
  if (matches(command, 'set') || matches(command, 'change')) return set(rest, context)
  if (isDelete(command)) return del(rest, context)
  if (matches(command, 'show') || matches(command, 'lst') || matches(command, 'list')) return show(rest, context)
  if (matches(command, 'help')) return help(context)
  throw new VethdError('ARGUMENT_INVALID', 'the commands of vethctl link are add, del, set and show', {
    iproute2: `Command "${command}" is unknown, try "vethctl link help".`,
  })
}

/** Whether a word of `link …` means delete. A batch sends consecutive deletions as one request. */
export function isDelete(command: string): boolean {
  return matches(command, 'delete')
}

async function add(words: readonly string[], { client, options }: Context): Promise<number> {
  await client.addPair(parseLinkAdd(words), options.netns)
  return 0
}

async function set(words: readonly string[], { client, options }: Context): Promise<number> {
  const { dev, change } = parseLinkSet(words)
  await client.setDevice(dev, change, options.netns)
  return 0
}

async function del(words: readonly string[], { client, options }: Context): Promise<number> {
  await client.removeDevices([parseLinkDel(words)], options.netns)
  return 0
}

async function show(words: readonly string[], { client, options, out }: Context): Promise<number> {
  const { dev, master, ...filter } = parseLinkShow(words)
  const found = await client.devices({ dev, netns: options.netns, master })
  const devices = found.devices.filter((device) => isShown(device, filter))
  if (options.json) {
    const links = devices.map((device) => (options.brief ? briefJson(device) : linkJson(device, options)))
    out(`${formatJson(links, options.pretty)}\n`)
  } else {
    const look = appearanceOf(options)
    const text = options.brief ? briefText : (device: Device, look: Appearance) => linkText(device, options, look)
    out(devices.map((device) => text(device, look)).join(''))
  }
  return 0
}

async function help({ out }: Context): Promise<number> {
  out(LINK_USAGE)
  return 0
}
