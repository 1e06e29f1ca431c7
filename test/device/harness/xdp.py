#!/usr/bin/env python3
"""An XDP program that counts every frame and passes it, drops it or sends it on, without a compiler or libbpf.

    xdp.py DEV drv|skb|link [ACTION]
                                attaches it and prints "ready"; when stdin ends, detaches it and prints whether any frame came,
                                and whether one was longer than 1514 bytes (the most that an MTU of 1500 allows).
                                drv: in the driver, by netlink; skb: after the driver, by netlink; link: in the driver, by
                                a bpf_link
    ACTION                      pass, drop, tx (back by DEV), or the name of a device to which frames go (XDP_REDIRECT)
"""
import ctypes
import mmap
import os
import socket
import struct
import sys

SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
BPF_MAP_CREATE, BPF_PROG_LOAD, BPF_LINK_CREATE = 0, 5, 28
BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE = 2, 1 << 10
BPF_PROG_TYPE_XDP, BPF_XDP = 6, 37
XDP_ACTIONS = {"drop": 1, "pass": 2, "tx": 3}
BPF_PSEUDO_MAP_VALUE, BPF_FUNC_REDIRECT, BPF_FUNC_XDP_GET_BUFF_LEN = 2, 23, 188
XDP_FLAGS = {"skb": 2, "drv": 4, "link": 4}
RTM_SETLINK, NLM_F_REQUEST_ACK, NLA_F_NESTED = 19, 5, 0x8000
IFLA_XDP, IFLA_XDP_FD, IFLA_XDP_FLAGS = 43, 1, 3
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11
LONGEST = 1514

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, 144)
    result = libc.syscall(SYS_BPF, command, buffer, len(buffer))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def instruction(code, dst=0, src=0, off=0, imm=0):
    return struct.pack("<BBhi", code, dst | src << 4, off, imm)


def verdict(action):
    """r0 = what becomes of the frame"""
    if action in XDP_ACTIONS:
        return [instruction(0xB7, 0, imm=XDP_ACTIONS[action])]
    other = socket.if_nametoindex(action)
    return [instruction(0xB7, 1, imm=other), instruction(0xB7, 2), instruction(0x85, imm=BPF_FUNC_REDIRECT)]


def load(counters, action):
    """Counts frames in the first 8 bytes of the map, those that are too long in the next."""
    program = b"".join([
        instruction(0x85, imm=BPF_FUNC_XDP_GET_BUFF_LEN),  # r0 = length of the frame r1
        instruction(0x18, 1, BPF_PSEUDO_MAP_VALUE, 0, counters), instruction(0),  # r1 = counters
        instruction(0xB7, 2, imm=1),  # r2 = 1
        instruction(0xDB, 1, 2, 0),  # r1[0] += r2, atomically
        instruction(0xB5, 0, off=1, imm=LONGEST),  # r0 <= LONGEST: skip one
        instruction(0xDB, 1, 2, 8),  # r1[8] += r2
        *verdict(action),
        instruction(0x95),
    ])
    code, licence = ctypes.create_string_buffer(program), ctypes.create_string_buffer(b"MIT")
    at = [ctypes.addressof(code), ctypes.addressof(licence)]
    header = struct.pack("<IIQQIIQII16sII", BPF_PROG_TYPE_XDP, len(program) // 8, *at, 0, 0, 0, 0, 0, b"count", 0, BPF_XDP)
    return bpf(BPF_PROG_LOAD, header)


def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def set_xdp(index, fd, flags):
    """RTM_SETLINK with IFLA_XDP. Raises an OSError with the kernel's own words."""
    route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK):
        route.setsockopt(SOL_NETLINK, option, 1)
    nested = attribute(IFLA_XDP_FD, struct.pack("=i", fd)) + attribute(IFLA_XDP_FLAGS, struct.pack("=I", flags))
    payload = struct.pack("=BxHiII", 0, 0, index, 0, 0) + attribute(IFLA_XDP | NLA_F_NESTED, nested)
    route.send(struct.pack("=IHHII", 16 + len(payload), RTM_SETLINK, NLM_F_REQUEST_ACK, 1, 0) + payload)
    reply = route.recv(65536)
    (error,) = struct.unpack_from("=i", reply, 16)
    if error:
        raise OSError(-error, reply[40:].rstrip(b"\0").decode() or os.strerror(-error))


def main(dev, mode, action="pass"):
    index = socket.if_nametoindex(dev)
    counters = bpf(BPF_MAP_CREATE, struct.pack("<IIIII", BPF_MAP_TYPE_ARRAY, 4, 16, 1, BPF_F_MMAPABLE))
    program = load(counters, action)
    memory = mmap.mmap(counters, 4096)
    if mode == "link":
        link = bpf(BPF_LINK_CREATE, struct.pack("<IIII", program, index, BPF_XDP, XDP_FLAGS[mode]))
    else:
        set_xdp(index, program, XDP_FLAGS[mode])
    print("ready", flush=True)
    sys.stdin.read()
    if mode == "link":
        os.close(link)
    else:
        set_xdp(index, -1, XDP_FLAGS[mode])
    frames, too_long = struct.unpack("=QQ", memory[:16])
    print(f"{'some' if frames else 'no'} frames, {'some' if too_long else 'none'} longer than {LONGEST} bytes", flush=True)


try:
    main(*sys.argv[1:])
except OSError as refusal:
    sys.exit(f"refused: {refusal.strerror}")
