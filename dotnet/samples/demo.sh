#!/bin/bash
# demo.sh: types a text into the Notes sample, three ways. `./dev dotnet-demo` calls it, with
# BUILD_DIR, BIN_DIR, WINE and WINEPREFIX exported, and the sample published.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../sdk.sh"
: "${BUILD_DIR:?call this by ./dev dotnet-demo}" "${BIN_DIR:?}" "${WINE:?}" "${WINEPREFIX:?}"
flush_us=${SLOW_FLUSH_US:-2000}
keystrokes=${KEYSTROKES:-1500}

work=$BUILD_DIR/dotnet/demo
rm -rf "$work"
mkdir -p "$work"
cd "$work"
head -c "$keystrokes" "$here/../PACKAGE.md" | iconv -c -t ASCII >text.md

slow_flush=$BIN_DIR/slow_flush.so
if [ "$here/../../bench/slow_flush.c" -nt "$slow_flush" ]; then
  gcc -O2 -shared -fPIC -o "$slow_flush" "$here/../../bench/slow_flush.c"
fi

cat <<TEXT

A note that is saved at every keystroke: a transaction each, that writes the whole text and
a row of history with an index. Microsoft.Data.Sqlite, three ways:
  win32, FULL          a save is on the disk when it returns
  win32, WAL + NORMAL  a save is with the operating system when it returns
  asyncvfs             a save is in memory when it returns, and on the disk within 0.1 s
A flush of a file takes at least $(awk "BEGIN { print $flush_us / 1000 }") ms for all of them.

TEXT
trap : INT
SLOW_FLUSH_US=$flush_us LD_PRELOAD=$slow_flush WINEDLLOVERRIDES=$wine_for_dotnet \
  "$WINE" "$BUILD_DIR/dotnet/notes/Notes.exe" --compare text.md . </dev/null | tr -d '\r'
