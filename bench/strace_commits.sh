#!/bin/bash
# strace_commits.sh [COMMITS]: counts the system calls that the committing
# thread makes per commit, as the kernel sees them: evidence that does not
# rest on asyncvfs' own counters. Needs strace; BUILD_DIR, BIN_DIR, WINE and
# WINEPREFIX as for run.sh.
#
# bench.exe asks for three files that do not exist. Their names in the trace
# tell which thread commits, and where: between the 2nd and the 3rd. What lies
# between the 1st and the 2nd is the asking itself, and is taken off. The
# floor shows what SQLite's own memory costs (the heap asks the system too).
set -euo pipefail
: "${BUILD_DIR:?}" "${BIN_DIR:?}" "${WINE:?}" "${WINEPREFIX:?}"
export WINEPREFIX WINEDEBUG=${WINEDEBUG:--all}
commits=${1:-20000}
command -v strace >/dev/null || { echo "strace_commits.sh: apt-get install strace" >&2; exit 1; }
mkdir -p "$BUILD_DIR/bench"
cd "$BUILD_DIR/bench"

count() { # TRACE: prints the calls by name
  awk -v commits="$commits" '
    # "TID name(arguments..."; the second half of a call that was interrupted
    # by another thread, and signals, are no calls
    { tid = $1; call = $2; sub(/\(.*/, "", call) }
    /<\.\.\. .* resumed>/ || call !~ /^[a-z_0-9]+$/ { next }
    /bench-mark-1/ { thread = tid; stage = 1; delete mark }
    tid != thread { next }
    /bench-mark-2/ { stage = 2 }
    /bench-mark-3/ { if (stage == 2) stage = 3 }
    # the last line that names a mark starts the count after it
    /bench-mark-[12]/ { delete counts; next }
    /bench-mark-3/ { next }
    stage == 1 { mark[call]++; counts[call]++ }
    stage == 2 { counts[call]++ }
    END {
      if (stage != 3) { print "  the marks are not in the trace"; exit 1 }
      for (call in mark) counts[call] -= mark[call]
      for (call in counts) if (counts[call] > 0) {
        total += counts[call]
        text = text sprintf("  %s %d", call, counts[call])
      }
      printf "%8d calls in %d commits = %.4f per commit%s\n", total, commits, total / commits,
             text == "" ? "" : " (" text "  )"
    }' "$1"
}

for who in floor "asyncvfs memory" "asyncvfs os" "WAL/NORMAL"; do
  n=$commits
  [ "$who" != WAL/NORMAL ] || n=$((commits / 20))
  strace -f -o trace.txt "$WINE" "$BIN_DIR/bench.exe" --dir . --mode latency --rounds 1 \
    --slow-seconds 600 --commits "$n" --only "$who" --mark 1 </dev/null >bench.txt 2>&1 ||
    { cat bench.txt >&2; exit 1; }
  printf '%-16s' "$who"
  commits=$n count trace.txt
done
rm -f trace.txt bench.txt
