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
  return netnsNames()(inode)
}

/** netnsName() for many namespaces at one moment: the folder is read once at most, and each namespace looked at once. */
export function netnsNames(): (inode: number) => string | undefined {
  const checked = new Map<number, string | undefined>()
  let hasRead = false
  return (inode) => {
    if (checked.has(inode)) return checked.get(inode)
    let name = names.get(inode)
    if (!hasRead && (name === undefined || namedInode(name) !== inode)) {
      readNames()
      hasRead = true
      name = names.get(inode)
    }
    checked.set(inode, name)
    return name
  }
}

function readNames(): void {
  names.clear()
  for (const name of existsSync(NETNS_RUN_DIR) ? readdirSync(NETNS_RUN_DIR).sort() : []) {
    const found = namedInode(name)
    if (found !== undefined && !names.has(found)) names.set(found, name)
  }
}

/** The inode number of a name that is a namespace: a bind mount of nsfs, which has its own device number. */
function namedInode(name: string): number | undefined {
  const found = statSync(join(NETNS_RUN_DIR, name), { throwIfNoEntry: false })
  nsfs ??= statSync('/proc/self/ns/net').dev
  return found?.dev === nsfs ? found.ino : undefined
}

/** The device number of nsfs, one as long as the kernel runs. */
let nsfs: number | undefined
