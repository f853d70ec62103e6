#!/bin/bash
# Processes that are killed at any instant, natively: KILLS of them, by two workers.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$here/../../build/native
seed=${KILL_SEED:-${TEST_SEED:-$RANDOM}}
half=$((${KILLS:-10000} / 2))
files=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
"$here/build.sh" kills "$out/kills"
mkdir "$files/0" "$files/1"
"$out/kills" "$files/0" "$half" "$seed" >"$out/kills0.log" &
first=$!
rc=0
"$out/kills" "$files/1" "$half" $((seed + 100000)) >"$out/kills1.log" || rc=1
wait $first || rc=1
sed 's/^/proof: /' "$out/kills0.log" "$out/kills1.log"
if [ $rc != 0 ]; then
  echo "error: a database is wrong after a kill; it is kept: $files"
  exit 1
fi
rm -rf "$files"
