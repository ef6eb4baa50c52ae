#!/usr/bin/env bash
# Makes the archive of native programs (or takes the one that is named), unpacks it into a clean directory, and uses everything in it from there. Ends with one line: N passed, N failed. Usage: archive.sh [ARCHIVE.tar.gz]
# Needs gcc, pkg-config (or pkgconf), groff or mandoc for the manual pages, and the ASP.NET runtime for the daemon; what is missing is said, and counts as a failure where nothing replaces it.
set -uo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
passed=0 failed=0
work=$(mktemp -d)
daemon=""
cleanup() {
    [ -z "$daemon" ] || kill "$daemon" 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT
check() { # $1: what; the rest: a command that tells.
    local what=$1
    shift
    if "$@" >"$work/said" 2>&1; then passed=$((passed + 1)); echo "   ok: $what"; else failed=$((failed + 1)); echo "   FAILED: $what"; tail -n 20 "$work/said"; fi
}
has() { command -v "$1" >/dev/null 2>&1; }
die() { echo "$*"; echo "$passed passed, $((failed + 1)) failed"; exit 1; }

archive=${1:-}
if [ -z "$archive" ]; then
    bash "$top/src/SourceOS.StateStore.Native/archive.sh" "$work/made" || die "The archive could not be made."
    archive=$(echo "$work"/made/*.tar.gz)
fi

echo "== the archive"
tar -tzvf "$archive" --full-time --numeric-owner >"$work/list" || die "The archive cannot be read."
check "every entry is of owner 0 and of one time" test "$(awk '{ print $2, $4, $5 }' "$work/list" | sort -u | wc -l)" -eq 1
check "names are sorted" sh -c "tar -tzf '$archive' | sed 's|/\$||' >'$work/names'; LC_ALL=C sort -c '$work/names' || python3 -c \"
import sys
names = [n.split('/') for n in open(sys.argv[1]).read().split()]
sys.exit(names != sorted(names))\" '$work/names'"
tar -C "$work" -xzf "$archive" || die "The archive cannot be unpacked."
root=$(echo "$work"/sourceos-statestore-*-linux-x64)
check "the sums are those of the files" sh -c "cd '$root' && sha256sum --quiet -c SHA256SUMS"
check "the sums name every file" sh -c "cd '$root' && [ \"\$(find . -type f ! -name SHA256SUMS | wc -l)\" -eq \"\$(wc -l <SHA256SUMS)\" ]"
for file in bin/statestore bin/statestore-bootcheck bin/statestored lib/libsourceos_statestore.so.1 lib/libsourceos_statestore.so include/sourceos_statestore.h lib/pkgconfig/sourceos-statestore.pc \
    lib/systemd/system/statestored.service share/doc/sourceos-statestore/LICENSE share/sourceos-statestore/initramfs/install.sh; do
    check "it has $file" test -s "$root/$file"
done
check "nothing in it names the place where it was made" sh -c "! grep -rIl -e '$top' -e '$(dirname "$archive")' '$root'"

echo "== sizes"
within() { [ "$(stat -Lc %s "$1")" -le "$2" ]; }
check "statestore-bootcheck has at most 4 MiB" within "$root/bin/statestore-bootcheck" $((4 << 20))
check "libsourceos_statestore.so has at most 9 MiB" within "$root/lib/libsourceos_statestore.so" $((9 << 20))
check "statestore has at most 12 MiB" within "$root/bin/statestore" $((12 << 20))

echo "== programs"
# Nothing of the environment that made them, and no .NET for the native ones.
alone() { env -i PATH=/usr/bin:/bin HOME="$work" LANG=C.UTF-8 "$@"; }
store=$work/store
check "statestore makes a store" alone "$root/bin/statestore" --store "$store" init
check "and takes a tree in" alone "$root/bin/statestore" --store "$store" adopt "$root/share" --json
check "and a record that a boot reads" sh -c "echo '{\"schema\":\"sourceos.object-record/v1alpha1\",\"object_id\":\"object:boot\",\"object_type\":\"note\",\"policy_tags\":[\"boot-critical\"]}' | '$root/bin/statestore' --store '$store' put objects -"
check "and explains it" alone "$root/bin/statestore" --store "$store" explain object:boot --json
check "and exports" alone "$root/bin/statestore" --store "$store" export --format contracts -o "$work/contracts"
check "and backs up and proves a restore" sh -c "'$root/bin/statestore' --store '$store' backup '$work/backup' && '$root/bin/statestore' restore --test '$work/backup'"
check "and verifies deeply" alone "$root/bin/statestore" --store "$store" verify --level deep
check "statestore-bootcheck verifies it" alone "$root/bin/statestore-bootcheck" --store "$store" --json
check "statestore boot-check does as well" alone "$root/bin/statestore" --store "$store" boot-check
check "statestore needs libc alone to start" sh -c "! ldd '$root/bin/statestore' | grep -vE 'linux-vdso|libc\.so|libm\.so|ld-linux'"
if has dotnet; then
    DOTNET_ROOT=${DOTNET_ROOT:-$(dirname "$(readlink -f "$(command -v dotnet)")")} "$root/bin/statestore" --store "$store" serve --listen "unix:$work/http.sock" >"$work/daemon" 2>&1 &
    daemon=$!
    for _ in $(seq 100); do grep -q 'Listening on' "$work/daemon" && break; sleep 0.1; done
    check "statestore serve starts the daemon beside it" grep -q 'Listening on' "$work/daemon"
    check "the daemon answers" python3 -c "
import http.client, socket, sys
c = http.client.HTTPConnection('localhost'); c.sock = socket.socket(socket.AF_UNIX); c.sock.connect(sys.argv[1])
c.request('GET', '/readyz'); r = c.getresponse(); sys.exit(0 if r.status == 200 else str(r.status) + str(r.read()))" "$work/http.sock"
    kill "$daemon"
    check "and stops when it is told to" wait "$daemon"
    daemon=""
else
    echo "   skipped: the daemon; there is no .NET runtime"
fi

echo "== the C library"
config=$(command -v pkg-config || command -v pkgconf || true)
if [ -z "$config" ]; then
    # What pkg-config would do with so small a file; said, so that nobody takes it for more.
    echo "   note: pkg-config is not installed; the file is read by hand"
    pc=$root/lib/pkgconfig/sourceos-statestore.pc
    flags=$(sed -n 's/^\(Cflags\|Libs\): *//p' "$pc" | sed -e "s|\${includedir}|$root/include|g" -e "s|\${libdir}|$root/lib|g")
else
    flags=$(PKG_CONFIG_PATH=$root/lib/pkgconfig "$config" --cflags --libs sourceos-statestore)
fi
check "pkg-config knows the library" test -n "$flags"
for program in life hostile leaks; do
    # shellcheck disable=SC2086
    check "gcc builds $program.c against it" gcc -std=c11 -Wall -Wextra -pedantic -Werror "$top/tests/SourceOS.StateStore.Native.Tests/programs/$program.c" $flags -lpthread "-Wl,-rpath,$root/lib" -o "$work/$program"
done
mkdir -p "$work/garbage/events" && head -c 50000 /dev/urandom >"$work/garbage/STORE"
check "life runs" alone "$work/life" "$work/life-store"
check "hostile runs" alone "$work/hostile" "$work/hostile-store" "$work/garbage"
check "leaks runs" alone "$work/leaks" "$work/leaks-store"
check "Python uses it" env SOURCEOS_STATESTORE_LIBRARY="$root/lib/libsourceos_statestore.so.1" python3 -c "
import sys; sys.path.insert(0, '$top/python'); import sourceos_statestore as s
with s.open_read('$store') as store: print(store.status()['health'])"

echo "== manual pages"
for page in man1/statestore.1 man8/statestore-bootcheck.8 man8/statestored.8 man3/libsourceos_statestore.3; do
    file=$root/share/man/$page
    check "$page is there" test -s "$file"
    # Any word of a formatter about the page is a fault of the page.
    has groff && check "groff takes $page without a word" sh -c "[ -z \"\$(groff -man -ww -K utf8 -Tutf8 '$file' 2>&1 >/dev/null)\" ]"
    has mandoc && check "mandoc takes $page" mandoc -T lint -W warning "$file"
    has man && check "man shows $page" sh -c "[ -z \"\$(LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -l '$file' 2>&1 >/dev/null)\" ]"
done
has groff || has mandoc || check "there is groff or mandoc to judge them" false
commands() { "$root/bin/statestore" "$@" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\)\( .*\)\?$/\1/p'; }
for command in $(commands); do
    check "statestore.1 has $command" grep -q "^.SS \"$(printf %s "$command" | sed 's/-/\\\\-/g')\"" "$root/share/man/man1/statestore.1"
done
check "and commands below commands" grep -q '^.SS "repair rollback"' "$root/share/man/man1/statestore.1"

echo "== completions"
check "bash reads its script" bash -n "$root/share/bash-completion/completions/statestore"
check "bash completes a command with it" bash -c "source '$root/share/bash-completion/completions/statestore'; COMP_WORDS=(statestore verif); COMP_CWORD=1; _statestore; [ \"\${COMPREPLY[*]}\" = verify ]"
if has zsh; then check "zsh reads its script" zsh -n "$root/share/zsh/site-functions/_statestore"; else echo "   skipped: zsh is not installed"; fi
if has fish; then check "fish reads its script" fish --no-execute "$root/share/fish/vendor_completions.d/statestore.fish"; else echo "   skipped: fish is not installed"; fi
check "the zsh script is one that fpath takes" grep -q '^#compdef statestore' "$root/share/zsh/site-functions/_statestore"
if has systemd-analyze; then check "systemd understands the unit" sh -c "sed 's|/usr/bin/statestored|$root/bin/statestored|' '$root/lib/systemd/system/statestored.service' >'$work/statestored.service' && systemd-analyze verify --man=no '$work/statestored.service'"; else echo "   skipped: systemd-analyze is not installed"; fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
