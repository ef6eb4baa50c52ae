#!/usr/bin/env bash
# Runs one test project for run.sh: its output goes to LOG/NAME, its exit status to LOG/NAME.status. Called through xargs, whose children take SIGINT as usual; a job in the background of a script would not.
set -uo pipefail
log=$1 project=$2
shift 2
name=$(basename "$project" .csproj)
dotnet test "$project" -c Release --no-build --nologo -v q --logger "console;verbosity=minimal" --blame-hang-timeout 15m "$@" >"$log/$name" 2>&1 </dev/null
echo $? >"$log/$name.status"
