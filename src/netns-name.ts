/**
 * Network namespaces by the words of `ip`: how such a word is read, and what is said where it names none.
 *
 * Three callers open namespaces by it, each in its own way: vethctl by fs (client/netns.ts), the library by the addon
 * (netlink/netns.ts), and vethd below the root directory of a caller (daemon/caller.ts).
 */
import { readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { EACCES, EINVAL, ENOENT, ESRCH, errnoText } from './abi/errno.js'
import { noMoreFiles, VethdError } from './errors.js'

/** Where `ip netns` keeps its bind mounts. */
export const NETNS_RUN_DIR = '/var/run/netns'

/** The largest pid that iproute2's get_integer takes. */
const INT_MAX = 0x7fffffff

/** Both give an fd, which is the caller's to close, or throw a system call's error (`errno`), or a VethdError. */
export interface NetnsOpener {
  /** Opens a file; EINVAL if it is no network namespace. */
  file(path: string): number
  /** Opens the namespace of a process. */
  process(pid: number): number
}

/**
 * Opens the namespace that `word` names after `netns`: with a slash a path; else a name below /var/run/netns; and only
 * if there is none, a number, as the pid of a process in it (iplink_parse: netns_get_fd, then get_integer).
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

/** The file of a process's namespace. /proc has the pids of the pid namespace that it was mounted in. */
export function netnsFileOf(pid: number): string {
  if (readlinkSync('/proc/self') === String(process.pid)) return `/proc/${pid}/ns/net`
  throw new VethdError(
    'NETNS_INVALID',
    `/proc shows the processes of another pid namespace, and so cannot tell which one ${pid} is: mount it anew ` +
      '(unshare --mount-proc), or name a file',
  )
}

/** What is to be known of an error. */
type Failure = Pick<NodeJS.ErrnoException, 'errno' | 'syscall'>

/** A system call's error about the namespace that `word` stands for, with what iproute2 says there. */
export function explainNetns(word: string, cause: unknown): unknown {
  const { errno, syscall } = cause as Failure
  if (cause instanceof VethdError || errno === undefined) return cause
  if (errno === -EINVAL) return refused(errno, `"${word}" is a file, but not a network namespace`, cause)
  if (errno === -EACCES) {
    const message = `the network namespace of ${word} may not be opened; vethd needs CAP_SYS_PTRACE for that`
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

/** What the kernel would have answered to an RTM_SETLINK with this argument. */
function refused(errno: number, message: string, cause: unknown): VethdError {
  const { syscall } = cause as Failure
  const iproute2 = `RTNETLINK answers: ${errnoText(errno)}`
  return new VethdError('NETNS_INVALID', message, { iproute2, exit: 2, errno, syscall, cause })
}

/** The same refusal in the words of `ip -n` (netns_switch). */
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
