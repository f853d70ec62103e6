#!/bin/bash
# Processes ended by TerminateProcess under Wine, in each journal_mode, with other seeds each time (from
# TEST_SEED on): the suite `kill` until there were KILLS; and those of the suite `survive` that kill in
# a row, with durability=os, until there were SURVIVE_KILLS.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
log=$root/build/log/terminated
seed=${TEST_SEED:-$RANDOM}
survive=(survive/{delete,truncate,persist,memory,off}_mode_loses_nothing survive/exclusive_locking_loses_nothing
  survive/a_connection_of_memory_beside_it_costs_it_nothing)

suite() { # SEED LOG TEST...
  local to=$2 chance=$1
  shift 2
  TEST_SEED=$chance "$WINE" "$BIN_DIR/tests.exe" "$@" >"$to" 2>&1 </dev/null
}

# Two at a time; prints the lines in which they tell of kills.
two() { # TEST...
  local failed=() one first
  suite $seed "$log.0.log" "$@" & first=$!
  suite $((seed + 1)) "$log.1.log" "$@" || failed+=("$log.1.log")
  wait $first || failed+=("$log.0.log")
  for one in "${failed[@]}"; do
    grep -vE ' ok +[0-9.]+ s' "$one" | tail -n 20 >&2 || true
    echo "error: $1 fails: $one" >&2
  done
  [ ${#failed[@]} = 0 ] || return 1
  tr -d '\r' <"$log.0.log" | grep -E '^ *[0-9]+ kills, '
  tr -d '\r' <"$log.1.log" | grep -E '^ *[0-9]+ kills, '
}

kills=0 hot=0
while [ $kills -lt "${KILLS:-500}" ]; do
  lines=$(two kill)
  seed=$((seed + 2))
  while read -r k _ h _; do kills=$((kills + k)) hot=$((hot + h)); done <<<"$lines"
done
echo "proof: $kills processes ended by TerminateProcess, $hot with a hot journal; 0 wrong"

kills=0 hot=0 recoveries=0 kept=0
while [ $kills -lt "${SURVIVE_KILLS:-1000}" ]; do
  lines=$(two "${survive[@]}")
  seed=$((seed + 2))
  while IFS='|' read -r k r h n; do
    kills=$((kills + k)) recoveries=$((recoveries + r)) hot=$((hot + h)) kept=$((kept + n))
  done < <(sed -E 's/^ *([0-9]+) kills, ([0-9]+) in the recovery, ([0-9]+) with .* kept ([0-9]+) commits$/\1|\2|\3|\4/' <<<"$lines")
done
echo "proof: $kills with durability=os, $recoveries of them in a recovery, $hot with a hot journal: the ring kept $kept commits; 0 missing"
