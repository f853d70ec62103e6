#!/bin/bash
# fetch.sh download|unpack|amalgamate|stock DIR: the third-party sources, under DIR.
#
#   DIR/sqlite          the SQLite that is tested against: sqlite3.c, .h, ext.h
#   DIR/sqlite-debian   the distribution's SQLite: the whole source tree, and with
#                       `amalgamate`, made from it, shell.c and an amalgamation (the
#                       older stock SQLite)
#   DIR/cunit           the distribution's CUnit
#   DIR/stock/VERSION   with `stock`, after the others: the amalgamations of three
#                       versions, which judge crash images (tests/sim)
#
# What has a SHA-256 below is taken with that alone. Source packages of another release
# of Debian or Ubuntu have none here: apt checks them by the archive's signature.
#
# The current SQLite comes from the npm package better-sqlite3, which carries the
# amalgamation as it is released. It takes npm's registry but not npm, which is slow to
# install: apt's own downloader fetches it. If it cannot be had, the distribution's SQLite
# does for it too, and DIR/.no_current_sqlite says why. ASYNCVFS_SQLITE=npm or =debian chooses.
#
# In steps: `download` needs nothing but apt, and so can run while the packages that the others
# need (xz-utils, tcl, gcc, make) are being installed; `amalgamate` is slow, and few targets
# need what it makes, so third_party.cmake calls it. No host is named here: apt and npm know
# theirs.
set -euo pipefail

npm_version=13.2.0                     # better-sqlite3; SQLite 3.54.1
npm_tar=better-sqlite3-$npm_version.tgz
npm_sha256=40487589df3496f2ee0079d22b73c63fccebe7db0e8ee9a2c42421861e321e0b
npm_sqlite=3.54.1
old_npm_version=5.4.3                  # the same; SQLite 3.29.0, of 2019
old_npm_tar=better-sqlite3-$old_npm_version.tgz
old_npm_sha256=70933f06ac2af013455bcff333e1762ecf651ca2c6d0b6bf6e7192f4fb82f4ee
old_npm_sqlite=3.29.0
declare -A debian_sha256=(
  [sqlite3_3.40.1.orig.tar.xz]=aaa776260ab4dc976db34aa7891819484c8676b5b2783123ebc6301e2ca5d655   # Debian 12
  [sqlite3_3.46.1.orig.tar.xz]=d0cdd2ece271b29e7ce18095745d892517ee26d0f270065b3a25c2e9eb11639c   # Debian 13
  [cunit_2.1-3-dfsg.orig.tar.gz]=1b90baf4ffe130ddafe1e0fdc359f0ffdfc351dbf8e7a6831e5b0e57b5e23bfa # both
)

die() { echo "error: $*" >&2; exit 1; }

has_sha256() { # FILE SHA256
  [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status
}

check() { # FILE SHA256
  [ -f "$1" ] || die "${1##*/} was not downloaded; the log above says why"
  has_sha256 "$1" "$2" || die "$1 has the SHA-256 $(sha256sum <"$1" | cut -d' ' -f1)," \
    "expected $2. Delete it and try again; if it stays so, do not use it."
}

# apt's options that read and write under $1 alone. Source packages are seldom
# enabled: a private source list is the machine's own, with `deb-src` as well.
apt_options=()
private_apt() { # DIR
  [ ${#apt_options[@]} = 0 ] || return 0
  local list=/dev/null parts=/dev/null file
  eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
  rm -rf "$1/sources"
  mkdir -p "$1/sources" "$1/lists/partial" "$1/cache/archives/partial"
  for file in "$list" "$parts"/*.list; do
    [ -f "$file" ] || continue
    sed -nE 's/^[[:space:]]*deb(-src)?[[:space:]](.*)/deb \2\ndeb-src \2/p' "$file" | sort -u \
      >"$1/sources/$(basename "$file" .list)-src.list"
  done
  for file in "$parts"/*.sources; do
    [ -f "$file" ] || continue
    sed -E 's/^Types:.*/Types: deb deb-src/' "$file" >"$1/sources/$(basename "$file")"
  done
  apt_options=(
    -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$1/sources"
    -o "Dir::State::lists=$1/lists" -o "Dir::Cache=$1/cache"
    -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3 -o Acquire::Languages=none)
  # A repository without sources makes update fail; the one that counts need not.
  apt-get "${apt_options[@]}" update || echo "apt-get update: some lists failed, going on"
}

newest() { # DIR PATTERN: the file that matches, of the highest version
  find "$1" -maxdepth 1 -name "$2" 2>/dev/null | sort -V | tail -n 1
}
sqlite_tar() { newest "$1" 'sqlite3_*.orig.tar.xz'; }
cunit_tar() { newest "$1" 'cunit_*.orig.tar.gz'; }

check_debian() { # FILE
  [ -f "$1" ] || die "apt got no such source package; the log above says why"
  local sha256=${debian_sha256[${1##*/}]:-}
  [ -z "$sha256" ] || check "$1" "$sha256"
}

download_debian() { # DIR
  if [ -z "$(sqlite_tar "$1")" ] || [ -z "$(cunit_tar "$1")" ]; then
    private_apt "$1/apt"
    # Checked by the archive's signature, then by the sums above. Nothing half fetched has its name.
    rm -rf "$1/new"
    mkdir "$1/new"
    (cd "$1/new" && apt-get "${apt_options[@]}" source --download-only sqlite3 cunit) ||
      die "apt cannot get the source packages sqlite3 and cunit; is the network up?"
    mv "$1/new"/* "$1/"
    rmdir "$1/new"
  fi
  check_debian "$(sqlite_tar "$1")"
  check_debian "$(cunit_tar "$1")"
}

# Which registry npm would ask, where there is no npm: as it is configured, else its
# default, which Debian's package of npm has.
npm_registry() { # DIR
  local url=${npm_config_registry:-${NPM_CONFIG_REGISTRY:-}} file
  for file in "${npm_config_userconfig:-$HOME/.npmrc}" /etc/npmrc; do
    [ -z "$url" ] && [ -r "$file" ] || continue
    url=$(sed -nE 's/^[[:space:]]*registry[[:space:]]*=[[:space:]]*([^[:space:]]+).*/\1/p' "$file" | tail -n 1)
  done
  if [ -z "$url" ]; then
    private_apt "$1/apt" >&2
    rm -f "$1"/npm_*.deb
    (cd "$1" && apt-get "${apt_options[@]}" download npm) >&2 || return
    url=$(dpkg-deb --fsys-tarfile "$1"/npm_*.deb | tar -xO --wildcards '*/definitions.js' |
      awk -F"'" "/define\\('registry'|registry: new Definition/ { on = 1 } on && / default: '/ { print \$2; on = 0 }")
  fi
  [ -n "$url" ] && echo "${url%/}"
}

download_npm() { # DIR VERSION SHA256
  local tar=better-sqlite3-$2.tgz registry
  has_sha256 "$1/$tar" "$3" && return
  rm -f "$1/$tar"
  if command -v npm >/dev/null; then
    npm pack --silent --ignore-scripts --pack-destination "$1" "better-sqlite3@$2" || return
  else
    registry=$(npm_registry "$1") || { echo "no registry of npm is known here"; return 1; }
    /usr/lib/apt/apt-helper -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3 \
      download-file "$registry/better-sqlite3/-/$tar" "$1/$tar" "SHA256:$3" || return
  fi
  check "$1/$tar" "$3"
}

download() { # DIR
  mkdir -p "$1"
  download_debian "$1"
  case "${ASYNCVFS_SQLITE:-}" in
    npm) download_npm "$1" "$npm_version" "$npm_sha256" || die "better-sqlite3@$npm_version cannot be had from npm's registry" ;;
    debian) rm -f "$1/$npm_tar" ;;
    '') download_npm "$1" "$npm_version" "$npm_sha256" ||
      echo "better-sqlite3@$npm_version cannot be had from npm's registry: SQLite will be the distribution's" ;;
    *) die "ASYNCVFS_SQLITE is '$ASYNCVFS_SQLITE'; it can be npm or debian" ;;
  esac
}

# Half made, it is made again: make takes a file for whole.
amalgamate() { # DIR
  [ ! -f "$1/sqlite-debian/.amalgamated" ] || return 0
  (cd "$1/sqlite-debian" && rm -f sqlite3.c shell.c && ./configure --disable-tcl --disable-shared &&
    make sqlite3.c shell.c && touch .amalgamated)
}

unpack() { # DIR
  local from="$1/download" new="$1/new" old="$1/new/sqlite-debian"
  rm -rf "$new"
  mkdir -p "$old" "$new/cunit/include/CUnit" "$new/sqlite"

  check_debian "$(cunit_tar "$from")"
  tar -xf "$(cunit_tar "$from")" -C "$new/cunit" --strip-components=1
  cp -p "$new"/cunit/CUnit/Headers/*.h "$new/cunit/include/CUnit/"

  check_debian "$(sqlite_tar "$from")"
  tar -xf "$(sqlite_tar "$from")" -C "$old" --strip-components=1

  rm -f "$1/.no_current_sqlite"
  if [ -f "$from/$npm_tar" ]; then
    check "$from/$npm_tar" "$npm_sha256"
    tar -xf "$from/$npm_tar" -C "$new/sqlite" --strip-components=3 package/deps/sqlite3
  else
    amalgamate "$new"
    cp -p "$old"/sqlite3.c "$old"/sqlite3.h "$old"/sqlite3ext.h "$new/sqlite/"
    echo "SQLite $npm_sqlite is not here (ASYNCVFS_SQLITE=npm fetches it from npm's registry): tested against" \
      "$(cat "$old/VERSION")" >"$1/.no_current_sqlite"
  fi

  # All or nothing: what is in place is whole. With the times of the archives, so that what
  # is compiled stays so.
  rm -rf "$1/sqlite" "$1/sqlite-debian" "$1/cunit"
  mv "$new"/* "$1/"
  rmdir "$new"
}

stock() { # DIR
  local from="$1/download" new="$1/stock.new" debian
  debian=$(cat "$1/sqlite-debian/VERSION")
  amalgamate "$1"
  rm -rf "$new"
  mkdir -p "$from" "$new/$npm_sqlite" "$new/$debian" "$new/$old_npm_sqlite"
  download_npm "$from" "$npm_version" "$npm_sha256" ||
    die "better-sqlite3@$npm_version cannot be had from npm's registry"
  download_npm "$from" "$old_npm_version" "$old_npm_sha256" ||
    die "better-sqlite3@$old_npm_version cannot be had from npm's registry"
  tar -xf "$from/$npm_tar" -C "$new/$npm_sqlite" --strip-components=3 package/deps/sqlite3
  tar -xf "$from/$old_npm_tar" -O package/deps/sqlite3.tar.gz | tar -xz -C "$new/$old_npm_sqlite"
  cp "$1"/sqlite-debian/sqlite3.[ch] "$new/$debian/"
  rm -rf "$1/stock"
  mv "$new" "$1/stock"
}

[ $# = 2 ] || die "use: fetch.sh download|unpack|amalgamate|stock DIR"
mkdir -p "$2"
dir=$(cd "$2" && pwd)
case "$1" in
  download) download "$dir/download" ;;
  unpack) unpack "$dir" ;;
  amalgamate) amalgamate "$dir" ;;
  stock) stock "$dir" ;;
  *) die "use: fetch.sh download|unpack|amalgamate|stock DIR" ;;
esac
