/**
 * Names of network namespaces as `ip` reads them, and the errors for names that do not exist.
 *
 * Three callers open namespaces with it, each in its own way: vethctl by fs (client/netns.ts), the library by the addon
 * (netlink/netns.ts), and vethd below the root directory of a client (daemon/caller.ts).
 */
import { readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { EACCES, EINVAL, ENOENT, ESRCH, errnoText } from './abi/errno.js'
import { noMoreFiles, VethdError } from './errors.js'

/** Where `ip netns` keeps its bind mounts. */
export const NETNS_RUN_DIR = '/var/run/netns'

/** The largest pid that iproute2's get_integer takes. */
const INT_MAX = 0x7fffffff

/** Both return an fd, which the caller closes, or throw a system call's error (`errno`) or a VethdError. */
export interface NetnsOpener {
  /** Opens a file; EINVAL if it is not a network namespace. */
  file(path: string): number
  /** Opens the namespace of a process. */
  process(pid: number): number
}

/**
 * Opens the namespace that `word` names. A word with a slash is a path. Any other word is a name below /var/run/netns, or, if
 * there is no such name, the pid of a process in the namespace (iplink_parse: netns_get_fd, then get_integer).
 */
export function openNetns(word: string, opener: NetnsOpener): number {
  try {
    if (word.includes('\0')) throw { errno: -ENOENT, syscall: 'open' } satisfies Failure
    return opener.file(word.includes('/') ? word : join(NETNS_RUN_DIR, word))
  } catch (error) {
    const pid = /^\d+$/.test(word) ? Number(word) : Number.NaN
    if (isAbsent(error) && pid <= INT_MAX) return openNetnsOfPid(pid, opener)
    throw explainNetns(word, error)
  }
}

function openNetnsOfPid(pid: number, opener: NetnsOpener): number {
  try {
    return opener.process(pid)
  } catch (error) {
    if (!isAbsent(error)) throw explainNetns(`the process ${pid}`, error)
    throw refused(-ESRCH, `there is no process ${pid}, and no network namespace of that name`, error)
  }
}

/** The file of a process's namespace. A /proc has the pids of the pid namespace in which it was mounted. */
export function netnsFileOf(pid: number): string {
  if (readlinkSync('/proc/self') === String(process.pid)) return `/proc/${pid}/ns/net`
  throw new VethdError(
    'NETNS_INVALID',
    `/proc belongs to another pid namespace, so pid ${pid} cannot be looked up: mount a new one ` +
      '(unshare --mount-proc), or name a file',
  )
}

/** The fields of a system call's error. */
type Failure = Pick<NodeJS.ErrnoException, 'errno' | 'syscall'>

/** Converts a system call's error about the namespace `word` to a VethdError with iproute2's text. */
export function explainNetns(word: string, cause: unknown): unknown {
  const { errno, syscall } = cause as Failure
  if (cause instanceof VethdError || errno === undefined) return cause
  if (errno === -EINVAL) return refused(errno, `"${word}" is a file, but not a network namespace`, cause)
  if (errno === -EACCES) {
    const message = `the network namespace of ${word} cannot be opened: vethd needs CAP_SYS_PTRACE for that`
    return new VethdError('NOT_PERMITTED', message, { errno, syscall, cause })
  }
  return (
    noMoreFiles(cause) ??
    new VethdError('NETNS_INVALID', `there is no network namespace "${word}"; "ip netns list" shows their names`, {
      iproute2: `Error: argument "${word}" is wrong: Invalid "netns" value`,
      errno,
      syscall,
      cause,
    })
  )
}

/** The error that the kernel returns for an RTM_SETLINK with this argument. */
function refused(errno: number, message: string, cause: unknown): VethdError {
  const { syscall } = cause as Failure
  const iproute2 = `RTNETLINK answers: ${errnoText(errno)}`
  return new VethdError('NETNS_INVALID', message, { iproute2, exit: 2, errno, syscall, cause })
}

/** The same error with the text of `ip -n` (netns_switch). */
export function asOption(word: string, error: unknown): unknown {
  if (!(error instanceof VethdError) || error.code !== 'NETNS_INVALID') return error
  const { errno = -ENOENT, syscall, message } = error
  const iproute2 =
    errno === -EINVAL
      ? `setting the network namespace "${word}" failed: ${errnoText(errno)}`
      : `Cannot open network namespace "${word}": ${errnoText(errno === -ESRCH ? ENOENT : errno)}`
  return new VethdError('NETNS_INVALID', message, { iproute2, exit: 255, errno, syscall, cause: error })
}

function isAbsent(error: unknown): boolean {
  const { errno } = error as Failure
  return errno === -ENOENT || errno === -ESRCH
}
