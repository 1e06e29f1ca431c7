/** The path of the control socket: only one daemon can have it, and the socket is never open to other users. */
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { claimControlSocket, refuseSecondDaemon } from '../../../daemon/control-socket.js'

/** Below /tmp: the path of a unix socket has at most 107 bytes. */
function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'vethd-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

function server(t: Test): Server {
  const made = createServer((connection) => connection.end())
  t.teardown(() => made.close())
  return made
}

/** A socket file whose daemon has died. */
async function leaveStale(path: string): Promise<void> {
  const dead = createServer()
  await new Promise<void>((resolve) => dead.listen(`${path}.dead`, resolve))
  renameSync(`${path}.dead`, path)
  await new Promise((resolve) => dead.close(resolve))
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => resolve(true)).on('error', () => resolve(false))
    socket.unref()
  })
}

t.test('the folder is made, the socket is for its owner alone, and nothing else is left in it', async (t) => {
  const folder = join(folderOf(t), 'run/vethd')
  const path = join(folder, 'control.sock')
  const release = await claimControlSocket(server(t), path)
  t.equal(statSync(folder).mode & 0o777, 0o755)
  t.equal(statSync(path).mode & 0o007, 0, 'others may not use it')
  t.same(readdirSync(folder), ['control.sock'])
  t.ok(await answers(path))
  release()
  t.same(readdirSync(folder), [])
})

t.test('the umask is as it was', async (t) => {
  const before = process.umask()
  await claimControlSocket(server(t), join(folderOf(t), 's'))
  t.equal(process.umask(), before)
})

t.test('a socket on which somebody answers is left alone', async (t) => {
  const path = join(folderOf(t), 's')
  await claimControlSocket(server(t), path)
  await t.rejects(refuseSecondDaemon(path), { code: 'DAEMON_RUNNING', exit: 1 })
  await t.rejects(claimControlSocket(server(t), path), { code: 'DAEMON_RUNNING', exit: 1 })
  t.ok(await answers(path), 'the first one still answers')
})

t.test('a stale socket is taken over', async (t) => {
  const folder = folderOf(t)
  const path = join(folder, 's')
  await leaveStale(path)
  t.notOk(await answers(path))
  await refuseSecondDaemon(path)
  await claimControlSocket(server(t), path)
  t.ok(await answers(path))
  t.same(readdirSync(folder), ['s'])
})

t.test('another file is never taken away', async (t) => {
  const path = join(folderOf(t), 's')
  writeFileSync(path, 'precious')
  await t.rejects(claimControlSocket(server(t), path), { code: 'SOCKET_UNUSABLE', message: /is not a socket/ })
  t.ok(statSync(path).isFile())
})

t.test('a symbolic link is never taken away, wherever it leads', async (t) => {
  const folder = folderOf(t)
  const path = join(folder, 's')
  await leaveStale(join(folder, 'stale'))
  for (const target of ['nowhere', 'stale']) {
    symlinkSync(target, path)
    await t.rejects(
      claimControlSocket(server(t), path),
      { code: 'SOCKET_UNUSABLE', message: /is not a socket/ },
      target,
    )
    t.equal(readlinkSync(path), target)
    rmSync(path)
  }
  t.same(readdirSync(folder), ['stale'])
})

t.test('what is not ours any more is not taken away at the end', async (t) => {
  const path = join(folderOf(t), 's')
  const release = await claimControlSocket(server(t), path)
  rmSync(path)
  const other = await claimControlSocket(server(t), path)
  release()
  t.ok(existsSync(path), "the other daemon's socket")
  other()
  release()
})

t.test('a path that cannot be made says what to do', async (t) => {
  const path = join(folderOf(t), 'file/s')
  writeFileSync(dirname(path), '')
  await t.rejects(claimControlSocket(server(t), path), { code: 'SOCKET_UNUSABLE', message: /--socket/ })
})

t.test('a path longer than a socket address is refused, not cut short', async (t) => {
  const path = join(folderOf(t), 'x'.repeat(100))
  await t.rejects(claimControlSocket(server(t), path), { code: 'SOCKET_UNUSABLE', message: /107 bytes/ })
})
