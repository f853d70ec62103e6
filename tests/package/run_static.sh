#!/bin/bash
# The static library in a program that compiles SQLite in, without the loading of
# extensions: it has no DLL to find its SQLite in, and no DllMain to notice its end.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${BUILD_DIR:?call this by ./dev test}" "${BIN_DIR:?}" "${WINE:?}"
work=$BUILD_DIR/package/static
version=$(cat "$root/VERSION")
sqlite=$BUILD_DIR/third_party/sqlite
rm -rf "$work"
mkdir -p "$work"
cd "$root"

cmake --preset mingw-static
ninja -C "$BUILD_DIR/mingw-static" asyncvfs
cmake --install "$BUILD_DIR/mingw-static" --prefix "$work/installed"
[ -z "$(find "$work/installed" -name '*.dll')" ] || { echo "the static package has a DLL"; exit 1; }

# It may be linked with anything: its names are its own.
stray=$(x86_64-w64-mingw32-nm --defined-only --extern-only "$work/installed/lib/libasyncvfs.a" 2>/dev/null |
  awk 'NF == 3 && $3 !~ /^(avfs_|asyncvfs_|sqlite3async_|sqlite3_asyncvfs_init$|\.refptr|\.weak)/ { print $3 }')
[ -z "$stray" ] || { printf 'names that are not ours:\n%s\n' "$stray"; exit 1; }

object=$work/sqlite3.o
x86_64-w64-mingw32-gcc-posix -w -O0 -DSQLITE_OMIT_LOAD_EXTENSION -c -o "$object" "$sqlite/sqlite3.c"
cmake -S "$here/consumer" -B "$work/consumer" -G Ninja --toolchain "$root/cmake/mingw-w64-x86_64.cmake" \
  -DCMAKE_FIND_ROOT_PATH="$work/installed" -DCMAKE_PREFIX_PATH="$work/installed" \
  -DSPELLING=asyncvfs -DVERSION="$version" -DSQLITE_INCLUDE="$sqlite" -DSQLITE_LIB="$object" \
  -DCMAKE_EXE_LINKER_FLAGS=-static
cmake --build "$work/consumer"
cd "$work/consumer"

dlls=$(x86_64-w64-mingw32-objdump -p consumer.exe | sed -nE 's/^\tDLL Name: (.*)/\1/p' | grep -viE '^(kernel32|msvcrt)\.dll$' || true)
[ -z "$dlls" ] || { echo "consumer.exe needs $dlls"; exit 1; }
said=$("$WINE" consumer.exe consumer.db </dev/null | tr -d '\r')
expected="version: $version
mode: managed
ok: ok
note: by asyncvfs
integrity_check: ok"
[ "$said" = "$expected" ] || { printf 'expected\n%s\ngot\n%s\n' "$expected" "$said"; exit 1; }
echo "a program with SQLite compiled in commits"

"$WINE" consumer.exe consumer.db leave </dev/null
notes=$("$WINE" "$BIN_DIR/sqlite3.exe" consumer.db "SELECT count(*) FROM note" </dev/null | tr -d '\r')
[ "$notes" = 2 ] || { echo "left without closing: $notes notes, expected 2"; exit 1; }
echo "what it left behind unclosed is written at its end"
