#!/bin/bash
# run.sh [MODE...]: bench.exe at 0, 2 and 10 ms a flush (0: the disk's own
# cost), and the reads. `./dev bench` calls it, with BUILD_DIR, BIN_DIR, WINE
# and WINEPREFIX exported. MODE: latency, sustained, reads; all without any.
#   BENCH_ARGS   more options for bench.exe, such as "--rounds 5"
#   FLUSH_US     other flush costs than "0 2000 10000"
# Results as JSON too: $BUILD_DIR/bench/MODE-MICROSECONDS.json
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
  if [ "$mode" = reads ]; then
    # Flushes of 1 s hold the engine back, so that the queue can grow long.
    printf '\n== reads ==\n'
    bench 1000000 --mode reads
    continue
  fi
  for us in ${FLUSH_US:-0 2000 10000}; do
    printf '\n== %s, %s ms a flush ==\n' "$mode" "$(awk "BEGIN { print $us / 1000 }")"
    bench "$us" --mode "$mode" --json "$mode-$us.json"
  done
done
