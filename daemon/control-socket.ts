/**
 * The path of the control socket: one daemon takes it and releases it; its permissions are right from the first moment.
 *
 *     bind PATH's folder/.PID ─→ mode and group ─→ link(2) to PATH ─┬→ ours
 *                                                         EEXIST: a daemon answers there → DAEMON_RUNNING
 *                                                                 no answer → it is stale: remove it, link again
 *
 * link(2) fails if the path exists, so only one of two daemons that start at once gets it. A path is removed only after a
 * connect to its inode was refused. Neighbours: server.ts.
 */
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { connect, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { VethdError } from '../src/errors.js'

/** If this group exists, its members may use the socket. */
const GROUP = 'vethd'

/** Bytes of sun_path in struct sockaddr_un without its NUL; libuv truncates a longer path. */
const PATH_BYTES_MAX = 107

/** Throws DAEMON_RUNNING if another daemon answers on the path. */
export async function refuseSecondDaemon(path: string): Promise<void> {
  if (await answers(path)) {
    throw new VethdError(
      'DAEMON_RUNNING',
      `another vethd answers on ${path}: stop it, or name another path with --socket`,
    )
  }
}

/** Makes `server` listen on `path`. Returns a function that removes the path, unless it belongs to another daemon by then. */
export async function claimControlSocket(server: Server, path: string): Promise<() => void> {
  const folder = dirname(path)
  const own = join(folder, `.${process.pid}`)
  if (Buffer.byteLength(path) > PATH_BYTES_MAX || Buffer.byteLength(own) > PATH_BYTES_MAX) {
    throw new VethdError(
      'SOCKET_UNUSABLE',
      `${path} is longer than the ${PATH_BYTES_MAX} bytes of a unix socket's address`,
    )
  }
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 })
    return await takePath(server, path, own)
  } catch (error) {
    if (error instanceof VethdError) throw error
    const { message, errno, syscall } = error as NodeJS.ErrnoException
    throw new VethdError(
      'SOCKET_UNUSABLE',
      `${message}: run as root, or name a path with --socket that you may create`,
      {
        errno,
        syscall,
        cause: error,
      },
    )
  }
}

async function takePath(server: Server, path: string, own: string): Promise<() => void> {
  try {
    await listenPrivately(server, own)
    const { ino } = statSync(own)
    admitGroup(own)
    while (!linkUnlessTaken(own, path)) await removeStale(path, own)
    return () => {
      if (inodeOf(path) === ino) rmSync(path)
    }
  } finally {
    rmSync(own, { force: true })
  }
}

/** bind(2) applies the umask, so the socket file has mode 0600 from its first moment. */
async function listenPrivately(server: Server, path: string): Promise<void> {
  const umask = process.umask(0o177)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, () => {
        server.off('error', reject)
        resolve()
      })
    })
  } finally {
    process.umask(umask)
  }
}

/** 0660 root:vethd where the group exists, 0600 elsewhere. */
function admitGroup(path: string): void {
  const entry = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((line) => line.startsWith(`${GROUP}:`))
  if (entry === undefined || process.getuid?.() !== 0) return
  chownSync(path, 0, Number(entry.split(':')[2]))
  chmodSync(path, 0o660)
}

function linkUnlessTaken(own: string, path: string): boolean {
  try {
    linkSync(own, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Removes a socket on which nobody answers. Another daemon may do the same at this moment. */
async function removeStale(path: string, own: string): Promise<void> {
  const judged = inodeOf(path)
  await refuseSecondDaemon(path)
  if (judged === undefined || inodeOf(path) !== judged) return
  const aside = `${own}~`
  try {
    renameSync(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  // another daemon replaced it between the check and the rename: that socket is alive, so it is put back
  if (inodeOf(aside) !== judged) linkUnlessTaken(aside, path)
  rmSync(aside)
}

/** A symbolic link is refused and never followed: link(2) fails on its path, and its target may belong to another program. */
function inodeOf(path: string): number | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found !== undefined && !found.isSocket()) {
    throw new VethdError(
      'SOCKET_UNUSABLE',
      `${path} exists and is not a socket: move it away, or name another path with --socket`,
    )
  }
  return found?.ino
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (['ENOENT', 'ECONNREFUSED', 'ENOTSOCK', 'ENOTDIR'].includes(error.code ?? '')) resolve(false)
      else
        reject(
          new VethdError('SOCKET_UNUSABLE', `${path}: ${error.message}`, {
            errno: error.errno,
            syscall: error.syscall,
            cause: error,
          }),
        )
    })
  })
}
