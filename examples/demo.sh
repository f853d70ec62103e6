#!/bin/bash
# demo.sh [PACKAGE_INDEX]: a real import, three ways, and the proof that the
# results are the same. `./dev demo` calls it, with BUILD_DIR, BIN_DIR, WINE
# and WINEPREFIX exported.
#
# Ctrl-C reaches import.exe, which drains and closes; this script waits for
# it (hence the traps) and passes its exit status on: 130.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${BUILD_DIR:?call this by ./dev demo}" "${BIN_DIR:?}" "${WINE:?}" "${WINEPREFIX:?}"
export WINEPREFIX WINEDEBUG=${WINEDEBUG:--all}
flush_us=${SLOW_FLUSH_US:-2000}

work=$BUILD_DIR/demo
mkdir -p "$work"
cd "$work"
rm -f ./*.db ./*.db-journal ./*.db-wal ./*.db-shm

if [ $# -gt 0 ]; then
  cat -- "$OLDPWD/$1" >packages.txt 2>/dev/null || cat -- "$1" >packages.txt
elif command -v apt-cache >/dev/null; then
  apt-cache dumpavail >packages.txt
fi
records=$(grep -c '^Package:' packages.txt 2>/dev/null || true)
if [ "${records:-0}" -lt 1000 ]; then
  echo "demo: this imports apt's package index, and there is none on this machine." >&2
  echo "      Fetch it (apt-get update, as root), or name a Packages file: ./dev demo FILE" >&2
  exit 1
fi

slow_flush=$BIN_DIR/slow_flush.so
if [ "$here/../bench/slow_flush.c" -nt "$slow_flush" ]; then
  gcc -O2 -shared -fPIC -o "$slow_flush" "$here/../bench/slow_flush.c"
fi

cat <<TEXT

Imports apt's package index as a desktop program would: $records records, a
COMMIT for each, into a table with two indexes and a full-text index (FTS5).
The same program and the same unmodified SQLite, three ways:
  win32, FULL          SQLite's own VFS, synchronous=FULL: a commit is on disk
                       when it returns
  win32, WAL + NORMAL  the same VFS, journal_mode=WAL, synchronous=NORMAL
  asyncvfs             loaded as an extension, synchronous=FULL: a commit is in
                       memory when it returns, and on disk within 0.1 s and the
                       time of the flushes
A flush of a file takes at least $(awk "BEGIN { print $flush_us / 1000 }") ms for all of them: slept from outside the
program, under FlushFileBuffers, so that no cache or RAM disk flatters anyone.

TEXT

# import.exe writes to a pipe, or Wine would draw a console of its own.
progress=lines
if [ -t 1 ]; then progress=bar; fi
trap : INT
run() {
  local rc=0
  "$@" </dev/null 2>&1 | (trap '' INT; exec cat) || rc=$?
  return $rc
}

rc=0
run env LD_PRELOAD="$slow_flush" SLOW_FLUSH_US="$flush_us" \
  "$WINE" "$BIN_DIR/import.exe" packages.txt --progress $progress || rc=$?
if [ $rc != 0 ]; then
  [ $rc = 130 ] || echo "demo: FAILED: the import ended with status $rc" >&2
  exit $rc
fi

printf '\nReopened by stock SQLite, in a new process, without the DLL:\n'
run "$WINE" "$BIN_DIR/import.exe" --verify full.db wal.db async.db || rc=$?
if [ $rc != 0 ]; then
  echo "demo: FAILED: the databases are not what they should be" >&2
  exit 1
fi
cat <<TEXT

Checked: each file is a plain SQLite database with nothing left beside it;
PRAGMA integrity_check, and FTS5's own check of its index against the table;
one hash over the schema, every row of every table and every indexed word,
equal for all three. They are in $work.
TEXT
