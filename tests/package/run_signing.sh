#!/bin/bash
# The way a release is made and signed, with a certificate made for this run alone: the
# installer and the DLL in it have signatures that hold, the DLL still works, and one
# changed byte is noticed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${BUILD_DIR:?call this by ./dev test}" "${BIN_DIR:?}" "${WINE:?}"
work=$BUILD_DIR/package/signing
version=$(cat "$root/VERSION")
msi=AsyncVfs-$version-x64.msi
rm -rf "$work"
mkdir -p "$work"
cd "$work"

openssl req -x509 -newkey rsa:2048 -noenc -days 2 -subj "/CN=AsyncVfs test" \
  -addext extendedKeyUsage=codeSigning -keyout key.pem -out cert.pem
export ASYNCVFS_SIGN_CERT=$work/cert.pem ASYNCVFS_SIGN_KEY=$work/key.pem
# A build tree of its own would take its time: the files are linked.
mkdir release
ln -s "$BUILD_DIR/mingw" "$BIN_DIR" release/
"$root/packaging/release.sh" "$work/release"
mkdir downloads
cp release/{"$msi",SHA256SUMS,asyncvfs.dll,asyncvfs.dll.debug} downloads/
(cd downloads && sha256sum --check SHA256SUMS && [ "$(wc -l <SHA256SUMS)" = 3 ])

verify() { osslsigncode verify -CAfile cert.pem -in "$1" >verify.log 2>&1; }
msiextract --directory installed "release/$msi" >/dev/null
dll=$(find installed -name asyncvfs.dll)
for file in "$dll" "${dll%.dll}-recover.exe" downloads/asyncvfs.dll "downloads/$msi"; do
  verify "$file" || { echo "the signature of $file does not hold"; cat verify.log; exit 1; }
  echo "signed: $file"
done
! verify "$BIN_DIR/asyncvfs.dll" || { echo "an unsigned DLL was verified"; exit 1; }

cp "$dll" changed.dll
printf 'X' | dd of=changed.dll bs=1 seek=5000 conv=notrunc status=none
! verify changed.dll || { echo "a changed DLL was verified"; exit 1; }
echo "a changed byte is noticed"

cp "$dll" "$BIN_DIR/sqlite3.dll" .
x86_64-w64-mingw32-gcc-posix -o consumer.exe "$here/consumer/main.c" -I"$root/include" \
  -I"$BUILD_DIR/third_party/sqlite" "$BUILD_DIR/lib/asyncvfs.lib" "$BUILD_DIR/lib/libsqlite3.dll.a"
"$WINE" consumer.exe signed.db </dev/null | tr -d '\r' >consumer.log
grep -qx 'integrity_check: ok' consumer.log
echo "the signed DLL works"
