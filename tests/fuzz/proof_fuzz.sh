#!/bin/bash
# Each fuzzer runs FUZZ_SECONDS, from its small corpus and from what earlier runs found
# (build/fuzz). One report, of libFuzzer or of a sanitizer, and this fails: the input is in
# build/fuzz/TARGET-crash-*, and `build/fuzz/TARGET FILE` shows it again.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$root/build/fuzz
seconds=${FUZZ_SECONDS:-60}
mkdir -p "$out"
export ASAN_OPTIONS=detect_leaks=0

build() { # TARGET
  CC=clang NATIVE_MORE="$here/fuzz.c $root/tests/redo/model.c" NATIVE_CFLAGS="-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -I$here" \
    "$root/tests/native/build.sh" ../fuzz/"$1" "$out/$1" >"$out/$1.build.log" 2>&1 ||
    { cat "$out/$1.build.log"; return 1; }
}

run() { # TARGET
  mkdir -p "$out/corpus/$1"
  "$out/$1" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=3000 -artifact_prefix="$out/$1-" -print_final_stats=1 \
    "$out/corpus/$1" "$here/corpus/$1" >"$out/$1.log" 2>&1
}

report() { # TARGET STATUS
  if [ "$2" != 0 ]; then
    tail -n 40 "$out/$1.log"
    echo "error: the fuzzer $1 has found something; all of it: build/fuzz/$1.log"
    return 1
  fi
  echo "proof: fuzzer $1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$1.log") inputs in $seconds s," \
    "$(grep -o 'cov: [0-9]*' "$out/$1.log" | tail -n 1 | cut -d' ' -f2) edges, no report"
}

targets=(sql files text redo)
for target in "${targets[@]}"; do build "$target"; done
failed=0
run files & pid=$!
rc=0; run sql || rc=$?; report sql $rc || failed=1
rc=0; wait $pid || rc=$?; report files $rc || failed=1
rc=0; run text || rc=$?; report text $rc || failed=1
seconds=$(((seconds + 3) / 4))   # a recovery takes microseconds
rc=0; run redo || rc=$?; report redo $rc || failed=1
exit $failed
