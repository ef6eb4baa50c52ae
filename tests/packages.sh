#!/bin/sh
# Installs the Debian packages that the store and its tests need, and only those that are missing. Works as root and with sudo.
set -eu
wanted="liblmdb0 libxxhash0 liblz4-1 libssl3 strace python3 spin gcc libc6-dev libxxhash-dev liblz4-dev zlib1g-dev python3-jsonschema"
missing=""
for package in $wanted; do
    # Newer releases rename libssl3 to libssl3t64; either one provides libcrypto.so.3.
    if ! dpkg-query -W -f='${Status}\n' "$package" "${package}t64" 2>/dev/null | grep -q 'install ok installed'; then
        missing="$missing $package"
    fi
done
[ -z "$missing" ] && exit 0
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    as_root="sudo"
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086
if ! $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null; then
    $as_root apt-get install -y -qq --no-install-recommends $(echo "$missing" | sed 's/libssl3/libssl3t64/')
fi
