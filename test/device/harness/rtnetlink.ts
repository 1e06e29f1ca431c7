/** Acting inside a namespace of a test with vethd's own rtnetlink, and what the kernel refuses. */
import { closeSync } from 'node:fs'
import { getLink } from '../../../src/netlink/link.js'
import { resolveNetns } from '../../../src/netlink/netns.js'
import { inNetns, NetlinkError, type Rtnetlink } from '../../../src/netlink/rtnetlink.js'
import type { Namespace } from './topology.js'

/** Runs inside a namespace and leaves no fd of it open. */
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

/** The NetlinkError that `act` has to throw. */
export function refusal(act: () => unknown): NetlinkError {
  try {
    act()
  } catch (error) {
    if (error instanceof NetlinkError) return error
    throw error
  }
  throw new Error('the kernel did not refuse')
}
