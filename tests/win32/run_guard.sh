#!/bin/bash
# The suites that use the whole library most, over a heap in which a wrong access
# faults and a leak is counted (guard_heap.c).
set -euo pipefail
: "${BIN_DIR:?call this by ./dev test}" "${WINE:?}"
exec "$WINE" "$BIN_DIR/tests_guard.exe" ${GUARD_SUITES:-regressions page_table virtual_journal wal_handover loading} </dev/null
