#!/bin/bash
# run.sh [NAME...]: plants one bug at a time into a copy of the tree, and runs the
# check that is to catch it. A bug that nobody catches is a test that is missing.
#
#   NAME.patch      what is wrong, in a line
#                   Caught by: CHECK
#                   the bug, against src/
#
#   CHECK           sim           the simulation (tests/sim), natively: until it fails, or
#                                 MUTANT_IMAGES crash images or MUTANT_SECONDS are over
#                   sim from N    the same from seed N on: for what is rare
#                   races         many threads under ThreadSanitizer (tests/native/races.c)
#                   suite NAME    a suite of tests.exe, cross-compiled, under Wine
#
# Each check first runs without any bug, and must pass: else it would catch everything.
# --sample N takes N of them, the next ones each day.
# Needs $WINE for suites: ./dev mutants sets it. Exit status 0: all are caught.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$root/build/mutants
tree=$out/tree
images=${MUTANT_IMAGES:-200000}
seconds=${MUTANT_SECONDS:-240}
mkdir -p "$out/log" "$out/sim"

die() { printf 'error: %s\n' "$*" >&2; exit 2; }

check_of() { sed -n '2s/^Caught by: //p' "$here/$1.patch"; }

# A fresh src/; files that a patch does not touch keep their dates for ninja.
reset_tree() {
  local file
  mkdir -p "$tree/build"
  for file in CMakeLists.txt CMakePresets.json VERSION cmake include src tests examples bench programs; do
    cp -a --update "$root/$file" "$tree/"
  done
  while read -r file; do
    [ -f "$root/$file" ] && { cmp -s "$root/$file" "$tree/$file" || cp "$root/$file" "$tree/$file"; } ||
      rm -f "$tree/$file"
  done < <(cd "$tree" && find src include tests -type f)
}

run_sim() { # LOG SEED: the simulation of the tree as it is
  SIM_SRC=$tree/src SIM_CFLAGS=-O1 "$root/tests/sim/build.sh" "$out/sim" >"$1" 2>&1 || return 2
  timeout $((seconds + 60)) "$out/sim/sim" --images "$images" --seconds "$seconds" --seed "$2" >"$1" 2>&1
}

run_races() { # LOG
  local rc=0
  NATIVE_SRC=$tree/src NATIVE_CFLAGS="-fsanitize=thread" "$root/tests/native/build.sh" races "$out/races" >"$1" 2>&1 ||
    return 2
  rm -rf "$out/files"
  mkdir "$out/files"
  "$out/races" "$out/files" "${MUTANT_RACE_SECONDS:-30}" >"$1" 2>&1 || rc=1
  return $rc
}

run_suite() { # SUITE LOG
  [ -n "${WINE:-}" ] || die "no \$WINE for the suite $1: run this by ./dev mutants"
  if [ ! -f "$out/mingw/build.ninja" ]; then
    (cd "$tree" && cmake --preset mingw -B "$out/mingw" -DASYNCVFS_OUT="$out" \
      -DASYNCVFS_THIRD_PARTY="$root/build/third_party") >"$2" 2>&1 || return 2
  fi
  ninja -C "$out/mingw" tests asyncvfs no_sqlite >"$2" 2>&1 || return 2
  # Where the machine's clock was set back ninja may see no change.
  if [ -n "$planted" ] && cmp -s "$out/bin/tests.exe" "$out/bin/unplanted.exe"; then
    ninja -C "$out/mingw" -t clean >/dev/null
    ninja -C "$out/mingw" tests asyncvfs no_sqlite >"$2" 2>&1 || return 2
  fi
  [ -n "$planted" ] || cp "$out/bin/tests.exe" "$out/bin/unplanted.exe"
  TEST_LIMIT_S=60 "$WINE" "$out/bin/tests.exe" "$1" >"$2" 2>&1 </dev/null
}

run_check() { # CHECK LOG: 0 it passes, 2 it cannot be built, else it fails
  case "$1" in
    sim) run_sim "$2" 1 ;;
    sim\ from\ *) run_sim "$2" "${1#sim from }" ;;
    races) run_races "$2" ;;
    suite\ *) run_suite "${1#suite }" "$2" ;;
    *) die "no such check: '$1'" ;;
  esac
}

# What the log says went wrong, in few words.
reason_of() { # CHECK LOG
  case "$1" in
    sim) grep -am 1 '^seed [0-9]*, step\|Assertion\|ended by signal' "$2" |
      sed -E 's/.*Assertion `(.*)\x27 failed.*/assert(\1)/; s/^seed ([0-9]+), step [0-9]+: /seed \1: /' ;;
    races) grep -am 1 '^SUMMARY: \|failures$' "$2" | sed 's,^SUMMARY: ,,; s,/[^ ]*/src/,,' ;;
    *) grep -am 1 '^[a-z/A-Z_\\.]*:[0-9]*: \|failed, \|hangs\|crash' "$2" | tr -d '\r' | sed 's/^[^ ]*: //' ;;
  esac | cut -c1-70
}

cost_of() { # CHECK LOG
  [ "$1" != sim ] || grep -ao '[0-9]* distinct crash images' "$2" | tail -n 1
}

names=() sample=0
while [ $# -gt 0 ]; do
  case "$1" in
    --sample) sample=$2; shift ;;
    *) [ -f "$here/$1.patch" ] || die "no mutant $1: there is no tests/mutants/$1.patch"; names+=("$1") ;;
  esac
  shift
done
if [ ${#names[@]} = 0 ]; then
  mapfile -t names < <(cd "$here" && printf '%s\n' *.patch | sed 's/\.patch$//')
fi
if [ "$sample" -gt 0 ] && [ "$sample" -lt ${#names[@]} ]; then
  all=("${names[@]}") names=()
  first=$(($(date +%s) / 86400 * sample))
  for ((i = 0; i < sample; i++)); do names+=("${all[(first + i) % ${#all[@]}]}"); done
fi

[ -f "$root/build/sim/sqlite3.o" ] || "$root/tests/sim/build.sh"
ln -sf "$root/build/sim/"sqlite3*.o "$out/sim/"

reset_tree
planted=
declare -A sound=()
for name in "${names[@]}"; do
  check=$(check_of "$name")
  [ -n "$check" ] || die "tests/mutants/$name.patch has no 'Caught by:' in its second line"
  [ -z "${sound[$check]:-}" ] || continue
  sound[$check]=1
  images=10000 run_check "$check" "$out/log/unplanted.log" ||
    die "the check '$check' fails without any bug planted: $out/log/unplanted.log"
done

planted=1 caught=0 wrong=()
for name in "${names[@]}"; do
  check=$(check_of "$name") log=$out/log/$name.log start=$SECONDS rc=0
  reset_tree
  if ! patch -s -f -F3 -p1 --no-backup-if-mismatch -r - -d "$tree" <"$here/$name.patch" >"$log" 2>&1; then
    printf '%-32s DOES NOT APPLY: src/ has changed; make tests/mutants/%s.patch anew\n' "$name" "$name"
    wrong+=("$name")
    continue
  fi
  run_check "$check" "$log" || rc=$?
  case $rc in
    0) printf '%-32s SURVIVES %-24s %4d s  %s\n' "$name" "$check" $((SECONDS - start)) "$(cost_of "$check" "$log")" ;;
    2) printf '%-32s DOES NOT COMPILE: %s\n' "$name" "$log" ;;
    *) printf '%-32s caught by %-24s %4d s  %s\n' "$name" "$check" $((SECONDS - start)) "$(reason_of "$check" "$log")" ;;
  esac
  if [ $rc = 0 ] || [ $rc = 2 ]; then wrong+=("$name"); else caught=$((caught + 1)); fi
done
reset_tree
echo "$caught of ${#names[@]} mutants caught"
[ ${#wrong[@]} = 0 ] || { echo "not caught: ${wrong[*]}"; exit 1; }
