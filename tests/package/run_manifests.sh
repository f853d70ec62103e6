#!/bin/bash
# What tells packagers about AsyncVfs: vcpkg.json and the port, sqlpkg.json, winget's
# manifest. They are well-formed, and agree with VERSION, with CMake and with the installer.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${BUILD_DIR:?call this by ./dev test}"
work=$BUILD_DIR/package/manifests
rm -rf "$work"
mkdir -p "$work"
cd "$root"

failures=0
same() { # WHAT EXPECTED ACTUAL
  [ "$2" != "$3" ] || { echo "ok: $1"; return; }
  failures=$((failures + 1))
  printf 'FAILED: %s: expected "%s", got "%s"\n' "$1" "$2" "$3"
}
json() { cmake -D FILE="$1" -D PATH="$2" -P "$here/json.cmake"; }
from_cache() { sed -n "s/^CMAKE_PROJECT_$1:STATIC=//p" "$BUILD_DIR/mingw/CMakeCache.txt"; }
version=$(cat VERSION) home=$(from_cache HOMEPAGE_URL) about=$(from_cache DESCRIPTION)

for file in vcpkg.json packaging/vcpkg/asyncvfs/vcpkg.json packaging/sqlpkg.json; do
  same "$file: name" asyncvfs "$(json $file name)"
  same "$file: version" "$version" "$(json $file version)"
  same "$file: description" "$about" "$(json $file description)"
  same "$file: homepage" "$home" "$(json $file homepage)"
done
same "CHANGELOG.md has this version" "## [$version]" "$(grep -oF "## [$version]" CHANGELOG.md || true)"
# As `vcpkg format-manifest` leaves it: its order of keys, two spaces, dependencies sorted.
for file in vcpkg.json packaging/vcpkg/asyncvfs/vcpkg.json; do
  same "$file: order of its keys" "name version description homepage license supports dependencies" \
    "$(sed -nE 's/^  "([a-z-]+)":.*/\1/p' $file | tr '\n' ' ' | sed 's/ $//')"
  names=$(sed -nE '/"dependencies"/,$ { s/^    "([a-z0-9-]+)",?$/\1/p; s/^      "name": "([a-z0-9-]+)",?$/\1/p }' $file)
  same "$file: order of its dependencies" "$(sort <<<"$names")" "$names"
  same "$file: indents" "" "$(grep -nvE '^(  )*[^ ]' $file || true)"
done
for name in $(sed -nE 's/.*vcpkg_cmake_config_fixup\(CONFIG_PATH (.*)\)/\1/p' packaging/vcpkg/asyncvfs/portfile.cmake); do
  same "the port looks for the CMake package where it is installed" lib/cmake/asyncvfs "$name"
done
grep -q 'find_package(asyncvfs CONFIG REQUIRED)' packaging/vcpkg/asyncvfs/usage || same usage find_package nothing
same "sqlpkg: the file for Windows" asyncvfs.dll "$(json packaging/sqlpkg.json 'assets;files;windows-amd64')"

installer/build.sh "$BUILD_DIR/mingw" "$version" "$work/test.msi" >"$work/msi.log" 2>&1 || { cat "$work/msi.log"; exit 1; }
packaging/winget.sh "$work/test.msi" "$work/winget"
value() { sed -nE "s/^[- ]*$1: '?([^']*)'?$/\1/p" "$work/winget/AsyncVfs.AsyncVfs$2.yaml" | sort -u; }
msi() { msiinfo export "$work/test.msi" Property | tr -d '\r' | sed -n "s/^$1\t//p"; }
for part in "" .installer .locale.en-US; do
  same "winget$part: PackageIdentifier" AsyncVfs.AsyncVfs "$(value PackageIdentifier "$part")"
  same "winget$part: PackageVersion" "$version" "$(value PackageVersion "$part")"
  same "winget$part: neither tabs nor spaces at an end" "" "$(grep -nP '\t| $' "$work/winget/AsyncVfs.AsyncVfs$part.yaml" || true)"
done
same "winget: ProductCode" "$(msi ProductCode)" "$(value ProductCode .installer)"
same "winget: UpgradeCode" "$(msi UpgradeCode)" "$(value UpgradeCode .installer)"
same "winget: InstallerSha256" "$(sha256sum <"$work/test.msi" | cut -d' ' -f1 | tr a-f A-F)" "$(value InstallerSha256 .installer)"
same "winget: both scopes" $'machine\nuser' "$(value Scope .installer)"
same "winget: ShortDescription" "$about" "$(value ShortDescription .locale.en-US)"

[ $failures = 0 ] || { echo "$failures of these failed"; exit 1; }
