#!/bin/bash
# arm64_libs.sh FOLDER: import libraries for Windows on ARM64, in FOLDER: libkernel32.a, of the functions that
# MinGW knows for x64, and libucrt.a, of the few of the C runtime that asyncvfs calls.
set -euo pipefail
[ $# = 1 ] || { echo "use: arm64_libs.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
cd "$1"

# add ARCHIVE DLL FUNCTION...
add() {
  printf 'LIBRARY %s\nEXPORTS\n' "$2" >"$2.def"
  printf '%s\n' "${@:3}" >>"$2.def"
  llvm-dlltool -m arm64 -d "$2.def" -l "$2.a"
  printf 'addlib %s.a\n' "$2" >>"$1.mri"
}

rm -f ./*.mri
# shellcheck disable=SC2046
add libkernel32 kernel32.dll $(llvm-nm --defined-only --just-symbol-name /usr/x86_64-w64-mingw32/lib/libkernel32.a 2>/dev/null |
  sed -n 's/^__imp_//p' | sort -u)
add libucrt api-ms-win-crt-private-l1-1-0.dll memcmp memcpy memmove strrchr
add libucrt api-ms-win-crt-runtime-l1-1-0.dll _assert _wassert
add libucrt api-ms-win-crt-stdio-l1-1-0.dll __stdio_common_vsprintf
add libucrt api-ms-win-crt-string-l1-1-0.dll memset strcmp strlen strncmp strpbrk wcscmp wcscpy wcslen
add libucrt api-ms-win-crt-utility-l1-1-0.dll qsort

# The two that Windows' headers have inline, and MinGW in its runtime.
clang --target=aarch64-w64-mingw32 -O2 -isystem /usr/share/mingw-w64/include -D_UCRT -c -o stdio.o -x c - <<'C'
#include <stdarg.h>
#include <stdio.h>

int vsnprintf(char *to, size_t bytes, const char *format, va_list args) {
  return __stdio_common_vsprintf(_CRT_INTERNAL_PRINTF_STANDARD_SNPRINTF_BEHAVIOR, to, bytes, format, NULL, args);
}

int snprintf(char *to, size_t bytes, const char *format, ...) {
  va_list args;
  int n;
  va_start(args, format);
  n = vsnprintf(to, bytes, format, args);
  va_end(args);
  return n;
}
C
echo "addmod stdio.o" >>libucrt.mri

for archive in libkernel32 libucrt; do
  { echo "create $archive.a"; cat $archive.mri; echo save; echo end; } | llvm-ar -M
done
