#!/bin/sh
# Everything inside a namespace that nobody has a name for.
set -e
if [ "$2" != inside ]; then exec unshare -n "$0" "$1" inside; fi
ip link set lo up
ip link add type veth
ip link add veth9 type veth peer name veth8
ip link set veth0 up
ip link set veth1 up
ip -br link | sed 's/[@ ].*//' | sort
[ "$(ip netns identify)" = "" ] && echo "nowhere by name"
