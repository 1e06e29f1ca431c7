"""Adds VLAN tags to sent frames, or removes them from received ones, as a VLAN device does: outside of the frame (cls_bpf).

    vlan.py push DEV ID     adds an 802.1Q tag to every frame that DEV sends
    vlan.py pop DEV         removes the tag of every frame that DEV receives

It works in the current network namespace and lasts as long as the device.
"""
import ctypes
import os
import platform
import struct
import subprocess
import sys
import tempfile

BPF_OBJ_PIN, BPF_PROG_LOAD = 6, 5
BPF_PROG_TYPE_SCHED_CLS = 3
TC_ACT_UNSPEC = -1
SKB_VLAN_PUSH, SKB_VLAN_POP = 18, 19
NR_BPF = {'x86_64': 321, 'aarch64': 280}[platform.machine()]

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, 128)
    result = libc.syscall(NR_BPF, command, buffer, len(buffer))
    if result < 0:
        raise OSError(ctypes.get_errno(), f'bpf({command}): {os.strerror(ctypes.get_errno())}')
    return result


def address(buffer):
    return ctypes.addressof(buffer)


def instruction(code, registers=0, value=0):
    return struct.pack('=BBhi', code, registers, 0, value)


def mov(register, value):
    return instruction(0xb7, register, value)


def call(helper):
    return instruction(0x85, 0, helper)


def load(*body):
    """A program that runs `body` with the skb in register 1, and then continues with the next filter."""
    code = b''.join(body) + mov(0, TC_ACT_UNSPEC) + instruction(0x95)
    program, license = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(b'MIT')
    fields = (BPF_PROG_TYPE_SCHED_CLS, len(code) // 8, address(program), address(license))
    return bpf(BPF_PROG_LOAD, struct.pack('=IIQQ', *fields))


def attach(program, dev, hook):
    """Pins the program in a bpf file system that only this process sees, because tc accepts a program only by a path."""
    if libc.unshare(0x20000) != 0:  # CLONE_NEWNS
        raise OSError(ctypes.get_errno(), 'unshare')
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(['mount', '--make-rprivate', '/'], check=True)
        subprocess.run(['mount', '-t', 'bpf', 'bpf', folder], check=True)
        path = ctypes.create_string_buffer(f'{folder}/program'.encode())
        bpf(BPF_OBJ_PIN, struct.pack('=QI', address(path), program))
        subprocess.run(['tc', 'qdisc', 'replace', 'dev', dev, 'clsact'], check=True)
        subprocess.run(
            ['tc', 'filter', 'add', 'dev', dev, hook, 'pref', '1', 'bpf', 'da', 'object-pinned', path.value.decode()],
            check=True,
        )
        subprocess.run(['umount', folder], check=True)


if sys.argv[1] == 'push':
    proto = struct.unpack('=H', struct.pack('!H', 0x8100))[0]
    attach(load(mov(2, proto), mov(3, int(sys.argv[3])), call(SKB_VLAN_PUSH)), sys.argv[2], 'egress')
else:
    attach(load(call(SKB_VLAN_POP)), sys.argv[2], 'ingress')
