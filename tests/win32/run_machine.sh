#!/bin/bash
# Suites over a machine that is not as Wine is (machine.h): reads and writes that take place at
# once, that take long, waits that end at a tick. MACHINE_SUITES, MACHINE_SLOW_SUITES: others than
# these.
set -euo pipefail
: "${BIN_DIR:?call this by ./dev test}" "${WINE:?}"
failed=0
run() { # MODE SUITE...
  local mode=$1
  shift
  echo "TEST_MACHINE=$mode: $*"
  TEST_MACHINE=$mode "$WINE" "$BIN_DIR/tests.exe" "$@" </dev/null || failed=1
}
# shellcheck disable=SC2086
run at_once ${MACHINE_SUITES:-io scheduler regressions callbacks durability}
# shellcheck disable=SC2086
run slow ${MACHINE_SLOW_SUITES:-io scheduler callbacks}
# shellcheck disable=SC2086
run ticks ${MACHINE_SLOW_SUITES:-io scheduler callbacks}
exit $failed
