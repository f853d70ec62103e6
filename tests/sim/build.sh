#!/bin/bash
# Builds the simulation natively into build/sim (or $1), with the flags in $SIM_CFLAGS.
# SQLite itself is compiled without them: with sanitizers that takes minutes.
# SIM_SRC: another copy of src/, for a planted bug.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
out=${1:-$root/build/sim}
src=${SIM_SRC:-$root/src}
sqlite=$root/build/third_party/sqlite
cc=${CC:-gcc}
flags=(-std=c17 -D_GNU_SOURCE -DAVFS_CHECK -O2 -g ${SIM_CFLAGS:-})
mkdir -p "$out"
if [ ! -f "$out/sqlite3.o" ] || [ "$sqlite/sqlite3.c" -nt "$out/sqlite3.o" ]; then
  $cc -O2 -g ${SIM_SQLITE_CFLAGS:-} -w -DSQLITE_THREADSAFE=0 -DSQLITE_OS_OTHER=1 -DSQLITE_DEFAULT_MEMSTATUS=0 \
    -c "$sqlite/sqlite3.c" -o "$out/sqlite3.o"
fi
$cc "${flags[@]}" -Wall -Wextra -Wshadow -Wstrict-prototypes \
  -I"$src" -I"$root/include" -I"$root/tests/sim" -I"$sqlite" \
  "$src"/vfs/*.c "$src"/store/*.c "$src"/engine/*.c "$root"/tests/sim/*.c \
  "$out/sqlite3.o" -lm -o "$out/sim.new"
mv "$out/sim.new" "$out/sim"
