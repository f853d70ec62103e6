#!/bin/bash
# The ring of commits (src/redo) under kills, natively: after each instruction of what puts commits in and
# of what replays them, and REDO_KILLS at instants by chance; and REDO_LIVES of the model under the
# sanitizers.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$root/build/native
files=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
export NATIVE_MORE=$here/model.c
"$root/tests/native/build.sh" ../redo/kills "$out/redo_kills"
NATIVE_CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined" "$root/tests/native/build.sh" ../redo/lives "$out/redo_lives"
rc=0
"$out/redo_kills" "$files" "${REDO_KILLS:-3000}" "${REDO_SEED:-$RANDOM}" >"$out/redo_kills.log" 2>&1 &
pid=$!
"$out/redo_lives" "${REDO_LIVES:-2500}" "${REDO_SEED:-$RANDOM}" >"$out/redo_lives.log" 2>&1 || rc=1
wait $pid || rc=1
if [ $rc != 0 ]; then
  cat "$out/redo_kills.log" "$out/redo_lives.log"
  echo "error: a ring is wrong after a kill; it is kept: $files"
  exit 1
fi
sed 's/^/proof: ring: /' "$out/redo_kills.log" "$out/redo_lives.log"
rm -rf "$files"
