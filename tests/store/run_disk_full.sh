#!/bin/bash
# run_disk_full.sh: the suite disk_full on a volume of 12 MiB that is really full.
# `./dev test` calls it, with BIN_DIR, WINE, WINESERVER and WINEPREFIX exported.
#
# In a mount namespace of its own, so that nothing is left behind: a small tmpfs as the
# disk, and the Wine prefix under an overlay, since a wineserver sees the mounts that it
# was started with. Exit status 77: this machine lets nobody mount.
set -euo pipefail
: "${BIN_DIR:?call this by ./dev test}" "${WINE:?}" "${WINESERVER:?}" "${WINEPREFIX:?}"

if [ "${1:-}" != inside ]; then
  user=()
  [ "$(id -u)" = 0 ] || user=(--user --map-root-user)
  place=$(mktemp -d)
  trap 'rmdir "$place"' EXIT
  if ! unshare "${user[@]}" --mount mount -t tmpfs tmpfs "$place"; then
    echo "skipped: no mount namespace here (containers often forbid it), so no disk of 12 MiB"
    exit 77
  fi
  unshare "${user[@]}" --mount bash "$0" inside "$place"
  exit
fi

place=$2
mount -t tmpfs tmpfs "$place"
mkdir "$place"/{upper,work,prefix,disk}
mount -t overlay overlay -o "lowerdir=$WINEPREFIX,upperdir=$place/upper,workdir=$place/work" "$place/prefix"
mount -t tmpfs -o size=12m tmpfs "$place/disk"
export WINEPREFIX=$place/prefix TEST_DISK="Z:${place//\//\\}\\disk"
rc=0
"$WINE" "$BIN_DIR/tests.exe" disk_full || rc=$?
"$WINESERVER" -k || true
exit $rc
