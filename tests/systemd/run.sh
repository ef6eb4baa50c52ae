#!/usr/bin/env bash
# Holds the daemon's unit against systemd itself: its grammar, its exposure (at most 0.7 of 10), and then the unit as it stands under a systemd of its own in namespaces: ready, socket, privileges, kill -9, a hang that the watchdog ends,
# a policy that is obeyed when it changes, a clean stop. Ends with one line: N passed, N failed. Wants root and Debian's systemd, which it installs; where namespaces, overlays or cgroup2 are not to be had, the second part is
# skipped, saying so. Usage: run.sh [--built CONFIGURATION].
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
configuration=Release built=no
[ "${1:-}" = --built ] && { built=yes; configuration=$2; }
unit=$top/src/SourceOS.StateStore.Daemon/systemd/statestored.service
# In tenths, as systemd-analyze takes it.
threshold=7
passed=0 failed=0
check() { # $1: what; the rest: a command that tells.
    local what=$1
    shift
    if "$@" >"$work/said" 2>&1; then passed=$((passed + 1)); echo "   $what"; else failed=$((failed + 1)); echo "   FAILED: $what"; tail -n 30 "$work/said"; fi
}
finish() { echo "$passed passed, $failed failed"; [ "$failed" -eq 0 ]; exit; }
die() { echo "$*"; echo "$passed passed, $((failed + 1)) failed"; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v systemd-analyze >/dev/null && [ -x /lib/systemd/systemd ] || {
    [ "$(id -u)" -eq 0 ] && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends systemd >/dev/null
    command -v systemd-analyze >/dev/null || die "systemd is not installed (Debian: systemd)."
}

echo "== the unit by itself"
# A root with what the unit names, so that nothing of this machine decides.
mkdir -p "$work/analyse/etc/systemd/system" "$work/analyse/usr/bin" "$work/analyse/usr/lib"
cp "$unit" "$work/analyse/etc/systemd/system/"
printf '#!/bin/sh\n' >"$work/analyse/usr/bin/statestored"
chmod 755 "$work/analyse/usr/bin/statestored"
cp -r /usr/lib/systemd "$work/analyse/usr/lib/"
ln -s usr/lib "$work/analyse/lib"
verify() { systemd-analyze verify --man=no --recursive-errors=no --root="$work/analyse" statestored.service >"$work/verify" 2>&1; local status=$?; cat "$work/verify"; [ $status -eq 0 ] && ! grep -q statestored "$work/verify"; }
check "systemd takes every line of it" verify
printf 'NoSuchDirective=yes\n' >"$work/bad" && sed '/^\[Service\]/r '"$work/bad" "$unit" >"$work/analyse/etc/systemd/system/statestored.service"
check "and would not take a misspelt one" sh -c "! (systemd-analyze verify --man=no --recursive-errors=no --root='$work/analyse' statestored.service 2>&1 | grep -q statestored) && exit 1; exit 0"
check "its exposure is at most $threshold of 100" systemd-analyze security --offline=true --threshold=$threshold "$unit"
sed '/^CapabilityBoundingSet=/d; /^SystemCallFilter=/d' "$unit" >"$work/open.service"
check "and would not be without its capabilities and call filter" sh -c "! systemd-analyze security --offline=true --threshold=$threshold '$work/open.service'"

echo "== the unit under systemd"
if [ "$(id -u)" -ne 0 ]; then
    echo "skipped: this part makes namespaces; run it as root."
    finish
fi
# shellcheck disable=SC2016
if ! unshare --fork --pid --kill-child --mount --mount-proc --cgroup --uts --ipc --net sh -c 'mount -t tmpfs tmpfs "$1" && mkdir -p "$1/u" "$1/w" "$1/r" "$1/c" && mount -t overlay -o "lowerdir=/,upperdir=$1/u,workdir=$1/w" overlay "$1/r" && mount -t cgroup2 cgroup2 "$1/c" && mkdir "$1/c/probe.$$" && rmdir "$1/c/probe.$$"' sh "$work" 2>"$work/why"; then
    echo "skipped: namespaces, overlays or cgroup2 are not to be had here ($(tail -n 1 "$work/why")); OwnerTests speaks the notify and watchdog protocol with the daemon instead."
    finish
fi
if [ $built = no ]; then
    dotnet build "$top/src/SourceOS.StateStore.Daemon" -c $configuration --nologo -v q -clp:ErrorsOnly || die "statestored could not be built."
    dotnet build "$top/src/SourceOS.StateStore.Cli" -c $configuration -f net10.0 --nologo -v q -clp:ErrorsOnly || die "statestore could not be built."
fi
mkdir "$work/programs"
cp -r "$top/src/SourceOS.StateStore.Daemon/bin/$configuration/net10.0" "$work/programs/statestored"
cp -r "$top/src/SourceOS.StateStore.Cli/bin/$configuration/net10.0" "$work/programs/statestore"
cp "$unit" "$here/drive.sh" "$top/src/SourceOS.StateStore.Governance/Policy/default-policy.json" "$work/programs/"
dotnet_root=$(dirname "$(readlink -f "$(command -v dotnet)")")
timeout 300 unshare --fork --pid --kill-child --mount --cgroup --uts --ipc --net bash "$here/inside.sh" "$work/programs" "$dotnet_root" "$work/results" >"$work/console" 2>&1
if ! grep -q '^end$' "$work/results" 2>/dev/null; then
    tail -n 40 "$work/console"
    cat "$work/results" 2>/dev/null
    failed=$((failed + 1))
    echo "   FAILED: systemd ran the unit to the end"
fi
while IFS= read -r line; do
    case $line in
        "ok "*) passed=$((passed + 1)); echo "   ${line#ok }" ;;
        "not ok "*) failed=$((failed + 1)); echo "   FAILED: ${line#not ok }" ;;
        "# "*) echo "      ${line#\# }" ;;
    esac
done <"$work/results"
finish
