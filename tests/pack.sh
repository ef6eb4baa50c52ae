#!/usr/bin/env bash
# Packs the libraries into a temporary folder, looks into each package, restores them into a project that knows nothing of this repository, and runs that against a store. Ends with one line: N passed, N failed.
# Usage: pack.sh [DIRECTORY]; the packages are kept in DIRECTORY.
set -uo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
passed=0 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
check() { # $1: what; the rest: a command that tells.
    local what=$1
    shift
    if "$@" >"$work/said" 2>&1; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "   FAILED: $what"; tail -n 20 "$work/said"; fi
}
die() { echo "$*"; echo "$passed passed, $((failed + 1)) failed"; exit 1; }
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
packages=$work/packages
version=$(sed -n 's|.*<Version>\(.*\)</Version>.*|\1|p' "$top/Directory.Build.props")
libraries="Format Readers Storage Engine Governance Hosting"
for library in $libraries; do
    name=SourceOS.StateStore.$library
    [ "$library" = Engine ] && name=SourceOS.StateStore
    # Package validation is part of packing: the frameworks of a package must agree.
    dotnet pack "$top/src/$name" -c Release -o "$packages" --nologo -v q -clp:ErrorsOnly >"$work/packed" 2>&1 || { cat "$work/packed"; die "$name could not be packed."; }
    echo "== $name $version"
    package=$packages/$name.$version.nupkg
    python3 -m zipfile -l "$package" >"$work/list" || die "$package cannot be read."
    python3 -m zipfile -l "$packages/$name.$version.snupkg" >"$work/symbols" || die "There are no symbols of $name."
    for framework in net10.0 net9.0; do
        check "$framework has its assembly" grep -q "^lib/$framework/$name\.dll " "$work/list"
        check "$framework has its documentation" grep -q "^lib/$framework/$name\.xml " "$work/list"
        check "$framework has its symbols" grep -q "^lib/$framework/$name\.pdb " "$work/symbols"
    done
    check "the README is in it" grep -q '^README\.md ' "$work/list"
    check "the licence is in it" grep -q '^LICENSE ' "$work/list"
    check "nothing else is in it" sh -c "! grep -vE '^(File Name|_rels/|package/|lib/net(10|9)\.0/$name\.(dll|xml) |README\.md |LICENSE |$name\.nuspec |\[Content_Types\]\.xml )' '$work/list'"
    python3 - "$package" "$name" >"$work/nuspec" <<'PYTHON'
import sys
import zipfile
print(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2] + ".nuspec").decode())
PYTHON
    check "the licence is named" grep -q '<license type="expression">MIT</license>' "$work/nuspec"
    check "it says what it is for" sh -c "! grep -q '<description>Package Description</description>' '$work/nuspec'"
done

# A project elsewhere: the README's program, on packages alone.
mkdir "$work/scratch"
cat >"$work/scratch/nuget.config" <<XML
<configuration><packageSources><add key="packed" value="$packages" /></packageSources></configuration>
XML
cat >"$work/scratch/scratch.csproj" <<XML
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <Nullable>enable</Nullable>
    <ImplicitUsings>enable</ImplicitUsings>
    <RestorePackagesPath>$work/cache</RestorePackagesPath>
    <RestoreFallbackFolders>\$(NuGetPackageRoot);${NUGET_PACKAGES:-$HOME/.nuget/packages}</RestoreFallbackFolders>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="SourceOS.StateStore.Hosting" Version="$version" />
  </ItemGroup>
</Project>
XML
{
    sed -n '/^```csharp/,/^```/p' "$top/README.md" | sed '/^```/d'
    echo 'SourceOS.StateStore.Readers.Verify.VerificationReport report = SourceOS.StateStore.Readers.Verify.StoreVerifier.Run(args[0], new SourceOS.StateStore.Readers.Verify.VerifyOptions());'
    echo 'Console.WriteLine($"{report.Verdict} {typeof(SourceOS.StateStore.Hosting.StateStoreServices).Assembly.GetName().Name} {typeof(SourceOS.StateStore.Governance.Gates.GovernedStore).Name}");'
} >"$work/scratch/Program.cs"
check "a project restores and builds with the packages" dotnet build "$work/scratch" --nologo -v q
check "its program runs against a store" sh -c "dotnet run --no-build --project '$work/scratch' -- '$work/store' >'$work/ran'"
check "the store answers" grep -qx 'hello at sequence 1' "$work/ran"
check "the verifier finds it sound" grep -qx 'Clean SourceOS.StateStore.Hosting GovernedStore' "$work/ran"
check "the command line of this repository reads it" dotnet run --no-build -c Release -f net10.0 --project "$top/src/SourceOS.StateStore.Cli" -- --store "$work/store" verify --level deep
[ $# -eq 0 ] || { mkdir -p "$1" && cp "$packages"/*.*nupkg "$1"/; }
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
