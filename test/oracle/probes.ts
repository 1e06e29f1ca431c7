/**
 * What can be looked at and compared: one function a probe, of a world and of the probe's words. What is known to differ
 * (docs/differences.md) is left out of the common probes and has one of its own.
 */
import { atRest, kernelLink } from '../device/harness/counters.js'
import { FEATURES_THAT_DIFFER } from './features.js'
import type { World } from './world.js'

/** Traffic that has been sent has arrived long before; a row that is late all the same is looked at again. */
const REST_MS = 20

type Probe = (world: World, ...words: string[]) => Promise<unknown>

/** A device as `ip -d -j link show` prints it. */
type Link = Record<string, unknown> & { flags: string[]; operstate: string; ifindex: number; ifname: string }

async function linkOf(world: World, label: string, dev: string): Promise<Link> {
  const [found] = JSON.parse(await world.ns(label).do(`ip -d -s -j link show dev ${dev}`)) as Link[]
  return found
}

export const PROBES: Record<string, Probe> = {
  /** The devices of a namespace in the order of their indexes. */
  names: (world, label) => world.ns(label).devices(),

  /** What `ip -d link show` says of a device that a TAP says too. */
  link: async (world, label, dev) => {
    const link = await linkOf(world, label, dev)
    const keys = 'ifname mtu linkmode group link_type broadcast master promiscuity allmulti min_mtu'.split(' ')
    const more = 'inet6_addr_gen_mode gso_max_size gso_max_segs gro_max_size ifalias altnames'.split(' ')
    return {
      ...Object.fromEntries([...keys, ...more].map((key) => [key, link[key]])),
      flags: link.flags.filter((flag) => flag !== 'M-DOWN').sort(),
      // what a veth is in the state of a link below it
      operstate: link.operstate.replace('LOWERLAYERDOWN', 'DOWN'),
    }
  },

  /** One member of `ip -d -j link show`. */
  member: async (world, label, dev, key) => (await linkOf(world, label, dev))[key],
  /** Of its linkinfo. */
  info: async (world, label, dev, key) =>
    ((await linkOf(world, label, dev)).linkinfo as Record<string, unknown> | undefined)?.[key],

  /** Which of two devices has the lower index, and whether the other's is the next one. */
  order: async (world, labelOne, one, labelTwo, two) => {
    const [first, second] = [await linkOf(world, labelOne, one), await linkOf(world, labelTwo, two)]
    return { lower: first.ifindex < second.ifindex ? one : two, apart: Math.abs(first.ifindex - second.ifindex) }
  },

  /** Whether a device has a usable address of its own: unicast, locally administered, unlike the other's. */
  addresses: async (world, labelOne, one, labelTwo, two) => {
    const [first, second] = [await linkOf(world, labelOne, one), await linkOf(world, labelTwo, two)]
    const bits = (link: Link) => Number.parseInt(String(link.address).slice(0, 2), 16) & 3
    return { bits: [bits(first), bits(second)], differ: first.address !== second.address }
  },

  /** The totals that veth shows: of the kernel's as it counts them, of vethd's as `stats` derives them. */
  counters: async (world, label, dev) => {
    const ns = world.ns(label)
    type Count = string | number
    const pick = ({ packets, bytes, dropped }: { packets: Count; bytes: Count; dropped: Count }) =>
      [packets, bytes, dropped].map(Number)
    return atRest(async () => {
      const { rx, tx } = world.api
        ? (await world.api.stats({ dev, netns: ns.name })).devices[0].veth
        : (await kernelLink({ ns, dev })).stats64
      return { 'rx packets, bytes, dropped': pick(rx), 'tx packets, bytes, dropped': pick(tx) }
    }, REST_MS)
  },

  /** Frames that passed by a device, those that it sent (`out`) and those that it received (`in`), in order; or one of both. */
  frames: async (world, label, dev, direction = '') => {
    const recorder = world.recorders.get(`frames ${label} ${dev}`)!
    const frames = (await atRest(async () => recorder.stdout, REST_MS)).split('\n').slice(1, -1)
    return frames.filter((frame) => frame.startsWith(direction))
  },

  /** What `ip monitor link` told: kind of event, name, and what is up; an event that changes nothing is left out. */
  events: async (world, label) => {
    const told = (await atRest(async () => world.recorders.get(`events ${label}`)!.stdout, REST_MS)).split('\n')
    const short = told.flatMap((line) => {
      const [, deleted = '', name, flags] = /^(Deleted )?\d+: ([^:@]+)[:@].*?<([^>]*)>/.exec(line) ?? []
      if (name === undefined) return []
      return [`${deleted}${name} ${flags.split(',').includes('UP') ? 'up' : 'down'}`]
    })
    return short.filter((event, i) => event !== short[i - 1])
  },

  neigh: async (world, label) => {
    const entries = JSON.parse((await world.ns(label).do('ip -j neigh show')) || '[]') as Record<string, unknown>[]
    return entries.map(({ dst, dev, state }) => ({ dst, dev, state }))
  },

  /** Feature by feature, on or off: all but those of features.ts. */
  featuresAlike: async (world, label, dev) => {
    const all = (await PROBES.features(world, label, dev)) as Record<string, string>
    return Object.fromEntries(Object.entries(all).filter(([name]) => !(name in FEATURES_THAT_DIFFER)))
  },
  /** Those that must differ. */
  featuresApart: async (world, label, dev) => {
    const all = (await PROBES.features(world, label, dev)) as Record<string, string>
    return Object.fromEntries(Object.keys(FEATURES_THAT_DIFFER).map((name) => [name, all[name]]))
  },
  features: async (world, label, dev, ...names) => {
    const text = await world.ns(label).do(`ethtool -k ${dev}`)
    const all = [...text.matchAll(/^\s*([\w-]+): (on|off)/gm)].map(([, name, value]) => [name, value] as const)
    return Object.fromEntries(names.length === 0 ? all : all.filter(([name]) => names.includes(name)))
  },

  /** `ethtool DEV`: Speed, Duplex, Port, … */
  settings: async (world, label, dev, ...names) => {
    const text = await world.ns(label).do(`ethtool ${dev}`)
    return Object.fromEntries(names.map((name) => [name, new RegExp(`${name}: (.*)`).exec(text)?.[1]]))
  },

  /** What a shell command prints in a namespace. */
  sh: async (world, label, ...words) => {
    const { code, stdout, stderr } = await world.shell(label, words.join(' '))
    return `${code} ${world.collapse(`${stdout}${stderr}`.trim())}`
  },

  /** Devices that are left, in each of the namespaces. */
  left: (world) => Promise.all(['host', 'a', 'b', 'c'].map((label) => world.ns(label).devices())),

  /** Where vethd says that its devices are; the kernel's are looked for. */
  whereabouts: async (world) => {
    if (world.api) {
      const { devices } = await world.api.devices()
      return devices.map(({ ifname, vethd }) => `${ifname} in ${world.collapse(vethd.netns ?? '?')}`).sort()
    }
    const all = ['host', 'a', 'b', 'c'].map(async (label) => {
      const links = JSON.parse(await world.ns(label).do('ip -d -j link show type veth')) as { ifname?: string }[]
      return links.flatMap(({ ifname }) => (ifname === undefined ? [] : [`${ifname} in {${label}}`]))
    })
    return (await Promise.all(all)).flat().sort()
  },
}

export function look(world: World, probe: string): Promise<unknown> {
  const [verb, ...words] = probe.split(' ')
  const found = PROBES[verb]
  if (found === undefined) throw new Error(`"${probe}" is no probe`)
  return found(world, ...words)
}
