# shellcheck shell=bash
# wine.sh, for ./dev: the Wine prefix of this tree, and its server.
#
#   wine_start   there is a prefix, with a server; exports WINE, WINESERVER, WINEPREFIX
#   wine_end     the last ./dev that uses it ends the server; at our exit

export WINEPREFIX=$BUILD_DIR/wineprefix WINEARCH=win64 WINEDEBUG=${WINEDEBUG:--all}
export WINEDLLOVERRIDES="mscoree=;mshtml=;winemenubuilder.exe="

wine_server=
find_wine() {
  local path
  for path in /usr/lib/wine/wine64 wine64 wine; do
    if WINE=$(command -v "$path"); then break; fi
  done
  [ -n "${WINE:-}" ] || die "no wine64: apt-get install wine64"
  for path in /usr/lib/wine/wineserver64 wineserver; do
    if wine_server=$(command -v "$path"); then break; fi
  done
  [ -n "$wine_server" ] || die "no wineserver: apt-get install wine64"
  export WINE WINESERVER=$wine_server
}

# Makes the prefix, unless there is one; under fd 8, which nobody who uses one has locked.
wine_prefix() {
  exec 8>"$BUILD_DIR/.wine.lock"
  [ ! -e "$WINEPREFIX/.complete" ] || return 0
  flock 8
  [ ! -e "$WINEPREFIX/.complete" ] || return 0
  rm -rf "$WINEPREFIX"
  "$WINE" wineboot -i 8>&- || return
  "$wine_server" -w 8>&-
  touch "$WINEPREFIX/.complete"
}

# From here on the prefix has a server, which stays between programs: to start
# one costs 50 ms instead of a second.
wine_start() {
  find_wine
  if [ ! -e "$WINEPREFIX/.complete" ]; then
    run_step wine "making a Wine prefix" wine_prefix || die "Wine does not start; see build/log/wine.log"
  fi
  exec 8>"$BUILD_DIR/.wine.lock"
  flock -s 8
  "$wine_server" -p </dev/null >/dev/null 2>&1 8>&- 9>&- || true
  # Wine's services start with the first program and keep its output open.
  "$WINE" cmd /c exit </dev/null >/dev/null 2>&1 8>&- 9>&- || die "Wine cannot run a program; see: $WINE cmd /c exit"
}

wine_end() {
  [ -n "$wine_server" ] || return 0
  flock -n -x 8 && "$wine_server" -k 8>&- 9>&- 2>/dev/null || true
  exec 8>&-
  wine_server=
}
