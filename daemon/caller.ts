/**
 * The network namespace that a request acts in: the one it names, or its sender's own.
 *
 * Invariant: a namespace of a user's is open only while `act` runs. An fd kept would keep it alive after its end.
 */
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
  const netnsFd = netns === undefined ? callersNetns(socket) : namedNetns(netns)
  try {
    return await act(netnsFd)
  } finally {
    native().close(netnsFd)
  }
}

/** Runs `act` with an fd for every namespace of `specs` that is named. */
export async function withNetns<T>(
  specs: readonly (string | undefined)[],
  act: (netnsFds: (number | undefined)[]) => T | Promise<T>,
): Promise<T> {
  const netnsFds: (number | undefined)[] = []
  try {
    for (const spec of specs) netnsFds.push(spec === undefined ? undefined : resolveNetns(spec))
    return await act(netnsFds)
  } finally {
    for (const netnsFd of netnsFds) if (netnsFd !== undefined) native().close(netnsFd)
  }
}

/** `-n NS`, with what `ip -n` says where there is none. */
function namedNetns(netns: string): number {
  try {
    return resolveNetns(netns)
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

/** SO_PEERCRED names the process that connected, which waits for its answer and so still lives. */
function callersNetns(socket: Socket): number {
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle
  const { pid } = native().peerCredentials(fd)
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
