#!/bin/bash
# The .NET packages: what is in them, that a project can use them, and what they do, by
# dotnet/tests under Wine with each version of the provider. What does not need Windows
# runs on Linux as well. Without a .NET SDK: skipped (77).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${BUILD_DIR:?call this by ./dev test}" "${WINE:?}"
. "$root/dotnet/sdk.sh"
dotnet_sdk || exit 77
work=$BUILD_DIR/dotnet
packages=$work/package/release
version=$(cat "$root/VERSION")

# Quiet, but for errors; the first restore fetches some 150 MB.
build() { net "$@" -v quiet -c Release -clp:NoSummary; }

echo "== packages"
rm -rf "$packages"
build pack AsyncVfs.Net.slnx
diff -u "$here/package_files.txt" <(
  cd "$packages" && for package in *.nupkg *.snupkg; do
    # The name of the .psmdcp is made up by NuGet each time.
    cmake -E tar tf "$package" | sed "s|/[^/]*\.psmdcp$|/*.psmdcp|; s|^|${package/.$version/}: |"
  done | LC_ALL=C sort) ||
  { echo "the packages have other files than tests/dotnet/package_files.txt says"; exit 1; }

echo "== tests on Linux"
build build tests/AsyncVfs.Tests -r linux-x64
"$work/bin/AsyncVfs.Tests/provider10_linux-x64/AsyncVfs.Tests" -noColor -trait platform=any </dev/null

echo "== a project that uses the packages"
consumer=$work/consumer
rm -rf "$consumer"
cp -r "$here/consumer" "$consumer"
cp "$root/dotnet/global.json" "$consumer/"
# A folder of packages of its own, for NuGet keeps a version that it has seen; what the
# tests' restore has fetched is not copied.
use() { dotnet publish "$consumer" -v quiet --disable-build-servers -p:RestorePackagesPath="$consumer/packages" \
          -p:RestoreFallbackFolders="${NUGET_PACKAGES:-$HOME/.nuget/packages}" \
          -p:RestoreAdditionalProjectSources="$packages" -p:AsyncVfsVersion="$version" "$@"; }
use -o "$consumer/any"
[ -f "$consumer/any/runtimes/win-x64/native/asyncvfs.dll" ] || { echo "asyncvfs.dll does not come along"; exit 1; }
said=$(cd "$consumer" && dotnet any/Consumer.dll)
[ "$said" = "registered: False, rows: 1" ] || { echo "on Linux it said: $said"; exit 1; }
use -r win-x64 --no-self-contained -o "$consumer/win"
cmp "$consumer/win/asyncvfs.dll" "$BUILD_DIR/bin/asyncvfs.dll"
[ -f "$consumer/win/SqliteWriteBehind.dll" ]

for provider in 10 11; do
  echo "== tests under Wine, Microsoft.Data.Sqlite $provider"
  tests=$work/tests/provider$provider
  build publish tests/AsyncVfs.Tests -p:Provider=$provider -o "$tests"
  WINEDLLOVERRIDES=$wine_for_dotnet timeout 180 "$WINE" "$tests/AsyncVfs.Tests.exe" -noColor </dev/null
done
