#!/bin/sh
# A lab as every tutorial builds it. $1 is what its namespaces' names begin with.
set -eu
one=$1.one two=$1.two
trap 'ip netns del $one; ip netns del $two' EXIT
ip netns add $one
ip netns add $two
ip link add veth-one type veth peer name veth-two
ip -o link show veth-one | cut -d: -f2 | cut -d@ -f1
ip link set veth-one netns $one
ip link set veth-two netns $two
ip netns exec $one ip addr add 192.0.2.1/24 dev veth-one
ip netns exec $two ip addr add 192.0.2.2/24 dev veth-two
ip netns exec $one ip link set dev veth-one up
ip netns exec $two ip link set dev veth-two up
ip netns exec $one ping -c 1 -w 10 -q 192.0.2.2 >/dev/null && echo "one reaches two"
ip netns exec $two ping -c 1 -w 10 -q 192.0.2.1 >/dev/null && echo "two reaches one"
ip netns exec $two ip link del veth-two
# a TAP's other end goes a moment later: docs/differences.md, "settling"
tries=0
while ip netns exec $one ip link show veth-one >/dev/null 2>&1 && [ $tries -lt 100 ]; do
  sleep 0.01
  tries=$((tries + 1))
done
ip netns exec $one ip link show veth-one || echo "both ends are gone: $?"
