#!/usr/bin/env python3
"""Sockets with the options that matter to a device, for rows of the table. What is printed is compared.

    sockets.py receive ADDR PORT N         N datagrams: prints "ready", then their lengths and a digest of them all
    sockets.py receive-gro ADDR PORT LEN   the same until LEN bytes came, with UDP_GRO: lengths as they were read
    sockets.py receive-raw ADDR PROTO N    N packets of an IP protocol
    sockets.py send-unchecked ADDR PORT N  N datagrams without a checksum (SO_NO_CHECK)
    sockets.py send-gso ADDR PORT N SIZE   N segments of SIZE bytes in one send (UDP_SEGMENT)
    sockets.py send-raw ADDR PROTO N       N packets of an IP protocol
    sockets.py send-marked DEV MARK N      N frames that carry a mark
    sockets.py verified DEV OTHER          sends by DEV what the kernel cuts and sums up; what OTHER hears of the sum
    sockets.py toggle DEV OTHER N          takes DEV down and up, N times, and looks at the carrier of OTHER at once
"""
import fcntl
import hashlib
import socket
import struct
import sys

SOL_PACKET, PACKET_AUXDATA, PACKET_VNET_HDR, TP_STATUS_CSUM_VALID = 263, 8, 15, 1 << 7
SO_NO_CHECK, SO_MARK = 11, 36
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
UDP_SEGMENT, UDP_GRO = 103, 104


def udp(address, options=()):
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(5)
    for level, name, value in options:
        made.setsockopt(level, name, value)
    return made


def take(made, enough):
    print("ready", flush=True)
    lengths, digest = [], hashlib.sha1()
    while not enough(lengths):
        data = made.recv(1 << 17)
        lengths.append(len(data))
        digest.update(data)
    print(lengths, digest.hexdigest(), flush=True)


def receive(address, port, count):
    made = udp(address)
    made.bind((address, int(port)))
    take(made, lambda lengths: len(lengths) == int(count))


def receive_gro(address, port, length):
    made = udp(address, [(socket.IPPROTO_UDP, UDP_GRO, 1)])
    made.bind((address, int(port)))
    take(made, lambda lengths: sum(lengths) >= int(length))


def raw(protocol):
    made = socket.socket(socket.AF_INET, socket.SOCK_RAW, int(protocol))
    made.settimeout(5)
    return made


def receive_raw(_address, protocol, count):
    made = raw(protocol)
    print("ready", flush=True)
    # the header has an id that nobody compares
    print([made.recv(1 << 16)[20:].hex() for _ in range(int(count))], flush=True)


def send_raw(address, protocol, count):
    made = raw(protocol)
    for i in range(int(count)):
        made.sendto(bytes([i]) * (20 + i), (address, 0))


def send_unchecked(address, port, count):
    made = udp(address, [(socket.SOL_SOCKET, SO_NO_CHECK, 1)])
    for i in range(int(count)):
        made.sendto(bytes([i]) * (100 + i), (address, int(port)))


def send_gso(address, port, count, size):
    made = udp(address, [(socket.IPPROTO_UDP, UDP_SEGMENT, int(size))])
    made.sendto(b"".join(bytes([i]) * int(size) for i in range(int(count))), (address, int(port)))


def send_marked(dev, mark, count):
    """N frames that carry a mark (SO_MARK), by AF_PACKET: EtherType 0x88b5, to everybody."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    made.setsockopt(socket.SOL_SOCKET, SO_MARK, int(mark))
    made.bind((dev, 0))
    for _ in range(int(count)):
        made.send(bytes.fromhex("ffffffffffff" "027664000001" "88b5") + bytes(46))


def verified(dev, other):
    """3000 bytes of UDP as one super-frame for IP fragments (VIRTIO_NET_HDR_GSO_UDP): the kernel adds the checksum up."""
    into, out = (socket.socket(socket.AF_PACKET, socket.SOCK_RAW) for _ in range(2))
    into.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    into.bind((other, 0x0800))
    into.settimeout(5)
    out.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    out.bind((dev, 0))
    vnet = struct.pack("=BBHHHH", 1, 3, 42, 1000, 34, 6)
    ip = bytes.fromhex("4500" "0bd4" "00010000" "4011" "0000" "c0000201" "c0000202")
    udp = bytes.fromhex("0400" "0400" "0bc0" "0000")
    out.send(vnet + bytes.fromhex("ffffffffffff" "027664000001" "0800") + ip + udp + bytes(3000))
    _, ancillary, _, _ = into.recvmsg(1 << 16, 64)
    (status,) = struct.unpack_from("=I", ancillary[0][2])
    print("known to be right" if status & TP_STATUS_CSUM_VALID else "to be looked at", flush=True)


def toggle(dev, other, count):
    """Takes DEV down N times and looks at once whether OTHER has lost its carrier."""
    made = socket.socket()
    seen = 0
    for _ in range(int(count)):
        for flags in (0, IFF_UP):
            fcntl.ioctl(made, SIOCSIFFLAGS, struct.pack("16sh14x", dev.encode(), flags))
            with open(f"/sys/class/net/{other}/carrier") as carrier:
                seen += carrier.read().strip() == str(flags)
    print(f"{seen} of {2 * int(count)} seen at once", flush=True)


what, *words = sys.argv[1:]
globals()[what.replace("-", "_")](*words)
