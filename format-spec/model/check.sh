#!/usr/bin/env bash
# Walks through every case of commit.pml for small bounds, and through its canaries, which must be caught.
# Usage: bash check.sh [long]      Needs: spin, gcc. Prints a line for each run and `N tried, N held` at the end.
set -euo pipefail
model=$(cd "$(dirname "$0")" && pwd)/commit.pml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tried=0 held=0

# run "holds"|"fails" NAME DEFINES...
run() {
    local wanted=$1 name=$2; shift 2
    (cd "$work" && rm -f pan* ./*.trail && spin -a "$@" "$model" >spin.txt && gcc -O2 -w -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -o pan pan.c && ./pan -m4000000 >out.txt)
    local errors states
    errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$work/out.txt")
    states=$(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' "$work/out.txt")
    tried=$((tried + 1))
    if grep -q 'Search not completed\|max search depth too small' "$work/out.txt" && [ "$errors" = 0 ]; then
        echo "NOT COMPLETE  $name"
    elif { [ "$wanted" = holds ] && [ "$errors" = 0 ]; } || { [ "$wanted" = fails ] && [ "$errors" != 0 ]; }; then
        held=$((held + 1))
        echo "$wanted as it must  $name ($states states)"
    else
        cat "$work/out.txt"
        echo "WRONG: does not: $wanted  $name"
    fi
}

run holds "one failed sync, one crash that may take the whole block in flight" -DCRASHES=1 -DFAILS=1 -DOPENS=2 -DHARD
run holds "one block: two crashes, one failed sync" -DN=2 -DCRASHES=2 -DFAILS=1 -DOPENS=4
run fails "canary: recovery does not read again" -DCRASHES=1 -DFAILS=1 -DOPENS=3 -DNO_RECHECK
run fails "canary: recovery believes the page cache" -DCRASHES=1 -DFAILS=1 -DOPENS=3 -DNO_REWRITE
run fails "canary: the slot on the medium is written over" -DCRASHES=1 -DFAILS=0 -DOPENS=3 -DHARD -DWRONG_SLOT
run fails "canary: acknowledged before the sync" -DCRASHES=1 -DFAILS=0 -DOPENS=3 -DEARLY_ACK
run fails "canary: half a commit is kept" -DCRASHES=1 -DFAILS=0 -DOPENS=3 -DHALF_COMMIT
if [ "${1:-}" = long ]; then
    run holds "one crash, one failed sync" -DCRASHES=1 -DFAILS=1 -DOPENS=3
    run holds "two crashes" -DCRASHES=2 -DFAILS=0 -DOPENS=3
    run holds "two crashes that may take the whole block in flight" -DCRASHES=2 -DFAILS=0 -DOPENS=3 -DHARD
    run holds "three blocks" -DN=6 -DCRASHES=1 -DFAILS=1 -DOPENS=3
fi
echo "$tried tried, $held held"
[ "$tried" -eq "$held" ]
