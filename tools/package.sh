# shellcheck shell=bash
# package.sh, for ./dev: what a release consists of: ./dev msi.

# ./dev msi: the installer, and the sums of what a release consists of.
cmd_msi() {
  lock_build
  setup "${build_packages[@]}" "${package_packages[@]}"
  compile asyncvfs asyncvfs_recover
  run_step msi "making the installer" packaging/release.sh "$BUILD_DIR"
  unlock_build
  say "made: build/AsyncVfs-$(cat VERSION)-x64.msi, build/SHA256SUMS"
}
