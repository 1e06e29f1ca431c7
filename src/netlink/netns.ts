/**
 * Network namespaces by what people call them: a name of `ip netns`, a path, a pid; and back from a namespace to its
 * name.
 *
 * An open fd keeps a namespace alive: whoever gets one here closes it when its request is done.
 */
import { existsSync, fstatSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type NativeError, native } from '../../native-bindings/index.js'
import { EACCES, EINVAL, ENOENT, ESRCH, errnoText } from '../abi/errno.js'
import { VethdError } from '../errors.js'

/** Where `ip netns` keeps its bind mounts. */
const NETNS_RUN_DIR = '/run/netns'

/** The largest pid that iproute2's get_integer takes. */
const INT_MAX = 0x7fffffff

/**
 * Opens a namespace named as iproute2 names it after `netns`: with a slash a path; else a name below /run/netns; and
 * only if there is none, a number, as the pid of a process in it (iplink_parse: netns_get_fd, then get_integer).
 *
 * NETNS_INVALID with iproute2's text, which is the kernel's where `ip` passes the argument on: ESRCH for a pid that is
 * not, EINVAL for a file that is no network namespace. NOT_PERMITTED where the process belongs to somebody else and
 * CAP_SYS_PTRACE is missing. The caller closes the fd.
 *
 * `root` is the root directory to look from, such as /proc/PID/root: a process in another mount namespace (`ip netns
 * exec`, a container) has another /run/netns, and maybe another /proc.
 */
export function resolveNetns(spec: string, root = ''): number {
  try {
    return native().netnsOpen(root + (spec.includes('/') ? spec : join(NETNS_RUN_DIR, spec)))
  } catch (error) {
    const { errno, syscall } = error as NativeError
    if (errno === -EINVAL) {
      throw refused(-EINVAL, `"${spec}" is a file, but not a network namespace`, syscall, error)
    }
    if (errno === -EACCES) throw notPermitted(spec, syscall, error)
    const pid = /^\d+$/.test(spec) ? Number(spec) : Number.NaN
    if (pid <= INT_MAX) return openNetnsOfPid(pid, root)
    throw new VethdError(
      'NETNS_INVALID',
      `there is no network namespace "${spec}"; "ip netns list" shows their names`,
      {
        iproute2: `Error: argument "${spec}" is wrong: Invalid "netns" value`,
        errno,
        syscall,
        cause: error,
      },
    )
  }
}

function openNetnsOfPid(pid: number, root: string): number {
  try {
    return native().netnsOpen(`${root}/proc/${pid}/ns/net`)
  } catch (error) {
    const { errno, syscall } = error as NativeError
    if (errno === -EACCES) throw notPermitted(`the process ${pid}`, syscall, error)
    const message = `there is no process ${pid}, and no network namespace of that name`
    throw refused(errno === -ENOENT ? -ESRCH : errno, message, syscall, error)
  }
}

/** What the kernel would have answered to an RTM_SETLINK with this argument. */
function refused(errno: number, message: string, syscall: string, cause: unknown): VethdError {
  const iproute2 = `RTNETLINK answers: ${errnoText(errno)}`
  return new VethdError('NETNS_INVALID', message, { iproute2, exit: 2, errno, syscall, cause })
}

function notPermitted(spec: string, syscall: string, cause: unknown): VethdError {
  const message = `the network namespace of ${spec} may not be opened; vethd needs CAP_SYS_PTRACE for that`
  return new VethdError('NOT_PERMITTED', message, { errno: -EACCES, syscall, cause })
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

/** The name below /run/netns of the namespace with this inode number, or undefined. One look once it is known. */
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

/** Of a name that stands for a namespace: a bind mount of nsfs, whose device number is its own. */
function namedInode(name: string): number | undefined {
  const found = statSync(join(NETNS_RUN_DIR, name), { throwIfNoEntry: false })
  return found?.dev === statSync('/proc/self/ns/net').dev ? found.ino : undefined
}
