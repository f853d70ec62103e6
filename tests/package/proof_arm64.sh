#!/bin/bash
# Windows on ARM64: asyncvfs.dll is built (preset mingw-arm64), needs nothing that is not a part of
# Windows, and commits, flushes and drains in a process of that architecture: with the SQLite that
# Microsoft.Data.Sqlite uses there, under Wine for arm64 (wine_arm64.sh), if that can be had.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${BUILD_DIR:?call this by ./dev proof}"
cd "$root"

cmake --preset mingw-arm64 >"$BUILD_DIR/log/arm64.log"
ninja -C "$BUILD_DIR/mingw-arm64" asyncvfs >>"$BUILD_DIR/log/arm64.log" || { grep -E 'error|warning' "$BUILD_DIR/log/arm64.log"; exit 1; }
dll=$BUILD_DIR/arm64/bin/asyncvfs.dll
file=$(llvm-readobj --file-headers --coff-exports --coff-imports "$dll")
grep -q 'Machine: IMAGE_FILE_MACHINE_ARM64' <<<"$file" || { echo "$dll is not for ARM64"; exit 1; }
for name in NX_COMPAT DYNAMIC_BASE HIGH_ENTROPY_VA; do
  grep -q "$name" <<<"$file" || { echo "arm64: no $name"; exit 1; }
done
others=$(sed -n '/^Import {/,/^}/s/^ *Name: //p' <<<"$file" | grep -vE '^(kernel32|api-ms-win-crt-[a-z]+-l1-1-0)\.dll$' || true)
[ -z "$others" ] || { echo "arm64: it needs $others"; exit 1; }
diff <(sed -n '/EXPORTS/,$s/^ *\([a-z0-9_]*\)$/\1/p' src/asyncvfs.def | grep . | sort) \
  <(sed -n '/^Export {/,/^}/s/^ *Name: //p' <<<"$file" | grep . | sort) || { echo "arm64: other exports than src/asyncvfs.def"; exit 1; }

if ! "$here/wine_arm64.sh" "$BUILD_DIR/wine_arm64" >"$BUILD_DIR/log/wine_arm64.log" 2>&1; then
  echo "proof: ARM64: built, not run: no Wine for it ($BUILD_DIR/log/wine_arm64.log)"
  exit 0
fi
work=$BUILD_DIR/wine_arm64/prefix/drive_c/test
rm -rf "$work"
mkdir -p "$work"
cd "$work"
package=sqlitepclraw.lib.e_sqlite3 version=2.1.13
curl -fsSL --retry 3 -o sqlite.zip "https://api.nuget.org/v3-flatcontainer/$package/$version/$package.$version.nupkg"
echo "d07d13b4779123cfa56b3348b504d57a2ab6fc10c764fb6e2c9d787987e39201  sqlite.zip" | sha256sum --check --quiet
unzip -q -j sqlite.zip runtimes/win-arm64/native/e_sqlite3.dll
cp "$dll" .
libs=$BUILD_DIR/mingw-arm64/arm64_libs
{ printf 'LIBRARY e_sqlite3.dll\nEXPORTS\n'; printf 'sqlite3_%s\n' open_v2 exec errmsg close; } >sqlite.def
llvm-dlltool -m arm64 -d sqlite.def -l sqlite.a
clang --target=aarch64-w64-mingw32 -std=c17 -O2 -Wall -Wextra -Werror -isystem /usr/share/mingw-w64/include -D_UCRT \
  -I"$root/include" -isystem "$BUILD_DIR/third_party/sqlite" -fuse-ld=lld -nostdlib -Wl,--entry=start \
  -o use.exe "$here/arm64_use.c" sqlite.a "$BUILD_DIR/arm64/lib/asyncvfs.lib" -L"$libs" -lkernel32 -lucrt
trap '"$BUILD_DIR/wine_arm64/wine" --stop || true' EXIT
said=$(timeout 120 "$BUILD_DIR/wine_arm64/wine" use.exe 2>wine.log) || { echo "arm64: $said"; cat wine.log; exit 1; }
[ "${said%$'\r'}" = "durable: 1001 of 1001; rows: 1000; integrity: ok" ] || { echo "arm64: it said: $said"; exit 1; }
echo "proof: ARM64: runs under Wine and QEMU: $said"
