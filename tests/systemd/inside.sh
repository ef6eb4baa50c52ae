#!/usr/bin/env bash
# Runs as the first process of its namespaces: gives systemd a root of its own over the machine's, where everything that is written goes to memory, and becomes systemd. Called by run.sh: PROGRAMS DOTNET_ROOT RESULTS.
set -eu
programs=$1 dotnet_root=$2 results=$3
mount --make-rprivate /
stage=$(mktemp -d)
mount -t tmpfs -o size=2g tmpfs "$stage"
mkdir "$stage/up" "$stage/work" "$stage/root"
mount -t overlay -o "lowerdir=/,upperdir=$stage/up,workdir=$stage/work" overlay "$stage/root"
root=$stage/root
for part in proc sys dev run tmp; do mkdir -p "$root/$part"; done
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys" 2>/dev/null || mount --rbind /sys "$root/sys"
mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
umount "$root/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mkdir -p "$root/opt" "$root/results"
rm -rf "$root/opt/statestore"
mkdir -p "$root/opt/statestore/dotnet" "$root/etc/statestore" "$root/var/lib/sourceos"
cp -r "$programs/statestored" "$programs/statestore" "$root/opt/statestore/"
# The runtime may lie on a mount of its own, which an overlay of the root does not show.
cp -r "$dotnet_root/host" "$dotnet_root/shared" "$dotnet_root/dotnet" "$root/opt/statestore/dotnet/"
chmod -R a+rX "$root/opt/statestore"
cp "$programs/drive.sh" "$programs/default-policy.json" "$root/opt/statestore/"
: >"$results"
mount --bind "$(dirname "$results")" "$root/results"
for name in statestored statestore; do
    rm -f "$root/usr/bin/$name"
    printf '#!/bin/sh\nDOTNET_ROOT=/opt/statestore/dotnet exec /opt/statestore/%s/%s "$@"\n' "$name" "$name" >"$root/usr/bin/$name"
    chmod 755 "$root/usr/bin/$name"
done
grep -q '^statestore:' "$root/etc/passwd" || echo 'statestore:x:64990:64990::/nonexistent:/usr/sbin/nologin' >>"$root/etc/passwd"
grep -q '^statestore:' "$root/etc/group" || echo 'statestore:x:64990:' >>"$root/etc/group"

# Nothing of the machine's own units: two targets, the unit as it stands, and the driver.
rm -rf "$root/etc/systemd/system"
units=$root/etc/systemd/system
mkdir -p "$units"
cp "$programs/statestored.service" "$units/"
printf '[Unit]\nDescription=Test\nDefaultDependencies=no\nAllowIsolate=yes\nRequires=drive.service\n' >"$units/test.target"
printf '[Unit]\nDefaultDependencies=no\nSuccessAction=exit-force\nFailureAction=exit-force\n[Service]\nType=oneshot\nTimeoutStartSec=240\nExecStart=/bin/bash /opt/statestore/drive.sh /results/%s\nStandardOutput=file:/results/drive.log\nStandardError=file:/results/drive.log\n' "$(basename "$results")" >"$units/drive.service"
for unit in sysinit.target basic.target local-fs.target shutdown.target multi-user.target umount.target; do printf '[Unit]\nDefaultDependencies=no\n' >"$units/$unit"; done
cd "$root"
mkdir -p old
pivot_root . old
umount -l /old
hostname test
export container=other
exec /lib/systemd/systemd --system --unit=test.target --log-target=console --log-level=info --show-status=no
