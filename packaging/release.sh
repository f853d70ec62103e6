#!/bin/bash
# release.sh BUILD_DIR: what a release consists of, from what was built and tested in
# BUILD_DIR, side by side in it: AsyncVfs-<version>-x64.msi, the DLL as the installer has it,
# its debug file, and SHA256SUMS over these; and a manifest for winget in winget/. `./dev msi`
# calls it. Signed, if ASYNCVFS_SIGN_CERT is set (sign.sh).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
[ $# = 1 ] || { echo "use: release.sh BUILD_DIR" >&2; exit 2; }
version=$(cat "$root/VERSION")
msi=AsyncVfs-$version-x64.msi

"$root/installer/build.sh" "$1/mingw" "$version" "$1/$msi"
"$here/winget.sh" "$1/$msi" "$1/winget"
cd "$1"
cp bin/asyncvfs.dll.debug .
rm -rf installed
msiextract --directory installed "$msi" >/dev/null
find installed -name asyncvfs.dll -exec mv {} . \;   # signed, if the installer is
rm -r installed
sha256sum "$msi" asyncvfs.dll asyncvfs.dll.debug >SHA256SUMS
