#!/bin/bash
# windows_sdk.sh FOLDER: the headers of Windows' SDK, in FOLDER/include, from NuGet's package
# (150 MB). Their names are links in lower case, and once more as other headers spell
# them: Windows does not care.
set -euo pipefail
[ $# = 1 ] || { echo "use: windows_sdk.sh FOLDER" >&2; exit 2; }
version=10.0.26100.9457
sha256=1c8b332abba402808880ddba4d70e663f834ded44cf4771a2c191e9485e7cdcd
mkdir -p "$1"
folder=$(cd "$1" && pwd)
[ "$(cat "$folder/.complete" 2>/dev/null)" != "$version" ] || exit 0
rm -rf "${folder:?}"/*

package=microsoft.windows.sdk.cpp
curl -fsSL --retry 3 -o "$folder/sdk.zip" \
  "https://api.nuget.org/v3-flatcontainer/$package/$version/$package.$version.nupkg"
echo "$sha256  $folder/sdk.zip" | sha256sum --check
unzip -q "$folder/sdk.zip" 'c/Include/*/um/*.h' 'c/Include/*/shared/*.h' 'c/Include/*/ucrt/*.h' -d "$folder"
rm "$folder/sdk.zip"

mkdir "$folder/include"
cd "$folder/include"
for header in "$folder"/c/Include/*/{um,shared,ucrt}/*.h; do
  name=${header##*/}
  ln -sf "$header" "${name,,}"
done
# ucrt/sys/types.h and its like keep their folder.
ln -s "$folder"/c/Include/*/ucrt/sys sys
spelled=$(sed -nE 's/^ *# *include *[<"]([A-Za-z0-9_.]+)[>"].*/\1/p' "$folder"/c/Include/*/{um,shared,ucrt}/*.h | sort -u)
for name in $spelled; do
  [ ! -e "${name,,}" ] || [ -e "$name" ] || ln -s "${name,,}" "$name"
done
echo "$version" >"$folder/.complete"
