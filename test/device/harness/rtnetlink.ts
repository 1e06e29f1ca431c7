/** Requests in a namespace of a test by vethd's own rtnetlink, and the kernel's refusals. */
import { closeSync } from 'node:fs'
import { getLink } from '../../../src/netlink/link.js'
import { resolveNetns } from '../../../src/netlink/netns.js'
import { inNetns, NetlinkError, type Rtnetlink } from '../../../src/netlink/rtnetlink.js'
import type { Namespace } from './topology.js'

/** Runs `act` with a socket of a namespace, and leaves no fd of that namespace open. */
export function inside<T>(ns: Namespace, act: (rtnl: Rtnetlink) => T): T {
  return withNetns(ns.name, (fd) => inNetns(fd, act))
}

export function withNetns<T>(spec: string, act: (netnsFd: number) => T): T {
  const fd = resolveNetns(spec)
  try {
    return act(fd)
  } finally {
    closeSync(fd)
  }
}

export function indexOf(ns: Namespace, name: string): number {
  return inside(ns, (rtnl) => getLink(rtnl, { name }))!.index
}

/** Returns the NetlinkError that `act` must throw. */
export function refusal(act: () => unknown): NetlinkError {
  try {
    act()
  } catch (error) {
    if (error instanceof NetlinkError) return error
    throw error
  }
  throw new Error('the kernel did not refuse')
}
