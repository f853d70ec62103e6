#!/bin/bash
# More of run_machine.sh: all suites that read and write by the product's seam.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
MACHINE_SUITES="io scheduler callbacks regressions durability threads differential wal_handover large_transaction \
  faults errors limits kill two_processes hot_journal" TEST_LIMIT_S=900 "$here/run_machine.sh"
echo "proof: 15 suites each with I/O at once, slow I/O, and waits that end at ticks"
