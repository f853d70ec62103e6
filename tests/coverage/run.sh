#!/bin/bash
# ./dev coverage: which lines and branches of src/ are reached, natively (the simulation,
# threads over the native seam, the fuzzers' inputs so far) and by the suites of tests.exe
# under Wine. The lines that nothing reaches are listed with their text in
# build/coverage/uncovered.txt. Why each of store/, engine/ and pages/ may be so is in reasons.txt,
# beside this: by function and text, since numbers move. One without a reason is a failure.
#   COVERAGE_SECONDS  of the simulation, 120 if not set
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$root/build/coverage
seconds=${COVERAGE_SECONDS:-120}
rm -rf "$out"/{sim,native,files,fuzz-*}
mkdir -p "$out/sim" "$out/native" "$out/files"
[ -f "$root/build/sim/sqlite3.o" ] || "$root/tests/sim/build.sh"
ln -sf "$root/build/sim/"sqlite3*.o "$out/sim/"

# The runs of the simulation end by _Exit, and counts are written at exit.
flags="--coverage -fprofile-update=atomic -fprofile-abs-path -O0"
echo "building"
(cd "$out/sim" && SIM_CFLAGS="$flags -D_Exit=exit" "$root/tests/sim/build.sh" "$out/sim")
(cd "$out/native" && NATIVE_CFLAGS="$flags" "$root/tests/native/build.sh" races "$out/native/races")
for target in sql files text redo; do
  mkdir "$out/fuzz-$target"
  (cd "$out/fuzz-$target" && NATIVE_CFLAGS="$flags -I$root/tests/fuzz" \
    NATIVE_MORE="$root/tests/fuzz/fuzz.c $root/tests/fuzz/one.c $root/tests/redo/model.c" \
    "$root/tests/native/build.sh" ../fuzz/$target "$out/fuzz-$target/$target")
done
# The stock SQLite that the suites talk to is the one without counters.
windows=$out/mingw
if [ ! -f "$windows/build.ninja" ]; then
  cmake --preset mingw -B "$windows" -DASYNCVFS_OUT="$out/windows" -DASYNCVFS_THIRD_PARTY="$root/build/third_party" \
    -DCMAKE_C_FLAGS="$flags" -DCMAKE_C_FLAGS_RELWITHDEBINFO=-g >"$out/cmake.log" 2>&1
fi
ln -sfn "$root" "$windows/asyncvfs"   # where the builds say that the sources are
find "$windows" -name '*.gcda' -delete
ninja -C "$windows" >"$out/ninja.log" 2>&1
cp "$root/build/bin/sqlite3.dll" "$out/windows/bin/"
echo "running"
"$WINE" "$out/windows/bin/tests.exe" --list | tr -d '\r' |
  xargs -P "$(nproc)" -I{} sh -c '"$WINE" "$1/windows/bin/tests.exe" {} >"$1/suite-{}.log" 2>&1 </dev/null ||
    echo "the suite {} fails: $1/suite-{}.log"' sh "$out"
"$out/sim/sim" --images 100000000 --seconds "$seconds" --seed 1 >"$out/sim.log" 2>&1
"$out/native/races" "$out/files" 15 >"$out/races.log" 2>&1
for target in sql files text redo; do
  mkdir -p "$root/build/fuzz/corpus/$target"   # what ./dev proof has found so far
  find "$root/tests/fuzz/corpus/$target" "$root/build/fuzz/corpus/$target" -type f -print0 |
    xargs -0 "$out/fuzz-$target/$target" >"$out/$target.log" 2>&1
done

# One report over the objects of all builds: the counts of a line are added up.
find "$out" -name '*.gcda' | while read -r data; do
  case $data in
    "$windows"/*) x86_64-w64-mingw32-gcov-posix -b -t -o "$(dirname "$data")" "$data" 2>/dev/null || true ;;
    *) gcov -b -t -o "$(dirname "$data")" "$data" 2>/dev/null || true ;;
  esac
done >"$out/gcov.txt"
awk -v list="$out/uncovered.txt" '
  /^ *-: *0:Source:/ { file = $0; sub(/^.*Source:/, "", file)
    ours = file ~ /\/src\/[a-z0-9]+\/[a-z_0-9]*\.[ch]$/
    sub(/^.*\/src\//, "", file); line = 0; next
  }
  !ours { next }
  /^function / { name = $2; next }
  /^branch/ { b = file ":" line ":" $2; branches[b] = 1; if ($0 !~ /never executed|taken 0%/) taken[b] = 1; next }
  /^ *[-#=0-9*]+: *[0-9]+:/ {
    split($0, part, ":"); count = part[1]; gsub(/[ *]/, "", count); line = part[2] + 0
    if (count == "-") next
    l = file ":" line; seen[l] = 1; within[l] = name; text[l] = substr($0, index($0, part[2] ":") + length(part[2]) + 1)
    if (count !~ /[#=]/ && count != "0") hit[l] = 1
  }
  END {
    for (l in seen) { split(l, p, ":"); lines[p[1]]++; if (l in hit) covered[p[1]]++; else printf "%s:%5d: %s: %s\n", p[1], p[2], within[l], text[l] > list }
    for (b in branches) { split(b, p, ":"); all[p[1]]++; if (b in taken) both[p[1]]++ }
    for (f in lines) {
      printf "%-28s %5.1f %% of %4d lines  %5.1f %% of %4d branches\n", f, 100 * covered[f] / lines[f], lines[f], all[f] ? 100 * both[f] / all[f] : 100, all[f]
      L += lines[f]; C += covered[f]; A += all[f]; B += both[f]
    }
    printf "%-28s %5.1f %% of %4d lines  %5.1f %% of %4d branches\n", "~all", 100 * C / L, L, 100 * B / A, A
  }' "$out/gcov.txt" | sort | sed 's/^~all/all /'
sort -t: -k1,1 -k2,2n -o "$out/uncovered.txt" "$out/uncovered.txt"
echo "$(wc -l <"$out/uncovered.txt") lines that nothing reaches: build/coverage/uncovered.txt"

# reasons.txt: a reason after "# ", then the lines that have it, as FILE: FUNCTION: TEXT.
unexplained=$(awk '
  FILENAME ~ /reasons.txt$/ { if ($0 !~ /^#|^$/) known[$0] = 1; next }
  /^(store|engine|pages)\// { line = $0; sub(/: *[0-9]+: /, ": ", line); sub(/:  +/, ": ", line); if (!(line in known)) print "  " $0 }
  ' "$here/reasons.txt" "$out/uncovered.txt")
[ -z "$unexplained" ] || { printf 'without a reason in tests/coverage/reasons.txt:\n%s\n' "$unexplained"; exit 1; }
echo "each of store/, engine/ and pages/ has its reason: tests/coverage/reasons.txt"
