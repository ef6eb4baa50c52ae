#!/usr/bin/env bash
# Shows the daemon's page to a headless Chromium: at desktop and phone widths, in light and dark, on a sound store, on one with a damaged state, on one with a damaged log, and on one that is not there. Ends with one
# line: N passed, N failed. Usage: run.sh [--built CONFIGURATION] [DIRECTORY]; the screenshots are kept in DIRECTORY. With --built what was built before
# (Release or Debug) is shown as it is, and Chromium is not installed when it is missing.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
built=no configuration=Release
[ "${1:-}" = --built ] && { built=yes; configuration=$2; shift 2; }
shots=${1:-}
die() { echo "$*"; echo "0 passed, 1 failed"; exit 1; }

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
    [ $built = no ] && [ "$(id -u)" -eq 0 ] && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
    browser=$(command -v chromium) || die "Chromium is not installed (Debian: chromium)."
}
work=$(mktemp -d)
daemons=""
cleanup() {
    for pid in $daemons; do kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done
    rm -rf "$work"
}
trap cleanup EXIT

if [ $built = no ]; then
    dotnet build "$top/src/SourceOS.StateStore.Daemon" -c Release --nologo -v q -clp:ErrorsOnly || die "statestored could not be built."
    dotnet build "$top/src/SourceOS.StateStore.Cli" -c Release -f net10.0 --nologo -v q -clp:ErrorsOnly || die "statestore could not be built."
fi
cli=$top/src/SourceOS.StateStore.Cli/bin/$configuration/net10.0
daemon=$top/src/SourceOS.StateStore.Daemon/bin/$configuration/net10.0
statestore() { dotnet "$cli/statestore.dll" --quiet --store "$work/sound" "$@"; }

# A store with something in each part of the page, and text that would run if the page did not encode it.
statestore init --profile profile:home --profile-class personal || die "The store could not be made."
{
    for i in 1 2 3 4 5; do
        printf '{"schema":"sourceos.object-record/v1alpha1","object_id":"note:%s","object_type":"note","title":"Note %s"}\n' "$i" "$i"
    done
    printf '{"schema":"sourceos.object-record/v1alpha1","object_id":"note:<img src=x onerror=alert(1)>","object_type":"note"}\n'
    printf '{"schema":"sourceos.conflict-record/v1alpha1","conflict_id":"conflict:note-3","object_id":"note:3","object_type":"note","severity":"review_required","created_at":"2026-05-05T00:07:00Z"}\n'
} >"$work/records.ndjson"
statestore import "$work/records.ndjson" >/dev/null || die "The records could not be imported."

# One twin has an identifier spoilt wherever its state says it; the other has one byte of its log turned over, which no look at the state tells.
cp -r "$work/sound" "$work/damaged"
cp -r "$work/sound" "$work/unsafe"
python3 - "$work/damaged/state/g1/data.mdb" "$work/unsafe/events/segment-00000000.log" <<'PYTHON' || die "The twins could not be damaged."
import sys

def spoil(path, wanted, change):
    with open(path, "r+b") as file:
        data = file.read()
        place = data.index(wanted)
        while place >= 0:
            file.seek(place)
            file.write(change(data[place]))
            place = data.find(wanted, place + 1)

spoil(sys.argv[1], b"note:3", lambda byte: b"\xff")
with open(sys.argv[2], "r+b") as file:
    data = file.read()
    # A byte of the first frame's bodies, behind the segment's header of 32 KiB.
    place = next(at for at in range(32768 + 1000, len(data)) if data[at])
    file.seek(place)
    file.write(bytes([data[place] ^ 1]))
PYTHON

start() { # $1: the store. Sets address.
    dotnet "$daemon/statestored.dll" --store "$work/$1" --listen 127.0.0.1:0 >"$work/$1.out" 2>"$work/$1.log" &
    daemons="$daemons $!"
    for _ in $(seq 1 300); do
        address=$(sed -n 's|^Listening on \(http://[^ ]*\).*|\1|p' "$work/$1.out")
        [ -z "$address" ] || return 0
        sleep 0.1
    done
    cat "$work/$1.log"
    die "statestored did not answer."
}
pages=""
for store in sound damaged unsafe missing; do
    start $store
    pages="$pages $store=$address"
done
# shellcheck disable=SC2086
python3 "$here/look.py" "$browser" "$work" ${shots:+--shots "$shots"} $pages
