#!/bin/bash
# A program that was written for SQLite's retired module for asynchronous I/O
# (examples/writer_thread.c), compiled with the module and with asyncvfs: it says the same,
# and leaves the same database.
set -euo pipefail
: "${BUILD_DIR:?call this by ./dev test}" "${BIN_DIR:?}" "${WINE:?}"
if [ ! -f "$BIN_DIR/writer_thread_original.exe" ]; then
  echo "skipped: SQLite's source has no ext/async here"
  exit 77
fi
work=$BUILD_DIR/sqlite3async
rm -rf "$work"
mkdir -p "$work"
cd "$work"

run() { "$WINE" "$BIN_DIR/$1.exe" "${@:2}" </dev/null | tr -d '\r'; }

run writer_thread_original original.db >original.txt
run writer_thread asyncvfs.db >asyncvfs.txt
tail -n 2 original.txt
[ "$(tail -n 1 original.txt)" = "integrity_check: ok" ] || { echo "the original did not come to its end"; exit 1; }
diff original.txt asyncvfs.txt || { echo "they do not say the same (<: the module, >: asyncvfs)"; exit 1; }
for name in original asyncvfs; do run sqlite3 "$name.db" .dump >"$name.sql"; done
diff original.sql asyncvfs.sql || { echo "they leave different databases"; exit 1; }
[ "$(grep -c '^INSERT INTO note' asyncvfs.sql)" = 200 ] || { echo "not 200 notes"; exit 1; }
left=$(find . -name '*.db-*')
[ -z "$left" ] || { echo "left beside the databases: $left"; exit 1; }
echo "the same program says the same, and leaves the same database"
