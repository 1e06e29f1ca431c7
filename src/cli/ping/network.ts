/**
 * What iproute2's `ip -j` says about routes, neighbours and addresses, in the namespace of this process or in that of a
 * file. Neighbours: way.ts and explain.ts, which ask it; place.ts finds the files.
 */
import { execFile } from 'node:child_process'
import { BlockList, isIPv6 } from 'node:net'
import { promisify } from 'node:util'
import { VethdError } from '../../errors.js'
import type { Family } from './echo.js'

export interface Route {
  type?: string
  dev: string
  gateway?: string
  prefsrc?: string
  metrics?: { mtu?: number }[]
}

export interface Neighbour {
  lladdr?: string
  state: string[]
}

/** One address of a device. */
export interface Address {
  dev: string
  local: string
  prefixlen: number
  tentative?: boolean
}

/** The route to an address, or the kernel's words for having none. */
export async function routeTo(address: string, family: Family, dev?: string, file?: string): Promise<Route | string> {
  const words = ['route', 'get', address, ...(dev === undefined ? [] : ['oif', dev])]
  const answer = await ip<Route>(words, family, file)
  if (typeof answer !== 'string') return answer[0]
  return answer.replace(/^RTNETLINK answers: /, '')
}

/** What the neighbour table (of ARP, or of neighbour discovery) has for an address; undefined for no entry. */
export async function neighbour(address: string, family: Family, dev: string): Promise<Neighbour | undefined> {
  const answer = await ip<Neighbour>(['neigh', 'show', 'to', address, 'dev', dev], family)
  return typeof answer === 'string' ? undefined : answer[0]
}

/** All addresses of a family; undefined where they cannot be looked at. */
export async function addresses(family: Family, file?: string): Promise<Address[] | undefined> {
  type Link = { ifname?: string; addr_info?: Partial<Address>[] }
  const answer = await ip<Link>(['address', 'show'], family, file)
  if (typeof answer === 'string') return undefined
  const all = answer.flatMap(({ ifname, addr_info = [] }) => addr_info.map((one) => ({ ...one, dev: ifname })))
  return all.filter(({ local }) => local !== undefined) as Address[] // ip prints {} for what it leaves out
}

/** Whether an address lies in the network of a device's address. */
export function isOnLink(address: string, { local, prefixlen }: Address): boolean {
  const family = isIPv6(address) ? 'ipv6' : 'ipv4'
  const network = new BlockList()
  network.addSubnet(local, prefixlen, family)
  return network.check(address, family)
}

/** Runs `ip -j`: its list, or what it said on stderr. */
async function ip<T>(words: string[], family: Family, file?: string): Promise<T[] | string> {
  const enter = file === undefined ? [] : ['nsenter', `--net=${file}`, '--']
  const [program, ...args] = [...enter, 'ip', '-j', `-${family}`, ...words]
  try {
    const { stdout } = await promisify(execFile)(program, args)
    return JSON.parse(stdout || '[]')
  } catch (cause) {
    const { code, stderr } = cause as { code?: unknown; stderr?: string }
    if (code === 'ENOENT') throw new VethdError('ARGUMENT_INVALID', `vethctl ping starts ${program}: install it`)
    if (typeof code !== 'number') throw cause
    return stderr?.trim() ?? ''
  }
}
