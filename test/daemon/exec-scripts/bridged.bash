#!/usr/bin/env bash
# Functions, loops, a bridge, abbreviations, namespaces in all spellings, and failures that are expected.
set -uo pipefail
declare -r prefix=$1
namespaces=()

cleanup() { for ns in "${namespaces[@]}"; do ip netns delete "$ns"; done; ip l d br0; }
trap cleanup EXIT

node() {
  local number=$1 ns="$prefix.$1"
  ip netns a "$ns" && namespaces+=("$ns")
  case $number in
    1) ip l a "port$number" ty veth peer name eth0 netns "$ns" ;;
    2) ip -n "$ns" li ad eth0 mtu 1400 type veth peer "port$number" netns $$ ;;
    *) ip netns exec "$ns" ip -s -4 -family inet --json link add dev eth0 up address 02:00:00:00:00:0$number type veth peer name type
       ip -n "$ns" link set dev type name "port$number" netns $$ ;;
  esac
  ip link set "port$number" master br0 up
  ip -netns "$ns" addr add "192.0.2.$number/24" dev eth0
  ip -n "$ns" link set eth0 up
}

ip link add name br0 type bridge forward_delay 0
ip link set br0 up
for number in 1 2 3; do node $number || exit 1; done
for to in 2 3; do
  ip netns exec "$prefix.1" ping -c1 -w10 -q "192.0.2.$to" > /dev/null; echo "1 to $to: $?"
done
ip -n "$prefix.2" -o link show eth0 | grep -o 'mtu [0-9]*'
ip -n "$prefix.3" -o link show eth0 | grep -o 'ether 02:[0-9:]*'

ip link add port1 type veth || true
ip link add port1 type veth peer name x 2>/dev/null; echo "there is a port1: $?"
ip link add x type veth peer name port2 2>&1 | head -n 1; echo "there is a port2: ${PIPESTATUS[0]}"
ip link add sixteen_bytes_xy type veth 2>&1 | head -n 1; echo "${PIPESTATUS[0]}"
ip -n "$prefix.none" link add x type veth 2>/dev/null; echo "no such namespace: $?"
if ! ip link add x type veth peer name y netns "$prefix.none" 2>/dev/null; then echo "nor as a keyword"; fi
ip link add x type 2>&1; echo $?
ip -br link show master br0 | sed 's/[@ ].*//' | sort
