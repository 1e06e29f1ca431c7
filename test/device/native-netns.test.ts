/** Network namespaces: a thread of the addon opens files in them. Neighbour: native.test.ts. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { native, OWN_NETNS } from '../../native-bindings/index.js'
import { NETLINK_ROUTE } from '../../src/abi/netlink.js'
import { getLink } from '../../src/netlink/link.js'
import { inNetns } from '../../src/netlink/rtnetlink.js'
import { runProgram, startWorker, temporaryFolder } from '../unit/native-bindings/helpers.js'
import { Nursery, TAP } from './native-nursery.js'

const n = native()

/** What tells one namespace from another. */
const here = () => statSync('/proc/thread-self/ns/net').ino
const inodeOf = (fd: number) => fstatSync(fd).ino

t.test('a new namespace is another one, and the thread stays where it is', async (t) => {
  const before = here()
  const nursery = new Nursery(t)
  t.equal(here(), before)
  t.not(inodeOf(nursery.fd), before)
  t.match(nursery.ip('-o', 'link').trimEnd(), /^1: lo: .*$/, 'it holds lo and nothing else')
})

t.test('what is opened in a namespace belongs to it, and the thread stays where it is', async (t) => {
  const nursery = new Nursery(t)
  const before = here()
  nursery.open(t, 'inside')
  t.equal(
    inNetns(nursery.fd, (rtnl) => getLink(rtnl, { name: 'inside' })?.name),
    'inside',
  )
  t.equal(
    inNetns(OWN_NETNS, (rtnl) => getLink(rtnl, { name: 'inside' })),
    undefined,
  )
  t.equal(here(), before)
  t.equal(statSync(`/proc/${process.pid}/ns/net`).ino, before)
})

t.test('a refusal leaves no file descriptor behind, and the next call works', async (t) => {
  const nursery = new Nursery(t)
  const next = () => {
    const fd = n.eventfd()
    n.close(fd)
    return fd
  }
  const before = next()
  for (let i = 0; i < 5; i++) {
    t.throws(() => n.netlinkOpen(NETLINK_ROUTE, 0), { code: 'EINVAL', syscall: 'setns(CLONE_NEWNET)' })
    t.throws(() => n.tapOpen('x', TAP, 12345), { code: 'EBADF', syscall: 'setns(CLONE_NEWNET)' })
    t.throws(() => n.netlinkOpen(9999, nursery.fd), { code: 'EPROTONOSUPPORT', syscall: 'socket(AF_NETLINK)' })
    n.close(n.netlinkOpen(NETLINK_ROUTE, nursery.fd))
  }
  t.equal(next(), before)
})

t.test('the namespace thread rests in the namespace of the process, and ends with its worker', async (t) => {
  const nursery = new Nursery(t)
  const source = `
    n.close(n.netlinkOpen(0, workerData))
    parentPort.postMessage('opened')
    parentPort.once('message', () => {})`
  const resting = () =>
    readdirSync('/proc/self/task').filter(
      (tid) => readFileSync(`/proc/self/task/${tid}/comm`, 'utf8') === 'vethd-netns\n',
    )
  n.close(n.netlinkOpen(NETLINK_ROUTE, nursery.fd))
  const before = resting()
  const worker = startWorker(t, source, nursery.fd)
  await once(worker, 'message')
  t.equal(resting().length, before.length + 1, 'each environment has one')
  for (const tid of resting()) t.equal(statSync(`/proc/self/task/${tid}/ns/net`).ino, here())
  worker.postMessage('end')
  await once(worker, 'exit')
  t.same(resting(), before)
})

t.test('a process ends while its namespace thread rests', async (t) => {
  const ending = await runProgram('const fd = n.netnsCreate(); n.close(n.netlinkOpen(0, fd)); process.exit(3)')
  t.same(ending, { code: 3, stdout: '', stderr: '' })
})

t.test('a namespace thread that cannot come back ends, and the next call gets another', async (t) => {
  // A user namespace of one's own: its network namespaces may be entered, the one that the process comes from may not.
  const program = `
    import { readdirSync, readFileSync } from 'node:fs'
    const threads = () =>
      readdirSync('/proc/self/task').filter((tid) => readFileSync('/proc/self/task/' + tid + '/comm', 'utf8') === 'vethd-netns\\n')
    const made = [1, 2, 3].map(() => n.netnsCreate())
    console.log(new Set(made).size, threads().length)`
  const ending = await runProgram(program, ['unshare', '--user', '--map-root-user'])
  t.same(ending, { code: 0, stdout: '3 0\n', stderr: '' })
})

t.test('netnsOpen takes a namespace by path and refuses what is none', async (t) => {
  const path = '/proc/self/ns/net'
  const fd = n.netnsOpen(path)
  t.equal(inodeOf(fd), here())
  n.close(fd)
  t.throws(() => n.netnsOpen('/proc/self/ns/mnt'), {
    code: 'EINVAL',
    doing: 'opening "/proc/self/ns/mnt", which is no network namespace',
  })
  t.throws(() => n.netnsOpen('/dev/null'), { code: 'EINVAL' })
  const fifo = join(temporaryFolder(t), 'fifo')
  execFileSync('mkfifo', [fifo])
  t.throws(() => n.netnsOpen(fifo), { code: 'EINVAL' }, 'without waiting for somebody to write')
  t.throws(() => n.netnsOpen('/nowhere'), { code: 'ENOENT', doing: 'opening the namespace "/nowhere"' })
  t.throws(() => n.netnsOpen('x'.repeat(5000)), { code: 'ENAMETOOLONG' })
})

t.test('tapGetNetns says where a device is now, wherever its fd was opened', async (t) => {
  const [from, to] = [new Nursery(t), new Nursery(t)]
  const { fd } = from.open(t, 'mover')
  const whereIsIt = () => {
    const netns = n.tapGetNetns(fd)
    t.teardown(() => n.close(netns))
    return inodeOf(netns)
  }
  t.equal(whereIsIt(), inodeOf(from.fd))
  from.ip('link', 'set', 'mover', 'netns', `/proc/${process.pid}/fd/${to.fd}`)
  t.equal(whereIsIt(), inodeOf(to.fd))
  t.same(n.tapGetInterface(fd).name, Uint8Array.from(Buffer.from('mover')))
})

t.test('no fd of the addon is inherited by programs that are started', async (t) => {
  const nursery = new Nursery(t)
  const device = nursery.open(t, 'x')
  const fds = [nursery.fd, device.fd, n.tapGetNetns(device.fd), n.netnsCurrent(), n.netnsOpen('/proc/self/ns/net')]
  fds.push(
    n.epollCreate(),
    n.eventfd(),
    n.netlinkOpen(0, OWN_NETNS),
    n.uringSetup(1, 2, 0).fd,
    n.bpfCreateArrayMap(8, 1, 'x'),
  )
  t.teardown(() => fds.slice(2).forEach(closeSync))
  const inherited = execFileSync('ls', ['/proc/self/fd'], { encoding: 'utf8' }).split('\n')
  // `ls` has 0, 1, 2 and the directory it reads.
  t.same(
    fds.filter((fd) => fd > 3 && inherited.includes(String(fd))),
    [],
  )
})
