/**
 * The control socket's path: taken by one daemon, given back by it, never open to more than those who may use it.
 *
 *     bind PATH's folder/.PID ─→ mode and group ─→ link(2) to PATH ─┬→ ours
 *                                                         EEXIST: somebody answers there → DAEMON_RUNNING
 *                                                                 nobody does → it is stale: take it away, link again
 *
 * link(2) fails where the path exists, so of two daemons that start at once one wins; and a path is only ever taken away
 * after a connect to that very inode was refused. Neighbours: server.ts.
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

/** Members may use the socket, where the group exists. */
const GROUP = 'vethd'

/** sun_path of struct sockaddr_un, less its NUL; libuv cuts what is longer. */
const PATH_BYTES_MAX = 107

/** Throws DAEMON_RUNNING when a daemon answers on the path already. */
export async function refuseSecondDaemon(path: string): Promise<void> {
  if (await answers(path)) {
    throw new VethdError('DAEMON_RUNNING', `a vethd answers on ${path} already: stop it, or give --socket another path`)
  }
}

/** Makes `server` listen on `path`. Returns what takes the path away again, unless it is another daemon's by then. */
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
    throw new VethdError('SOCKET_UNUSABLE', `${message}: run as root, or give --socket a path that you may make`, {
      errno,
      syscall,
      cause: error,
    })
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

/** bind(2) makes the socket file with the mode that the umask leaves: 0600 from its first moment on. */
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

/** Takes a socket away on which nobody answers. Another daemon may do the same at this moment. */
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
  // somebody replaced it between the look and the rename: that one is alive, and goes back
  if (inodeOf(aside) !== judged) linkUnlessTaken(aside, path)
  rmSync(aside)
}

/** A symbolic link is refused and never followed: link(2) fails on its path, and its target may belong to another program. */
function inodeOf(path: string): number | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found !== undefined && !found.isSocket()) {
    throw new VethdError(
      'SOCKET_UNUSABLE',
      `${path} is there and is no socket: move it away, or give --socket another path`,
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
