/** Functions for file descriptors, and memory outside the heap. */
import { once } from 'node:events'
import { closeSync, fstatSync, readFileSync } from 'node:fs'
import t from 'tap'
import { native } from '../../../native-bindings/index.js'
import { EAGAIN } from '../../../src/abi/errno.js'
import { collectUntil, openPipe, startWorker } from './helpers.js'

const n = native()

/** What /proc says of an fd: `flags` in octal, as open(2) has them. */
const openFlags = (fd: number) =>
  Number.parseInt(/flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1], 8)
const O_CLOEXEC = 0o2000000
const O_NONBLOCK = 0o4000

t.test('an eventfd counts its signals until it is cleared, and never blocks', async (t) => {
  const fd = n.eventfd()
  t.teardown(() => n.close(fd))
  t.equal(openFlags(fd) & (O_CLOEXEC | O_NONBLOCK), O_CLOEXEC | O_NONBLOCK)
  t.equal(n.eventfdClear(fd), 0, 'not signalled')
  n.eventfdSignal(fd)
  n.eventfdSignal(fd)
  t.equal(n.eventfdClear(fd), 2)
  t.equal(n.eventfdClear(fd), 0)
})

t.test('a signal to an eventfd whose counter is full is no error: it is signalled already', async (t) => {
  const fd = n.eventfd()
  t.teardown(() => n.close(fd))
  const full = new Uint8Array(8).fill(0xff)
  full[0] = 0xfe // 2^64 - 2, the largest count
  t.equal(n.write(fd, full), 8)
  n.eventfdSignal(fd)
  t.ok(n.waitReadable(fd, 0))
})

t.test('read and write move bytes, and an empty pipe reads -EAGAIN', async (t) => {
  const pipe = openPipe(t)
  t.equal(n.write(pipe, Uint8Array.of(1, 2, 3)), 3)
  const into = new Uint8Array(8)
  t.equal(n.read(pipe, into), 3)
  t.same([...into], [1, 2, 3, 0, 0, 0, 0, 0])
  t.equal(n.read(pipe, into), -EAGAIN)
})

t.test('read fills the part of the memory that its view covers', async (t) => {
  const pipe = openPipe(t)
  const memory = new Uint8Array(6)
  n.write(pipe, Uint8Array.of(7, 8, 9))
  t.equal(n.read(pipe, memory.subarray(2, 4)), 2)
  t.same([...memory], [0, 0, 7, 8, 0, 0])
})

t.test('waitReadable says whether there is something to read within the time', async (t) => {
  const pipe = openPipe(t)
  const start = performance.now()
  t.equal(n.waitReadable(pipe, 30), false)
  t.ok(performance.now() - start >= 29, 'waited the time out')
  n.write(pipe, Uint8Array.of(1))
  t.equal(n.waitReadable(pipe, -1), true)
})

t.test('a duplicate is another fd of the same file, closed on exec', async (t) => {
  const pipe = openPipe(t)
  const copy = n.duplicate(pipe)
  t.not(copy, pipe)
  t.equal(fstatSync(copy).ino, fstatSync(pipe).ino)
  t.equal(openFlags(copy) & O_CLOEXEC, O_CLOEXEC)
  n.close(copy)
  t.throws(() => closeSync(copy), { code: 'EBADF' }, 'close has closed it')
})

/** The first address of a slab, as /proc/self/maps writes it. */
const address = (slab: { addressHigh: number; addressLow: number }) =>
  (BigInt(slab.addressHigh) * 2n ** 32n + BigInt(slab.addressLow)).toString(16)

const isMapped = (start: string) => readFileSync('/proc/self/maps', 'utf8').includes(`${start}-`)

t.test('a slab is zeroed memory at the address it names, and can be far larger than what is touched', async (t) => {
  const slab = n.slabCreate(1 << 30)
  t.equal(slab.buffer.byteLength, 1 << 30)
  t.ok(isMapped(address(slab)))
  const bytes = new Uint8Array(slab.buffer)
  t.equal(bytes[1 << 29], 0)
  bytes[1 << 29] = 1
  t.equal(bytes[1 << 29], 1)
})

t.test('a slab that nobody refers to is unmapped', async (t) => {
  const start = address(n.slabCreate(1 << 20))
  t.ok(isMapped(start))
  t.ok(await collectUntil(() => !isMapped(start)))
})

t.test('a slab beyond the address space is refused', async (t) => {
  t.throws(() => n.slabCreate(Number.MAX_SAFE_INTEGER), { code: 'ENOMEM', syscall: 'mmap' })
})

t.test('setThreadName names the calling thread, in 15 bytes', async (t) => {
  const comm = () => readFileSync('/proc/thread-self/comm', 'utf8').trimEnd()
  const before = comm()
  t.teardown(() => n.setThreadName(before))
  n.setThreadName('vethd-a-long-name')
  t.equal(comm(), 'vethd-a-long-na')
})

t.test('setThreadAffinity keeps the calling thread on CPUs, and no other thread', async (t) => {
  const allowed = n.getThreadAffinity()
  t.teardown(() => n.setThreadAffinity(Int32Array.from(allowed)))
  const listOf = (thread: string) =>
    /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync(`/proc/${thread}/status`, 'utf8'))?.[1]
  const worker = startWorker(
    t,
    `n.setThreadAffinity(Int32Array.of(${allowed[0]}))
    parentPort.postMessage(n.getThreadAffinity())`,
  )
  t.same((await once(worker, 'message'))[0], [allowed[0]])
  t.same(n.getThreadAffinity(), allowed, 'the thread that started it runs where it may')
  n.setThreadAffinity(Int32Array.of(allowed[0]))
  t.same(n.getThreadAffinity(), [allowed[0]])
  t.equal(listOf('thread-self'), String(allowed[0]))
})

t.test('CPUs that do not exist are passed over, and refused when there are no others', async (t) => {
  const allowed = n.getThreadAffinity()
  t.teardown(() => n.setThreadAffinity(Int32Array.from(allowed)))
  n.setThreadAffinity(Int32Array.of(allowed[0], 8191))
  t.same(n.getThreadAffinity(), [allowed[0]])
  for (const cpus of [[], [8191]])
    t.throws(() => n.setThreadAffinity(Int32Array.from(cpus)), { code: 'EINVAL', syscall: 'sched_setaffinity' })
  for (const cpu of [-1, 8192])
    t.throws(() => n.setThreadAffinity(Int32Array.of(cpu)), { message: /"cpus" must be numbers of CPUs/ })
})
