#!/bin/bash
# The .NET packages: what is in them; what they do, by dotnet/tests under Wine with each
# version of the provider; and that a project can use them, on Linux, where there is no
# asyncvfs, and on Windows, with an older provider. Without a .NET SDK: skipped (77).
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

echo "== asyncvfs.dll for x86 and ARM64"
for architecture in i686 arm64; do
  (cd "$root" && cmake --preset mingw-$architecture >/dev/null)
  ninja -C "$BUILD_DIR/mingw-$architecture" --quiet asyncvfs
done

echo "== packages"
rm -rf "$packages"
build pack AsyncVfs.Net.slnx
diff -u "$here/package_files.txt" <(
  cd "$packages" && for package in *.nupkg *.snupkg; do
    # The name of the .psmdcp is made up by NuGet each time.
    cmake -E tar tf "$package" | sed "s|/[^/]*\.psmdcp$|/*.psmdcp|; s|^|${package/.$version/}: |"
  done | LC_ALL=C sort) ||
  { echo "the packages have other files than tests/dotnet/package_files.txt says"; exit 1; }

gcc -O2 -shared -fPIC -o "$work/flush_log.so" "$here/flush_log.c"
export FLUSH_LOG=$work/flush.log   # which files were flushed
rm -f "$FLUSH_LOG"

# under_wine PROVIDER ARGUMENTS...: the tests that the arguments choose.
under_wine() {
  LD_PRELOAD=$work/flush_log.so WINEDLLOVERRIDES=$wine_for_dotnet timeout 300 "$WINE" "$work/tests/provider$1/AsyncVfs.Tests.exe" \
    -noColor -failSkips "${@:2}" </dev/null
}
for provider in 10 11; do
  echo "== tests under Wine, Microsoft.Data.Sqlite $provider"
  build publish tests/AsyncVfs.Tests -p:Provider=$provider -o "$work/tests/provider$provider"
  if [ $provider = 10 ]; then once=(); else once=(-trait- provider=any); fi
  under_wine $provider -trait- disk=full "${once[@]}"
done

echo "== tests under Wine, the disk is full"
# No file may become larger than 1 MiB; a write that tries fails, without the signal.
(trap '' XFSZ && ulimit -f 1024 && under_wine 10 -trait disk=full)

# use_packages COMMAND FOLDER OPTIONS...: a copy of a project that knows the packages alone, built. A
# folder of packages of its own, for NuGet keeps a version that it has seen; what the tests' restore has
# fetched is not copied.
use_packages() {
  local project=$work/$2
  [ -d "$project" ] || { cp -r "$here/$2" "$project" && cp "$root/dotnet/global.json" "$project/"; }
  dotnet "$1" "$project" -v quiet --disable-build-servers -o "$project/out" \
    -p:RestorePackagesPath="$work/used" \
    -p:RestoreFallbackFolders="${NUGET_PACKAGES:-$HOME/.nuget/packages}" \
    -p:RestoreAdditionalProjectSources="$packages" -p:AsyncVfsVersion="$version" "${@:3}"
}
rm -rf "$work/consumer" "$work/winforms" "$work/used"

echo "== a project that uses the packages, on Linux"
use_packages publish consumer
cmp "$work/consumer/out/runtimes/win-x64/native/e_asyncvfs.dll" "$BUILD_DIR/bin/asyncvfs.dll"
cmp "$work/consumer/out/runtimes/win-x86/native/e_asyncvfs.dll" "$BUILD_DIR/i686/bin/asyncvfs.dll"
cmp "$work/consumer/out/runtimes/win-arm64/native/e_asyncvfs.dll" "$BUILD_DIR/arm64/bin/asyncvfs.dll"
said=$(cd "$work/consumer" && dotnet out/Consumer.dll)
[ "$said" = "registered: False; Data Source=consumer.db; rows: 1" ] || { echo "it said: $said"; exit 1; }

echo "== the same project under Wine, with the oldest provider that the packages know"
rm -rf "$work/consumer/obj" "$work/consumer/out"
use_packages publish consumer -r win-x64 --self-contained true -p:ProviderVersion=8.0.30
said=$(cd "$work/consumer" && WINEDLLOVERRIDES=$wine_for_dotnet timeout 120 "$WINE" out/Consumer.exe </dev/null | tr -d '\r')
[ "$said" = 'registered: True; Data Source="file:consumer.db?vfs=asyncvfs&max_lag_ms=50"; rows: 1' ] || { echo "it said: $said"; exit 1; }
rm -rf "$work/consumer/obj" "$work/consumer/out"

echo "== the first lines of the packages' README, on Linux, as they stand"
awk '/^```$/ && on { exit } on { print } /^```csharp$/ { on = 1 }' "$root/dotnet/PACKAGE.md" >"$work/consumer/Program.cs"
use_packages publish consumer
(cd "$work/consumer" && rm -f app.db && dotnet out/Consumer.dll && test -s app.db)

# warns CODE ARCHITECTURE COMMAND...: it warns by this code and names the architecture; "": it warns by none.
warns() {
  local said
  said=$("${@:3}") || { echo "$said"; return 1; }
  if [ -z "$1" ]; then
    ! grep -q "ASYNCVFS0" <<<"$said" || { echo "it warns: $said"; return 1; }
  else
    grep -q "warning $1: The package AsyncVfs has no e_asyncvfs.dll for $2, " <<<"$said" || { echo "no $1: $said"; return 1; }
  fi
}
for_windows() { # ARCHITECTURE OPTIONS...: the project built for it
  rm -rf "$work/consumer/obj" "$work/consumer/out"
  use_packages build consumer -r "win-$1" --self-contained false -p:UseAppHost=false "${@:2}"
}
for_framework() { # PLATFORM
  rm -rf "$work/winforms/obj" "$work/winforms/out"
  use_packages build winforms "-p:PlatformTarget=$1"
}

echo "== for each Windows its own library"
warns "" "" for_windows x86
cmp "$work/consumer/out/e_asyncvfs.dll" "$BUILD_DIR/i686/bin/asyncvfs.dll"
warns "" "" for_windows arm64
cmp "$work/consumer/out/e_asyncvfs.dll" "$BUILD_DIR/arm64/bin/asyncvfs.dll"

echo "== Windows Forms on .NET Framework, compiled"
warns "" "" for_framework x64
cmp "$work/winforms/out/e_asyncvfs.dll" "$BUILD_DIR/bin/asyncvfs.dll"
warns "" "" for_framework x86
cmp "$work/winforms/out/e_asyncvfs.dll" "$BUILD_DIR/i686/bin/asyncvfs.dll"
warns "" "" for_framework AnyCPU
cmp "$work/winforms/out/runtimes/win-arm64/native/e_asyncvfs.dll" "$BUILD_DIR/arm64/bin/asyncvfs.dll"
cmp "$work/winforms/out/runtimes/win-x64/native/e_asyncvfs.dll" "$BUILD_DIR/bin/asyncvfs.dll"

echo "== where the package has none, a warning at the build"
rm -r "$work/used/asyncvfs/$version/runtimes/win-"{x86,arm64}
warns ASYNCVFS001 arm64 for_windows arm64
warns "" "" for_windows arm64 -p:AsyncVfsNoWarning=true
warns "" "" for_windows x64
warns ASYNCVFS002 x86 for_framework x86
