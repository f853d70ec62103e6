#!/bin/bash
# Builds the simulation natively into build/sim (or $1), with the flags in $SIM_CFLAGS.
# SQLite itself is compiled without them: with sanitizers that takes minutes.
# SIM_SRC: another copy of src/, for a planted bug.
# SIM_STOCK=1: also stock-VERSION.so of each version in build/third_party/stock that is
# not the one linked (stock.h).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tests/sim
out=${1:-$root/build/sim}
src=${SIM_SRC:-$root/src}
sqlite=$root/build/third_party/sqlite
stocks=$root/build/third_party/stock
cc=${CC:-gcc}
# The lock bytes stand at 64 KiB: for the product by this, for SQLite by a test control.
flags=(-std=c17 -D_GNU_SOURCE -DAVFS_CHECK -DAVFS_RING_LEAST=65536 -DAVFS_LOCK_BYTES_AT=0x10000u -O2 -g ${SIM_CFLAGS:-})
sqlite_flags=(-O2 -g -w -DSQLITE_THREADSAFE=0 -DSQLITE_OS_OTHER=1 -DSQLITE_DEFAULT_MEMSTATUS=0)
mkdir -p "$out"

make_linked() {
  [ -f "$out/sqlite3.o" ] && [ ! "$sqlite/sqlite3.c" -nt "$out/sqlite3.o" ] && return
  $cc "${sqlite_flags[@]}" ${SIM_SQLITE_CFLAGS:-} -c "$sqlite/sqlite3.c" -o "$out/sqlite3.o.new"
  mv "$out/sqlite3.o.new" "$out/sqlite3.o"
}

make_stock() { # VERSION
  local to=$out/stock-$1.so from=$stocks/$1
  cmp -s "$from/sqlite3.h" "$sqlite/sqlite3.h" && return
  [ -f "$to" ] && [ ! "$from/sqlite3.c" -nt "$to" ] && [ ! "$here/stock.c" -nt "$to" ] &&
    [ ! "$here/stock.h" -nt "$to" ] && return
  $cc "${sqlite_flags[@]}" -shared -fPIC -fvisibility=hidden -DSIM_AMALGAMATION="\"$from/sqlite3.c\"" \
    -I"$here" -I"$from" "$here/stock.c" -lm -o "$to.new"
  mv "$to.new" "$to"
}

# The amalgamations take longest: all of them at a time.
pids=()
make_linked & pids+=($!)
if [ -n "${SIM_STOCK:-}" ]; then
  for version in "$stocks"/*/; do
    make_stock "$(basename "$version")" & pids+=($!)
  done
fi
for pid in "${pids[@]}"; do wait "$pid"; done

mapfile -t sources < <("$root/tests/portable_sources.sh" "$src")
$cc "${flags[@]}" -Wall -Wextra -Wshadow -Wstrict-prototypes \
  -I"$src" -I"$root/include" -I"$here" -I"$sqlite" \
  "${sources[@]}" "$here"/*.c "$here"/programs/*.c \
  "$out/sqlite3.o" -lm -ldl -o "$out/sim.new"
mv "$out/sim.new" "$out/sim"
