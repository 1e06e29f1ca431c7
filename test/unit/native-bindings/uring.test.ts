/**
 * io_uring from TypeScript: entries are written into the mapping, and completions are read from it.
 *
 * `Ring` is a minimal, slow reference of src/io/uring-ring.ts.
 */
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { type NativeError, native, type UringMapping } from '../../../native-bindings/index.js'
import { EBADF, ETIME } from '../../../src/abi/errno.js'
import * as abi from '../../../src/abi/io-uring.js'
import { collectUntil, openPipe, startWorker } from './helpers.js'

const n = native()

interface Entry {
  opcode: number
  fd?: number
  address?: [low: number, high: number]
  length?: number
  flags?: number
  rwFlags?: number
  userData: number
}

interface Completion {
  userData: number
  result: number
}

/** One entry after the other, one completion after the other. */
class Ring {
  readonly #ring: DataView
  readonly #sqes: DataView
  constructor(readonly mapping: UringMapping) {
    this.#ring = new DataView(mapping.ring)
    this.#sqes = new DataView(mapping.sqes)
  }
  push(entry: Entry): void {
    const tail = this.#ring.getUint32(this.mapping.sqTail, true)
    const at = (tail % this.mapping.sqEntries) * abi.SQE_SIZE
    new Uint8Array(this.mapping.sqes, at, abi.SQE_SIZE).fill(0)
    this.#sqes.setUint8(at + abi.SQE_OPCODE, entry.opcode)
    this.#sqes.setUint8(at + abi.SQE_FLAGS, entry.flags ?? 0)
    this.#sqes.setInt32(at + abi.SQE_FD, entry.fd ?? -1, true)
    this.#sqes.setUint32(at + abi.SQE_ADDR, entry.address?.[0] ?? 0, true)
    this.#sqes.setUint32(at + abi.SQE_ADDR + 4, entry.address?.[1] ?? 0, true)
    this.#sqes.setUint32(at + abi.SQE_LEN, entry.length ?? 0, true)
    this.#sqes.setUint32(at + abi.SQE_RW_FLAGS, entry.rwFlags ?? 0, true)
    this.#sqes.setUint32(at + abi.SQE_USER_DATA, entry.userData, true)
    this.#ring.setUint32(this.mapping.sqTail, tail + 1, true)
  }
  enter(toSubmit: number, minComplete: number, timeoutMs: number): number {
    return n.uringEnter(this.mapping.fd, toSubmit, minComplete, timeoutMs)
  }
  reap(): Completion[] {
    const completions: Completion[] = []
    let head = this.#ring.getUint32(this.mapping.cqHead, true)
    for (; head !== this.#ring.getUint32(this.mapping.cqTail, true); head = (head + 1) >>> 0) {
      const at = this.mapping.cqes + (head % this.mapping.cqEntries) * abi.CQE_SIZE
      completions.push({
        userData: this.#ring.getUint32(at + abi.CQE_USER_DATA, true),
        result: this.#ring.getInt32(at + abi.CQE_RES, true),
      })
    }
    this.#ring.setUint32(this.mapping.cqHead, head, true)
    return completions
  }
}

/** Why there is no io_uring here, or undefined. */
function forbidden(): string | undefined {
  try {
    n.uringClose(n.uringSetup(1, 2, 0))
    return undefined
  } catch (error) {
    return `io_uring is not to be had here: ${(error as NativeError).message}`
  }
}

function openRing(t: Test, entries = 8, cqEntries = 16, flags = 0): Ring {
  const mapping = n.uringSetup(entries, cqEntries, flags)
  t.teardown(() => mapping.fd >= 0 && n.uringClose(mapping))
  return new Ring(mapping)
}

const skip = forbidden()

t.test('every entry of a ring can be used, round after round', { skip }, async (t) => {
  const ring = openRing(t, 8, 32)
  t.equal(ring.mapping.sqEntries, 8)
  t.equal(ring.mapping.cqEntries, 32)
  t.equal(ring.mapping.sqes.byteLength, 8 * abi.SQE_SIZE)
  for (let round = 0; round < 100; round++) {
    const userData = Array.from({ length: 8 }, (_, i) => round * 8 + i)
    for (const value of userData) ring.push({ opcode: abi.IORING_OP_NOP, userData: value })
    t.equal(ring.enter(8, 8, 1000), 8)
    t.same(
      ring.reap(),
      userData.map((value) => ({ userData: value, result: 0 })),
    )
  }
})

t.test('the mapping covers the index array behind the completions, for every size', { skip }, async (t) => {
  for (let entries = 1; entries <= 4096; entries *= 2) {
    const ring = openRing(t, entries, entries * 2)
    const { cqes, cqEntries } = ring.mapping
    t.ok(ring.mapping.ring.byteLength >= cqes + cqEntries * abi.CQE_SIZE + entries * 4, `${entries} entries fit`)
    for (let i = 0; i < entries; i++) ring.push({ opcode: abi.IORING_OP_NOP, userData: i })
    t.equal(ring.enter(entries, entries, 1000), entries)
    t.equal(ring.reap().length, entries)
  }
})

t.test('a wait ends with -ETIME when nothing completes in time', { skip }, async (t) => {
  const ring = openRing(t)
  const start = performance.now()
  t.equal(ring.enter(0, 1, 30), -ETIME)
  t.ok(performance.now() - start >= 29)
  t.equal(ring.enter(0, 1, 0), -ETIME, 'a timeout of 0 only looks')
  const again = performance.now()
  for (let i = 0; i < 10; i++) t.equal(ring.enter(0, 1, 0.2), -ETIME)
  t.ok(performance.now() - again >= 2, 'parts of a millisecond count')
  t.equal(ring.enter(0, 0, -1), 0, 'nothing to wait for')
})

t.test('after a submission the kernel reports that, even when the time passed', { skip }, async (t) => {
  const ring = openRing(t)
  ring.push({ opcode: abi.IORING_OP_POLL_ADD, fd: openPipe(t), rwFlags: 1, userData: 1 })
  t.equal(ring.enter(1, 1, 10), 1)
  t.same(ring.reap(), [])
})

t.test('a wait without bound ends when another thread wakes an eventfd that the ring polls', { skip }, async (t) => {
  const ring = openRing(t)
  const wake = n.eventfd()
  t.teardown(() => n.close(wake))
  const worker = startWorker(t, `parentPort.once('message', () => n.eventfdSignal(workerData))`, wake)
  worker.postMessage('go')
  ring.push({ opcode: abi.IORING_OP_POLL_ADD, fd: wake, rwFlags: 1, userData: 5 })
  t.equal(ring.enter(1, 1, -1), 1)
  t.same(ring.reap(), [{ userData: 5, result: 1 }])
})

t.test('a ring writes from a slab and reads into it', { skip }, async (t) => {
  const ring = openRing(t, 8, 16, abi.IORING_SETUP_SINGLE_ISSUER)
  const pipe = openPipe(t)
  const slab = n.slabCreate(8192)
  const bytes = new Uint8Array(slab.buffer)
  bytes.set([1, 2, 3], 0)
  ring.push({
    opcode: abi.IORING_OP_WRITE,
    fd: pipe,
    address: [slab.addressLow, slab.addressHigh],
    length: 3,
    userData: 1,
  })
  t.equal(ring.enter(1, 1, 1000), 1)
  t.same(ring.reap(), [{ userData: 1, result: 3 }])
  ring.push({
    opcode: abi.IORING_OP_READ,
    fd: pipe,
    address: [slab.addressLow + 4096, slab.addressHigh],
    length: 64,
    userData: 2,
  })
  t.equal(ring.enter(1, 1, 1000), 1)
  t.same(ring.reap(), [{ userData: 2, result: 3 }])
  t.same([...bytes.subarray(4096, 4100)], [1, 2, 3, 0])
})

t.test('fixed files: an empty table, filled and emptied slot by slot', { skip }, async (t) => {
  const ring = openRing(t)
  n.uringRegisterFilesSparse(ring.mapping.fd, 4)
  const wake = n.eventfd()
  t.teardown(() => n.close(wake))
  const slab = n.slabCreate(4096)
  new Uint32Array(slab.buffer)[0] = 3
  const write: Entry = {
    opcode: abi.IORING_OP_WRITE,
    fd: 2, // the slot
    flags: abi.IOSQE_FIXED_FILE,
    address: [slab.addressLow, slab.addressHigh],
    length: 8,
    userData: 1,
  }
  const tryIt = () => {
    ring.push(write)
    ring.enter(1, 1, 1000)
    return ring.reap()[0].result
  }
  t.equal(tryIt(), -EBADF, 'an empty slot')
  n.uringUpdateFile(ring.mapping.fd, 2, wake)
  t.equal(tryIt(), 8)
  t.equal(n.eventfdClear(wake), 3)
  n.uringUpdateFile(ring.mapping.fd, 2, -1)
  t.equal(tryIt(), -EBADF, 'emptied')
  t.throws(() => n.uringUpdateFile(ring.mapping.fd, 4, wake), {
    code: 'EINVAL',
    doing: `putting fd ${wake} into slot 4`,
  })
})

t.test('a closed ring is closed once: its fd number may be somebody else’s by then', { skip }, async (t) => {
  const { mapping } = openRing(t)
  n.uringClose(mapping)
  t.equal(mapping.fd, -1)
  t.throws(() => n.uringClose(mapping), { code: 'EBADF' })
})

t.test('a ring that nobody refers to is unmapped', { skip }, async (t) => {
  const rings = () => readFileSync('/proc/self/maps', 'utf8').split('anon_inode:[io_uring]').length - 1
  const before = rings()
  n.uringClose(n.uringSetup(8, 16, 0))
  t.ok(await collectUntil(() => rings() <= before))
})

t.test('flags that the kernel does not know are EINVAL', { skip }, async (t) => {
  t.throws(() => n.uringSetup(8, 16, 1 << 31), { code: 'EINVAL', syscall: 'io_uring_setup' })
})
