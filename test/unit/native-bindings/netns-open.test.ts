/** Opening namespaces below a root directory, and processes by pidfd. test/daemon/caller.test.ts has the mounts. */
import { once } from 'node:events'
import { closeSync, constants, fstatSync, mkdirSync, openSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { native } from '../../../native-bindings/index.js'
import { temporaryFolder } from './helpers.js'

const n = native()
const own = statSync('/proc/self/ns/net').ino

function openFolder(t: Test, path: string): number {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  t.teardown(() => closeSync(fd))
  return fd
}

function inodeOf(netnsFd: number): number {
  try {
    return fstatSync(netnsFd).ino
  } finally {
    n.close(netnsFd)
  }
}

t.test('below a root directory no link leads out, and a magic link is refused', async (t) => {
  const root = temporaryFolder(t)
  writeFileSync(join(root, 'file'), '')
  for (const [name, target] of [
    ['out', '/proc/self/ns/net'],
    ['up', '../../../../proc/self/ns/net'],
    ['in', '/file'],
  ])
    symlinkSync(target, join(root, name))
  const rootFd = openFolder(t, root)
  for (const path of ['/out', 'up', '/../../proc/self/ns/net', ''])
    t.throws(() => n.netnsOpenBelow(rootFd, path), { code: 'ENOENT', syscall: 'openat2' }, path)
  t.throws(() => n.netnsOpenBelow(rootFd, '/in'), {
    code: 'EINVAL',
    doing: 'opening "/in", which is no network namespace',
  })
  t.throws(() => n.netnsOpenBelow(rootFd, 'x'.repeat(5000)), { code: 'ENAMETOOLONG' })
  const machine = openFolder(t, '/')
  t.throws(() => n.netnsOpenBelow(machine, '/proc/self/ns/net'), { code: 'EXDEV' })
})

t.test('a process is found by the procfs that is mounted below a root directory, and nowhere else', async (t) => {
  const machine = openFolder(t, '/')
  t.equal(inodeOf(n.netnsOpenOfProcess(machine, String(process.pid))), own)
  t.equal(inodeOf(n.netnsOpenOfProcess(machine, `${process.pid}/task/${process.pid}`)), own)
  for (const wrong of ['999999999', 'self', `../proc/${process.pid}`, `${process.pid}/cwd`, `${process.pid}/root`])
    t.throws(() => n.netnsOpenOfProcess(machine, wrong), Error, wrong)
  const root = temporaryFolder(t)
  mkdirSync(join(root, 'proc/1/ns'), { recursive: true })
  symlinkSync('/proc/self/ns/net', join(root, 'proc/1/ns/net'))
  t.throws(() => n.netnsOpenOfProcess(openFolder(t, root), '1'), { code: 'ENOENT' }, 'this /proc is an ordinary folder')
})

t.test('an fd is verified to be a network namespace, and reopened', async (t) => {
  const fd = openSync('/proc/self/ns/net', 'r')
  t.teardown(() => closeSync(fd))
  t.equal(inodeOf(n.netnsReopen(fd)), own)
  const others = ['/proc/self/ns/mnt', '/dev/null', '/'].map((path) => openSync(path, 'r'))
  for (const other of others) t.throws(() => n.netnsReopen(other), { code: 'EINVAL' })
  others.forEach(closeSync)
})

t.test('a connection tells the process that made it, by a pidfd that gives its files', async (t) => {
  const path = join(temporaryFolder(t), 's')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(path, resolve))
  t.teardown(() => server.close())
  const client = connect(path)
  t.teardown(() => client.destroy())
  const [accepted] = (await once(server, 'connection')) as [Socket & { _handle: { fd: number } }]
  t.teardown(() => accepted.destroy())
  const fd = openSync('/proc/self/ns/net', 'r')
  t.teardown(() => closeSync(fd))
  const pidfds = [n.peerPidfd(accepted._handle.fd), n.pidfdOpen(process.pid)]
  t.teardown(() => pidfds.forEach(n.close))
  for (const pidfd of pidfds) {
    t.equal(inodeOf(n.pidfdGetFd(pidfd, fd)), own)
    t.equal(inodeOf(n.pidfdGetNetns(pidfd)), own)
    t.throws(() => n.pidfdGetFd(pidfd, 2 ** 20), { code: 'EBADF' })
    t.notOk(n.waitReadable(pidfd, 0), 'it lives')
  }
})
