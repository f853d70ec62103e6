#!/bin/bash
# sign.sh FILE...: Authenticode, in place, for a .dll or an .msi.
#
#   ASYNCVFS_SIGN_CERT, ASYNCVFS_SIGN_KEY  PEM files: the certificate with its chain, the key
#   ASYNCVFS_SIGN_TIME                     a timestamp server's address; without it the
#                                          signature ends with its certificate
set -euo pipefail
: "${ASYNCVFS_SIGN_CERT:?names the certificate (PEM)}" "${ASYNCVFS_SIGN_KEY:?names its key (PEM)}"
for file; do
  rm -f "$file.signed"
  osslsigncode sign -certs "$ASYNCVFS_SIGN_CERT" -key "$ASYNCVFS_SIGN_KEY" -h sha256 -n AsyncVfs \
    ${ASYNCVFS_SIGN_TIME:+-ts "$ASYNCVFS_SIGN_TIME"} -in "$file" -out "$file.signed"
  mv "$file.signed" "$file"
done
