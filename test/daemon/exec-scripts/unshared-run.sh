#!/bin/sh
# Namespaces whose names nobody else sees, and whatever is in /run hidden: a lab that leaves nothing behind.
set -e
if [ "$2" != inside ]; then exec unshare -n -m "$0" "$1" inside; fi
mount -t tmpfs none /run
ip netns add left
ip netns add right
ip link add eth0 netns left type veth peer name eth0 netns right
ip -n left link add eth1 type veth peer name eth1 netns $$
for side in left right; do
  ip -n $side -o link | sed 's/^[0-9]*: //; s/[@:].*//' | sort
done
ip -br link | sed 's/[@ ].*//' | sort
ip -n left addr add 192.0.2.1/24 dev eth0
ip -n right addr add 192.0.2.2/24 dev eth0
ip -n left link set eth0 up
ip -n right link set eth0 up
ip netns exec left ping -c 1 -w 10 -q 192.0.2.2 >/dev/null && echo "left reaches right"
ip -n nowhere link add x type veth || echo "refused: $?"
ip link add x type veth peer name y netns nowhere || echo "refused: $?"
