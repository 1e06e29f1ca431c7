#!/usr/bin/env python3
"""Raw Ethernet frames by AF_PACKET. A line is one frame, as two words in hex: virtio_net_hdr (10 bytes) and frame.

    frames.py send DEV      sends the frames on stdin; prints "sent" or the errno's name for each. The third word of a
                            line is the time in milliseconds to wait before it
    frames.py receive DEV   prints "ready", then the received frames, until stdin ends
    frames.py mtu DEV PEER N    lowers and raises PEER's MTU N times; prints after how many ms each a sender on DEV was
                            refused, or allowed, a frame that only the higher MTU allows
    frames.py sniff DEV     prints the frames from SOURCE in both directions, promiscuously: in or out, length, whether the
                            checksum is partial, gso_type and gso_size, and a digest
    frames.py classify DEV  prints how the kernel classifies each received frame from SOURCE: sll_pkttype and sll_protocol,
                            and the frame

The kernel removes a received VLAN tag from the frame and reports it in PACKET_AUXDATA. It is put back here, so that the
output shows the frame as it was on the wire. Our own outgoing frames are not printed.
"""
import errno
import fcntl
import hashlib
import select
import socket
import struct
import sys
import time

ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA, PACKET_VNET_HDR = 263, 8, 15
PACKET_OUTGOING = 4
TP_STATUS_VLAN_VALID = 1 << 4
TP_STATUS_VLAN_TPID_VALID = 1 << 6
PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 1, 1
SIOCSIFMTU = 0x8922
VNET_HDR, NEEDS_CSUM = 10, 1
MACS = 12
# the source address of frames that tests make (frames.ts)
SOURCE = bytes.fromhex("027664000001")


def open_packet(dev, protocol):
    packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    packet.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    packet.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    packet.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    packet.bind((dev, protocol))
    return packet


def send(dev):
    packet = open_packet(dev, 0)
    for line in sys.stdin:
        vnet, frame, pause = line.rstrip("\n").split(" ")
        time.sleep(int(pause) / 1000)
        try:
            packet.send(bytes.fromhex(vnet) + bytes.fromhex(frame))
            print("sent", flush=True)
        except OSError as error:
            print(errno.errorcode[error.errno], flush=True)


def mtu(dev, peer, count):
    packet, control = open_packet(dev, 0), socket.socket()
    frame = bytes(VNET_HDR) + bytes.fromhex("ffffffffffff") + SOURCE + bytes.fromhex("88b5") + bytes(1300)
    for _ in range(int(count)):
        for size in (1000, 1500):
            fcntl.ioctl(control, SIOCSIFMTU, struct.pack("16si12x", peer.encode(), size))
            changed = time.monotonic()
            while sends(packet, frame) != (size == 1500) and time.monotonic() - changed < 5:
                time.sleep(0.0002)
            print(1000 * (time.monotonic() - changed), flush=True)


def sends(packet, frame):
    try:
        packet.send(frame)
        return True
    except OSError as error:
        if error.errno != errno.ENOBUFS:
            raise
        return False


def vlan_tag(ancillary):
    """The tag that the kernel removed, as 4 bytes; empty if the frame had none. Layout: struct tpacket_auxdata."""
    for level, kind, data in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _len, _snaplen, _mac, _net, tci, tpid = struct.unpack("=IIIHHHH", data)
            if status & TP_STATUS_VLAN_VALID:
                return struct.pack("!HH", tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100, tci)
    return b""


def packets(packet):
    """Yields frames until stdin ends: type and protocol (eth_type_trans), virtio_net_hdr, and the frame."""
    print("ready", flush=True)
    while True:
        readable, _, _ = select.select([packet, sys.stdin], [], [])
        if packet not in readable:
            return
        data, ancillary, _flags, address = packet.recvmsg(1 << 17, 1024)
        frame, tag = data[VNET_HDR:], vlan_tag(ancillary)
        protocol = int.from_bytes(tag[:2], "big") if tag else address[1]
        yield address[2], protocol, data[:VNET_HDR], frame[:MACS] + tag + frame[MACS:]


def receive(dev):
    for kind, _protocol, vnet, frame in packets(open_packet(dev, ETH_P_ALL)):
        if kind != PACKET_OUTGOING:
            print(vnet.hex(), frame.hex(), flush=True)


def classify(dev):
    for kind, protocol, _vnet, frame in packets(open_packet(dev, ETH_P_ALL)):
        if frame[6:12] == SOURCE:
            print(kind, protocol, frame.hex(), flush=True)


def sniff(dev):
    packet = open_packet(dev, ETH_P_ALL)
    membership = struct.pack("=iHH8s", socket.if_nametoindex(dev), PACKET_MR_PROMISC, 0, b"")
    packet.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership)
    for kind, _protocol, vnet, frame in packets(packet):
        if frame[6:12] == SOURCE:
            flags, gso_type, _hdr_len, gso_size = struct.unpack("=BBHH", vnet[:6])
            checksum = "partial" if flags & NEEDS_CSUM else "-"
            digest = hashlib.sha1(frame).hexdigest()[:8]
            print("out" if kind == PACKET_OUTGOING else "in", len(frame), checksum, gso_type, gso_size, digest, flush=True)


{"send": send, "receive": receive, "sniff": sniff, "classify": classify, "mtu": mtu}[sys.argv[1]](*sys.argv[2:])
