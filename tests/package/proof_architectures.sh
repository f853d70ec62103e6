#!/bin/bash
# 32-bit x86: all of it builds, and passes all suites where there is a Wine for 32 bits
# (package wine32:i386, of a foreign architecture, so that it is not installed unasked; or
# $WINE32), in a prefix of its own. ARM64: the library compiles, with the same warnings as
# errors.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${BUILD_DIR:?call this by ./dev proof}" "${WINE:?}"
work=$BUILD_DIR/package/architectures
rm -rf "$work"
mkdir -p "$work"
cd "$root"

cmake --preset mingw-i686 >"$work/configure.log"
ninja -C "$BUILD_DIR/mingw-i686" >"$work/i686.log" || { grep -E 'error|warning' "$work/i686.log"; exit 1; }
headers=$(i686-w64-mingw32-objdump -p "$BUILD_DIR/i686/bin/asyncvfs.dll" | sed '/^PE File Base Relocations/q')
grep -q NX_COMPAT <<<"$headers" && grep -q DYNAMIC_BASE <<<"$headers" || { echo "i686: no NX or no ASLR"; exit 1; }
# __cdecl: a .def that names them undecorated is enough
for name in asyncvfs_register sqlite3_asyncvfs_init; do
  grep -q "\] $name\$" <<<"$headers" || { echo "i686: $name is not exported under its name"; exit 1; }
done
ran="built, not run: no Wine for 32 bits (wine32:i386, or \$WINE32)"
export WINE32=${WINE32:-/usr/lib/wine/wine}
if [ -x "$WINE32" ]; then
  export WINEPREFIX=$work/prefix WINEARCH=win32 work
  trap '"$WINESERVER" -k || true' EXIT
  { "$WINE32" wineboot -i && "$WINESERVER" -w; } >"$work/wineboot.log" 2>&1 || { cat "$work/wineboot.log"; exit 1; }
  tests=$BUILD_DIR/i686/bin/tests.exe
  "$WINE32" "$tests" --list </dev/null | tr -d '\r' | xargs -P "$(nproc)" -I{} sh -c \
    '"$WINE32" "$1" {} >"$work/{}.log" 2>&1 </dev/null || echo "error: the suite {} fails with 32 bits: $work/{}.log"' sh "$tests" |
    tee "$work/failures"
  [ ! -s "$work/failures" ] || exit 1
  ran="$(cat "$work"/*.log | tr -d '\r' | awk '/^[0-9]+ passed, [0-9]+ failed$/ { p += $1; f += $3 } END { print p " tests passed, " f " failed" }')"
  "$WINESERVER" -k || true
  rm -rf "$work/prefix"
fi

compiled=0
for source in "$root"/src/*/*.c; do
  clang-14 --target=aarch64-w64-mingw32 -isystem /usr/share/mingw-w64/include -std=c17 -O2 -Wall -Wextra -Werror \
    -D_WIN32_WINNT=0x0602 -DWINVER=0x0602 -DWIN32_LEAN_AND_MEAN -DASYNCVFS_VERSION_TEXT='"0"' \
    -I"$root/include" -I"$root/src" -isystem "$BUILD_DIR/third_party/sqlite" \
    -c -o "$work/object.o" "$source"
  compiled=$((compiled + 1))
done
echo "proof: x86: $ran; ARM64: $compiled files compile"
