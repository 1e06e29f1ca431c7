#!/bin/bash
# Boots Debian's systemd in a container without a network: PID 1 of its own namespaces, on an overlay of this machine's
# root. What is written in there, other than below CLONE, is discarded.
#
#   boot-systemd.sh CGROUP WORK CLONE     CGROUP: a cgroup2 folder to make; WORK: an empty folder; CLONE: stays writable
#
# The caller makes and removes both folders' parents, and ends systemd by killing this process: unshare takes it along.
set -euo pipefail
cgroup=$1 work=$2 clone=$3
mkdir "$cgroup"
echo $$ >"$cgroup/cgroup.procs"

boot=$(cat <<'BOOT'
set -euo pipefail
work=$1 clone=$2 root=$1/root
mount --make-rprivate /
mount -t tmpfs tmpfs "$work"
mkdir "$work/upper" "$work/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$root"
mount -t proc proc "$root/proc"
# Read-only, or udev would start and look at the machine's devices.
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for folder in dev run tmp; do mount -t tmpfs tmpfs "$root/$folder"; done
mkdir -p "$root/dev/net" "$root/$clone"
for device in null zero full random urandom tty net/tun; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mount --bind "$clone" "$root/$clone"
rm -rf "$root"/etc/systemd/system/*.wants
exec chroot "$root" env container=other /lib/systemd/systemd --system --unit=basic.target --log-target=console \
  --show-status=0
BOOT
)
exec unshare --pid --mount --uts --ipc --net --cgroup --fork --kill-child bash -c "$boot" bash "$work" "$clone"
