/**
 * The way of an echo: its route has to leave through an end of a pair. Where it does not, what is found says why, and
 * which command changes that. Neighbours: network.ts asks `ip`, explain.ts goes on when an echo had a way and died.
 */
import type { Device } from '../../api/schema.js'
import type { Client } from '../../client/client.js'
import type { Family } from './echo.js'
import { type Address, addresses, isOnLink, type Route, routeTo } from './network.js'
import { HERE, peerPlaceOf, placeOf } from './place.js'

/** Where echoes go to. */
export interface Target {
  family: Family
  /** As it was resolved, without its zone. */
  address: string
  /** The device behind the % of a link-local address. */
  zone?: string
}

export interface Way {
  target: Target
  /** The end that the route leaves through. */
  near: Device
  /** The address that is asked for by ARP or neighbour discovery. */
  nextHop: string
  source?: string
  mtu: number
}

/** The end of a pair as DEV: `1/a`. */
export function referenceOf({ vethd }: Pick<Device, 'vethd'>): string {
  return `${vethd.pair}/${vethd.side}`
}

export function peerReferenceOf({ vethd }: Pick<Device, 'vethd'>): string {
  return `${vethd.pair}/${vethd.side === 'a' ? 'b' : 'a'}`
}

/** What keeps every echo from its way, in a word and in words, and the command that changes it. */
export interface Trouble {
  reason: string
  why: string
  advice: string
}

/** The way, if the route leaves through an end of a pair. */
export async function findWay(client: Client, target: Target): Promise<Way | Trouble> {
  const { address, family, zone } = target
  const { devices: ends } = await client.devices({ netns: HERE })
  const route = await routeTo(address, family, zone)
  const near = typeof route === 'string' ? undefined : ends.find(({ ifname }) => ifname === route.dev)
  if (typeof route === 'string' || near === undefined) return explainRoute(target, route, ends)
  if (route.type === 'multicast' || route.type === 'broadcast') {
    return noRoute(`${address} is a ${route.type} address`, 'an echo goes to the address of one host')
  }
  const mtu = route.metrics?.find(({ mtu }) => mtu !== undefined)?.mtu ?? near.mtu
  return { target, near, nextHop: route.gateway ?? address, source: route.prefsrc, mtu }
}

function noRoute(why: string, advice: string): Trouble {
  return { reason: 'no_route', why, advice }
}

async function explainRoute(
  { address, family, zone }: Target,
  route: Route | string,
  ends: Device[],
): Promise<Trouble> {
  if (typeof route !== 'string' && route.type === 'local') {
    const why = `${address} is an address of the namespace that would send it, and no frame goes through a pair`
    return noRoute(why, 'ping from the namespace of the other end, with vethctl ping -n NETNS')
  }
  const instead =
    typeof route === 'string'
      ? `there is no route to ${address} (${route})`
      : `${address} leaves through ${route.dev}, which is no end of a vethd pair`
  const port = typeof route !== 'string' && ends.find(({ master }) => master === route.dev)
  if (port)
    return noRoute(instead, `${port.ifname} is a port of it: ping from ${peerPlaceOf(port)?.where}, to this end`)
  const here = (await addresses(family)) ?? []
  const inReach = here.filter(({ dev }) => (zone ?? dev) === dev && ends.some(({ ifname }) => ifname === dev))
  const linked = inReach.find((one) => isOnLink(address, one))
  const end = ends.find(({ ifname }) => ifname === (linked?.dev ?? zone))
  const trouble = end && (troubleOf(end) ?? tentativeTrouble(linked))
  return noRoute(instead, trouble === undefined ? endsText(ends, here) : `${trouble.why}: ${trouble.advice}`)
}

/** The end is down, or has no carrier because its peer is down. */
export function troubleOf(end: Device): Trouble | undefined {
  const { name, command } = placeOf(end)
  if (!end.flags.includes('UP')) {
    return { reason: 'device_down', why: `${name} is down`, advice: command('ip', 'link', 'set', end.ifname, 'up') }
  }
  if (!end.flags.includes('NO-CARRIER')) return undefined
  const peer = peerPlaceOf(end)
  if (peer === undefined)
    return { reason: 'peer_gone', why: `the peer of ${name} is gone`, advice: 'vethctl link show' }
  const why = `no carrier: its peer ${peer.name} is down`
  return { reason: 'no_carrier', why, advice: peer.command('ip', 'link', 'set', end.vethd.peer!, 'up') }
}

function tentativeTrouble(address: Address | undefined): Trouble | undefined {
  if (!address?.tentative) return undefined
  const why = `${address.local} of ${address.dev} is tentative`
  return {
    reason: 'tentative',
    why,
    advice: 'it can be used when duplicate address detection is done, in a second or two',
  }
}

/** Which ends there are, with their addresses, so that a missing one is seen; and what to do about the first in trouble. */
function endsText(ends: Device[], here: Address[]): string {
  if (ends.length === 0) return 'no pair of vethd has an end in that namespace: vethctl link show'
  const texts = ends.slice(0, 4).map((end) => {
    const own = here.filter(({ dev }) => dev === end.ifname).map(({ local, prefixlen }) => `${local}/${prefixlen}`)
    return `${end.ifname} (${[own.join(' ') || 'no address', troubleOf(end)?.why ?? []].flat().join(', ')})`
  })
  const more = ends.length > texts.length ? ', …' : ''
  const trouble = ends.map(troubleOf).find((found) => found !== undefined)
  const add = placeOf(ends[0]).command('ip', 'address', 'add', 'ADDRESS/LENGTH', 'dev', 'DEV')
  return `vethd's ends in that namespace are ${texts.join(', ')}${more}: ${trouble?.advice ?? add}`
}
