#!/bin/bash
# The DLL itself: what it exports and imports, what its header promises Windows,
# its size and version, its debug file; and that another build, in another folder,
# is the same file to the byte.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${BUILD_DIR:?call this by ./dev test}" "${BIN_DIR:?}" "${WINE:?}"
work=$BUILD_DIR/package/binary
dll=$BIN_DIR/asyncvfs.dll
version=$(cat "$root/VERSION")
objdump() { x86_64-w64-mingw32-objdump "$@"; }
rm -rf "$work"
mkdir -p "$work"
objdump -p "$dll" >"$work/headers.txt"

failures=0
same() { # WHAT EXPECTED ACTUAL
  [ "$2" != "$3" ] || { echo "ok: $1"; return; }
  failures=$((failures + 1))
  echo "FAILED: $1"
  diff -U9 <(printf '%s\n' "$2") <(printf '%s\n' "$3") | tail -n +3 || true
}

# -- exports: what the headers declare, and SQLite's entry point
documented=$({ grep -ohE '(ASYNCVFS|SQLITEASYNC)_CALL [a-z_3]+\(' "$root"/include/*.h | sed 's/.* //; s/(//'
               echo sqlite3_asyncvfs_init; } | sort)
same "src/asyncvfs.def has the functions of include/" "$documented" \
  "$(awk '/^EXPORTS/ { on = 1; next } on && NF { print $1 }' "$root/src/asyncvfs.def" | sort)"
same "the DLL exports them" "$documented" \
  "$(sed -nE 's/^\t\[ *[0-9]+\] (\+base\[ *[0-9]+\] +[0-9a-f]+ )?([^ ]+)$/\2/p' "$work/headers.txt" | sort)"

# -- imports: Windows' own, which every Windows has
same "it needs Windows alone" "" \
  "$(sed -nE 's/^\tDLL Name: (.*)/\1/p' "$work/headers.txt" |
     grep -viE '^(kernel32|ntdll|msvcrt|ucrtbase|api-ms-win-crt-.*)\.dll$' || true)"

# -- the PE header (MinGW has no control-flow guard: SECURITY.md)
same "NX, ASLR, ASLR with 64 bits" $'HIGH_ENTROPY_VA\nDYNAMIC_BASE\nNX_COMPAT' \
  "$(sed -nE 's/^\t{5}(HIGH_ENTROPY_VA|DYNAMIC_BASE|NX_COMPAT)/\1/p' "$work/headers.txt")"
same "it can be relocated" 1 "$(objdump -h "$dll" | grep -c ' \.reloc ')"
same "no section can be written and executed" "" \
  "$(objdump -h "$dll" | grep -A1 -E '^ +[0-9]+ ' | grep CODE | grep -v READONLY || true)"
same "no time of the build" "Thu Jan 1 00:00:00 1970" \
  "$(sed -nE 's/^Time\/Date\t+(.*)/\1/p' "$work/headers.txt" | tr -s ' ')"

# -- size, debug file
bytes=$(stat -c %s "$dll")
same "it is smaller than 200 KiB ($bytes bytes)" yes "$([ "$bytes" -lt 204800 ] && echo yes)"
same "it has no symbols" "" "$(x86_64-w64-mingw32-nm "$dll" 2>/dev/null || true)"
x86_64-w64-mingw32-objcopy --dump-section ".gnu_debuglink=$work/debuglink" "$dll" "$work/asyncvfs.dll"
same "it names its debug file" asyncvfs.dll.debug "$(head -c 18 "$work/debuglink")"
same "the debug file knows functions and lines" "avfs_store_open .debug_line" \
  "$(x86_64-w64-mingw32-nm "$dll.debug" | grep -o 'avfs_store_open$' || true) $(objdump -h "$dll.debug" | awk '$2 == ".debug_line" { print $2 }')"

# -- version
x86_64-w64-mingw32-gcc-posix -Wall -Wextra -Werror -o "$work/file_version.exe" "$here/file_version.c" -lversion
same "the version is that of VERSION" "numbers: $version.0
FileVersion: $version
ProductVersion: $version
ProductName: AsyncVfs
FileDescription: SQLite VFS that commits at memory speed
OriginalFilename: asyncvfs.dll" \
  "$("$WINE" "$work/file_version.exe" "Z:${dll//\//\\}" </dev/null | tr -d '\r')"

# -- reproducible
copy=$work/"another folder"
mkdir -p "$copy"
cp -r "$root"/{src,include,cmake,docs,programs,CMakeLists.txt,CMakePresets.json,VERSION,README.md,CHANGELOG.md,LICENSE} "$copy/"
(cd "$copy" && cmake --preset mingw -DASYNCVFS_TESTS=OFF -DASYNCVFS_EXAMPLES=OFF \
    -DASYNCVFS_THIRD_PARTY="$BUILD_DIR/third_party" >"$work/configure.log" &&
  ninja -C build/mingw asyncvfs asyncvfs_recover >"$work/build.log") || { cat "$work"/*.log; exit 1; }
for file in bin/asyncvfs.dll bin/asyncvfs.dll.debug lib/asyncvfs.lib bin/asyncvfs-recover.exe; do
  same "built again elsewhere, $file is the same" "$(sha256sum <"$BUILD_DIR/$file")" \
    "$(sha256sum <"$copy/build/$file")"
done

[ $failures = 0 ] || { echo "$failures of these failed"; exit 1; }
