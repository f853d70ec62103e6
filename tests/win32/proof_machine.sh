#!/bin/bash
# More of run_machine.sh: all suites that read and write by the product's seam; of those that are
# long already the slow machines are spared.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
MACHINE_SUITES="io scheduler callbacks regressions durability threads differential wal_handover large_transaction \
  faults errors limits kill two_processes hot_journal" MACHINE_SLOW_SUITES="io scheduler callbacks regressions wal_handover errors limits two_processes hot_journal" \
  TEST_LIMIT_S=900 "$here/run_machine.sh"
echo "proof: 15 suites with I/O at once, 9 each with slow I/O and with waits that end at ticks"
