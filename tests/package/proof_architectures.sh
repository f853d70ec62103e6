#!/bin/bash
# 32-bit x86: all of it builds, and passes the unit tests where Wine runs 32-bit programs
# (package wine32:i386). ARM64: the library compiles, with the same warnings as errors.
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
ran="built, not run: Wine has no 32 bits here"
wine32=$(dirname "$WINE")/wine
if [ -x "$wine32" ] && [ -d "$WINEPREFIX/drive_c/windows/syswow64" ] &&
  "$wine32" "$BUILD_DIR/i686/bin/tests.exe" --list </dev/null >/dev/null 2>&1; then
  ran=$("$wine32" "$BUILD_DIR/i686/bin/tests.exe" page_table lock_table virtual_journal batch_journal page_writer \
    batch scheduler loading </dev/null | tail -n 1 | tr -d '\r')
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
