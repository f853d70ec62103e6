#!/bin/bash
# build.sh PREFIX OUT SPELLING VERSION: builds OUT/consumer.exe with the asyncvfs that is
# installed at PREFIX, found by find_package.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
: "${BUILD_DIR:?call this by ./dev test}"
cmake -S "$here" -B "$2" -G Ninja \
  --toolchain "$root/cmake/mingw-w64-x86_64.cmake" -DCMAKE_FIND_ROOT_PATH="$1" \
  -DCMAKE_PREFIX_PATH="$1" -DSPELLING="$3" -DVERSION="$4" \
  -DSQLITE_INCLUDE="$BUILD_DIR/third_party/sqlite" -DSQLITE_LIB="$BUILD_DIR/lib/libsqlite3.dll.a"
cmake --build "$2"
