#!/bin/bash
# debian_root.sh ARCHITECTURE FOLDER PACKAGE: a package of Debian and all that it depends on, for any
# architecture, unpacked into FOLDER. Nothing is installed: apt, with a configuration of its own,
# resolves and downloads as on a machine that has nothing yet, dpkg-deb unpacks.
set -euo pipefail
[ $# = 3 ] || { echo "use: debian_root.sh ARCHITECTURE FOLDER PACKAGE" >&2; exit 2; }
rm -rf "$2"
mkdir -p "$2"/apt/{lists/partial,archives/partial}
root=$(cd "$2" && pwd)
apt=$root/apt

. /etc/os-release
: >"$apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $VERSION_CODENAME main" \
  >"$apt/sources.list"
cat >"$apt/apt.conf" <<CONF
APT::Architecture "$1";
APT::Architectures { "$1"; };
APT::Sandbox::User "root";
Acquire::Retries "3";
Dir::State "$apt";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
Dir::Cache::archives "$apt/archives";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
CONF
export APT_CONFIG=$apt/apt.conf
apt-get -q update
apt-get -q -y --no-install-recommends --download-only install "$3"
for package in "$apt"/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
rm -rf "$apt"
