#!/bin/bash
# The sanitizers over the native builds: ThreadSanitizer where there are real threads
# (races.c), AddressSanitizer and UBSan there and over the simulation. No report is
# accepted, so none is suppressed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$root/build/sanitizers
files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT
mkdir -p "$out"
memory="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
# The simulation's threads are fibers: their stacks are not the ones that it knows.
# The locks of the native seam are never given back; the library's own blocks are counted.
export ASAN_OPTIONS=detect_stack_use_after_return=0:detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1

run() { # NAME PATTERN-OF-ITS-FIGURES COMMAND...
  local name=$1 pattern=$2 log=$out/${1//[ ,]/_}.log
  shift 2
  if ! "$@" >"$log" 2>&1 || grep -q 'ThreadSanitizer\|AddressSanitizer\|runtime error' "$log"; then
    tail -n 60 "$log"
    echo "error: $name: a report, or a failure; all of it: $log"
    return 1
  fi
  echo "proof: $name: $(grep "$pattern" "$log" | tail -n 1)"
}

echo "building with ThreadSanitizer"
NATIVE_CFLAGS="-fsanitize=thread" "$here/build.sh" races "$out/races-thread"
echo "building with AddressSanitizer and UBSan"
NATIVE_CFLAGS="$memory" "$here/build.sh" races "$out/races-memory"
[ -f "$root/build/sim/sqlite3.o" ] || "$root/tests/sim/build.sh"
mkdir -p "$out/sim"
ln -sf "$root/build/sim/"sqlite3*.o "$out/sim/"
SIM_CFLAGS="$memory" "$root/tests/sim/build.sh" "$out/sim"

mkdir "$files/thread" "$files/memory"
run "threads, ThreadSanitizer" failures "$out/races-thread" "$files/thread" "${SANITIZER_SECONDS:-50}"
run "threads, AddressSanitizer and UBSan" failures "$out/races-memory" "$files/memory" "${SANITIZER_SECONDS:-25}"
run "simulation, AddressSanitizer and UBSan" 'distinct' "$out/sim/sim" --seconds "${SANITIZER_SECONDS:-60}" \
  --images 1000000 --seed "${SIM_SEED:-4425001}"   # others: ./dev soak
