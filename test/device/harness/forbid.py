#!/usr/bin/env python3
"""forbid.py SYSCALL COMMAND…: runs a command under a seccomp filter that answers EPERM to one system call.

Container runtimes and systemd units forbid io_uring_setup, bpf, openat2 and pidfd_getfd in this way. The machine's sysctls do
not change. io_setup gets EAGAIN, as if fs.aio-max-nr were used up.

SYSCALL may be "long-write": write(2) of 8192 bytes or more gets EINVAL, as some kernels answer super-frames; or
"long-writev": the same for writev(2) with 8 pieces or more. Both answer EPERM to io_submit(2), which could replace them.
"""
import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
BPF_LD_W_ABS, BPF_JEQ_K, BPF_JGE_K, BPF_RET_K = 0x20, 0x15, 0x35, 0x06
SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, EPERM, EAGAIN, EINVAL = 0x7FFF0000, 0x00050000, 1, 11, 22
NUMBERS = {
    "io_uring_setup": 425,  # from here on the same on every architecture
    "openat2": 437,
    "pidfd_getfd": 438,
    "io_setup": 206 if os.uname().machine == "x86_64" else 0,
    "io_getevents": 208 if os.uname().machine == "x86_64" else 4,
    "bpf": 321 if os.uname().machine == "x86_64" else 280,
    "long-write": 1 if os.uname().machine == "x86_64" else 64,
    "long-writev": 20 if os.uname().machine == "x86_64" else 66,
}
IO_SUBMIT = 209 if os.uname().machine == "x86_64" else 2
NR_OFFSET = 0  # offsetof(struct seccomp_data, nr)
LENGTH_OFFSET = 16 + 2 * 8  # of args[2], its lower half on a little-endian machine
LONG = {"long-write": 8192, "long-writev": 8}

number = NUMBERS[sys.argv[1]]
always = ((BPF_RET_K, 0, 0, SECCOMP_RET_ERRNO | (EAGAIN if sys.argv[1] == "io_setup" else EPERM)),)
when_long = (
    (BPF_LD_W_ABS, 0, 0, LENGTH_OFFSET),
    (BPF_JGE_K, 0, 1, LONG.get(sys.argv[1], 0)),
    (BPF_RET_K, 0, 0, SECCOMP_RET_ERRNO | EINVAL),
)
then = when_long if sys.argv[1] in LONG else always
first = ((BPF_JEQ_K, 0, 1, IO_SUBMIT), *always) if sys.argv[1] in LONG else ()

program = b"".join(
    struct.pack("=HBBI", *instruction)
    for instruction in (
        (BPF_LD_W_ABS, 0, 0, NR_OFFSET),
        *first,
        (BPF_JEQ_K, 0, len(then), number),
        *then,
        (BPF_RET_K, 0, 0, SECCOMP_RET_ALLOW),
    )
)


class SockFprog(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


libc = ctypes.CDLL(None, use_errno=True)
fprog = SockFprog(len(program) // 8, program)
for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(fprog), 0, 0)):
    if libc.prctl(*arguments) != 0:
        sys.exit(f"prctl({arguments[0]}): {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[2], sys.argv[2:])
