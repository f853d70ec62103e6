# shellcheck shell=bash
# test.sh, for ./dev: tests as steps, which are counted and told at the end; and ./dev test.
#
#   test_step NAME TITLE COMMAND...   status 0: passed, 77: not possible here, else failed
#   tell_result WHAT                  what was skipped, what failed, "N passed, M failed"

# What passed, passes again: the chance of the suites is the same in each run. TEST_SEED= (empty):
# another one in each; TEST_SEED=N: this one.
fix_seed() { export TEST_SEED=${TEST_SEED-4425001}; }

passed=0 failed=0 failures=() skipped=()
count() { # PASSED FAILED NAME
  passed=$((passed + $1))
  failed=$((failed + $2))
  [ "$2" = 0 ] || failures+=("$3")
}

# One test that is a command: its exit status is its result; 77: not possible here.
test_step() { # NAME TITLE COMMAND...
  local rc=0
  run_step "$@" || rc=$?
  case $rc in
    0) count 1 0 "$1" ;;
    77) skip "$1: $(tail -n 1 "$log_dir/$1.log" | sed 's/^skipped: //')" ;;
    *) count 0 1 "$1" ;;
  esac
}

skip() { # WHAT was left out, and why
  skipped+=("$1")
  say "  skipped: $1"
}

# The end of a run of tests: what was left out, what failed, and the counts.
tell_result() { # WHAT
  local what
  for what in "${skipped[@]}"; do say "skipped: $what"; done
  if [ ${#failures[@]} -gt 0 ]; then say "failed: ${failures[*]}"; fi
  say "$1"
  echo "$passed passed, $failed failed$([ ${#skipped[@]} = 0 ] || echo ", ${#skipped[@]} skipped")"
  [ $failed = 0 ]
}

# The runner is worth nothing if it cannot fail: these suites must.
runner_can_fail() {
  local rc out
  rc=0; out=$("$WINE" "$BIN_DIR/tests.exe" must_fail) || rc=$?
  printf '%s\n' "$out"
  [ $rc = 1 ] && grep -qx '1 passed, 4 failed' <<<"${out//$'\r'/}" ||
    { echo "must_fail: exit status $rc, expected 1 and '1 passed, 4 failed'"; return 1; }
  rc=0; TEST_LIMIT_S=1 "$WINE" "$BIN_DIR/tests.exe" must_hang || rc=$?
  [ $rc = 3 ] || { echo "must_hang: exit status $rc, expected 3, the watchdog's"; return 1; }
  rc=0; "$WINE" "$BIN_DIR/tests.exe" must_crash || rc=$?
  [ $rc != 0 ] && [ $rc != 1 ] && [ $rc != 3 ] || { echo "must_crash: exit status $rc"; return 1; }
}

test_log_dir=$log_dir/test
suite_run() { # SUITE: writes its log, its exit status and its seconds
  local start rc=0
  start=$(date +%s%N)
  "$WINE" "$BIN_DIR/tests.exe" "$1" >"$test_log_dir/$1.log" 2>&1 </dev/null || rc=$?
  echo "$rc $(( ($(date +%s%N) - start) / 100000000 ))" >"$test_log_dir/$1.result"
}

suite_report() { # SUITE
  local log=$test_log_dir/$1.log rc tenths p f line
  read -r rc tenths <"$test_log_dir/$1.result"
  line=$(tr -d '\r' <"$log" | grep -xE '[0-9]+ passed, [0-9]+ failed' | tail -n 1 || true)
  p=0 f=1
  if [ -n "$line" ]; then read -r p _ f _ <<<"$line"; fi
  # A crash after the summary, or one without any, is a failure as well.
  if [ "$rc" != 0 ] && [ "$f" = 0 ]; then f=1; fi
  count "$p" "$f" "$1"
  say "$(printf '  %-24s %4d passed, %d failed  %6d.%d s' "$1" "$p" "$f" $((tenths / 10)) $((tenths % 10)))"
  if [ "$f" != 0 ]; then
    sed 's/^/    | /' "$log" | tail -n 60
    [ -n "$line" ] || echo "    | (ended without a summary, exit status $rc)"
    echo "    the whole log: $log"
  fi
}

declare -A suite_of=() # process -> the suite it runs
report_next() {
  local pid=''
  wait -n -p pid || true
  [ -n "$pid" ] || die "a suite is running that is no child of this script"
  [ -n "${suite_of[$pid]:-}" ] || return 0 # an earlier step's process
  suite_report "${suite_of[$pid]}"
  unset "suite_of[$pid]"
}

# All suites, two (as many as there are processors) at a time, the one that
# took longest last time first.
run_suites() { # SUITE...
  local suites suite workers
  workers=$(nproc)
  if [ $# -gt 0 ]; then suites=$*; else
    suites=$("$WINE" "$BIN_DIR/tests.exe" --list 2>/dev/null 8>&- 9>&- | tr -d '\r') || die "tests.exe --list failed"
  fi
  suites=$(for suite in $suites; do
             echo "$(cut -d' ' -f2 "$test_log_dir/$suite.result" 2>/dev/null || echo 0) $suite"
           done | sort -rns | cut -d' ' -f2)
  say "running $(wc -w <<<"$suites") suites, $workers at a time"
  for suite in $suites; do
    while [ ${#suite_of[@]} -ge "$workers" ]; do report_next; done
    suite_run "$suite" 8>&- 9>&- &
    suite_of[$!]=$suite
  done
  while [ ${#suite_of[@]} -gt 0 ]; do report_next; done
}

# ./dev test [SUITE...]: with names, these suites alone.
cmd_test() {
  fix_seed
  local script nuget=()
  lock_build
  setup "${build_packages[@]}"
  # shellcheck source=dotnet/sdk.sh
  if (. dotnet/sdk.sh && dotnet_sdk) >/dev/null; then nuget=("${dll_packages[@]}"); fi
  setup_behind "${wine_packages[@]}" "${lint_packages[@]}" "${package_packages[@]}" "${nuget[@]}"
  if ! compile; then
    echo "0 passed, 1 failed"
    return 1
  fi
  join_setup
  mkdir -p "$test_log_dir"
  if [ $# = 0 ]; then
    test_step lint_rooms "lint: rooms without windows.h" ninja -C "$cmake_dir" lint_rooms
    test_step lint_settings "lint: docs/SETTINGS.md" ninja -C "$cmake_dir" lint_settings
    test_step lint_portable "lint: vfs, store, engine on Linux" ninja -k 0 -C "$cmake_dir" lint_portable
    test_step lint_locks "lint: clang's thread-safety analysis" ninja -k 0 -C "$cmake_dir" lint_locks
    test_step lint_tidy "lint: clang-tidy" ninja -k 0 -C "$cmake_dir" lint_tidy
    test_step lint_analyzer "lint: gcc -fanalyzer" ninja -k 0 -C "$cmake_dir" lint_analyzer
  fi
  unlock_build
  wine_start
  if [ $# = 0 ]; then
    [ ! -e "$third_party/.no_current_sqlite" ] || skip "$(cat "$third_party/.no_current_sqlite")"
    test_step runner_can_fail "the runner can fail" runner_can_fail
    for script in tests/*/run_*.sh; do
      [ -x "$script" ] || continue
      test_step "$(basename "$script" .sh)" "$script" "$script"
    done
  fi
  run_suites "$@"
  tell_result "all tests done"
}
