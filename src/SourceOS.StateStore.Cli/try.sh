#!/usr/bin/env bash
# Installs what is missing, builds the command, puts a directory tree under integrity control and shows the store's status.
# Usage: bash src/SourceOS.StateStore.Cli/try.sh DIRECTORY [STORE]
set -euo pipefail
tree=${1:?"name the directory to adopt, for example: bash src/SourceOS.StateStore.Cli/try.sh /usr/share/dotnet"}
root=$(cd "$(dirname "$0")/../.." && pwd)
store=${2:-$PWD/.statestore}
sh "$root/tests/packages.sh"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
echo "Building statestore ..." >&2
dotnet build "$root/src/SourceOS.StateStore.Cli" -c Release -f net10.0 --nologo -v q -clp:ErrorsOnly
statestore="$root/src/SourceOS.StateStore.Cli/bin/Release/net10.0/statestore"
"$statestore" --store "$store" adopt "$tree" --init
"$statestore" --store "$store" status
