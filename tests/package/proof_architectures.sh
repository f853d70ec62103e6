#!/bin/bash
# 32-bit x86: all of it builds, and passes all suites under a 32-bit Wine (wine32.sh), if
# that can be had. For it, for 64-bit x86 and for ARM64 the library, the tests, the benchmark
# and the examples compile by the headers of Windows' SDK (windows_sdk.sh), with clang in
# Visual C++'s dialect and the warnings of the presets msvc and clang-cl as errors.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${BUILD_DIR:?call this by ./dev proof}" "${WINE:?}"
work=$BUILD_DIR/package/architectures
rm -rf "$work"
mkdir -p "$work"
cd "$root"

cmake --preset mingw-i686 >"$work/configure.log"
ninja -C "$BUILD_DIR/mingw-i686" >"$work/i686.log" || { grep -E 'error|warning' "$work/i686.log"; exit 1; }
exports=$(i686-w64-mingw32-objdump -p "$BUILD_DIR/i686/bin/asyncvfs.dll" | sed '/^PE File Base Relocations/,$d')
grep -q NX_COMPAT <<<"$exports" && grep -q DYNAMIC_BASE <<<"$exports" || { echo "i686: no NX or no ASLR"; exit 1; }
# __cdecl: a .def that names them undecorated is enough
for name in asyncvfs_register sqlite3_asyncvfs_init; do
  grep -q "\] $name\$" <<<"$exports" || { echo "i686: $name is not exported under its name"; exit 1; }
done
ran="built, not run: no 32-bit Wine ($BUILD_DIR/log/wine32.log)"
if "$here/wine32.sh" "$BUILD_DIR/wine32" >"$BUILD_DIR/log/wine32.log" 2>&1; then
  export wine32=$BUILD_DIR/wine32/wine tests=$BUILD_DIR/i686/bin/tests.exe work
  trap '"$wine32" --stop || true' EXIT
  "$wine32" "$tests" --list </dev/null | tr -d '\r' | xargs -P "$(nproc)" -I{} sh -c \
    '"$wine32" "$tests" {} >"$work/{}.log" 2>&1 </dev/null || echo "error: with 32 bits the suite {} fails: $work/{}.log"' |
    tee "$work/failures"
  [ ! -s "$work/failures" ] || exit 1
  ran=$(cat "$work"/*.log | tr -d '\r' | awk '/^[0-9]+ passed, [0-9]+ failed$/ { p += $1; f += $3 } END { print p " tests passed, " f " failed" }')
fi

# Like Visual C++: its dialect and options, Windows' own headers. Compiled, not linked: the
# libraries of its C runtime are in no package. tests/package/vcruntime: what its own headers
# would say. The sources are those that CMake compiles for Windows.
sdk=$BUILD_DIR/windows_sdk
if "$here/windows_sdk.sh" "$sdk" >"$BUILD_DIR/log/windows_sdk.log" 2>&1; then
  sources=$(sed -nE 's/^ *"file": "(.*)",?$/\1/p' "$BUILD_DIR/mingw/compile_commands.json" |
    grep -E "^$root/(src|tests|bench|examples|programs)/.*\.c$" | sort -u)
  system=-imsvc
  headers=(-imsvc "$here/vcruntime" -imsvc "$sdk/include")
  dialect=(--driver-mode=cl /std:c17 /W4 /WX /O2 /utf-8 /X -D_CRT_SECURE_NO_WARNINGS)
  targets=(aarch64-pc-windows-msvc x86_64-pc-windows-msvc i686-pc-windows-msvc)
  with="SDK, as for Visual C++"
else   # the library for ARM64, by the headers that are here
  sources=$(printf '%s\n' "$root"/src/*/*.c)
  system=-isystem
  headers=(-isystem /usr/share/mingw-w64/include)
  dialect=(-std=c17 -O2 -Wall -Wextra -Werror)
  targets=(aarch64-w64-mingw32)
  with="headers of MinGW (no SDK: $BUILD_DIR/log/windows_sdk.log)"
fi
count=$(wc -l <<<"$sources")
[ "$count" -ge 30 ] || { echo "only $count sources: $sources"; exit 1; }
for target in "${targets[@]}"; do
  xargs -P "$(nproc)" -n 1 clang --target="$target" "${dialect[@]}" "${headers[@]}" \
    -D_WIN32_WINNT=0x0602 -DWINVER=0x0602 -DWIN32_LEAN_AND_MEAN \
    "-I$root/include" "-I$root/src" "-I$root/tests" $system "$BUILD_DIR/third_party/sqlite" \
    $system "$BUILD_DIR/third_party/cunit/include" -c -o /dev/null -- <<<"$sources"
  echo "compiled for $target"
done
echo "proof: x86: $ran; $count files compile with the $with: ${targets[*]%%-*}"
