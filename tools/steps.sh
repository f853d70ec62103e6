# shellcheck shell=bash
# steps.sh, for ./dev: a step, its log, and what is told of it meanwhile; the lock of the tree; and
# that nothing which was started outlives its end.
#
#   run_step NAME TITLE COMMAND...    COMMAND's status; its output is build/log/NAME.log
#   in_foreground SCRIPT ARGS...      for what shows its own output
#   lock_build, unlock_build          fd 9, see dev

if [ -t 1 ]; then tty=1; else tty=; fi
SECONDS=0

say() { printf '[%4d s] %s\n' "$SECONDS" "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# What each thread below a process waits for: its name, and where in the kernel.
tell_tree() { # PID
  local task child
  for task in /proc/"$1"/task/*; do
    printf '  process %d thread %d %s: %s\n' "$1" "${task##*/}" "$(cat "$task/comm")" "$(cat "$task/wchan")" 2>/dev/null || true
  done
  for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null || true); do tell_tree "$child"; done
}

step_pid=
# run_step NAME TITLE COMMAND...: runs it with its output in build/log/NAME.log,
# shows that it is alive, and its last lines if it fails. One that takes longer than
# STEP_LIMIT_S seconds hangs: it says where, and is ended.
run_step() {
  local log=$log_dir/$1.log title=$2 start=$SECONDS rc=0 shown=$SECONDS last
  shift 2
  say "$title ..."
  "$@" >"$log" 2>&1 </dev/null 8>&- 9>&- &
  step_pid=$!
  while kill -0 "$step_pid" 2>/dev/null; do
    sleep 0.2
    if [ $((SECONDS - start)) -ge "${STEP_LIMIT_S:-2400}" ]; then
      { echo "it hangs:"; tell_tree "$step_pid"; } >>"$log" 2>&1
      end_tree "$step_pid"
      wait "$step_pid" || true
      rc=124
      break
    fi
    [ -n "$tty" ] || [ $((SECONDS - shown)) -ge 15 ] || continue
    [ $SECONDS != "$shown" ] || continue
    shown=$SECONDS
    last=$(tail -c 400 "$log" | tr '\r' '\n' | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c1-70 || true)
    if [ -n "$tty" ]; then
      printf '\r\033[K         %d s  %s' $((SECONDS - start)) "$last"
    else
      say "  $title, $((SECONDS - start)) s: $last"
    fi
  done
  [ $rc != 0 ] || wait "$step_pid" || rc=$?
  step_pid=
  [ -z "$tty" ] || printf '\r\033[K'
  if [ $rc != 0 ] && [ $rc != 77 ]; then
    # Without ninja's counts and the compilers' command lines; what failed may be far from the end.
    grep -aE -B 8 ' FAILED +[0-9]' "$log" | head -n 60 >&2 || true
    grep -avE '^\[[0-9]+/[0-9]+\]|^cd /|^/[^ :]+ ' "$log" | tail -n 60 >&2 || true
    printf 'error: %s failed (status %d); all of its output: %s\n' "$title" $rc "$log" >&2
    return $rc
  fi
  [ $((SECONDS - start)) -lt 2 ] || say "  done in $((SECONDS - start)) s"
  return $rc
}

# End what we started, and only that, however we leave.
end_tree() {
  local child
  for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null || true); do end_tree "$child"; done
  kill -TERM "$1" 2>/dev/null || true
}
on_exit() {
  local rc=$? pid
  trap - EXIT
  [ -z "$tty" ] || [ $rc = 0 ] || printf '\033[K'
  for pid in $step_pid $(jobs -p); do end_tree "$pid"; done
  wine_end
  exit $rc
}
trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

lock_build() {
  mkdir -p "$log_dir"
  exec 9>"$BUILD_DIR/.lock"
  if ! flock -n 9; then
    say "another ./dev is building here; waiting for it ..."
    flock 9
  fi
}
unlock_build() { exec 9>&-; }

# in_foreground SCRIPT ARGS...: in our process group, so that Ctrl-C reaches it,
# and it drains; we wait for it.
in_foreground() {
  trap : INT
  local rc=0
  bash "$@" 8>&- 9>&- || rc=$?
  return $rc
}
