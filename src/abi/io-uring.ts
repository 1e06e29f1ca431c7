/**
 * io_uring: opcodes, flags, and the layout of the ring entries that src/io writes and reads.
 *
 * Source: <linux/io_uring.h>, <sys/uio.h>. The C side of the table is native-bindings/abi-names.h; test/abi compares
 * both.
 */

// opcodes
export const IORING_OP_NOP = 0
export const IORING_OP_WRITEV = 2
export const IORING_OP_POLL_ADD = 6
export const IORING_OP_ASYNC_CANCEL = 14
export const IORING_OP_READ = 22
export const IORING_OP_WRITE = 23

// sqe.flags
export const IOSQE_FIXED_FILE = 0x1
export const IOSQE_CQE_SKIP_SUCCESS = 0x40

// sqe.rw_flags
export const RWF_NOWAIT = 0x8

// io_uring_setup flags
export const IORING_SETUP_SUBMIT_ALL = 0x80
export const IORING_SETUP_TASKRUN_FLAG = 0x200
export const IORING_SETUP_SINGLE_ISSUER = 0x1000
export const IORING_SETUP_DEFER_TASKRUN = 0x2000

// SQ ring flags
export const IORING_SQ_TASKRUN = 0x4

// struct io_uring_sqe
export const SQE_OPCODE = 0
export const SQE_FLAGS = 1
export const SQE_FD = 4
export const SQE_ADDR = 16
export const SQE_LEN = 24
export const SQE_RW_FLAGS = 28
export const SQE_USER_DATA = 32
export const SQE_SIZE = 64

// struct io_uring_cqe
export const CQE_USER_DATA = 0
export const CQE_RES = 8
export const CQE_SIZE = 16
