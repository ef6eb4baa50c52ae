#!/usr/bin/env bash
# Runs the C programs that use the library under valgrind and under the address and undefined-behaviour sanitizers. Ends with one line: N passed, N failed. Usage: memcheck.sh PREFIX (where install.sh put the library, or an unpacked archive)
# Needs gcc and valgrind and installs nothing. What is judged: no invalid access and no use of undefined bytes anywhere, and as many bytes that a tool calls lost after many rounds of opening and closing
# as after few: neither looks into the collector's heap as the collector does, and the loader and the runtime keep some bytes for good, so the figures are not zero; but they do not grow.
set -uo pipefail
if [ $# -ne 1 ]; then
    echo "usage: memcheck.sh PREFIX" >&2
    exit 2
fi
top=$(cd "$(dirname "$0")/.." && pwd)
prefix=$(cd "$1" && pwd)
programs=$top/tests/SourceOS.StateStore.Native.Tests/programs
passed=0 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
check() { # $1: what; the rest: a command that tells.
    local what=$1
    shift
    if "$@" >"$work/said" 2>&1; then passed=$((passed + 1)); echo "   ok: $what"; else failed=$((failed + 1)); echo "   FAILED: $what"; tail -n 30 "$work/said"; fi
}
for tool in gcc valgrind; do command -v "$tool" >/dev/null || { echo "$tool is not installed."; echo "0 passed, 1 failed"; exit 1; }; done

sed -n '/^```c$/,/^```$/p' "$top/README.md" | sed '/^```/d' >"$work/example.c"
build() { # $1: source, $2: program, the rest: options
    local source=$1 program=$2
    shift 2
    gcc -std=c11 -Wall -Wextra -pedantic -Werror -g -O1 "$@" "-I$prefix/include" "$source" "-L$prefix/lib" -lsourceos_statestore -lpthread "-Wl,-rpath,$prefix/lib" -o "$work/$program"
}
mkdir -p "$work/garbage/events" && head -c 50000 /dev/urandom >"$work/garbage/STORE"

echo "== valgrind"
for program in example life hostile; do
    source=$programs/$program.c
    [ "$program" = example ] && source=$work/example.c
    arguments=("$work/$program-store")
    [ "$program" = hostile ] && arguments+=("$work/garbage")
    check "$program builds" build "$source" "$program"
    # The collector reserves more addresses than valgrind has; a bounded heap reserves less.
    check "$program is clean" env DOTNET_GCHeapHardLimit=10000000 valgrind --error-exitcode=99 --leak-check=full --show-leak-kinds=none --errors-for-leak-kinds=none \
        --log-file="$work/$program.valgrind" "$work/$program" "${arguments[@]}"
    sed -n 's/^==[0-9]*== *\(definitely lost:.*\|indirectly lost:.*\|ERROR SUMMARY:.*\)/      \1/p' "$work/$program.valgrind"
done

check "leaks builds" build "$programs/leaks.c" leaks
lost() { DOTNET_GCHeapHardLimit=10000000 valgrind --leak-check=full --show-leak-kinds=none "$work/leaks" "$work/lost-$1" "$1" 2>&1 | sed -n 's/^==[0-9]*== *definitely lost: \([0-9,]*\) bytes.*/\1/p' | tr -d ,; }
few=$(lost 10)
many=$(lost 200)
echo "      bytes that are definitely lost: ${few:-none said} after 10 rounds, ${many:-none said} after 200"
check "what is lost does not grow with rounds" test "${many:-99999}" -le "$((${few:-0} + 64))"
echo "== sanitizers"
for program in example life hostile; do
    source=$programs/$program.c
    [ "$program" = example ] && source=$work/example.c
    arguments=("$work/$program-san-store")
    [ "$program" = hostile ] && arguments+=("$work/garbage")
    check "$program builds" build "$source" "$program-san" -fsanitize=address,undefined -fno-sanitize-recover=undefined
    check "$program is clean" env ASAN_OPTIONS=detect_leaks=0 "$work/$program-san" "${arguments[@]}"
done
check "leaks builds" build "$programs/leaks.c" leaks-san -fsanitize=address,undefined
# The program's own bound on memory is for a process without a sanitizer in it, so its exit code is not asked here.
leaked() { ASAN_OPTIONS=detect_leaks=1:quarantine_size_mb=1 "$work/leaks-san" "$work/leaks-$1" "$1" 2>&1 | sed -n 's/^SUMMARY: AddressSanitizer: \([0-9]*\) byte.*/\1/p'; }
few=$(leaked 50)
many=$(leaked 500)
echo "      bytes that only the collector's heap leads to: ${few:-0} after 50 rounds, ${many:-0} after 500"
check "what is leaked does not grow with rounds" test "${many:-0}" -le "$((${few:-0} + 1024))"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
