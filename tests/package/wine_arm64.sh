#!/bin/bash
# wine_arm64.sh FOLDER: makes FOLDER/wine, a Wine for programs of Windows on ARM64, out of Debian's
# packages for arm64 (70 MB), which run by QEMU's emulation of a process. Nothing is installed.
#
# It runs one process: Linux knows no way to start a second one by itself. So its server is started
# by hand, here at the first call, and ended by FOLDER/wine --stop; and there is no wineboot, whose
# registry a small program does not miss. A current folder on drive C: is wanted.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 1 ] || { echo "use: wine_arm64.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
[ ! -f "$folder/.complete" ] || exit 0
rm -rf "$folder/prefix"
mkdir -p "$folder/prefix/drive_c/windows/system32"
"$here/debian_root.sh" "$(dpkg --print-architecture)" "$folder/qemu" qemu-user-static
"$here/debian_root.sh" arm64 "$folder/root" wine64
root=$folder/root lib=$folder/root/usr/lib/aarch64-linux-gnu
cp "$lib"/wine/aarch64-windows/* "$folder/prefix/drive_c/windows/system32/"

cat >"$folder/wine" <<WINE
#!/bin/sh
export WINEPREFIX='$folder/prefix' WINEARCH=win64 WINEBOOTSTRAPMODE=1
run() {
  program=\$1
  shift
  '$folder/qemu/usr/bin/qemu-aarch64-static' -L '$root' -E LD_LIBRARY_PATH='$lib:$root/lib/aarch64-linux-gnu' \\
    -E WINELOADERNOEXEC=1 "$root/usr/lib/wine/\$program" "\$@"
}
if [ "\$1" = --stop ]; then run wineserver64 -k; exit; fi
run wineserver64 -p </dev/null >/dev/null 2>&1
run wine64 "\$@"
WINE
chmod +x "$folder/wine"
touch "$folder/.complete"
