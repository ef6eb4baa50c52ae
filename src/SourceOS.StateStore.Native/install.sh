#!/bin/sh
# Builds the C library and installs library, header and pkg-config file. Usage: install.sh PREFIX (such as /usr/local)
set -eu
if [ $# -ne 1 ]; then
    echo "usage: install.sh PREFIX" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
prefix=$1
version=$(sed -n 's|.*<Version>\(.*\)</Version>.*|\1|p' "$here/../../Directory.Build.props")
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
dotnet publish "$here/SourceOS.StateStore.Native.csproj" -c Release -o "$build" --nologo -v q
mkdir -p "$prefix/lib/pkgconfig" "$prefix/include"
cp "$build/libsourceos_statestore.so" "$prefix/lib/libsourceos_statestore.so.1"
ln -sf libsourceos_statestore.so.1 "$prefix/lib/libsourceos_statestore.so"
cp "$here/include/sourceos_statestore.h" "$prefix/include/"
sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|" "$here/sourceos-statestore.pc.in" >"$prefix/lib/pkgconfig/sourceos-statestore.pc"
echo "Installed libsourceos_statestore $version below $prefix."
