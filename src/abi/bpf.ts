/**
 * eBPF: the instructions and structs for the length filter of veth/birth/length-filter.ts.
 *
 * Source: <linux/bpf.h>, <linux/bpf_common.h>. The C side of the table is native-bindings/abi-names.h; test/abi
 * compares both.
 */

// instruction classes
export const BPF_LD = 0x0
export const BPF_LDX = 0x1
export const BPF_STX = 0x3
export const BPF_JMP = 0x5
export const BPF_ALU64 = 0x7

// sizes
export const BPF_W = 0x0
export const BPF_DW = 0x18

// modes
export const BPF_IMM = 0x0
export const BPF_MEM = 0x60
export const BPF_ATOMIC = 0xc0

// operands
export const BPF_K = 0x0
export const BPF_X = 0x8

// arithmetic
export const BPF_ADD = 0x0
export const BPF_MOV = 0xb0

// jumps
export const BPF_JGT = 0x20
export const BPF_JNE = 0x50
export const BPF_JLE = 0xb0
export const BPF_EXIT = 0x90

// src_reg of a 64-bit immediate load
export const BPF_PSEUDO_MAP_VALUE = 2
export const BPF_PROG_TYPE_SOCKET_FILTER = 1

// struct bpf_insn
export const BPF_INSN_CODE = 0
export const BPF_INSN_OFF = 2
export const BPF_INSN_IMM = 4
export const BPF_INSN_SIZE = 8

// struct __sk_buff, the program's context
export const SK_BUFF_LEN = 0
export const SK_BUFF_GSO_SIZE = 176
