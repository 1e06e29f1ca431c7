#!/usr/bin/python3
# Mininet, as Debian has it: two hosts, and between them a link of 10 Mbit/s.
import json, subprocess
from mininet.link import TCLink
from mininet.log import setLogLevel
from mininet.net import Mininet

Mininet.inited = True  # or it raises sysctls of the machine
setLogLevel("warning")
net = Mininet(link=TCLink, controller=None)
one, two = net.addHost("h1"), net.addHost("h2")
net.addLink(one, two, bw=10)
net.build()
try:
    for host in one, two:
        end = host.defaultIntf().name
        for what in "qdisc", "class":
            for line in host.cmd("tc", what, "show", "dev", end).splitlines():
                # htb takes the length of its direct queue from the device's txqueuelen
                print(end, line.split(" direct_packets_stat ")[0].replace("refcnt 3", "refcnt 2"))
    print(one.cmd("ping -c 3 -i 0.1 -w 10 -q", two.IP()).splitlines()[3].split(", time")[0])
    server = two.popen("iperf3 -s -1 --forceflush", text=True)
    while "listening" not in server.stdout.readline():
        pass
    rate = json.loads(one.cmd("iperf3 -t 2 -J -c", two.IP()))["end"]["sum_received"]["bits_per_second"] / 1e6
    server.wait()
    print("10 Mbit/s" if 8.5 < rate < 10.5 else f"{rate} Mbit/s")
    one.defaultIntf().config(bw=5)
    print(one.cmd("tc class show dev", one.defaultIntf()).split(" ceil ")[0])
finally:
    net.stop()
