/** The poll engine's calls: batches, and epoll with tags. */
import { constants } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { native } from '../../../native-bindings/index.js'
import { EAGAIN, EBADF, EEXIST, EFAULT, EINVAL, EIO } from '../../../src/abi/errno.js'
import { EPOLLIN, EPOLLONESHOT, EPOLLOUT } from '../../../src/abi/poll.js'
import { openPipe, runProgram, temporaryFolder } from './helpers.js'

const n = native()
const READ = 0
const WRITE = 1
const WRITEV = 2

type Row = [opcode: number, fd: number, offset: number, length: number]

/** Carries out operations written as rows; the results. */
function batch(slab: ArrayBuffer, rows: Row[], aio = 0): number[] {
  const ops = Int32Array.from(rows.flat())
  n.ioBatch(slab, ops, rows.length, aio)
  return rows.map((_, i) => ops[4 * i + 3])
}

t.test('a batch writes and reads in order, at the offsets it names', async (t) => {
  const pipe = openPipe(t)
  const slab = new ArrayBuffer(64)
  const bytes = new Uint8Array(slab)
  bytes.set([1, 2, 3, 4, 5], 0)
  t.same(
    batch(slab, [
      [WRITE, pipe, 0, 5],
      [READ, pipe, 32, 2],
      [READ, pipe, 48, 8],
    ]),
    [5, 2, 3],
  )
  t.same([...bytes.subarray(32, 34)], [1, 2])
  t.same([...bytes.subarray(48, 51)], [3, 4, 5])
})

/** Where the list of pieces of a gathered write stands in the slabs below. */
const LIST = 32

t.test('a gathered write is one write of the pieces that its list names', async (t) => {
  const pipe = openPipe(t)
  const slab = new ArrayBuffer(64)
  new Uint8Array(slab).set([1, 2, 3, 4, 5, 6])
  new Int32Array(slab, LIST).set([4, 2, 0, 3])
  t.same(
    batch(slab, [
      [WRITEV, pipe, LIST, 2],
      [READ, pipe, 8, 8],
    ]),
    [5, 5],
  )
  t.same([...new Uint8Array(slab, 8, 5)], [5, 6, 1, 2, 3])
})

t.test('a gathered write of too many pieces, or with one outside the slab, writes nothing', async (t) => {
  const pipe = openPipe(t)
  const slab = new ArrayBuffer(64)
  new Int32Array(slab, LIST).set([0, 1, 60, 5, -1, 1, 0, -1])
  t.same(
    batch(slab, [
      [WRITEV, pipe, LIST, 2],
      [WRITEV, pipe, LIST + 16, 1],
      [WRITEV, pipe, LIST + 24, 1],
      [WRITEV, pipe, 56, 2],
      [WRITEV, pipe, -8, 1],
      [WRITEV, pipe, LIST + 2, 1],
      [WRITEV, pipe, LIST, -1],
      [WRITEV, pipe, LIST, 257],
      [WRITEV, -1, LIST, 1],
      [READ, pipe, 0, 8],
    ]),
    [-EFAULT, -EFAULT, -EFAULT, -EFAULT, -EFAULT, -EINVAL, -EINVAL, -EINVAL, -EBADF, -EAGAIN],
  )
})

t.test(
  'after a read that failed, the reads of the same fd directly behind it are answered without a call',
  async (t) => {
    const [empty, other] = [openPipe(t), openPipe(t)]
    const slab = new ArrayBuffer(64)
    n.write(other, Uint8Array.of(1, 2))
    const outside = 1 << 20 // would be EFAULT if it were tried
    t.same(
      batch(slab, [
        [READ, empty, 0, 8],
        [READ, empty, outside, 8],
        [READ, other, 8, 8],
        [READ, empty, outside, 8],
        [READ, empty, 16, 8],
      ]),
      [-EAGAIN, -EAGAIN, 2, -EFAULT, -EFAULT],
    )
  },
)

t.test('a write to the same fd ends that rule', async (t) => {
  const pipe = openPipe(t)
  t.same(
    batch(new ArrayBuffer(64), [
      [READ, pipe, 0, 8],
      [WRITE, pipe, 0, 4],
      [READ, pipe, 8, 8],
    ]),
    [-EAGAIN, 4, 4],
  )
})

t.test('an operation outside the slab, on a bad fd or of an unknown kind gets its own errno', async (t) => {
  const pipe = openPipe(t)
  t.same(
    batch(new ArrayBuffer(64), [
      [WRITE, pipe, 60, 5],
      [WRITE, pipe, -1, 1],
      [WRITE, pipe, 0, -1],
      [READ, -1, 0, 8],
      [9, pipe, 0, 8],
      [WRITE, pipe, 60, 4],
    ]),
    [-EFAULT, -EFAULT, -EFAULT, -EBADF, -EINVAL, 4],
  )
})

t.test('only as many operations are carried out as are asked for', async (t) => {
  const pipe = openPipe(t)
  const ops = Int32Array.of(WRITE, pipe, 0, 3, WRITE, pipe, 0, 3)
  n.ioBatch(new ArrayBuffer(8), ops, 1, 0)
  n.ioBatch(new ArrayBuffer(8), ops, 0, 0)
  t.equal(n.read(pipe, new Uint8Array(64)), 3)
})

t.test('with a context of asynchronous I/O a batch comes to the same', async (t) => {
  const aio = n.aioSetup()
  t.teardown(() => n.aioDestroy(aio))
  const pipe = openPipe(t)
  const many = Array.from({ length: 200 }, (_, i): Row[] => [
    [WRITE, pipe, i % 32, 2],
    [READ, pipe, 64 + 2 * i, 2],
  ]).flat()
  const rows: Row[] = [
    [WRITE, pipe, 0, 5],
    [READ, pipe, 64, 2],
    [READ, pipe, 80, 8],
    [READ, pipe, 80, 8],
    [WRITE, pipe, 0, 1],
    [WRITE, pipe, 1000, 5],
    [READ, pipe, -1, 8],
    [WRITEV, pipe, LIST, 2],
    [READ, -1, 0, 8],
    [9, pipe, 0, 8],
    [READ, pipe, 96, 16],
    ...many,
    [READ, pipe, 96, 16],
  ]
  const slabs = [0, aio].map((context) => {
    const slab = new ArrayBuffer(512)
    new Uint8Array(slab).set(Array.from({ length: LIST }, (_, i) => i + 1))
    new Int32Array(slab, LIST).set([4, 2, 0, 3])
    return { results: batch(slab, rows, context), bytes: [...new Uint8Array(slab)] }
  })
  t.same(slabs[1], slabs[0])
  t.same(slabs[0].results.slice(0, 11), [5, 2, 3, -EAGAIN, 1, -EFAULT, -EFAULT, 5, -EBADF, -EINVAL, 6])
})

t.test('a context that is none is refused by name, and carries nothing out in its way', async (t) => {
  t.throws(() => n.aioDestroy(4096), { code: 'EINVAL', syscall: 'io_destroy' })
  const pipe = openPipe(t)
  const row: Row = [WRITE, pipe, 0, 1]
  t.same(batch(new ArrayBuffer(8), [row, row, row, row], 4096), [1, 1, 1, 1])
})

const FORBID = fileURLToPath(new URL('../../../../test/device/harness/forbid.py', import.meta.url))

t.test('what was submitted is carried out once, though its results cannot be had', async (t) => {
  const pipe = join(temporaryFolder(t), 'pipe')
  const program = `
    import { execFileSync } from 'node:child_process'
    import { openSync, writeSync } from 'node:fs'
    execFileSync('mkfifo', ['${pipe}'])
    const pipe = openSync('${pipe}', ${constants.O_RDWR | constants.O_NONBLOCK})
    const aio = n.aioSetup()
    // the magic number of the ring of results: as on a kernel that lays it out otherwise
    writeSync(openSync('/proc/self/mem', 'r+'), Buffer.alloc(4), 0, 4, aio + 16)
    const ops = Int32Array.of(${WRITE}, pipe, 0, 3, ${WRITE}, pipe, 0, 4, ${READ}, pipe, 8, 2)
    n.ioBatch(new ArrayBuffer(16), ops, 3, aio)
    console.log([ops[3], ops[7], ops[11], n.read(pipe, new Uint8Array(64))].join())`
  const { stdout, stderr } = await runProgram(program, ['python3', FORBID, 'io_getevents'])
  t.equal(stdout.trim(), [3, 4, -EIO, 5].join(), stderr)
})

function openEpoll(t: Test): number {
  const fd = n.epollCreate()
  t.teardown(() => n.close(fd))
  return fd
}

t.test('epoll gives back the tag of each fd that is ready, with its events', async (t) => {
  const epoll = openEpoll(t)
  const pipes = [openPipe(t), openPipe(t), openPipe(t)]
  for (const [i, pipe] of pipes.entries()) n.epollAdd(epoll, pipe, EPOLLIN, i === 2 ? -1 : i)
  const out = new Int32Array(16)
  t.equal(n.epollWait(epoll, out, 0), 0)
  n.write(pipes[1], Uint8Array.of(1))
  n.write(pipes[2], Uint8Array.of(1))
  t.equal(n.epollWait(epoll, out, -1), 2)
  const ready = new Map([
    [out[0], out[1]],
    [out[2], out[3]],
  ] as [number, number][])
  t.same([...ready].sort(), [
    [-1, EPOLLIN],
    [1, EPOLLIN],
  ])
  t.equal(n.epollWait(epoll, new Int32Array(3), 0), 1, 'no more than there is room for')
  t.equal(n.epollWait(epoll, new Int32Array(1), 0), -EINVAL, 'no room at all')
})

t.test('a one-shot fd is silent until it is armed again', async (t) => {
  const epoll = openEpoll(t)
  const pipe = openPipe(t)
  const out = new Int32Array(2)
  n.epollAdd(epoll, pipe, EPOLLIN | EPOLLONESHOT, 1)
  n.write(pipe, Uint8Array.of(1))
  t.equal(n.epollWait(epoll, out, 0), 1)
  t.equal(n.epollWait(epoll, out, 0), 0)
  n.epollRemove(epoll, pipe)
  n.epollAdd(epoll, pipe, EPOLLIN | EPOLLOUT | EPOLLONESHOT, 2)
  t.equal(n.epollWait(epoll, out, 0), 1)
  t.same([...out], [2, EPOLLIN | EPOLLOUT])
  n.epollRemove(epoll, pipe)
  t.throws(() => n.epollRemove(epoll, pipe), { code: 'ENOENT', syscall: 'epoll_ctl(EPOLL_CTL_DEL)' })
})

t.test('an fd is added once', async (t) => {
  const epoll = openEpoll(t)
  const pipe = openPipe(t)
  n.epollAdd(epoll, pipe, EPOLLIN, 1)
  t.throws(() => n.epollAdd(epoll, pipe, EPOLLIN, 1), { code: 'EEXIST', errno: -EEXIST })
})

t.test('epollWait waits for parts of a millisecond, too', async (t) => {
  const started = performance.now()
  for (let i = 0; i < 10; i++) t.equal(n.epollWait(openEpoll(t), new Int32Array(2), 0.2), 0)
  const took = performance.now() - started
  t.ok(took >= 2, `${took} ms`)
  t.throws(() => n.epollWait(openEpoll(t), new Int32Array(2), Number.NaN), TypeError)
})

t.test('epollWait waits as long as it is told', async (t) => {
  const start = performance.now()
  t.equal(n.epollWait(openEpoll(t), new Int32Array(2), 30), 0)
  t.ok(performance.now() - start >= 29)
})
