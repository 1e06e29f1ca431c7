/**
 * Resolves the network namespaces of a request from the point of view of the client's process.
 *
 *     nothing        the namespace of the client's process
 *     fd:7, fd:7=t1  a file that the client has open, and its name in messages: vethctl opens namespaces itself
 *     t1, 123, /x    looked up below the client's root directory and its /proc (src/netns-name.ts)
 *
 * Invariants: every file comes from the client's process, even if the kernel reuses its pid meanwhile. A user's namespace is
 * open only while `act` runs, because an open fd keeps a namespace alive.
 */
import { constants, openSync } from 'node:fs'
import type { Socket } from 'node:net'
import { type NativeError, native } from '../native-bindings/index.js'
import { EACCES, EBADF, ENOENT, ENOPROTOOPT, ENOSYS, EPERM, EXDEV } from '../src/abi/errno.js'
import { noMoreFiles, VethdError } from '../src/errors.js'
import { asOption, explainNetns, type NetnsOpener, openNetns } from '../src/netns-name.js'

/** Runs `act` with an fd of the namespace `netns` (`ip -n`), or of the process at the other end of `socket`. */
export async function inCallersNetns<T>(
  socket: Socket,
  netns: string | undefined,
  act: (netnsFd: number) => T | Promise<T>,
): Promise<T> {
  const netnsFd = asCaller(socket, (caller) => (netns === undefined ? caller.netns() : openOption(caller, netns)))
  try {
    return await act(netnsFd)
  } finally {
    native().close(netnsFd)
  }
}

/** Runs `act` with an fd for each namespace that `specs` names. */
export async function withNetns<T>(
  socket: Socket,
  specs: readonly (string | undefined)[],
  act: (netnsFds: (number | undefined)[]) => T | Promise<T>,
): Promise<T> {
  const netnsFds: (number | undefined)[] = []
  try {
    for (const spec of specs)
      netnsFds.push(spec === undefined ? undefined : asCaller(socket, (caller) => openSpec(caller, spec)))
    return await act(netnsFds)
  } finally {
    for (const netnsFd of netnsFds) if (netnsFd !== undefined) native().close(netnsFd)
  }
}

function asCaller<T>(socket: Socket, open: (caller: Caller) => T): T {
  using caller = new Caller(socket)
  return open(caller)
}

/** Parses `fd:7` or `fd:7=NAME`; without NAME the whole text is the name. */
function parseFd(spec: string): { fd?: number; name: string } {
  const [, fd, name = spec] = /^fd:(\d{1,9})(?:=(.*))?$/s.exec(spec) ?? []
  return fd === undefined ? { name } : { fd: Number(fd), name }
}

function openSpec(caller: Caller, spec: string): number {
  const { fd, name } = parseFd(spec)
  return fd === undefined ? openNetns(name, caller) : caller.descriptor(fd, name)
}

function openOption(caller: Caller, spec: string): number {
  try {
    return openSpec(caller, spec)
  } catch (error) {
    throw asOption(parseFd(spec).name, error)
  }
}

/** The client's process. It waits for the answer, so it is still alive. */
class Caller implements NetnsOpener, Disposable {
  /** 0 if the process is in a pid namespace that is not below ours. */
  readonly #pid: number
  /** Undefined if no system call returns a pidfd: then only the pid identifies the process. */
  readonly #pidfd: number | undefined
  #rootFd: number | undefined

  constructor(socket: Socket) {
    const fd = (socket as unknown as { _handle: { fd: number } | null })._handle?.fd ?? -1
    if (fd < 0) throw gone()
    this.#pid = native().peerCredentials(fd).pid
    this.#pidfd = pidfdOf(fd, this.#pid)
  }

  [Symbol.dispose](): void {
    for (const fd of [this.#pidfd, this.#rootFd]) if (fd !== undefined) native().close(fd)
  }

  /** The client's own network namespace. */
  netns(): number {
    return (
      this.#byPidfd((pidfd) => native().pidfdGetNetns(pidfd)) ??
      this.#byPid('its network namespace', (proc) => native().netnsOpen(`${proc}/ns/net`))
    )
  }

  /** The namespace that the client has open as fd `number`; `name` is for messages. */
  descriptor(number: number, name: string): number {
    const absent = () =>
      new VethdError('NETNS_INVALID', `the client's process ${this.#pid} has no open file descriptor ${number}`)
    try {
      const taken = this.#byPidfd((pidfd) => native().pidfdGetFd(pidfd, number))
      if (taken === undefined)
        return this.#byPid('its open files', (proc) => native().netnsOpen(`${proc}/fd/${number}`))
      try {
        return native().netnsReopen(taken)
      } finally {
        native().close(taken)
      }
    } catch (error) {
      const { errno } = error as NativeError
      throw errno === -EBADF || errno === -ENOENT ? absent() : explainNetns(name, error)
    }
  }

  file(path: string): number {
    if (!path.startsWith('/'))
      throw new VethdError('NETNS_INVALID', `"${path}" is not an absolute path: it must begin with "/"`)
    const inProc = /^\/+proc\/+(self|thread-self|\d+(?:\/+task\/+\d+)?)\/+ns\/+net$/.exec(path)
    if (inProc === null) return this.#below((rootFd) => native().netnsOpenBelow(rootFd, path), path)
    const [, process] = inProc
    return /\d/.test(process) ? this.#ofProcess(process) : this.netns()
  }

  process(pid: number): number {
    return this.#ofProcess(String(pid))
  }

  #ofProcess(process: string): number {
    return this.#below((rootFd) => native().netnsOpenOfProcess(rootFd, process), `/proc/${process}/ns/net`)
  }

  /** Opens a file below the client's root directory; `path` is for messages. */
  #below(open: (rootFd: number) => number, path: string): number {
    this.#rootFd ??= this.#byPid('its root directory', (proc) =>
      openSync(`${proc}/root`, constants.O_RDONLY | constants.O_DIRECTORY),
    )
    try {
      return open(this.#rootFd)
    } catch (error) {
      const { errno, syscall } = error as NativeError
      const details = { errno, syscall, cause: error }
      if (errno === -EXDEV) {
        const why = `"${path}" leads through a link of /proc, which is another file for each process that follows it`
        throw new VethdError('NETNS_INVALID', `${why}: name /proc/PID/ns/net, or let vethctl open it`, details)
      }
      if (syscall === 'openat2' && (errno === -ENOSYS || errno === -EPERM)) {
        const why =
          'openat2(2), by which vethd looks up namespaces, is missing or forbidden here (by a seccomp filter?)'
        throw new VethdError(
          'NOT_PERMITTED',
          `${why}: allow it, or use vethctl, which opens namespaces itself`,
          details,
        )
      }
      throw error
    }
  }

  /** Calls a function with the pidfd; undefined if the system call is missing or forbidden. */
  #byPidfd(call: (pidfd: number) => number): number | undefined {
    if (this.#pidfd === undefined) return undefined
    try {
      return call(this.#pidfd)
    } catch (error) {
      if ((error as NativeError).errno === -EBADF) throw error
      throwIfLimit(error)
      return undefined
    }
  }

  /** Opens a file in the client's /proc folder, and verifies that the pid still was the client's. */
  #byPid(what: string, open: (proc: string) => number): number {
    if (this.#pid === 0) {
      const why = `vethd cannot see ${what}, because the client's process is in another pid namespace`
      throw new VethdError('NETNS_INVALID', `${why}: let vethctl open the namespace, by -n or netns`)
    }
    let fd: number
    try {
      fd = open(`/proc/${this.#pid}`)
    } catch (error) {
      throwIfLimit(error)
      if (this.#hasEnded()) throw gone(error)
      const { errno, syscall } = error as NativeError
      if (errno !== -EACCES) throw error
      const why = `the caller, process ${this.#pid}, does not let vethd see ${what}`
      const details = { errno, syscall, cause: error }
      throw new VethdError('NOT_PERMITTED', `${why}: vethd needs CAP_SYS_PTRACE for that`, details)
    }
    if (!this.#hasEnded()) return fd
    native().close(fd)
    throw gone()
  }

  /** While the process lives, the kernel does not reuse its pid. */
  #hasEnded(): boolean {
    return this.#pidfd !== undefined && native().waitReadable(this.#pidfd, 0)
  }
}

/** SO_PEERPIDFD, or, before Linux 6.5, a pidfd of the process that has the pid now. */
function pidfdOf(socketFd: number, pid: number): number | undefined {
  try {
    return native().peerPidfd(socketFd)
  } catch (error) {
    throwIfLimit(error)
    if ((error as NativeError).errno !== -ENOPROTOOPT) throw gone(error)
  }
  try {
    return pid === 0 ? undefined : native().pidfdOpen(pid)
  } catch (error) {
    throwIfLimit(error)
    return undefined
  }
}

function throwIfLimit(error: unknown): void {
  const limit = noMoreFiles(error)
  if (limit !== undefined) throw limit
}

function gone(cause?: unknown): VethdError {
  return new VethdError('NETNS_INVALID', "the client's process has ended, so its network namespace is unknown", {
    cause,
  })
}
