# shellcheck shell=bash
# build.sh, for ./dev: compiling, by CMake's preset mingw.
#
#   compile TARGET...   all without one
#   ./dev build, clean

configure() {
  local stamp=$cmake_dir/.configured
  [ -f "$stamp" ] && [ -f "$cmake_dir/build.ninja" ] && [ ! CMakePresets.json -nt "$stamp" ] &&
    [ ! "$third_party/.complete" -nt "$stamp" ] && return
  run_step configure "configuring" cmake --preset mingw && touch "$stamp"
}

compile() { # TARGET...
  configure || return
  run_step build "compiling ${*:-everything}" ninja -C "$cmake_dir" "$@"
}

cmd_build() {
  lock_build
  setup "${build_packages[@]}"
  compile
  unlock_build
  say "built: build/bin/asyncvfs.dll"
}

# Downloads are kept: they are pinned, so they cannot be stale.
cmd_clean() {
  lock_build
  find "$BUILD_DIR" -mindepth 1 -maxdepth 1 ! -name third_party ! -name .lock -exec rm -rf {} +
  say "build/ is clean (third-party sources kept: rm -r build for all)"
}
