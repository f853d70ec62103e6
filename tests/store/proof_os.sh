#!/bin/bash
# Suites whose databases have durability=os, with a ring, where else they have durability=memory: what
# they ask for is the same. Two at a time.
set -euo pipefail
: "${BIN_DIR:?call this by ./dev proof}" "${WINE:?}"
log=$(cd "$(dirname "$0")/../.." && pwd)/build/log/os
export TEST_DURABILITY=os TEST_LIMIT_S=900
first=(differential large_transaction mmap wal_handover) second=(threads faults two_processes limits regressions)
run() { "$WINE" "$BIN_DIR/tests.exe" "$@" </dev/null; }
failed=0
run "${first[@]}" >"$log.1.log" 2>&1 & pid=$!
run "${second[@]}" >"$log.2.log" 2>&1 || failed=1
wait $pid || failed=1
cat "$log.1.log" "$log.2.log"
[ $failed = 0 ] || exit 1
echo "proof: durability=os: ${#first[@]} and ${#second[@]} suites, $(cat "$log".?.log | grep -c ' ok ') tests"
