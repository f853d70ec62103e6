#!/bin/bash
# Processes ended by TerminateProcess under Wine, in each journal_mode: the suite `kill`
# with other seeds (from TEST_SEED on), until there were KILLS.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
log=$root/build/log/terminated
seed=${TEST_SEED:-$RANDOM} wanted=${KILLS:-500} kills=0 hot=0 run=0
count() { # RUN
  while read -r k _ h _; do kills=$((kills + k)) hot=$((hot + h)); done \
    < <(tr -d '\r' <"$log.$1.log" | grep -E '^ *[0-9]+ kills, ' || true)
}
suite() { # RUN
  TEST_SEED=$((seed + $1)) "$WINE" "$BIN_DIR/tests.exe" kill >"$log.$1.log" 2>&1 </dev/null
}
while [ $kills -lt "$wanted" ]; do
  suite $run & first=$!
  failed=()
  suite $((run + 1)) || failed+=("$log.$((run + 1)).log")
  wait $first || failed+=("$log.$run.log")
  for one in "${failed[@]}"; do
    grep -vE ' ok +[0-9.]+ s' "$one" | tail -n 20 || true
    echo "error: the suite kill fails: $one"
  done
  [ ${#failed[@]} = 0 ] || exit 1
  count $run
  count $((run + 1))
  run=$((run + 2))
done
echo "proof: $kills processes ended by TerminateProcess, $hot with a hot journal; 0 wrong"
