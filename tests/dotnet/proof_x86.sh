#!/bin/bash
# The .NET packages in a process of 32 bits: dotnet/tests with the e_asyncvfs.dll that the package has for
# win-x86, under a 32-bit Wine (tests/package/wine32.sh). Without it, or without a .NET SDK: skipped (77).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${BUILD_DIR:?call this by ./dev proof}"
. "$root/dotnet/sdk.sh"
dotnet_sdk || exit 77
"$root/tests/package/wine32.sh" "$BUILD_DIR/wine32" >"$BUILD_DIR/log/wine32.log" 2>&1 ||
  { echo "skipped: no 32-bit Wine ($BUILD_DIR/log/wine32.log)"; exit 77; }
cd "$root"

cmake --preset mingw-i686 >/dev/null
ninja -C "$BUILD_DIR/mingw-i686" --quiet asyncvfs
tests=$BUILD_DIR/dotnet/tests/x86
net publish tests/AsyncVfs.Tests -v quiet -c Release -clp:NoSummary -p:Provider=10 -p:TestArchitecture=x86 -o "$tests"
cp "$BUILD_DIR/i686/bin/asyncvfs.dll" "$tests/e_asyncvfs.dll"   # a project beside the library's has the one for x64
trap '"$BUILD_DIR/wine32/wine" --stop || true' EXIT
WINEDLLOVERRIDES=$wine_for_dotnet timeout 300 "$BUILD_DIR/wine32/wine" "$tests/AsyncVfs.Tests.exe" \
  -noColor -failSkips -trait- provider=any -trait- disk=full </dev/null | tee "$BUILD_DIR/log/dotnet_x86.log"
grep -q '32-bit .NET' "$BUILD_DIR/log/dotnet_x86.log"
echo "proof: .NET of 32 bits:$(sed -n 's/.*Total:\([^,]*\), Errors: \([^,]*\), Failed: \([^,]*\),.*/\1 tests, \2 errors, \3 failed/p' "$BUILD_DIR/log/dotnet_x86.log")"
