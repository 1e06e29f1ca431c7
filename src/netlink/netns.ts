/**
 * Network namespaces by what people call them (netns-name.ts), and back from a namespace to its name.
 *
 * An open fd keeps a namespace alive: whoever gets one here closes it when its request is done.
 */
import { existsSync, fstatSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { native } from '../../native-bindings/index.js'
import { NETNS_RUN_DIR, netnsFileOf, openNetns } from '../netns-name.js'

/**
 * Opens a namespace by a name of `ip netns`, a path or a pid, as this process sees them. Throws NETNS_INVALID with
 * iproute2's text; NOT_PERMITTED where the process belongs to somebody else and CAP_SYS_PTRACE is missing. The caller
 * closes the fd.
 */
export function resolveNetns(word: string): number {
  return openNetns(word, {
    file: (path) => native().netnsOpen(path),
    process: (pid) => native().netnsOpen(netnsFileOf(pid)),
  })
}

/**
 * The inode number of a namespace, which tells it from every other as long as it lives; the numbers of dead ones are
 * given again.
 */
export function netnsIdentity(netnsFd: number): number {
  return fstatSync(netnsFd).ino
}

/** Names found so far, by inode number: guesses, checked before they are used. */
const names = new Map<number, string>()

/** The name below /var/run/netns of the namespace with this inode number, or undefined. One look once it is known. */
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

/** Of a name that stands for a namespace: a bind mount of nsfs, whose device number is its own. */
function namedInode(name: string): number | undefined {
  const found = statSync(join(NETNS_RUN_DIR, name), { throwIfNoEntry: false })
  nsfs ??= statSync('/proc/self/ns/net').dev
  return found?.dev === nsfs ? found.ino : undefined
}

/** The device number of nsfs, one as long as the kernel runs. */
let nsfs: number | undefined
