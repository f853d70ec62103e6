#!/bin/bash
# The installer, in a Wine prefix of its own: what is in its tables, and what
# installing, upgrading, repairing and uninstalling leave on the machine.
#
# Wine 8 does not see MSIINSTALLPERUSER: the scope is set by ALLUSERS="" as well, and
# at uninstalling again. It leaves the separator when it takes an entry out of PATH.
# Windows does neither; nothing else is left out of the comparisons.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${BUILD_DIR:?call this by ./dev test}" "${BIN_DIR:?}" "${WINE:?}" "${WINESERVER:?}"
work=$BUILD_DIR/package/msi
version=$(cat "$root/VERSION")
rm -rf "$work"
mkdir -p "$work"
cd "$work"

failures=0
same() { # WHAT EXPECTED ACTUAL
  [ "$2" != "$3" ] || { echo "ok: $1"; return; }
  failures=$((failures + 1))
  echo "FAILED: $1"
  diff -U99 <(printf '%s\n' "$2") <(printf '%s\n' "$3") | tail -n +4 || true
}

# -- the packages: ours, one that it replaces, one that it does not
build() { "$root/installer/build.sh" "$BUILD_DIR/mingw" "$@" >"build.log" 2>&1 || { cat build.log; exit 1; }; }
echo "a document that the next version does not have" >OBSOLETE.md
MSI_EXTRA_DOC=$work/OBSOLETE.md build 0.0.1 old.msi
build 99.0.0 newer.msi
build "$version" ours.msi

# -- tables. Those of files vary with the documents and the build: names alone
tables() {
  local table
  for table in $(msiinfo tables ours.msi | sort); do
    case $table in _* | MsiFileHash) continue ;; esac
    echo "== $table"
    msiinfo export ours.msi "$table" | tr -d '\r' | tail -n +4 | sort
  done | sed -e "s/${version//./\\.}/VERSION/g" -e 's/^ProductCode.*/ProductCode/' -e '/^cmp[0-9A-F]/d' -e '/\tcmp[0-9A-F]/d' \
    -e 's/^reg[0-9A-F]\{32\}/reg/' -e 's/\treg[0-9A-F]\{32\}$/\treg/' |
    awk -F'\t' -v OFS='\t' '/^==/ { t = $2 = "" ; t = $0 } t ~ /File/ && NF > 6 { $4 = "bytes"; $8 = "n" } t ~ /Media/ && NF > 3 { $2 = "n" } 1' |
    sed 's/\t*$//'
}
same "the tables are those of tests/package/msi_tables.txt" "$(cat "$here/msi_tables.txt")" "$(tables | tee tables.txt)"
# What _Validation says of each column holds for each row, and it says it of every column (ICE03).
invalid() {
  local table
  msiinfo export ours.msi _Validation | tr -d '\r' | tail -n +4 >validation.idt
  for table in $(msiinfo tables ours.msi | grep -vE '^_(ForceCodepage|SummaryInformation)$'); do
    msiinfo export ours.msi "$table" | tr -d '\r' | awk -F'\t' -v table="$table" '
      FILENAME != "-" { column = $1 "." $2; known[column]; null[column] = $3; min[column] = $4; max[column] = $5; set[column] = $9; next }
      FNR == 1 { for (i = 1; i <= NF; i++) { name[i] = table "." $i; if (!(name[i] in known)) print name[i] " is not in _Validation" } }
      FNR > 3 { for (i in name) {
        if ($i == "" && null[name[i]] != "Y") print name[i] " is empty in the row of " $1
        if ($i != "" && min[name[i]] != "" && ($i + 0 < min[name[i]] + 0 || $i + 0 > max[name[i]] + 0)) print name[i] ": " $i " is out of range"
        if ($i != "" && set[name[i]] != "" && index(";" set[name[i]] ";", ";" $i ";") == 0) print name[i] ": " $i " is not in the set" } }' validation.idt -
  done
}
same "what _Validation says holds" "" "$(invalid)"
same "for 64 bits, compressed, of Windows Installer 5" $'Template: x64;1033\nVersion: 500 (1f4)\nSource: 2 (2)' \
  "$(msiinfo suminfo ours.msi | grep -E '^(Template|Version|Source):')"
build "$version" again.msi
both() { msiinfo export "$1" File; msiinfo export "$1" Component; msiinfo suminfo "$1" | grep UUID; msiinfo extract "$1" asyncvfs.cab | sha256sum; }
same "made again, it has the same files and codes" "$(both ours.msi)" "$(both again.msi)"

# -- a machine
export WINEPREFIX=$work/prefix
trap '"$WINESERVER" -k || true' EXIT
echo "making a Wine prefix" # as Windows 10: 7, Wine's default, is refused
{ "$WINE" wineboot -i && "$WINE" winecfg -v win10 && "$WINESERVER" -w; } >prefix.log 2>&1 || { cat prefix.log; exit 1; }
cp "$BIN_DIR/sqlite3.dll" .
x86_64-w64-mingw32-gcc-posix -Wall -Wextra -Werror -o installed.exe "$here/installed.c" \
  -I"$BUILD_DIR/third_party/sqlite" "$BUILD_DIR/lib/libsqlite3.dll.a"

# Runs its arguments as a line of a batch file: Wine's own quoting spoils ALLUSERS="".
windows() {
  printf '@%s\r\n@exit %%ERRORLEVEL%%\r\n' "$*" >line.bat
  "$WINE" cmd /c line.bat </dev/null 2>&1 | tr -d '\r'
  return "${PIPESTATUS[0]}"
}
installer() { # WHAT ARGS...: msiexec, silently, has to succeed
  local what=$1 rc=0
  shift
  windows msiexec "$@" /qn "/l*v" msi.log || rc=$?
  same "$what: msiexec" 0 $rc
  [ $rc = 0 ] || { tr -d '\0\r' <msi.log | grep -aE 'Return value [^1]|rror' | tail -n 5 || true; }
}
files() { (cd prefix/drive_c && find . "$@" | LC_ALL=C sort); }
reg_values() { # KEY: its values, sorted
  "$WINE" reg query "$1" </dev/null 2>/dev/null | tr -d '\r' | sed -nE 's/^    ([^ ]+) +REG_[A-Z_]+ +/\1=/p' | sort
}
path_of() { "$WINE" reg query "$1" /v PATH </dev/null 2>/dev/null | tr -d '\r' | sed -nE 's/^    PATH +REG_[A-Z_]+ +//p' | sed 's/;*$//'; }
machine_path() { path_of 'HKLM\System\CurrentControlSet\Control\Session Manager\Environment'; }
user_path() { path_of 'HKCU\Environment'; }
products() { "$WINE" reg query 'HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall' /s </dev/null | tr -d '\r' | sed -nE 's/^    Display(Name|Version) +REG_SZ +/\1: /p'; }

# All that a machine has: names of files, and the registry with its values. Without times,
# temporary files, the list of devices, which Wine makes anew at each start, and empty
# folders of Windows' own.
snapshot() {
  local hive
  "$WINESERVER" -k || true
  "$WINESERVER" -w
  files ! -path './users/*/Temp/*' ! -path './windows/temp/*' ! -path ./windows/Installer \
    ! -path './users/*/AppData/Local/Programs' ! -path './users/*/AppData/Roaming/Microsoft/Installer'
  for hive in system user; do
    sed -E -e '/^#time=/d' -e 's/^(\[.*\]) [0-9]+$/\1/' -e '/^"PATH"=/s/;*"$/"/' prefix/$hive.reg | awk '
      /^\[/ { key = $0; next } /^$/ || key ~ /Control\\\\(Class|Video)|\\\\Enum\\\\/ { next } { print key " " $0 }' | LC_ALL=C sort
  done
}
clean() { # WHAT: as before the first installation
  snapshot >after.txt
  same "$1: no file, key or PATH entry is left" "" "$(diff before.txt after.txt | grep '^[<>]' || true)"
}
says() { # WHAT FOLDER VERSION NOTES
  same "$1: a program finds the DLL by its registry key, and commits" "loaded: $2bin\\asyncvfs.dll
version: $3
mode: managed
ok: ok
notes: $4" "$("$WINE" installed.exe installed.db </dev/null | tr -d '\r')"
}
keys() { printf 'Dll=%s\nInstallDir=%s\nVersion=%s' "$1bin\\asyncvfs.dll" "$1" "$2"; }
all='C:\Program Files\AsyncVfs\'

snapshot >before.txt
same "nothing is installed" "not installed" "$("$WINE" installed.exe x.db </dev/null | tr -d '\r')"

# -- for all users
path=$(machine_path)
installer install /i ours.msi
cmake --install "$BUILD_DIR/mingw" --prefix "$work/installed" >/dev/null
same "install: the files are those that cmake installs" \
  "$(cd installed && find . -type f | sed 's|share/doc/asyncvfs|share/doc|' | LC_ALL=C sort)" \
  "$(cd "prefix/drive_c/Program Files/AsyncVfs" && find . -type f | LC_ALL=C sort)"
same "install: the DLL is ours" "$(sha256sum <"$BIN_DIR/asyncvfs.dll")" "$(sha256sum <"prefix/drive_c/Program Files/AsyncVfs/bin/asyncvfs.dll")"
same "install: asyncvfs-recover is there, and starts" "asyncvfs-recover $version" \
  "$("$WINE" "prefix/drive_c/Program Files/AsyncVfs/bin/asyncvfs-recover.exe" --version </dev/null | tr -d '\r')"
same "install: no file is of the future" "" "$(find "prefix/drive_c/Program Files/AsyncVfs" -newermt tomorrow)"
"$here/consumer/build.sh" "$work/prefix/drive_c/Program Files/AsyncVfs" "$work/consumer" asyncvfs "$version" >consumer.log 2>&1 ||
  { cat consumer.log; exit 1; }
cp "$BIN_DIR/sqlite3.dll" "prefix/drive_c/Program Files/AsyncVfs/bin/asyncvfs.dll" consumer/
same "install: a program is built with its CMake package and its import library" "version: $version integrity_check: ok" \
  "$(cd consumer && "$WINE" consumer.exe consumer.db </dev/null | tr -d '\r' | sed -n '1p;$p' | paste -sd ' ')"
same "install: the registry" "$(keys "$all" "$version")" "$(reg_values 'HKLM\Software\AsyncVfs')"
same "install: nothing for the user alone" "" "$(reg_values 'HKCU\Software\AsyncVfs')"
same "install: PATH is as it was" "$path" "$(machine_path)"
same "install: in Settings, Apps" "Name: AsyncVfs
Version: $version" "$(products)"
says install "$all" "$version" 1

# -- repair
dir="prefix/drive_c/Program Files/AsyncVfs"
rm "$dir/bin/asyncvfs.dll" "$dir/include/asyncvfs.h"
"$WINE" reg delete 'HKLM\Software\AsyncVfs' /v Dll /f </dev/null >/dev/null 2>&1
installer repair /i ours.msi REINSTALL=ALL REINSTALLMODE=omus # Wine has no /f
same "repair: the registry" "$(keys "$all" "$version")" "$(reg_values 'HKLM\Software\AsyncVfs')"
same "repair: the header" "$(sha256sum <"$root/include/asyncvfs.h")" "$(sha256sum <"$dir/include/asyncvfs.h")"
says repair "$all" "$version" 2

installer uninstall /x ours.msi
clean uninstall

# -- an older one with its PATH entry is replaced; ours is not, by an older one
installer "older version" /i old.msi ADDTOPATH=1
same "older version: PATH" "$path;${all}bin\\" "$(machine_path)"
same "older version: its document" yes "$([ -f "$dir/share/doc/OBSOLETE.md" ] && echo yes)"
installer upgrade /i ours.msi
same "upgrade: one product" "Name: AsyncVfs
Version: $version" "$(products)"
same "upgrade: the old document is gone" "" "$(find "$dir" -name 'OBSOLETE*')"
same "upgrade: the PATH entry is kept, once" "$path;${all}bin\\" "$(machine_path | sed 's/;;/;/')"
says upgrade "$all" "$version" 3
rc=0
windows msiexec /i old.msi /qn || rc=$?
same "downgrade: refused" "$((1603 & 255))" $rc
same "downgrade: nothing has changed" "Name: AsyncVfs
Version: $version" "$(products)"
says downgrade "$all" "$version" 4

# -- a program that has the DLL open while it is upgraded goes on with it
mkfifo input output
"$WINE" installed.exe open.db wait <input >output 2>&1 &
open_pid=$!
exec 7>input 6<output
says_line() { # PATTERN: reads on to such a line. Not to the end: a service may keep it open
  while IFS= read -r line <&6; do
    line=${line%$'\r'}
    # shellcheck disable=SC2053
    [[ $line != $1 ]] || return 0
  done
  line="ended without a line like $1"
}
says_line 'mode: *'
same "upgrade in use: the program has the DLL open" "mode: managed" "$line"
rc=0
windows msiexec /i newer.msi /qn || rc=$?
same "upgrade in use: done, at most with the wish for a restart" yes "$([ $rc = 0 ] || [ $rc = $((3010 & 255)) ] && echo yes || echo "status $rc")"
echo go >&7
says_line 'notes: *'
exec 7>&- 6<&-
rc=0; wait $open_pid || rc=$?
same "upgrade in use: the program ends well" "0 notes: 2" "$rc $line"
same "upgrade in use: one product" $'Name: AsyncVfs\nVersion: 99.0.0' "$(products)"
"$WINESERVER" -k || true
"$WINESERVER" -w
# The restart that it may wish for, where Windows puts the new file in place.
"$WINE" wineboot >restart.log 2>&1
installer "uninstall of the newer" /x newer.msi
clean "uninstall of the newer"

# -- for one user, in a folder of their choice
user='C:\users\'$(id -un)'\AppData\Local\Programs\AsyncVfs\'
installer "one user" /i ours.msi ADDTOPATH=1 MSIINSTALLPERUSER=1 'ALLUSERS=""'
same "one user: the registry" "$(keys "$user" "$version" | sed "s|^Version|PathEntry=${user//\\/\\\\}bin\\\\\n&|")" "$(reg_values 'HKCU\Software\AsyncVfs')"
same "one user: nothing for all" "" "$(reg_values 'HKLM\Software\AsyncVfs')"
same "one user: their PATH, not the machine's" "${user}bin\\ $path" "$(user_path) $(machine_path)"
says "one user" "$user" "$version" 5
installer "one user, uninstall" /x ours.msi MSIINSTALLPERUSER=1 'ALLUSERS=""'
clean "one user, uninstall"
installer "own folder" /i ours.msi 'INSTALLDIR="C:\own folder"' ADDLOCAL=Library
same "own folder: the DLL and the program, without what is for development" \
  "./bin ./bin/asyncvfs-recover.exe ./bin/asyncvfs.dll" \
  "$(cd 'prefix/drive_c/own folder' && find . ! -name . ! -path './share*' | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//')"
says "own folder" 'C:\own folder\' "$version" 6
installer "own folder, uninstall" /x ours.msi
clean "own folder, uninstall"

[ $failures = 0 ] || { echo "$failures of these failed"; exit 1; }
"$WINESERVER" -k || true
rm -rf prefix # hundreds of megabytes
