#!/usr/bin/env bash
# Makes the archive of what runs without building: programs, C library, header, pkg-config file, manual pages, completions, systemd unit, initramfs scripts. Usage: archive.sh DIRECTORY
# Two runs over the same programs give the same bytes: names are sorted, owners are 0, times are SOURCE_DATE_EPOCH, else those of the last commit. A warning of the trimmer or the native compiler is a failure.
set -euo pipefail
if [ $# -ne 1 ]; then
    echo "usage: archive.sh DIRECTORY" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
mkdir -p "$1"
target=$(cd "$1" && pwd)
property() { sed -n "s|.*<$1>\(.*\)</$1>.*|\1|p" "$top/Directory.Build.props"; }
version=$(property Version)
managed=$(property ManagedTargetFramework)
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$top" log -1 --format=%ct 2>/dev/null || echo 1767225600)}
name=sourceos-statestore-$version-linux-x64
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/$name
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

publish() { # $1: project; $2: the program; the rest: options. Leaves the program in $work/$1.
    local project=$1 program=$2
    shift 2
    if ! dotnet publish "$top/src/SourceOS.StateStore.$project" -c Release -o "$work/$project" --nologo -v m "$@" >"$work/$project.log" 2>&1; then
        cat "$work/$project.log" >&2
        return 1
    fi
    if grep -i warning "$work/$project.log" >&2; then
        echo "$program was published with warnings." >&2
        return 1
    fi
    [ -s "$work/$project/$program" ]
}

publish Native libsourceos_statestore.so
publish Boot statestore-bootcheck
publish Cli statestore -f "$managed" -r linux-x64 -p:PublishAot=true
# The daemon brings a web server along and runs on the installed ASP.NET runtime; one file, so that `statestore serve` finds it beside itself.
publish Daemon statestored -r linux-x64 --self-contained false -p:PublishSingleFile=true -p:DebugType=none

mkdir -p "$root/bin" "$root/lib/pkgconfig" "$root/lib/systemd/system" "$root/include" "$root/share/man" "$root/share/bash-completion/completions" "$root/share/zsh/site-functions" \
    "$root/share/fish/vendor_completions.d" "$root/share/doc/sourceos-statestore" "$root/share/sourceos-statestore"
install -m 755 "$work/Cli/statestore" "$work/Boot/statestore-bootcheck" "$work/Daemon/statestored" "$root/bin/"
install -m 755 "$work/Native/libsourceos_statestore.so" "$root/lib/libsourceos_statestore.so.1"
ln -s libsourceos_statestore.so.1 "$root/lib/libsourceos_statestore.so"
install -m 644 "$here/include/sourceos_statestore.h" "$root/include/"
# The prefix is where the file lies, so the archive may be unpacked anywhere.
# shellcheck disable=SC2016
sed -e 's|@PREFIX@|${pcfiledir}/../..|' -e "s|@VERSION@|$version|" "$here/sourceos-statestore.pc.in" >"$root/lib/pkgconfig/sourceos-statestore.pc"
install -m 644 "$top/src/SourceOS.StateStore.Daemon/systemd/statestored.service" "$root/lib/systemd/system/"
cp -r "$top/src/SourceOS.StateStore.Boot/initramfs" "$root/share/sourceos-statestore/"
install -m 644 "$top/LICENSE" "$top/CHANGELOG.md" "$root/share/doc/sourceos-statestore/"
python3 "$here/manpages.py" "$root/share/man" "$version" "$(date -u -d "@$epoch" +%Y-%m-%d)" "$root/bin/statestore" "$root/bin/statestore-bootcheck" "$root/bin/statestored" "$here/include/sourceos_statestore.h"
"$root/bin/statestore" completion bash >"$root/share/bash-completion/completions/statestore"
"$root/bin/statestore" completion zsh >"$root/share/zsh/site-functions/_statestore"
"$root/bin/statestore" completion fish >"$root/share/fish/vendor_completions.d/statestore.fish"
(cd "$root" && find . -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum >SHA256SUMS)
find "$root" -type d -exec chmod 755 {} + -o -type f ! -perm -u+x -exec chmod 644 {} +
tar -C "$work" --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --format=gnu -cf - "$name" | gzip -9n >"$target/$name.tar.gz"
(cd "$target" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
du -b "$root"/bin/* "$root"/lib/*.so.1 | sed "s|$root/||"
echo "$target/$name.tar.gz"
