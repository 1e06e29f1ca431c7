/**
 * The length filter: a BPF program on the sending TAP that drops frames longer than its peer's MTU allows, in the
 * sender's own system call. So the sender sees the same as on veth: tx_dropped, no tx_packets, ENOBUFS.
 *
 *     r2 = &map value              { u64 limit; u64 drops }, shared with us by mmap
 *     if skb->len <= r2->limit     pass
 *     if skb->gso_size != 0        pass: a super-frame is judged by its segments (__dev_forward_skb)
 *     r2->drops += 1, atomically   drop
 *
 * A change of the MTU is one store. The filter needs CAP_BPF. Without it xmit.ts drops such frames, later and without
 * the sender noticing.
 */

import { native } from '../../../native-bindings/index.js'
import * as bpf from '../../abi/bpf.js'
import { LINK_OVERHEAD } from '../../frame/vlan.js'

/** Bytes of the map's only value. */
const VALUE_BYTES = 16
const LIMIT = 0
const DROPS = 1

export interface LengthFilter {
  /** Drops frames longer than this IP MTU allows from now on. */
  setPeerMtu(mtu: number): void
  /** Number of frames dropped so far. */
  readonly drops: bigint
}

/**
 * Attaches a length filter to a TAP. Throws NativeError (EPERM without CAP_BPF). The kernel frees it with the device.
 */
export function attachLengthFilter(tapFd: number, peerMtu: number): LengthFilter {
  const mapFd = native().bpfCreateArrayMap(VALUE_BYTES, 1, 'vethd_length')
  try {
    const value = new BigUint64Array(native().bpfMapMemory(mapFd, VALUE_BYTES), 0, 2)
    const setPeerMtu = (mtu: number): void => {
      value[LIMIT] = BigInt(mtu + LINK_OVERHEAD)
    }
    setPeerMtu(peerMtu)
    const program = native().bpfLoadProgram(bpf.BPF_PROG_TYPE_SOCKET_FILTER, lengthFilter(mapFd), 'GPL', 'vethd_length')
    try {
      native().tapSetFilter(tapFd, program)
    } finally {
      native().close(program)
    }
    return {
      setPeerMtu,
      get drops() {
        return value[DROPS]
      },
    }
  } finally {
    native().close(mapFd)
  }
}

/** The program's instructions, 8 bytes each (struct bpf_insn, host byte order). r1 is the context: struct __sk_buff. */
function lengthFilter(mapFd: number): Uint8Array {
  const R0 = 0
  const CTX = 1
  const VALUE = 2
  const A = 3
  const B = 4
  return assemble([
    // VALUE = address of the map's value; a 64-bit immediate takes two instructions
    [bpf.BPF_LD | bpf.BPF_DW | bpf.BPF_IMM, VALUE, bpf.BPF_PSEUDO_MAP_VALUE, 0, mapFd],
    [0, 0, 0, 0, 0],
    [bpf.BPF_LDX | bpf.BPF_MEM | bpf.BPF_W, A, CTX, bpf.SK_BUFF_LEN, 0],
    [bpf.BPF_LDX | bpf.BPF_MEM | bpf.BPF_DW, B, VALUE, 8 * LIMIT, 0],
    [bpf.BPF_JMP | bpf.BPF_JLE | bpf.BPF_X, A, B, 6, 0], // to pass
    [bpf.BPF_LDX | bpf.BPF_MEM | bpf.BPF_W, A, CTX, bpf.SK_BUFF_GSO_SIZE, 0],
    [bpf.BPF_JMP | bpf.BPF_JNE | bpf.BPF_K, A, 0, 4, 0], // to pass
    [bpf.BPF_ALU64 | bpf.BPF_MOV | bpf.BPF_K, B, 0, 0, 1],
    [bpf.BPF_STX | bpf.BPF_ATOMIC | bpf.BPF_DW, VALUE, B, 8 * DROPS, bpf.BPF_ADD],
    [bpf.BPF_ALU64 | bpf.BPF_MOV | bpf.BPF_K, R0, 0, 0, 0],
    [bpf.BPF_JMP | bpf.BPF_EXIT, 0, 0, 0, 0],
    // pass: the whole frame, however long
    [bpf.BPF_ALU64 | bpf.BPF_MOV | bpf.BPF_K, R0, 0, 0, -1],
    [bpf.BPF_JMP | bpf.BPF_EXIT, 0, 0, 0, 0],
  ])
}

type Instruction = [opcode: number, destination: number, source: number, offset: number, immediate: number]

function assemble(instructions: Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * 8)
  const registers = HOST_LITTLE_ENDIAN
    ? (dst: number, src: number): number => (src << 4) | dst
    : (dst: number, src: number): number => (dst << 4) | src
  const view = new DataView(bytes.buffer)
  instructions.forEach(([opcode, destination, source, offset, immediate], i) => {
    view.setUint8(8 * i, opcode)
    view.setUint8(8 * i + 1, registers(destination, source))
    view.setInt16(8 * i + 2, offset, HOST_LITTLE_ENDIAN)
    view.setInt32(8 * i + 4, immediate, HOST_LITTLE_ENDIAN)
  })
  return bytes
}

const HOST_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
