/**
 * The network namespace that a request acts in: the one it names, or its sender's own.
 *
 * Invariant: a namespace of a user's is open only while `act` runs. An fd kept would keep it alive after its end.
 */
import { statSync } from 'node:fs'
import type { Socket } from 'node:net'
import { native } from '../native-bindings/index.js'
import { VethdError } from '../src/errors.js'
import { resolveNetns } from '../src/netlink/netns.js'

/** Runs `act` with an fd of the namespace `netns`, or of the process at the other end of `socket`. */
export async function inCallersNetns<T>(
  socket: Socket,
  netns: string | undefined,
  act: (netnsFd: number) => T | Promise<T>,
): Promise<T> {
  const netnsFd = netns === undefined ? callersNetns(socket) : namedNetns(netns, callersRoot(socket))
  try {
    return await act(netnsFd)
  } finally {
    native().close(netnsFd)
  }
}

/** Runs `act` with an fd for every namespace of `specs` that is named, as the process at the other end names it. */
export async function withNetns<T>(
  socket: Socket,
  specs: readonly (string | undefined)[],
  act: (netnsFds: (number | undefined)[]) => T | Promise<T>,
): Promise<T> {
  const netnsFds: (number | undefined)[] = []
  try {
    for (const spec of specs) netnsFds.push(spec === undefined ? undefined : resolveNetns(spec, callersRoot(socket)))
    return await act(netnsFds)
  } finally {
    for (const netnsFd of netnsFds) if (netnsFd !== undefined) native().close(netnsFd)
  }
}

/** `-n NS`, with what `ip -n` says where there is none. */
function namedNetns(netns: string, root: string): number {
  try {
    return resolveNetns(netns, root)
  } catch (error) {
    if (!(error instanceof VethdError) || error.code !== 'NETNS_INVALID') throw error
    throw new VethdError('NETNS_INVALID', error.message, {
      iproute2: `Cannot open network namespace "${netns}": No such file or directory`,
      exit: 255,
      errno: error.errno,
      syscall: error.syscall,
      cause: error,
    })
  }
}

/**
 * The caller's root directory: what it calls by a name or a path is in its mount namespace, not in ours. Ours serves
 * where its may not be entered.
 */
function callersRoot(socket: Socket): string {
  const root = `/proc/${callersPid(socket)}/root`
  try {
    return statSync(`${root}/`).isDirectory() ? root : ''
  } catch {
    return ''
  }
}

/** SO_PEERCRED names the process that connected, which waits for its answer and so still lives. */
function callersNetns(socket: Socket): number {
  const pid = callersPid(socket)
  if (pid === 0) {
    throw new VethdError(
      'NETNS_INVALID',
      "vethd cannot see the caller's process, which lives in another pid namespace: say -n",
    )
  }
  try {
    return native().netnsOpen(`/proc/${pid}/ns/net`)
  } catch (error) {
    throw new VethdError(
      'NETNS_INVALID',
      `the network namespace of the caller, process ${pid}, cannot be opened: say -n`,
      {
        cause: error,
      },
    )
  }
}

/** 0 for a process of a pid namespace that is not below ours. */
function callersPid(socket: Socket): number {
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle
  return native().peerCredentials(fd).pid
}
