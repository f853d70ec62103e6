# shellcheck shell=bash
# setup.sh, for ./dev: the distribution's packages and the third-party sources, each as a command
# needs it, once.
#
#   setup PACKAGE...          before what follows
#   setup_behind PACKAGE...   and a Wine prefix, meanwhile; then join_setup

build_packages=(gcc-mingw-w64-x86-64-posix cmake ninja-build gcc libc6-dev make tcl xz-utils)
# Without the preloader the kernel puts the heap of one new process in 8,000 on the page
# that Windows has its shared data in (0x7ffe0000), and Wine cannot start it.
wine_packages=(wine64 wine64-preloader)
lint_packages=(clang clang-tidy)
fuzz_packages=(clang libclang-rt-dev)
package_packages=(pkgconf wixl msitools llvm osslsigncode openssl)
# The DLL for other processors: x86, ARM64; what proves it, beside that.
dll_packages=(gcc-mingw-w64-i686-posix clang lld llvm)
architecture_packages=("${dll_packages[@]}" libc6-i386 curl ca-certificates unzip)

missing_packages() { # PACKAGE...: those that are not installed
  local package
  for package; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] ||
      echo "$package"
  done
}

apt_get() { # runs in a child, whose output is the log
  ${sudo:-} env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 \
    -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@"
}

apt_knows() { # PACKAGE...: apt has a version of each
  local package
  for package; do
    grep -q '^  Candidate: [^(]' <<<"$(apt-cache policy "$package")" || return 1
  done
}

apt_install() { # PACKAGE...
  if apt_knows "$@" && apt_get install --no-install-recommends "$@"; then return; fi
  # No lists yet, or lists older than the archive. Another apt may hold them.
  local try
  for try in 1 2 3 4 5; do
    apt_get update && break
    [ $try != 5 ] || return 1
    sleep 5
  done
  apt_get install --no-install-recommends "$@"
}

become_root() { # MISSING: for apt_get
  sudo=
  [ "$(id -u)" != 0 ] || return 0
  command -v sudo >/dev/null ||
    die "packages are missing and there is no sudo. As root: apt-get install $1"
  say "sudo is needed to install: $1"
  sudo -v || die "sudo was refused. As root: apt-get install $1"
  sudo=sudo
}

# setup PACKAGE...: these packages, and the third-party sources. The sources
# download while the packages install.
setup() {
  local missing fetch_pid='' pins have_pins='' have_choice=''
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
    die "this needs Debian or Ubuntu (apt-get). Elsewhere: install MinGW-w64, CMake, Ninja and Wine, and use cmake --preset mingw"

  pins=$(cksum <cmake/fetch.sh | tr ' ' -)
  if [ -f "$third_party/.complete" ]; then
    read -r have_pins have_choice <"$third_party/.complete" || true
  fi
  if [ "$have_pins" != "$pins" ] || [ "${ASYNCVFS_SQLITE:-$have_choice}" != "$have_choice" ]; then
    mkdir -p "$third_party"
    cmake/fetch.sh download "$third_party" >"$log_dir/download.log" 2>&1 </dev/null 8>&- 9>&- &
    fetch_pid=$!
  fi

  missing=$(missing_packages "$@" | tr '\n' ' ')
  if [ -n "$missing" ]; then
    become_root "$missing"
    # shellcheck disable=SC2086
    run_step apt "installing packages: $missing" apt_install $missing ||
      die "could not install $missing; is the network up? See build/log/apt.log"
  fi

  if [ -n "$fetch_pid" ]; then
    run_step fetch "fetching the sources of SQLite and CUnit" fetch_sources "$fetch_pid" ||
      die "the sources of SQLite and CUnit could not be had; see build/log/download.log and fetch.log"
    wait "$fetch_pid" || true
    echo "$pins ${ASYNCVFS_SQLITE:-auto}" >"$third_party/.complete"
  fi
}

fetch_sources() { # PID of the download
  tail --pid="$1" -f /dev/null
  cat "$log_dir/download.log"
  # Again, in case it failed: at once if all is there. It may have run into
  # apt's lists being changed by the installation.
  cmake/fetch.sh download "$third_party" && cmake/fetch.sh unpack "$third_party"
}

# setup_behind PACKAGE...: what only running needs, these packages and a Wine prefix, in the
# background while the foreground compiles. join_setup waits for it.
behind_pid=
setup_behind() {
  local missing
  missing=$(missing_packages "$@" | tr '\n' ' ')
  [ -n "$missing" ] || [ ! -e "$WINEPREFIX/.complete" ] || return 0
  [ -z "$missing" ] || become_root "$missing"
  say "in the background: ${missing:+installing packages: $missing, }making a Wine prefix"
  # shellcheck disable=SC2086
  { [ -z "$missing" ] || apt_install $missing || exit
    find_wine
    wine_prefix; } >"$log_dir/behind.log" 2>&1 </dev/null 9>&- &
  behind_pid=$!
}

join_setup() {
  local pid=$behind_pid
  [ -n "$pid" ] || return 0
  run_step joined "the packages and the Wine prefix" tail --pid="$pid" -n +1 -f "$log_dir/behind.log"
  behind_pid=
  wait "$pid" || { tail -n 5 "$log_dir/behind.log" >&2; die "packages or Wine could not be set up; see build/log/behind.log"; }
}
