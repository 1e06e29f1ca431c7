/** Network namespaces of a thread: entered, and always left again. Neighbour: native.test.ts. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fstatSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { native } from '../../native-bindings/index.js'
import { runProgram, startWorker, temporaryFolder } from '../unit/native-bindings/helpers.js'
import { Nursery } from './native-nursery.js'

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

t.test('netnsRun acts inside and comes back with the result', async (t) => {
  const before = here()
  const nursery = new Nursery(t)
  t.equal(
    n.netnsRun(nursery.fd, () => here()),
    inodeOf(nursery.fd),
  )
  t.equal(here(), before)
})

t.test('netnsRun comes back when its function throws, and passes the exception on', async (t) => {
  const before = here()
  const nursery = new Nursery(t)
  const thrown = new Error('inside')
  t.throws(() => {
    n.netnsRun(nursery.fd, () => {
      throw thrown
    })
  }, thrown)
  t.equal(here(), before)
})

t.test('namespaces nest', async (t) => {
  const before = here()
  const [a, b] = [new Nursery(t), new Nursery(t)]
  const seen = a.run(() => [here(), b.run(here), here()])
  t.same(seen, [inodeOf(a.fd), inodeOf(b.fd), inodeOf(a.fd)])
  t.equal(here(), before)
  const made = a.run(() => {
    const fd = n.netnsCreate()
    return { fd, after: here() }
  })
  t.teardown(() => n.close(made.fd))
  t.equal(made.after, inodeOf(a.fd), 'netnsCreate comes back to where it was called')
})

t.test('an asynchronous function is refused: the rest of it would run elsewhere', async (t) => {
  const nursery = new Nursery(t)
  t.throws(() => nursery.run(async () => {}), {
    name: 'TypeError',
    message: 'netnsRun: "act" must be synchronous, but it returned a promise',
  })
})

t.test('netnsRun leaves no file descriptor behind', async (t) => {
  const nursery = new Nursery(t)
  const next = () => {
    const fd = n.eventfd()
    n.close(fd)
    return fd
  }
  const before = next()
  for (let i = 0; i < 5; i++) {
    nursery.run(() => {})
    t.throws(() => n.netnsRun(0, () => {}), { code: 'EINVAL', syscall: 'setns(CLONE_NEWNET)' })
  }
  t.equal(next(), before)
})

t.test('a worker enters a namespace while the main thread stays out', async (t) => {
  const nursery = new Nursery(t)
  const source = `
    const { fstatSync } = require('node:fs')
    const here = () => {
      const fd = n.netnsCurrent()
      try { return fstatSync(fd).ino } finally { n.close(fd) }
    }
    const { shared, fd } = workerData
    const inside = n.netnsRun(fd, () => {
      parentPort.postMessage('inside')
      Atomics.wait(shared, 0, 0)
      n.netnsRun(fd, () => {})
      return here()
    })
    parentPort.postMessage([inside, here()])`
  const shared = new Int32Array(new SharedArrayBuffer(4))
  const before = here()
  const worker = startWorker(t, source, { shared, fd: nursery.fd })
  await once(worker, 'message')
  t.equal(here(), before, 'while the worker is inside')
  Atomics.store(shared, 0, 1)
  Atomics.notify(shared, 0)
  t.same(await once(worker, 'message'), [[inodeOf(nursery.fd), before]])
})

t.test('a process that exits inside a namespace just exits', async (t) => {
  const ending = await runProgram('const fd = n.netnsCreate(); n.netnsRun(fd, () => process.exit(3))')
  t.same(ending, { code: 3, stdout: '', stderr: '' })
})

t.test('a thread that cannot come back aborts the process', async (t) => {
  // CAP_SYS_ADMIN is given up inside: entering the namespace was allowed, leaving it is not.
  const program = `
    import { execFileSync } from 'node:child_process'
    import { writeSync } from 'node:fs'
    const fd = n.netnsCreate()
    n.netnsRun(fd, () => { process.setgid(65534); process.setuid(65534); writeSync(1, 'inside ') })
    writeSync(1, 'outside')`
  const ending = await runProgram(program)
  t.equal(ending.code, 'SIGABRT')
  t.equal(ending.stdout, 'inside ')
  t.match(
    ending.stderr,
    /^vethd: setns back to the thread's own network namespace: Operation not permitted; ending here/,
  )
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

t.test('netnsCurrent is the namespace of the thread, not of the process', async (t) => {
  const nursery = new Nursery(t)
  const fd = nursery.run(() => n.netnsCurrent())
  t.teardown(() => n.close(fd))
  t.equal(inodeOf(fd), inodeOf(nursery.fd))
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
  fds.push(n.epollCreate(), n.eventfd(), n.netlinkOpen(0), n.uringSetup(1, 2, 0).fd, n.bpfCreateArrayMap(8, 1, 'x'))
  t.teardown(() => fds.slice(2).forEach(closeSync))
  const inherited = execFileSync('ls', ['/proc/self/fd'], { encoding: 'utf8' }).split('\n')
  // `ls` has 0, 1, 2 and the directory it reads.
  t.same(
    fds.filter((fd) => fd > 3 && inherited.includes(String(fd))),
    [],
  )
})
