#!/bin/bash
# run.sh [MODE...]: bench.exe with flushes of a given cost. `./dev bench` calls
# it, with BUILD_DIR, BIN_DIR, WINE and WINEPREFIX exported.
#   latency, sustained   at 0, 2 and 10 ms a flush (0: the disk's own cost)
#   reads                at 1 s
#   disk, oversized, memory (10 minutes), backpressure, databases   at 2 ms
#   async (10 minutes)   SQLite's retired module beside asyncvfs, at 0, 2 and 10 ms: async.sh
# The first three without any MODE.
#   BENCH_ARGS   more options for bench.exe, such as "--rounds 5"
#   FLUSH_US     other flush costs than these
# Results of latency and sustained as JSON too: $BUILD_DIR/bench/MODE-MICROSECONDS.json
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${BUILD_DIR:?call this by ./dev bench}" "${BIN_DIR:?}" "${WINE:?}" "${WINEPREFIX:?}"
export WINEPREFIX WINEDEBUG=${WINEDEBUG:--all}

work=$BUILD_DIR/bench
mkdir -p "$work"
cd "$work"

slow_flush=$BIN_DIR/slow_flush.so
if [ "$here/slow_flush.c" -nt "$slow_flush" ]; then
  gcc -O2 -shared -fPIC -o "$slow_flush" "$here/slow_flush.c"
fi

# The databases lie in the working folder, on the disk that the build is on.
bench() { # MICROSECONDS OPTION...
  local us=$1
  shift
  # shellcheck disable=SC2086
  LD_PRELOAD=$slow_flush SLOW_FLUSH_US=$us "$WINE" "$BIN_DIR/bench.exe" --dir . "$@" \
    ${BENCH_ARGS:-} </dev/null
}

modes=("$@")
[ $# -gt 0 ] || modes=(latency sustained reads)
for mode in "${modes[@]}"; do
  json=0
  if [ "$mode" = async ]; then
    printf '\n== async ==\n'
    bash "$here/async.sh"
    continue
  fi
  case "$mode" in
    # Flushes of 1 s hold the engine back, so that the queue can grow long.
    reads) costs=1000000 ;;
    disk | oversized | memory | backpressure | databases) costs=${FLUSH_US:-2000} ;;
    *) costs=${FLUSH_US:-0 2000 10000} json=1 ;;
  esac
  for us in $costs; do
    printf '\n== %s, %s ms a flush ==\n' "$mode" "$(awk "BEGIN { print $us / 1000 }")"
    options=(--mode "$mode")
    [ $json = 0 ] || options+=(--json "$mode-$us.json")
    bench "$us" "${options[@]}"
  done
done
