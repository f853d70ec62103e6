#!/bin/bash
# AsyncVfs.sln and msvc/*.vcxproj: they list the sources that CMake lists, and build with
# exactly what they list (by vctargets/, in the place of Visual Studio).
#
# Without a .NET SDK, the lists alone: skipped, unless these differ. PROJECT_BUILDS: configurations, "Debug|x64" if unset.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${BUILD_DIR:?call this by ./dev test}" "${BIN_DIR:?}" "${WINE:?}"
cd "$root"
failures=0
fail() { failures=$((failures + 1)); echo "FAILED: $*"; }

# -- the lists
from_cmake() { # TARGET...: the sources that CMake compiles for them
  local target
  for target; do
    sed -nE "s|^ *\"command\": .* -o [^ ]*CMakeFiles/$target\.dir/[^ ]* -c $root/([^ ]*)\",?\$|\1|p" \
      "$BUILD_DIR/mingw/compile_commands.json"
  done | sort
}
from_project() { sed -nE 's|.*<ClCompile Include="\.\.\\(.*)" />.*|\1|p' "msvc/$1.vcxproj" | tr '\\' / | sort; }
compare() { # PROJECT TARGET...: msvc/PROJECT.vcxproj has what CMake's targets have
  local project=msvc/$1.vcxproj name=$1 file
  shift
  [ -n "$(from_cmake "$@")" ] || { fail "CMake compiles nothing for $*: the comparison is void"; return; }
  for file in $(comm -23 <(from_cmake "$@") <(from_project "$name")); do
    fail "$project lacks $file, which CMake compiles. Add:  <ClCompile Include=\"..\\${file//\//\\}\" />"
  done
  for file in $(comm -13 <(from_cmake "$@") <(from_project "$name")); do
    fail "$project has $file, which CMake does not compile for $*. Take its line out."
  done
}
compare core avfs_core
compare asyncvfs avfs_heap
compare tests tests avfs_tests
compare bench bench
compare demo import
compare recover asyncvfs_recover
compare no_sqlite no_sqlite
for project in msvc/*.vcxproj; do
  grep -q "\"${project//\//\\\\}\"" AsyncVfs.sln || fail "AsyncVfs.sln lacks $project"
  [ "$(wc -l <"$project")" -lt 100 ] || fail "$project has $(wc -l <"$project") lines; what is common belongs to msvc/AsyncVfs.props"
done
# What `ctest --preset msvc` would run: each suite, a test of its own. Here ctest runs one.
suites=$("$WINE" "$BIN_DIR/tests.exe" --list </dev/null | tr -d '\r' | sort)
tests=$(ctest --test-dir "$BUILD_DIR/mingw" --show-only | sed -nE 's/^ *Test +#[0-9]+: (.*)/\1/p' | sort)
[ -n "$suites" ] && [ "$suites" = "$tests" ] || fail "ctest has other tests than tests.exe has suites: $(diff <(echo "$suites") <(echo "$tests") || true)"
ctest --test-dir "$BUILD_DIR/mingw" -R '^page_table$' --no-tests=error --output-on-failure || fail "ctest cannot run the suite page_table"
[ $failures = 0 ] || { echo "$failures differences"; exit 1; }
echo "the projects list what CMake lists"

# -- the builds
command -v dotnet >/dev/null || { echo "skipped: the builds, for want of a .NET SDK (dotnet)"; exit 77; }
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
for build in ${PROJECT_BUILDS:-Debug|x64}; do
  configuration=${build%|*} platform=${build#*|}
  folder=$platform lib=$BUILD_DIR/lib
  [ "$platform" != x86 ] || folder=Win32 lib=$BUILD_DIR/i686/lib   # as the projects call it
  out=$BUILD_DIR/solution/$folder/$configuration
  rm -rf "$out"
  dotnet msbuild AsyncVfs.sln -nologo -verbosity:minimal -maxcpucount:2 -nodeReuse:false \
    -p:Configuration="$configuration" -p:Platform="$platform" -p:VCTargetsPath="$here/vctargets" \
    -p:StandInThirdParty="$BUILD_DIR/third_party" -p:StandInLib="$lib"
  # A 32-bit tests.exe is proof_architectures.sh's to run, where Wine can.
  [ "$platform" = x64 ] || { echo "built: $build"; continue; }
  cp "$BIN_DIR/sqlite3.dll" "$out/"
  "$WINE" "$out/tests.exe" loading </dev/null | tail -n 1 | tr -d '\r' | grep -x '[1-9][0-9]* passed, 0 failed'
  echo "built: $build"
done
