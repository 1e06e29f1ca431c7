/**
 * The interface indexes of new devices: the next of the namespace where they appear, as dev_index_reserve() has it. A TAP
 * would come with that of the nursery, which may be lower than those of devices that were there before (`ip link` lists
 * by it), or one that a dead device had a moment ago.
 *
 * The kernel does not tell its own counter: what vethd finds there the first time is where it goes on from, and from what
 * it gave. It looks again only when the next one is taken, since looking at a thousand devices takes as long as making a
 * pair. Neighbour: placement.ts.
 */
import { dumpLinks } from '../../netlink/link.js'
import { netnsIdentity } from '../../netlink/netns.js'
import { inNetns } from '../../netlink/rtnetlink.js'

/** The kernel's ifindex is an int. */
const IFINDEX_MAX = 0x7fffffff

/** Namespaces that are remembered; one that is forgotten is looked at again. */
const REMEMBERED = 1024

export class IndexBook {
  /** The last index given, by the inode number of the namespace. A later namespace of that number begins higher. */
  readonly #last = new Map<number, number>()

  /** The next index of a namespace; `afresh` when the one before was somebody else's. Undefined: the kernel's choice. */
  next(netnsFd: number, afresh = false): number | undefined {
    const inode = netnsIdentity(netnsFd)
    const known = this.#last.get(inode)
    const last = known === undefined || afresh ? Math.max(known ?? 0, highestIndex(netnsFd)) : known
    if (last >= IFINDEX_MAX) return undefined
    this.#last.delete(inode) // the newest stands last
    this.#last.set(inode, last + 1)
    if (this.#last.size > REMEMBERED) this.#last.delete(this.#last.keys().next().value!)
    return last + 1
  }
}

function highestIndex(netnsFd: number): number {
  return Math.max(0, ...inNetns(netnsFd, (rtnl) => dumpLinks(rtnl)).keys())
}
