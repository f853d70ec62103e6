#!/bin/bash
# That run_projects.sh can fail: projects with one thing left out do not build. And the
# configurations that it leaves out do.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${BUILD_DIR:?call this by ./dev proof}"
command -v dotnet >/dev/null || { echo "skipped, for want of a .NET SDK (dotnet)"; exit 77; }
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
work=$BUILD_DIR/package/projects
rm -rf "$work"
mkdir -p "$work"
ln -s "$root"/{src,include,tests,bench,examples,programs,VERSION} "$work/"
mkdir "$work/build"

build() { # PROJECT
  dotnet msbuild "$work/msvc/$1.vcxproj" -nologo -verbosity:quiet -nodeReuse:false -p:Configuration=Debug \
    -p:Platform=x64 -p:VCTargetsPath="$here/vctargets" -p:StandInThirdParty="$BUILD_DIR/third_party" \
    -p:StandInLib="$BUILD_DIR/lib" >"$work/build.log" 2>&1
}
caught=0
breaks() { # WHAT PROJECT FILE SED: with this edit of msvc/FILE, PROJECT must not build
  rm -rf "$work/msvc"
  cp -r "$root/msvc" "$work/msvc"
  sed -i -E "$4" "$work/msvc/$3"
  ! cmp -s "$work/msvc/$3" "$root/msvc/$3" || { echo "$1: the edit of $3 changes nothing"; exit 1; }
  ! build "$2" || { echo "$1: $2 builds all the same"; exit 1; }
  caught=$((caught + 1))
  echo "caught: $1 ($(grep -m 1 -oE '(undefined reference|fatal error|error[ :]).{0,80}' "$work/build.log" || true))"
}
cp -r "$root/msvc" "$work/msvc"
build bench || { cat "$work/build.log"; exit 1; }

# For ARM64 no compiler is here: the projects are evaluated, and have what they have for x64.
evaluate() { # PROJECT PLATFORM: its items and their settings
  dotnet msbuild "$1" -nologo -p:Configuration=Release -p:Platform="$2" -p:VCTargetsPath="$here/vctargets" \
    -p:StandInThirdParty="$BUILD_DIR/third_party" -p:StandInLib="$BUILD_DIR/lib" \
    -getItem:ClCompile,ResourceCompile,Link,ProjectReference | grep -v 'Time"' | sed "s/$2/PLATFORM/g"
}
for project in "$root"/msvc/*.vcxproj; do
  evaluate "$project" ARM64 >"$work/ARM64.txt" || { cat "$work/ARM64.txt"; exit 1; }
  evaluate "$project" x64 >"$work/x64.txt"
  grep -q '\.c"' "$work/x64.txt" || { echo "$project: no sources are found: the comparison is void"; exit 1; }
  diff "$work/x64.txt" "$work/ARM64.txt" || { echo "$project differs for ARM64"; exit 1; }
done
echo "evaluated for ARM64"

breaks "a source left out" asyncvfs core.vcxproj '/drain\.c/d'
breaks "a source that is not there" asyncvfs core.vcxproj 's/drain\.c/drains.c/'
breaks "an include folder left out" core core.vcxproj 's/\$\(AvfsRoot\)src;//'
breaks "a definition left out" asyncvfs AsyncVfs.props 's/ASYNCVFS_VERSION_MAJOR=[^;]*;//'
breaks "a library left out" bench bench.vcxproj 's/sqlite3\.lib;//'
breaks "a .def that is not there" asyncvfs asyncvfs.vcxproj 's/asyncvfs\.def/async.def/'
breaks "a resource that is not there" asyncvfs asyncvfs.vcxproj 's/asyncvfs\.rc/async.rc/'
breaks "a project not linked" asyncvfs asyncvfs.vcxproj '/UseLibraryDependencyInputs/d'

PROJECT_BUILDS="Release|x64 Release|x86" "$here/run_projects.sh"
echo "proof: projects: $caught things left out, all caught; Release|x64 and Release|x86 build"
