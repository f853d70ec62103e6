#!/bin/bash
# Somebody else's project finds, builds with and runs the installed asyncvfs:
# by find_package under both spellings, and by pkg-config. The tree was moved
# after it was installed, so a path that it remembers fails.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${BUILD_DIR:?call this by ./dev test}" "${BIN_DIR:?}" "${WINE:?}"
work=$BUILD_DIR/package/consumer
rm -rf "$work"
mkdir -p "$work"

cmake --install "$BUILD_DIR/mingw" --prefix "$work/installed here" >/dev/null
prefix="$work/moved there"
mv "$work/installed here" "$prefix"
! grep -rIl -e "$root" -e 'installed here' "$prefix" ||
  { echo "these files remember where they were built or installed"; exit 1; }

version=$(cat "$root/VERSION")
expected="version: $version
mode: managed
ok: ok
note: by asyncvfs
integrity_check: ok"

try() { # FOLDER: consumer.exe is in it
  cp "$BIN_DIR/sqlite3.dll" "$prefix/bin/asyncvfs.dll" "$1/"
  local said
  said=$(cd "$1" && "$WINE" consumer.exe consumer.db </dev/null | tr -d '\r')
  [ "$said" = "$expected" ] || { printf '%s: expected\n%s\ngot\n%s\n' "$1" "$expected" "$said"; exit 1; }
}

for spelling in asyncvfs AsyncVfs; do
  echo "== find_package($spelling)"
  "$here/consumer/build.sh" "$prefix" "$work/$spelling" $spelling "$version"
  try "$work/$spelling"
done

echo "== find_package(asyncvfs 99.0): must be refused"
if said=$("$here/consumer/build.sh" "$prefix" "$work/refused" asyncvfs 99.0 2>&1); then echo "it was found"; exit 1; fi
grep -q "version: $version" <<<"$said" || { echo "not for the version's sake: $said"; exit 1; }

echo "== pkg-config"
mkdir "$work/pkg-config"
export PKG_CONFIG_LIBDIR="$prefix/lib/pkgconfig"
pkg-config --exact-version "$version" asyncvfs
eval "flags=($(pkg-config --cflags --libs asyncvfs))" # the prefix has a space in it
x86_64-w64-mingw32-gcc-posix -o "$work/pkg-config/consumer.exe" "$here/consumer/main.c" \
  -I"$BUILD_DIR/third_party/sqlite" "${flags[@]}" "$BUILD_DIR/lib/libsqlite3.dll.a"
try "$work/pkg-config"
echo "found three ways"
