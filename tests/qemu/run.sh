#!/usr/bin/env bash
# Boots a Debian kernel in QEMU (software emulation, serial console) with an initramfs that holds the boot check, and shows what each policy does with a sound, a damaged and a missing store. Ends with one line:
# N passed, N failed. Part of the long run: it wants root, Debian's mirror once for a kernel, and some minutes. KEEP=DIRECTORY keeps the consoles; TEST_TIMEOUT_S bounds one boot (300).
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
timeout_s=${TEST_TIMEOUT_S:-300}
marker="SYSTEM IS UP"
passed=0 failed=0

die() { echo "$*"; echo "$passed passed, $((failed + 1)) failed"; exit 1; }

[ "$(id -u)" -eq 0 ] || die "This test builds file systems and an initramfs; run it as root."
wanted="qemu-system-x86 initramfs-tools-core busybox-static e2fsprogs cpio kmod gcc libc6-dev zlib1g-dev libxxhash-dev liblz4-dev"
missing=""
for package in $wanted; do
    dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null; } || die "These packages could not be installed:$missing"
fi

work=$(mktemp -d)
qemu_pid=""
cleanup() {
    [ -z "$qemu_pid" ] || kill "$qemu_pid" 2>/dev/null
    if [ -n "${KEEP:-}" ]; then mkdir -p "$KEEP" && cp "$work"/*.console "$KEEP"/ 2>/dev/null; fi
    rm -rf "$work"
}
trap cleanup EXIT

# The kernel is unpacked and not installed: nothing of the machine that runs the test changes.
mkdir "$work/kernel"
package=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[^ ]*\).*/\1/p' | head -n 1)
[ -n "$package" ] || die "Debian's kernel package was not found; is there a package index (apt-get update)?"
(cd "$work" && apt-get download -qq "$package" 2>/dev/null) || die "$package could not be downloaded."
dpkg-deb -x "$work"/linux-image-*.deb "$work/kernel" || die "$package could not be unpacked."
version=${package#linux-image-}
depmod -b "$work/kernel" "$version" || die "depmod failed."

dotnet publish "$top/src/SourceOS.StateStore.Boot" -c Release -o "$work/published" --nologo -v q || die "statestore-bootcheck could not be published."
mkdir "$work/stores"
dotnet run "$here/make-stores.cs" -- "$work/stores" || die "The stores could not be made."

# An initramfs as Debian makes it, without busybox, so that the script shows that it needs none.
mkdir -p "$work/conf/conf.d" "$work/conf/hooks" "$work/conf/scripts/local-bottom"
printf 'MODULES=list\nBUSYBOX=n\nKEYMAP=n\nCOMPRESS=gzip\nRESUME=none\n' >"$work/conf/initramfs.conf"
printf 'virtio_pci\nvirtio_blk\next4\n' >"$work/conf/modules"
cp "$top/src/SourceOS.StateStore.Boot/initramfs/hooks/statestore" "$work/conf/hooks/"
cp "$top/src/SourceOS.StateStore.Boot/initramfs/local-bottom/statestore" "$work/conf/scripts/local-bottom/"
mkdir -p /lib/modules /boot
# shellcheck disable=SC2016
unshare -m sh -c 'mount --bind "$1/kernel/lib/modules" /lib/modules && mount --bind "$1/kernel/boot" /boot && STATESTORE_BOOTCHECK="$1/published/statestore-bootcheck" mkinitramfs -d "$1/conf" -o "$1/initrd" "$2"' sh "$work" "$version" || die "mkinitramfs failed."

# A system that says it is up and ends. What the boot check left in /run belongs to what it says.
for store in sound flipped none; do
    root=$work/root-$store
    mkdir -p "$root/bin" "$root/sbin" "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/var/lib"
    cp "$(command -v busybox)" "$root/bin/busybox"
    printf '#!/bin/busybox sh\necho "%s"\n/bin/busybox cat /run/statestore/boot-decision\n/bin/busybox cat /run/statestore/boot-evidence.json\n/bin/busybox poweroff -f\n' "$marker" >"$root/sbin/init"
    chmod 755 "$root/sbin/init"
    [ "$store" = none ] || cp -r "$work/stores/$store" "$root/var/lib/statestore"
    mke2fs -q -t ext4 -d "$root" "$work/$store.img" 64M || die "mke2fs failed."
done

# $1: name of the case, $2: image, $3: words for the command line. Standard input: lines to type, each after the next prompt of the rescue shell.
boot() {
    local console=$work/$1.console typed=0 line started=$SECONDS
    mkfifo "$work/$1.in"
    qemu-system-x86_64 -accel tcg -m 512 -nographic -no-reboot -monitor none -serial stdio -kernel "$work/kernel/boot/vmlinuz-$version" -initrd "$work/initrd" \
        -drive "file=$work/$2.img,format=raw,if=virtio,snapshot=on" -append "console=ttyS0 root=/dev/vda rootfstype=ext4 ro quiet statestore.timeout_ms=60000 $3" \
        <"$work/$1.in" >"$console" 2>&1 &
    qemu_pid=$!
    exec 9>"$work/$1.in"
    while kill -0 "$qemu_pid" 2>/dev/null; do
        if [ "$(grep -ac '^(initramfs)' "$console")" -gt "$typed" ]; then
            typed=$((typed + 1))
            # Without more to type, the prompt is the end that the case waits for.
            IFS= read -r line || break
            printf '%s\n' "$line" >&9
        fi
        if [ $((SECONDS - started)) -gt "$timeout_s" ]; then echo "   no end within $timeout_s s"; break; fi
        sleep 0.5
    done
    kill "$qemu_pid" 2>/dev/null
    wait "$qemu_pid" 2>/dev/null
    qemu_pid=""
    exec 9>&-
    console_now=$console
    echo "== $1: $((SECONDS - started)) s"
}

check() { # $1: what should be so, the rest: a command that tells
    local what=$1
    shift
    if "$@"; then passed=$((passed + 1)); echo "   ok: $what"; else failed=$((failed + 1)); echo "   FAILED: $what"; tail -n 40 "$console_now"; fi
}
says() { grep -aqF -- "$1" "$console_now"; }
silent() { ! says "$1"; }
times() { [ "$(grep -acF -- "$1" "$console_now")" -eq "$2" ]; }

boot sound-block sound "statestore.policy=block statestore.release_set=boot-release-set://test@1" </dev/null
check "a sound store boots" says "$marker"
check "its decision reaches the system" says "policy=block verdict=verified decision=boot"
check "its evidence reaches the system" says '"decision":"verified"'

boot flipped-block flipped "statestore.policy=block" <<'TYPED'
exit
: >/run/statestore/accept; exit
TYPED
check "one flipped byte is blocked" says "THE BOOT IS BLOCKED"
check "the console names the record" says "object/object:release-set"
check "leaving the rescue shell asks again and blocks again" times "the reasons stand above" 2
check "a word at the console boots" says "accepted at the console"
check "and the system hears of it" says "verdict=blocked decision=accepted"

boot flipped-shell flipped "statestore.policy=block" </dev/null
check "the end is the rescue shell" says "(initramfs)"
check "and nothing else" silent "$marker"

boot flipped-panic flipped "statestore.policy=block panic=1" </dev/null
check "with panic= there is no shell" silent "(initramfs)"
check "and no boot" silent "$marker"
check "but a reason" says "object/object:release-set"

boot flipped-warn flipped "statestore.policy=warn" </dev/null
check "with warn a damaged store boots" says "$marker"
check "and is named" says "object/object:release-set"

boot missing-warn none "statestore.policy=warn" </dev/null
check "with warn a missing store boots" says "$marker"
check "and is named" says "store.missing"

boot missing-block none "statestore.policy=block" </dev/null
check "with block a missing store ends in the rescue shell" says "(initramfs)"
check "and is named" says "store.missing"
check "and does not boot" silent "$marker"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
