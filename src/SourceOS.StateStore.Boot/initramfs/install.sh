#!/bin/sh
# Installs the boot check for initramfs-tools. Usage: install.sh PROGRAM [ROOT]; PROGRAM is the published statestore-bootcheck, ROOT a directory in place of /. Afterwards: update-initramfs -u
set -eu
if [ $# -lt 1 ] || [ $# -gt 2 ] || [ ! -x "$1" ]; then
    echo "usage: install.sh PROGRAM [ROOT]; PROGRAM is the published statestore-bootcheck" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
root=${2:-}
mkdir -p "$root/usr/sbin" "$root/etc/initramfs-tools/hooks" "$root/etc/initramfs-tools/scripts/local-bottom"
install -m 755 "$1" "$root/usr/sbin/statestore-bootcheck"
install -m 755 "$here/hooks/statestore" "$root/etc/initramfs-tools/hooks/statestore"
install -m 755 "$here/local-bottom/statestore" "$root/etc/initramfs-tools/scripts/local-bottom/statestore"
echo "Installed. Run update-initramfs -u, and set statestore.policy= on the kernel command line."
