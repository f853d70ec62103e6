#!/bin/bash
# wine32.sh FOLDER: makes FOLDER/wine, a Wine for 32-bit programs, with a prefix beside it,
# out of Debian's packages for i386 (140 MB). Nothing is installed: apt, with a
# configuration of its own, resolves and downloads, dpkg-deb unpacks.
# Needs /lib/ld-linux.so.2 (package libc6-i386). FOLDER/wine --stop ends its server.
set -euo pipefail
[ $# = 1 ] || { echo "use: wine32.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
[ ! -f "$folder/.complete" ] || exit 0
[ -e /lib/ld-linux.so.2 ] || { echo "error: no /lib/ld-linux.so.2: apt-get install libc6-i386" >&2; exit 1; }
rm -rf "$folder"/{apt,root,prefix}
mkdir -p "$folder"/apt/{lists/partial,archives/partial} "$folder/root" "$folder/prefix/drive_c/windows/system32"

# -- download: as on a machine of i386 that has nothing yet
. /etc/os-release
: >"$folder/apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $VERSION_CODENAME main" \
  >"$folder/apt/sources.list"
cat >"$folder/apt/apt.conf" <<CONF
APT::Architecture "i386";
APT::Architectures { "i386"; };
APT::Sandbox::User "root";
Acquire::Retries "3";
Dir::State "$folder/apt";
Dir::State::lists "$folder/apt/lists";
Dir::State::status "$folder/apt/status";
Dir::Cache "$folder/apt";
Dir::Cache::archives "$folder/apt/archives";
Dir::Etc::sourcelist "$folder/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
CONF
export APT_CONFIG=$folder/apt/apt.conf
apt-get -q update
apt-get -q -y --no-install-recommends --download-only install wine32
unset APT_CONFIG

# -- unpack
root=$folder/root
for package in "$folder"/apt/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
rm -rf "$folder/apt" "$root/usr/lib/i386-linux-gnu/wine/x86_64-windows"
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
