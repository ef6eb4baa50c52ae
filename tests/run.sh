#!/usr/bin/env bash
# Builds everything, runs every test project, and ends with one line: N passed, N failed. Exits non-zero when anything failed.
set -uo pipefail
cd "$(dirname "$0")/.."
sh tests/packages.sh || { echo "Cannot install the Debian packages named in tests/packages.sh."; echo "0 passed, 1 failed"; exit 1; }
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
if ! dotnet build SourceOS.StateStore.sln -c Release --nologo -v q -clp:ErrorsOnly; then
    echo "The build failed."
    echo "0 passed, 1 failed"
    exit 1
fi
# Two projects at a time, the longest first: many tests wait for processes and disks, and leave a core idle meanwhile.
first="Simulation Governance"
projects=$(for word in $first; do echo "tests/SourceOS.StateStore.$word.Tests/SourceOS.StateStore.$word.Tests.csproj"; done
    for project in tests/*.Tests/*.csproj; do
        case " $first " in *" $(basename "$project" .Tests.csproj | sed 's/^SourceOS.StateStore.//') "*) ;; *) echo "$project" ;; esac
    done)
echo "$projects" | xargs -P 2 -I PROJECT bash tests/run-one.sh "$log" PROJECT "$@"
passed=0 failed=0 skipped=0 broken=0
for project in $projects; do
    name=$(basename "$project" .csproj)
    echo "== $name"
    status=$(cat "$log/$name.status" 2>/dev/null || echo 1)
    line=$(grep -E '^(Passed|Failed)!' "$log/$name" | tail -n 1)
    number() { printf '%s' "$line" | sed -n "s/.*$1: *\([0-9]*\).*/\1/p"; }
    p=$(number Passed); f=$(number Failed); s=$(number Skipped)
    passed=$((passed + ${p:-0})); failed=$((failed + ${f:-0})); skipped=$((skipped + ${s:-0}))
    if [ "$status" -ne 0 ] || [ -z "$line" ]; then
        cat "$log/$name"
        # A host that died counts as a failure even when no test could say so.
        [ "${f:-0}" -eq 0 ] && broken=$((broken + 1))
    else
        grep -E 'tried, |skipped:' "$log/$name" || true
        echo "   ${p:-0} passed, ${f:-0} failed, ${s:-0} skipped, $(printf '%s' "$line" | sed -n 's/.*Duration: \([^-]*\) -.*/\1/p')"
    fi
done
failed=$((failed + broken))
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
