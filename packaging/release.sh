#!/bin/bash
# release.sh BUILD_DIR: what a release consists of, from what was built and tested in
# BUILD_DIR: AsyncVfs-<version>-x64.msi, its manifest for winget in winget/, and SHA256SUMS
# over installer, DLL and debug file. `./dev msi` calls it. Signed, if ASYNCVFS_SIGN_CERT
# is set (sign.sh).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
[ $# = 1 ] || { echo "use: release.sh BUILD_DIR" >&2; exit 2; }
version=$(cat "$root/VERSION")
msi=AsyncVfs-$version-x64.msi

"$root/installer/build.sh" "$1/mingw" "$version" "$1/$msi"
"$here/winget.sh" "$1/$msi" "$1/winget"
cd "$1"
# The names are those of the downloads, which lie side by side.
{ sha256sum "$msi"; cd bin; sha256sum asyncvfs.dll asyncvfs.dll.debug; } >SHA256SUMS
