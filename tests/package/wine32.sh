#!/bin/bash
# wine32.sh FOLDER: makes FOLDER/wine, a Wine for 32-bit programs, with a prefix beside it,
# out of Debian's packages for i386 (140 MB). Nothing is installed.
# Needs /lib/ld-linux.so.2 (package libc6-i386). FOLDER/wine --stop ends its server.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 1 ] || { echo "use: wine32.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
[ ! -f "$folder/.complete" ] || exit 0
[ -e /lib/ld-linux.so.2 ] || { echo "error: no /lib/ld-linux.so.2: apt-get install libc6-i386" >&2; exit 1; }
rm -rf "$folder/prefix"
mkdir -p "$folder/prefix/drive_c/windows/system32"
"$here/debian_root.sh" i386 "$folder/root" wine32
root=$folder/root
rm -rf "$root/usr/lib/i386-linux-gnu/wine/x86_64-windows"
# What libwine's postinst copies.
cp "$root/usr/i686-w64-mingw32/lib/zlib1.dll" "$folder/prefix/drive_c/windows/system32/"

cat >"$folder/wine" <<WINE
#!/bin/sh
export WINEPREFIX='$folder/prefix' WINEARCH=win32
export LD_LIBRARY_PATH='$root/usr/lib/i386-linux-gnu:$root/lib/i386-linux-gnu'
export WINESERVER='$root/usr/lib/wine/wineserver32' WINELOADER='$root/usr/lib/wine/wine'
[ "\$1" != --stop ] || exec "\$WINESERVER" -k
exec "\$WINELOADER" "\$@"
WINE
chmod +x "$folder/wine"
"$folder/wine" wineboot -i
"$folder/wine" --stop || true
touch "$folder/.complete"
