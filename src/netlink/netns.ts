/**
 * Opens network namespaces by name (netns-name.ts), and finds the name of a namespace.
 *
 * An open fd keeps a namespace alive: the caller closes it at the end of its request.
 */
import { existsSync, fstatSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { native } from '../../native-bindings/index.js'
import { NETNS_RUN_DIR, netnsFileOf, openNetns } from '../netns-name.js'

/**
 * Opens a namespace by a name of `ip netns`, a path or a pid, as this process sees them. Throws NETNS_INVALID with
 * iproute2's text; NOT_PERMITTED if the process belongs to another user and CAP_SYS_PTRACE is missing. The caller
 * closes the fd.
 */
export function resolveNetns(word: string): number {
  return openNetns(word, {
    file: (path) => native().netnsOpen(path),
    process: (pid) => native().netnsOpen(netnsFileOf(pid)),
  })
}

/**
 * The inode number of a namespace. It is unique while the namespace lives; the kernel reuses the numbers of dead ones.
 */
export function netnsIdentity(netnsFd: number): number {
  return fstatSync(netnsFd).ino
}

/** A cache of names by inode number. An entry may be outdated, so it is checked before use. */
const names = new Map<number, string>()

/** The name below /var/run/netns of the namespace with this inode number, or undefined. A cached name costs one stat. */
export function netnsName(inode: number): string | undefined {
  const known = names.get(inode)
  if (known !== undefined && namedInode(known) === inode) return known
  names.clear()
  for (const name of existsSync(NETNS_RUN_DIR) ? readdirSync(NETNS_RUN_DIR).sort() : []) {
    const found = namedInode(name)
    if (found !== undefined && !names.has(found)) names.set(found, name)
  }
  return names.get(inode)
}

/** The inode number of a name that is a namespace: a bind mount of nsfs, which has its own device number. */
function namedInode(name: string): number | undefined {
  const found = statSync(join(NETNS_RUN_DIR, name), { throwIfNoEntry: false })
  return found?.dev === statSync('/proc/self/ns/net').dev ? found.ino : undefined
}
