#!/bin/bash
# Recordings of the real library under Wine: in each journal_mode two processes of asyncvfs
# and one of stock SQLite commit in turn to one database (recorder.c); then the power fails
# at every step of what they did to the disk (replay.c). RECORD_IMAGES images at least.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$root/build/record
wanted=${RECORD_IMAGES:-20000}
seed=${RECORD_SEED:-${TEST_SEED:-$RANDOM}}
sim=$root/tests/sim
mkdir -p "$out"
[ -f "$root/build/sim/sqlite3.o" ] || "$sim/build.sh"
mapfile -t sources < <("$root/tests/portable_sources.sh" "$root/src")
gcc -std=c17 -D_GNU_SOURCE -O2 -g -w -I"$root/src" -I"$root/include" -I"$sim" -I"$root/build/third_party/sqlite" \
  "$here/replay.c" "$here/commits.c" "$sim"/*.c "${sources[@]}" \
  "$root/build/sim/sqlite3.o" -lm -ldl -o "$out/replay"

recorder() { # VFS COMMITS DURABILITY
  local rc=0
  "$WINE" "$BIN_DIR/tests.exe" --child recorder "$(wine_path recording.log)" "$(wine_path recorded.db)" \
    "$1" "$mode" "$seed" "$2" "$3" >"$out/$1.$3.out" 2>&1 </dev/null || rc=$?
  [ $rc = 0 ] || { cat "$out/$1.$3.out"; echo "error: the recorder ($1, $mode, seed $seed) ends with $rc"; }
  return $rc
}
wine_path() { echo "Z:${out//\//\\}\\$1"; }

images=0 commits=0
while [ $images -lt "$wanted" ]; do
  for mode in DELETE TRUNCATE PERSIST MEMORY OFF; do
    seed=$((seed + 1))
    rm -f "$out"/recording.log "$out"/recorded.db*
    stock_mode=$mode
    recorder asyncvfs 0 memory
    pids=()
    recorder asyncvfs 60 memory & pids+=($!)
    recorder asyncvfs 25 disk & pids+=($!)
    # Stock SQLite is not safe against power cuts in MEMORY and OFF.
    case $mode in MEMORY | OFF) mode=DELETE ;; esac
    recorder win32 15 memory & pids+=($!)
    mode=$stock_mode
    for pid in "${pids[@]}"; do wait "$pid"; done
    if ! line=$("$out/replay" "$out/recording.log" "$seed" "${RECORD_CHANCE:-150000}"); then
      cp "$out/recording.log" "$out/failed-$seed.log"
      printf '%s\n' "$line" | tail -n 30
      echo "error: a crash image of the recording in $mode is wrong: build/record/replay build/record/failed-$seed.log $seed"
      exit 1
    fi
    echo "$mode, seed $seed: $line"
    read -r n _ _ _ _ _ _ i _ <<<"$line"
    commits=$((commits + n)) images=$((images + i))
  done
done
echo "proof: $commits recorded commits, $images distinct crash images of recordings"
