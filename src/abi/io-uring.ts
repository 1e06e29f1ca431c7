/**
 * io_uring: opcodes, flags, and the layout of the entries that src/io writes and reads itself.
 *
 * Source: <linux/io_uring.h>, <sys/uio.h>. The C side of the table is native-bindings/abi-names.h; test/abi compares both.
 */

// opcodes
export const IORING_OP_NOP = 0
export const IORING_OP_READV = 1
export const IORING_OP_WRITEV = 2
export const IORING_OP_READ_FIXED = 4
export const IORING_OP_WRITE_FIXED = 5
export const IORING_OP_POLL_ADD = 6
export const IORING_OP_POLL_REMOVE = 7
export const IORING_OP_TIMEOUT = 11
export const IORING_OP_TIMEOUT_REMOVE = 12
export const IORING_OP_ASYNC_CANCEL = 14
export const IORING_OP_READ = 22
export const IORING_OP_WRITE = 23
export const IORING_OP_MSG_RING = 40

// sqe.flags
export const IOSQE_FIXED_FILE = 0x1
export const IOSQE_IO_DRAIN = 0x2
export const IOSQE_IO_LINK = 0x4
export const IOSQE_IO_HARDLINK = 0x8
export const IOSQE_ASYNC = 0x10
export const IOSQE_BUFFER_SELECT = 0x20
export const IOSQE_CQE_SKIP_SUCCESS = 0x40

// sqe.rw_flags
export const RWF_NOWAIT = 0x8

// sqe.cancel_flags
export const IORING_ASYNC_CANCEL_ALL = 0x1
export const IORING_ASYNC_CANCEL_FD = 0x2
export const IORING_ASYNC_CANCEL_ANY = 0x4
export const IORING_ASYNC_CANCEL_FD_FIXED = 0x8

// sqe.len of POLL_ADD
export const IORING_POLL_ADD_MULTI = 0x1

// cqe.flags
export const IORING_CQE_F_MORE = 0x2

// io_uring_setup flags
export const IORING_SETUP_CQSIZE = 0x8
export const IORING_SETUP_CLAMP = 0x10
export const IORING_SETUP_R_DISABLED = 0x40
export const IORING_SETUP_SUBMIT_ALL = 0x80
export const IORING_SETUP_COOP_TASKRUN = 0x100
export const IORING_SETUP_TASKRUN_FLAG = 0x200
export const IORING_SETUP_SINGLE_ISSUER = 0x1000
export const IORING_SETUP_DEFER_TASKRUN = 0x2000

// io_uring_params.features
export const IORING_FEAT_SINGLE_MMAP = 0x1
export const IORING_FEAT_NODROP = 0x2
export const IORING_FEAT_FAST_POLL = 0x20
export const IORING_FEAT_EXT_ARG = 0x100
export const IORING_FEAT_CQE_SKIP = 0x800

// SQ ring flags
export const IORING_SQ_NEED_WAKEUP = 0x1
export const IORING_SQ_CQ_OVERFLOW = 0x2
export const IORING_SQ_TASKRUN = 0x4

// io_uring_register opcodes
export const IORING_REGISTER_FILES = 2
export const IORING_UNREGISTER_FILES = 3
export const IORING_REGISTER_EVENTFD = 4
export const IORING_UNREGISTER_EVENTFD = 5
export const IORING_REGISTER_FILES_UPDATE = 6
export const IORING_REGISTER_PROBE = 8
export const IORING_REGISTER_ENABLE_RINGS = 12

// struct io_uring_sqe
export const SQE_OPCODE = 0
export const SQE_FLAGS = 1
export const SQE_IOPRIO = 2
export const SQE_FD = 4
export const SQE_OFF = 8
export const SQE_ADDR = 16
export const SQE_LEN = 24
export const SQE_RW_FLAGS = 28
export const SQE_POLL32_EVENTS = 28
export const SQE_CANCEL_FLAGS = 28
export const SQE_USER_DATA = 32
export const SQE_BUF_INDEX = 40
export const SQE_PERSONALITY = 42
export const SQE_FILE_INDEX = 44
export const SQE_SIZE = 64

// struct io_uring_cqe
export const CQE_USER_DATA = 0
export const CQE_RES = 8
export const CQE_FLAGS = 12
export const CQE_SIZE = 16
