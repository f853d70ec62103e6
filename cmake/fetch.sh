#!/bin/bash
# fetch.sh download|unpack|stock DIR: the third-party sources, under DIR.
#
#   DIR/sqlite          the SQLite that is tested against: sqlite3.c, .h, ext.h
#   DIR/sqlite-3.40.1   Debian's SQLite: the whole source tree, and made from
#                       it shell.c and an amalgamation (the older stock SQLite)
#   DIR/cunit           Debian's CUnit
#   DIR/stock/VERSION   with `stock`, after the others and with npm: the amalgamations
#                       of three versions, which judge crash images (tests/sim)
#
# Nothing is taken but what has the SHA-256 below. The current SQLite comes
# from the npm package better-sqlite3, which carries the amalgamation as it is
# released; where there is no npm, Debian's does for it too (installing npm
# would take longer than all the rest). ASYNCVFS_SQLITE=npm or =debian chooses.
#
# Two steps, because `download` needs nothing but apt or npm and so can run
# while the packages that `unpack` needs (xz-utils, tcl, gcc, make) are being
# installed. No host is named here: apt and npm know theirs.
set -euo pipefail

npm_version=13.2.0                     # better-sqlite3; SQLite 3.54.1
npm_tar=better-sqlite3-$npm_version.tgz
npm_sha256=40487589df3496f2ee0079d22b73c63fccebe7db0e8ee9a2c42421861e321e0b
npm_sqlite=3.54.1
old_npm_version=5.4.3                  # the same; SQLite 3.29.0, of 2019
old_npm_tar=better-sqlite3-$old_npm_version.tgz
old_npm_sha256=70933f06ac2af013455bcff333e1762ecf651ca2c6d0b6bf6e7192f4fb82f4ee
old_npm_sqlite=3.29.0
sqlite_tar=sqlite3_3.40.1.orig.tar.xz
sqlite_sha256=aaa776260ab4dc976db34aa7891819484c8676b5b2783123ebc6301e2ca5d655
cunit_tar=cunit_2.1-3-dfsg.orig.tar.gz
cunit_sha256=1b90baf4ffe130ddafe1e0fdc359f0ffdfc351dbf8e7a6831e5b0e57b5e23bfa

die() { echo "error: $*" >&2; exit 1; }

has_sha256() { # FILE SHA256
  [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status
}

check() { # FILE SHA256
  [ -f "$1" ] || die "${1##*/} was not downloaded; the log above says why"
  has_sha256 "$1" "$2" || die "$1 has the SHA-256 $(sha256sum <"$1" | cut -d' ' -f1)," \
    "expected $2. Delete it and try again; if it stays so, do not use it."
}

# apt options that read and write under $1 alone. Source packages are seldom
# enabled: a private source list is the machine's own, `deb` made `deb-src`.
private_apt() { # DIR
  local list=/dev/null parts=/dev/null file
  eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
  rm -rf "$1/sources"
  mkdir -p "$1/sources" "$1/lists/partial" "$1/cache/archives/partial"
  for file in "$list" "$parts"/*.list; do
    [ -f "$file" ] || continue
    sed -nE 's/^[[:space:]]*deb(-src)?[[:space:]]/deb-src /p' "$file" | sort -u \
      >"$1/sources/$(basename "$file" .list)-src.list"
  done
  for file in "$parts"/*.sources; do
    [ -f "$file" ] || continue
    sed -E 's/^Types:.*/Types: deb-src/' "$file" >"$1/sources/$(basename "$file")"
  done
  apt_options=(
    -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$1/sources"
    -o "Dir::State::lists=$1/lists" -o "Dir::Cache=$1/cache"
    -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3)
}

download_debian() { # DIR
  if has_sha256 "$1/$sqlite_tar" "$sqlite_sha256" && has_sha256 "$1/$cunit_tar" "$cunit_sha256"; then
    return
  fi
  private_apt "$1/apt"
  # A repository without sources makes update fail; the one that counts need not.
  apt-get "${apt_options[@]}" update || echo "apt-get update: some lists failed, going on"
  (cd "$1" && apt-get "${apt_options[@]}" source --download-only sqlite3 cunit) ||
    die "apt cannot get the source packages sqlite3 and cunit; is the network up, and is" \
        "this Debian 12 (bookworm)?"
  check "$1/$sqlite_tar" "$sqlite_sha256"
  check "$1/$cunit_tar" "$cunit_sha256"
}

download_npm() { # DIR VERSION SHA256
  local tar=better-sqlite3-$2.tgz
  has_sha256 "$1/$tar" "$3" && return
  npm pack --silent --ignore-scripts --pack-destination "$1" "better-sqlite3@$2" || return
  check "$1/$tar" "$3"
}

download() { # DIR
  mkdir -p "$1"
  case "${ASYNCVFS_SQLITE:-}" in
    npm) download_npm "$1" "$npm_version" "$npm_sha256" || die "npm pack better-sqlite3@$npm_version failed" ;;
    debian) rm -f "$1/$npm_tar" ;;
    '')
      if ! command -v npm >/dev/null; then
        echo "no npm here: SQLite will be Debian's"
      elif ! download_npm "$1" "$npm_version" "$npm_sha256"; then
        echo "npm cannot get better-sqlite3@$npm_version: SQLite will be Debian's"
      fi ;;
    *) die "ASYNCVFS_SQLITE is '$ASYNCVFS_SQLITE'; it can be npm or debian" ;;
  esac
  download_debian "$1"
}

unpack() { # DIR
  local from="$1/download" new="$1/new" old="$1/new/sqlite-3.40.1"
  rm -rf "$new"
  mkdir -p "$old" "$new/cunit/include/CUnit" "$new/sqlite"

  check "$from/$cunit_tar" "$cunit_sha256"
  tar -xf "$from/$cunit_tar" -C "$new/cunit" --strip-components=1
  cp "$new"/cunit/CUnit/Headers/*.h "$new/cunit/include/CUnit/"

  check "$from/$sqlite_tar" "$sqlite_sha256"
  tar -xf "$from/$sqlite_tar" -C "$old" --strip-components=1
  (cd "$old" && ./configure --disable-tcl --disable-shared && make sqlite3.c shell.c)

  if [ -f "$from/$npm_tar" ]; then
    check "$from/$npm_tar" "$npm_sha256"
    tar -xf "$from/$npm_tar" -C "$new/sqlite" --strip-components=3 package/deps/sqlite3
  else
    cp "$old"/sqlite3.c "$old"/sqlite3.h "$old"/sqlite3ext.h "$new/sqlite/"
  fi

  # All or nothing: what is in place is whole.
  rm -rf "$1/sqlite" "$1/sqlite-3.40.1" "$1/cunit"
  mv "$new"/* "$1/"
  rmdir "$new"
}

stock() { # DIR
  local from="$1/download" new="$1/stock.new"
  rm -rf "$new"
  mkdir -p "$from" "$new/$npm_sqlite" "$new/3.40.1" "$new/$old_npm_sqlite"
  download_npm "$from" "$npm_version" "$npm_sha256" ||
    die "npm pack better-sqlite3@$npm_version failed"
  download_npm "$from" "$old_npm_version" "$old_npm_sha256" ||
    die "npm pack better-sqlite3@$old_npm_version failed"
  tar -xf "$from/$npm_tar" -C "$new/$npm_sqlite" --strip-components=3 package/deps/sqlite3
  tar -xf "$from/$old_npm_tar" -O package/deps/sqlite3.tar.gz | tar -xz -C "$new/$old_npm_sqlite"
  cp "$1"/sqlite-3.40.1/sqlite3.[ch] "$new/3.40.1/"
  rm -rf "$1/stock"
  mv "$new" "$1/stock"
}

[ $# = 2 ] || die "use: fetch.sh download|unpack|stock DIR"
mkdir -p "$2"
dir=$(cd "$2" && pwd)
case "$1" in
  download) download "$dir/download" ;;
  unpack) unpack "$dir" ;;
  stock) stock "$dir" ;;
  *) die "use: fetch.sh download|unpack|stock DIR" ;;
esac
