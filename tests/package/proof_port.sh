#!/bin/bash
# vcpkg's port builds from a fresh copy of the sources, which it leaves as they are, and
# packages what a port of vcpkg should: dynamic and static (vcpkg_port.cmake stands in).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${BUILD_DIR:?call this by ./dev proof}"
work=$BUILD_DIR/package/port
rm -rf "$work"
mkdir -p "$work/source"
cp -r "$root"/{src,include,cmake,docs,packaging,CMakeLists.txt,VERSION,README.md,CHANGELOG.md,LICENSE} "$work/source/"
find "$work/source" | LC_ALL=C sort >"$work/before.txt"
for linkage in dynamic static; do
  cmake -D PORT_DIR="$work/source/packaging/vcpkg/asyncvfs" -D WORK="$work/$linkage" -D LINKAGE=$linkage \
    -D TOOLCHAIN="$root/cmake/mingw-w64-x86_64.cmake" -D SQLITE="$BUILD_DIR/third_party/sqlite" \
    -P "$here/vcpkg_port.cmake"
done
find "$work/source" | LC_ALL=C sort | diff "$work/before.txt" - || { echo "the build writes among the sources"; exit 1; }
echo "proof: vcpkg's port builds and packages, dynamic and static"
