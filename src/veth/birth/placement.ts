/**
 * The final name, namespace and index of an end: one move takes it there from the nursery.
 *
 * Neighbours: newlink.ts, which calls it for the peer first; library/tap-device.ts, for a single device. The kernel's
 * side is dev_change_net_namespace() and dev_alloc_name(), net/core/dev.c.
 */

import { EBUSY, EEXIST } from '../../abi/errno.js'
import { VethdError } from '../../errors.js'
import { listLinks, setLink } from '../../netlink/link.js'
import { netnsIdentity } from '../../netlink/netns.js'
import { inNetns, NetlinkError, type Rtnetlink } from '../../netlink/rtnetlink.js'
import type { EndOptions } from '../options.js'
import type { TapHandle } from '../tap-handle.js'
import type { IndexBook } from './index-book.js'

/** DRV_NAME "%d" in drivers/net/veth.c. */
const DEFAULT_NAME = 'veth%d'
/** The most tries for a free name or index. More than one is needed only if another program makes devices meanwhile. */
const TRIES = 8

/** One end while it is being made. */
export interface End {
  options: EndOptions
  /** The final name; an automatic one may change until the end is moved. */
  name: string
  netnsFd: number
}

export function endOf(options: EndOptions, home: number, others: End[]): End {
  const netnsFd = options.netnsFd ?? home
  const end = { options, netnsFd, name: options.name ?? DEFAULT_NAME }
  if (isPattern(end)) end.name = freeName(end, others)
  return end
}

/** Whether the name is automatic: left out, or with a `%d` that stands for a number. */
function isPattern({ options }: End): boolean {
  return options.name === undefined || options.name.includes('%')
}

/** The first free name of veth0, veth1, … (dev_alloc_name) that no other end is about to get. */
function freeName({ options, netnsFd }: End, others: End[]): string {
  const here = netnsIdentity(netnsFd)
  const taken = new Set(inNetns(netnsFd, (rtnl) => listLinks(rtnl).flatMap((link) => [link.name, ...link.altnames])))
  for (const end of others) if (netnsIdentity(end.netnsFd) === here) taken.add(end.name)
  for (let n = 0; ; n++) {
    const name = (options.name ?? DEFAULT_NAME).replace('%d', String(n))
    if (!taken.has(name)) return name
  }
}

/**
 * Renames a device and then moves it to its namespace. If the name is taken, this fails before anything is visible.
 * `peer`: the end that has moved already. `indexes`: chooses the index; if left out, the kernel does.
 */
export function moveOut(nursery: number, device: TapHandle, end: End, peer?: End, indexes?: IndexBook): void {
  let newIndex = end.options.index ?? indexes?.next(end.netnsFd)
  for (let tries = 1; ; tries++) {
    try {
      inNetns(nursery, (rtnl) => renameAndMove(rtnl, device, end, newIndex))
      break
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error
      if (error.errno === -EBUSY && end.options.index !== undefined) throw indexTaken(end.options.index, error, peer)
      if (error.errno === -EBUSY && newIndex !== undefined)
        newIndex = tries < TRIES ? indexes?.next(end.netnsFd, true) : undefined
      else if (error.errno !== -EEXIST) throw error
      else if (!isPattern(end) || tries === TRIES) throw nameTaken(end.name, error)
      else end.name = freeName(end, peer === undefined ? [] : [peer])
    }
  }
}

/**
 * Renames and moves a device. After a refused move the name is given up, because another pair may need it in the
 * nursery.
 */
function renameAndMove(rtnl: Rtnetlink, device: TapHandle, end: End, newIndex: number | undefined): void {
  const born = device.name
  const { index } = device.linkIn(rtnl, born)
  setLink(rtnl, index, { name: end.name })
  try {
    setLink(rtnl, index, { netnsFd: end.netnsFd, newIndex })
  } catch (error) {
    setLink(rtnl, index, { name: born })
    throw error
  }
}

/**
 * The error that the kernel gives for a taken index. rtnl_newlink checks dev's index before it makes a device, and
 * answers EEXIST. The peer, and a dev with the same index as its peer, fail at registration with EBUSY.
 */
function indexTaken(index: number, cause: NetlinkError, peer?: End): VethdError {
  const exists = peer !== undefined && peer.options.index !== index
  return new VethdError('DEVICE_EXISTS', `another device has the index ${index}: choose another index`, {
    iproute2: `RTNETLINK answers: ${exists ? 'File exists' : 'Device or resource busy'}`,
    errno: exists ? -EEXIST : -EBUSY,
    syscall: cause.syscall,
    cause,
  })
}

function nameTaken(name: string, cause: NetlinkError): VethdError {
  return new VethdError(
    'DEVICE_EXISTS',
    `a device "${name}" already exists in the target network namespace: choose another name, or delete that device`,
    {
      iproute2: 'RTNETLINK answers: File exists',
      errno: cause.errno,
      syscall: cause.syscall,
      cause,
    },
  )
}
