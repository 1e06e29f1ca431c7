/**
 * Interface indexes of new devices: the next free index of the target namespace, as dev_index_reserve() chooses it.
 * Without this, a TAP would keep its index of the nursery. That may be lower than those of older devices (`ip link`
 * sorts by index), or one that a deleted device had a moment ago.
 *
 * The kernel does not reveal its own counter. So vethd starts from the highest index that it finds in the namespace,
 * and counts on from there. It looks again only if the next index is taken, because listing a thousand devices takes as
 * long as making a pair. Neighbour: placement.ts.
 */
import { dumpLinks } from '../../netlink/link.js'
import { netnsIdentity } from '../../netlink/netns.js'
import { inNetns } from '../../netlink/rtnetlink.js'

/** The kernel's ifindex is an int. */
const IFINDEX_MAX = 0x7fffffff

/** The most namespaces remembered. A forgotten one is listed again. */
const REMEMBERED = 1024

export class IndexBook {
  /**
   * The last index given, by the namespace's inode number. If a new namespace reuses that number, it only starts
   * higher.
   */
  readonly #last = new Map<number, number>()

  /**
   * The next index of a namespace. `afresh`: the previous index was taken, so list the namespace again. Undefined: let
   * the kernel choose.
   */
  next(netnsFd: number, afresh = false): number | undefined {
    const inode = netnsIdentity(netnsFd)
    const known = this.#last.get(inode)
    const last = known === undefined || afresh ? Math.max(known ?? 0, highestIndex(netnsFd)) : known
    if (last >= IFINDEX_MAX) return undefined
    this.#last.delete(inode) // so that the newest entry is last in the Map
    this.#last.set(inode, last + 1)
    if (this.#last.size > REMEMBERED) this.#last.delete(this.#last.keys().next().value!)
    return last + 1
  }
}

function highestIndex(netnsFd: number): number {
  return Math.max(0, ...inNetns(netnsFd, (rtnl) => dumpLinks(rtnl)).keys())
}
