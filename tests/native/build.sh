#!/bin/bash
# Builds a program of tests/native over the native seam: build.sh PROGRAM OUT, with the
# flags in $NATIVE_CFLAGS. SQLite itself is compiled once, without them.
# NATIVE_SRC: another copy of src/, for a planted bug. NATIVE_MORE: one more source.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
program=$1 out=$2
src=${NATIVE_SRC:-$root/src}
sqlite=$root/build/third_party/sqlite
object=$root/build/native/sqlite3.o
cc=${CC:-gcc}
mkdir -p "$root/build/native" "$(dirname "$out")"
if [ ! -f "$object" ] || [ "$sqlite/sqlite3.c" -nt "$object" ]; then
  gcc -O2 -g -w -c "$sqlite/sqlite3.c" -o "$object.new"
  mv "$object.new" "$object"
fi
mapfile -t sources < <("$root/tests/portable_sources.sh" "$src")
# shellcheck disable=SC2086
$cc -std=c17 -D_GNU_SOURCE -DAVFS_CHECK -DAVFS_RING_LEAST=65536 -O2 -g -Wall -Wextra -Wshadow ${NATIVE_CFLAGS:-} \
  -I"$src" -I"$root/include" -I"$here" -I"$here/.." -I"$sqlite" \
  "${sources[@]}" "$here/seam.c" "$here/watchdog.c" "$here/$program.c" "$here/../record/commits.c" ${NATIVE_MORE:-} \
  "$object" -rdynamic -lpthread -ldl -lm -o "$out.new"
mv "$out.new" "$out"
