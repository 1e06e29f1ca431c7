/**
 * Where an end appears, what it is called there and which index it has: from the nursery to its place in one move.
 *
 * Neighbours: newlink.ts calls it, peer first, and library/tap-device.ts for a device alone. The kernel's side is dev_change_net_namespace() and dev_alloc_name(),
 * net/core/dev.c.
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
/** Tries for a free name or index: more than one is needed only when somebody else makes devices meanwhile. */
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

/** The kernel chooses the number in a name with `%d`. */
function isPattern({ options }: End): boolean {
  return options.name === undefined || options.name.includes('%')
}

/** The first free of veth0, veth1, … (dev_alloc_name), leaving out what other ends are about to be called. */
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
 * Gives a device its name and moves it to where it was asked for, in that order: so a taken name fails unseen. `peer`: the end
 * that has moved already. `indexes`: where the next index of the namespace comes from; left out, the kernel chooses.
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

/** A name that is refused is given back at once: another pair may want it in another namespace. */
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
 * rtnl_newlink looks for a device of dev's index before anything is made, and says EEXIST; a peer, and dev beside a peer
 * of the same index, fail when they are registered: EBUSY.
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
