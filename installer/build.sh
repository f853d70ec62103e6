#!/bin/bash
# build.sh BUILD_TREE VERSION OUT.msi: the installer, from what cmake installs.
#
# BUILD_TREE is CMake's (build/mingw). The same input gives the same product code,
# so a version can be installed once; and a package code of its own per content.
# MSI_EXTRA_DOC=FILE adds a document (a test's). Signed, if ASYNCVFS_SIGN_CERT is set.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
[ $# = 3 ] || { echo "use: build.sh BUILD_TREE VERSION OUT.msi" >&2; exit 2; }
tree=$1 version=$2 out=$3
work=$out.work
stage=$work/stage
rm -rf "$work" "$out"
mkdir -p "$work"

cmake --install "$tree" --prefix "$stage" >"$work/install.log"
# The folder is ours: no second asyncvfs in it.
mv "$stage/share/doc/asyncvfs" "$work/doc"
rmdir "$stage/share/doc"
mv "$work/doc" "$stage/share/doc"
[ -z "${MSI_EXTRA_DOC:-}" ] || cp "$MSI_EXTRA_DOC" "$stage/share/doc/"
# In the short form, which MSVC's linker takes as well as MinGW's: programs linked by
# /OPT:REF with the form that ld writes do not start.
llvm-dlltool -m i386:x86-64 -D asyncvfs.dll -d "$root/src/asyncvfs.def" -l "$stage/lib/asyncvfs.lib"
[ -z "${ASYNCVFS_SIGN_CERT:-}" ] || "$root/packaging/sign.sh" "$stage"/bin/*

from_cache() { sed -n "s/^CMAKE_PROJECT_$1:STATIC=//p" "$tree/CMakeCache.txt"; }

guid() { # a GUID (RFC 4122, by name) of standard input
  local h
  h=$(sha1sum)
  printf '{%s-%s-5%s-8%s-%s}' "${h:0:8}" "${h:8:4}" "${h:13:3}" "${h:17:3}" "${h:20:12}" | tr a-f A-F
}
product_code=$(guid <<<"AsyncVfs $version x64")
package_code=$({ echo "$version"; cd "$stage"; find . -type f | sort | xargs -d '\n' sha256sum
                 sha256sum <"$here/asyncvfs.wxs"; sha256sum <"$here/build.sh"; sha256sum <"$here/validation.txt"; } | guid)

# wixl takes the files' times into the cabinet, where time begins in 1980: what is older
# would come out in the future.
find "$stage" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-$(date -u -d 1980-01-02 +%s)}" {} +

(cd "$stage/share" && find ./doc -type f | sort) |
  wixl-heat --prefix ./ --directory-ref SHAREDIR --component-group Docs --var var.Share --win64 >"$work/docs.wxs"
number=0 # wixl-heat names folders at random
for id in $(grep -oE 'dir[0-9A-F]{32}' "$work/docs.wxs"); do
  number=$((number + 1))
  sed -i "s/$id/DOCDIR_$number/" "$work/docs.wxs"
done
# wixl looks for files in the folders of its input.
cp "$here/asyncvfs.ico" "$work/"
wixl --arch x64 -D Wixl=1 -D Win64=yes -D Stage=stage -D Share=stage/share \
  -D Icon=asyncvfs.ico -D "Version=$version" -D "ProductCode=$product_code" \
  -D "Description=$(from_cache DESCRIPTION)" -D "HomePage=$(from_cache HOMEPAGE_URL)" \
  --output "$work/new.msi" "$here/asyncvfs.wxs" "$work/docs.wxs"

# What wixl leaves out.
sql=(
  # ifndef Wixl
  "CREATE TABLE \`Condition\` (\`Feature_\` CHAR(38) NOT NULL, \`Level\` INT NOT NULL, \`Condition\` CHAR(255) PRIMARY KEY \`Feature_\`, \`Level\`)"
  "INSERT INTO \`Condition\` (\`Feature_\`, \`Level\`, \`Condition\`) VALUES ('PathEntry', 1, 'ADDTOPATH = 1 OR (ALLUSERS AND PATHFORALL) OR (NOT ALLUSERS AND PATHFORUSER)')"
  "CREATE TABLE \`Environment\` (\`Environment\` CHAR(72) NOT NULL, \`Name\` CHAR(255) NOT NULL LOCALIZABLE, \`Value\` CHAR(255) LOCALIZABLE, \`Component_\` CHAR(72) NOT NULL PRIMARY KEY \`Environment\`)"
  "UPDATE \`Component\` SET \`Condition\` = 'ALLUSERS' WHERE \`Component\` = 'PathForAll'"
  "UPDATE \`Component\` SET \`Condition\` = 'NOT ALLUSERS' WHERE \`Component\` = 'PathForUser'"
  # = set, - remove at uninstall, * the machine's; [~] is what PATH has already
  "INSERT INTO \`Environment\` (\`Environment\`, \`Name\`, \`Value\`, \`Component_\`) VALUES ('PathForAll', '=-*PATH', '[~];[BINDIR]', 'PathForAll')"
  "INSERT INTO \`Environment\` (\`Environment\`, \`Name\`, \`Value\`, \`Component_\`) VALUES ('PathForUser', '=-PATH', '[~];[BINDIR]', 'PathForUser')"
  "INSERT INTO \`InstallExecuteSequence\` (\`Action\`, \`Sequence\`) VALUES ('RemoveEnvironmentStrings', 3300)"
  "INSERT INTO \`InstallExecuteSequence\` (\`Action\`, \`Sequence\`) VALUES ('WriteEnvironmentStrings', 5200)"
  # HKMU is -1; wixl writes 4
  "UPDATE \`Registry\` SET \`Root\` = -1 WHERE \`Root\` = 4"
  # MajorUpgrade/@Schedule, Property/@Secure
  "UPDATE \`InstallExecuteSequence\` SET \`Sequence\` = 1501 WHERE \`Action\` = 'RemoveExistingProducts'"
  "UPDATE \`Property\` SET \`Value\` = 'ADDTOPATH;FOLDERFORALL;FOLDERFORUSER;INSTALLDIR;MSIINSTALLPERUSER;PATHFORALL;PATHFORUSER;WIX_DOWNGRADE_DETECTED;WIX_UPGRADE_DETECTED' WHERE \`Property\` = 'SecureCustomProperties'"
  # Property setters run no code; whose rights they have means nothing.
  "UPDATE \`CustomAction\` SET \`Type\` = 51"
  # RemoveFolder/@Directory
  "UPDATE \`RemoveFile\` SET \`DirProperty\` = 'INSTALLDIR' WHERE \`FileKey\` = 'INSTALLDIR'"
  "UPDATE \`RemoveFile\` SET \`DirProperty\` = 'SHAREDIR' WHERE \`FileKey\` = 'SHAREDIR'"
  # The DLL's version, so that Windows compares versions and not times. Then no hash.
  "UPDATE \`File\` SET \`Version\` = '$version.0' WHERE \`File\` = 'asyncvfs.dll'"
  "UPDATE \`File\` SET \`Language\` = '1033' WHERE \`File\` = 'asyncvfs.dll'"
  "DELETE FROM \`MsiFileHash\` WHERE \`File_\` = 'asyncvfs.dll'"
)
# Names that are not 8.3 need a short one before them.
while read -r id name sequence; do
  [[ ! "$name" =~ ^[A-Za-z0-9_]{1,8}(\.[A-Za-z0-9_]{1,3})?$ ]] || continue
  extension=${name##*.}
  [ "$extension" != "$name" ] || extension=
  sql+=("UPDATE \`File\` SET \`FileName\` = 'FILE$sequence${extension:+.${extension:0:3}}|$name' WHERE \`File\` = '$id'")
done < <(msiinfo export "$work/new.msi" File | tr -d '\r' | awk -F'\t' 'NR > 3 { print $1, $3, $8 }')
sql+=("UPDATE \`Directory\` SET \`DefaultDir\` = 'PKGCONF|pkgconfig' WHERE \`Directory\` = 'PKGCONFIGDIR'")

# Tables that nothing is in: each would need its rows in _Validation.
for table in Binary CreateFolder Error ServiceControl ServiceInstall Shortcut; do sql+=("DROP TABLE \`$table\`"); done

# Newer wixl makes some of these tables, and not all of those.
has_table() { msiinfo tables "$work/new.msi" | grep -x "$1" >/dev/null; }
for query in "${sql[@]}"; do
  case $query in
    CREATE*) ! has_table "$(cut -d'`' -f2 <<<"$query")" || continue ;;
    DROP*) has_table "$(cut -d'`' -f2 <<<"$query")" || continue ;;
  esac
  msibuild "$work/new.msi" -q "$query"
done
{ printf 'Table\tColumn\tNullable\tMinValue\tMaxValue\tKeyTable\tKeyColumn\tCategory\tSet\tDescription\r\n'
  printf 's32\ts32\ts4\tI4\tI4\tS255\tI2\tS32\tS255\tS255\r\n_Validation\tTable\tColumn\r\n'
  awk -v OFS='\t' '!/^#/ { for (i = 1; i <= NF; i++) if ($i == "-") $i = ""; $10 = "\r"; print }' "$here/validation.txt"; } >"$work/_Validation.idt"
msibuild "$work/new.msi" -i "$work/_Validation.idt"
msibuild "$work/new.msi" -s AsyncVfs AsyncVfs 'x64;1033' "$package_code"

[ -z "${ASYNCVFS_SIGN_CERT:-}" ] || "$root/packaging/sign.sh" "$work/new.msi"
mv "$work/new.msi" "$out"
rm -rf "$work"
echo "made $out"
