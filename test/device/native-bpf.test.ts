/**
 * bpf(2): a map in shared memory, and a program that reads it and drops frames that a TAP device would send.
 * Neighbour: native.test.ts.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { native } from '../../native-bindings/index.js'
import * as bpf from '../../src/abi/bpf.js'
import { EAGAIN } from '../../src/abi/errno.js'
import { collectUntil } from '../unit/native-bindings/helpers.js'
import { bringUpSilently, frame, Nursery, sendFrames, statsOf } from './native-nursery.js'

const n = native()

interface Instruction {
  code: number
  dst?: number
  src?: number
  off?: number
  imm?: number
}

/** struct bpf_insn: code, two registers of 4 bits, a 16-bit offset, a 32-bit number. */
function assemble(instructions: Instruction[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(instructions.length * bpf.BPF_INSN_SIZE))
  for (const [i, { code, dst = 0, src = 0, off = 0, imm = 0 }] of instructions.entries()) {
    const at = i * bpf.BPF_INSN_SIZE
    view.setUint8(at + bpf.BPF_INSN_CODE, code)
    view.setUint8(at + bpf.BPF_INSN_CODE + 1, dst | (src << 4))
    view.setInt16(at + bpf.BPF_INSN_OFF, off, true)
    view.setInt32(at + bpf.BPF_INSN_IMM, imm, true)
  }
  return new Uint8Array(view.buffer)
}

const EXIT = { code: bpf.BPF_JMP | bpf.BPF_EXIT }
const LOAD_32 = bpf.BPF_LDX | bpf.BPF_MEM | bpf.BPF_W
const LOAD_64 = bpf.BPF_LDX | bpf.BPF_MEM | bpf.BPF_DW
const STORE_64 = bpf.BPF_STX | bpf.BPF_MEM | bpf.BPF_DW

/** A frame longer than the map's first 8 bytes say is dropped, and counted in its second 8. */
const lengthFilter = (map: number) =>
  assemble([
    { code: bpf.BPF_LD | bpf.BPF_IMM | bpf.BPF_DW, dst: 2, src: bpf.BPF_PSEUDO_MAP_VALUE, imm: map }, // r2 = the map
    { code: 0 }, // second half of the 64-bit number: offset 0
    { code: LOAD_32, dst: 0, src: 1, off: bpf.SK_BUFF_LEN }, // r0 = skb->len
    { code: LOAD_64, dst: 3, src: 2, off: 0 }, // r3 = limit
    { code: bpf.BPF_JMP | bpf.BPF_JGT | bpf.BPF_X, dst: 0, src: 3, off: 1 }, // r0 > r3: too long
    EXIT, // keep r0 bytes
    { code: LOAD_64, dst: 4, src: 2, off: 8 },
    { code: bpf.BPF_ALU64 | bpf.BPF_ADD | bpf.BPF_K, dst: 4, imm: 1 },
    { code: STORE_64, dst: 2, src: 4, off: 8 },
    { code: bpf.BPF_ALU64 | bpf.BPF_MOV | bpf.BPF_K, dst: 0, imm: 0 }, // keep nothing
    EXIT,
  ])

t.test('a filter obeys and counts in memory that is shared with it', async (t) => {
  const nursery = new Nursery(t)
  const { fd } = nursery.open(t, 'f')
  bringUpSilently(nursery, 'f')
  const map = n.bpfCreateArrayMap(16, 1, 'vethd_test')
  t.teardown(() => n.close(map))
  const program = n.bpfLoadProgram(bpf.BPF_PROG_TYPE_SOCKET_FILTER, lengthFilter(map), 'MIT', 'vethd_test')
  n.tapSetFilter(fd, program)
  n.close(program) // the device holds it now
  const [LIMIT, DROPS] = [0, 1]
  const memory = new BigUint64Array(n.bpfMapMemory(map, 16))
  const into = new Uint8Array(64)

  memory[LIMIT] = 15n
  sendFrames(nursery, 'f', 3)
  t.equal(n.read(fd, into), -EAGAIN, 'frames of 16 bytes are too long')
  t.equal(memory[DROPS], 3n)
  t.equal(statsOf(nursery, 'f').tx.dropped, 3)

  memory[LIMIT] = 16n
  sendFrames(nursery, 'f', 1)
  t.equal(n.read(fd, into), frame.length)
  t.equal(memory[DROPS], 3n)

  memory[LIMIT] = 0n
  n.tapSetFilter(fd, -1)
  sendFrames(nursery, 'f', 1)
  t.equal(n.read(fd, into), frame.length, 'without the filter')
})

t.test('map memory outlives the fd of its map, and goes when nobody refers to it', async (t) => {
  const mapped = () => readFileSync('/proc/self/maps', 'utf8').split('anon_inode:bpf-map').length - 1
  const before = mapped()
  const map = n.bpfCreateArrayMap(8, 1, 'short')
  const use = () => {
    const memory = new Uint32Array(n.bpfMapMemory(map, 8))
    n.close(map)
    memory[0] = 5
    return memory[0]
  }
  t.equal(use(), 5)
  t.ok(await collectUntil(() => mapped() <= before))
})

t.test('a program that the verifier refuses is an error with its reasons', async (t) => {
  const mov = { code: bpf.BPF_ALU64 | bpf.BPF_MOV | bpf.BPF_X, dst: 0, src: 9 } // r9 was never written
  t.throws(() => n.bpfLoadProgram(bpf.BPF_PROG_TYPE_SOCKET_FILTER, assemble([mov, EXIT]), 'MIT', 'refused'), {
    code: 'EACCES',
    syscall: 'bpf(BPF_PROG_LOAD)',
    doing: /^loading the bpf program "refused"; the verifier says:\n[\s\S]*R9 !read_ok/,
  })
})

t.test('bad maps and programs are refused by name', async (t) => {
  t.throws(() => n.bpfCreateArrayMap(0, 1, 'empty'), {
    code: 'EINVAL',
    doing: 'making the map "empty" of 1 values of 0 bytes',
  })
  t.throws(() => n.bpfCreateArrayMap(8, 1, 'not a name'), { code: 'EINVAL' })
  t.throws(() => n.bpfLoadProgram(9999, assemble([EXIT]), 'MIT', 'x'), { code: 'EINVAL' })
})
