#!/usr/bin/env python3
"""UDP flows of numbered datagrams, to test whether each flow arrives in order.

    flows.py receive PORT…          prints "ready"; when stdin ends, prints a line per port: how many datagrams came, and how
                                    many of them came after one with a higher number
    flows.py send HOST COUNT PORT…  sends COUNT datagrams to each port in turn; the source ports are the same numbers
"""
import select
import socket
import struct
import sys

NUMBER = struct.Struct("!I")


def bound(port):
    flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    flow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    flow.bind(("", port))
    return flow


def receive(ports):
    flows = {bound(port): [0, 0, -1] for port in ports}
    print("ready", flush=True)
    while True:
        readable, _, _ = select.select([sys.stdin, *flows], [], [])
        for flow in readable:
            if flow is sys.stdin:
                continue
            (number,) = NUMBER.unpack(flow.recv(NUMBER.size))
            seen = flows[flow]
            seen[0] += 1
            seen[1] += number < seen[2]
            seen[2] = max(number, seen[2])
        if readable == [sys.stdin]:
            break
    for port, (count, late, _) in zip(ports, flows.values()):
        print(port, count, late, flush=True)


def send(host, count, ports):
    flows = [(bound(port), (host, port)) for port in ports]
    for number in range(count):
        for flow, to in flows:
            flow.sendto(NUMBER.pack(number), to)


action, *words = sys.argv[1:]
if action == "receive":
    receive([int(port) for port in words])
if action == "send":
    send(words[0], int(words[1]), [int(port) for port in words[2:]])
