#!/bin/bash
# winget.sh FILE.msi DIR: winget's manifest of an installer, from what its tables say, into
# DIR; for `winget validate --manifest DIR`, and winget's repository.
set -euo pipefail
[ $# = 2 ] || { echo "use: winget.sh FILE.msi DIR" >&2; exit 2; }
msi=$1 dir=$2 package=AsyncVfs.AsyncVfs schema=1.6.0

property() {
  local value
  value=$(msiinfo export "$msi" Property | tr -d '\r' | sed -n "s/^$1\t//p")
  [ -n "$value" ] || { echo "$msi has no property $1" >&2; return 1; }
  printf '%s' "$value"
}
version=$(property ProductVersion)
name=$(property ProductName)
publisher=$(property Manufacturer)
home=$(property ARPHELPLINK)
about=$(property ARPCOMMENTS)
product_code=$(property ProductCode)
upgrade_code=$(property UpgradeCode)
sha256=$(sha256sum <"$msi" | cut -d' ' -f1 | tr a-f A-F)

rm -rf "$dir"
mkdir -p "$dir"
manifest() { # KIND: from standard input
  { echo "# yaml-language-server: \$schema=https://aka.ms/winget-manifest.$1.$schema.schema.json"
    echo "PackageIdentifier: $package"
    echo "PackageVersion: $version"
    cat
    echo "ManifestType: $1"
    echo "ManifestVersion: $schema"; } >"$dir/$2"
}
manifest version $package.yaml <<YAML
DefaultLocale: en-US
YAML
# winget knows both scopes, and asks for one by what follows "Custom".
manifest installer $package.installer.yaml <<YAML
Platform:
- Windows.Desktop
MinimumOSVersion: 6.2.0.0
InstallerType: wix
InstallModes:
- interactive
- silent
- silentWithProgress
UpgradeBehavior: install
ProductCode: '$product_code'
AppsAndFeaturesEntries:
- DisplayName: $name
  Publisher: $publisher
  DisplayVersion: $version
  ProductCode: '$product_code'
  UpgradeCode: '$upgrade_code'
Installers:
- Architecture: x64
  Scope: machine
  InstallerUrl: ${home}releases/v$version/${msi##*/}
  InstallerSha256: $sha256
- Architecture: x64
  Scope: user
  InstallerUrl: ${home}releases/v$version/${msi##*/}
  InstallerSha256: $sha256
  InstallerSwitches:
    Custom: MSIINSTALLPERUSER=1
YAML
manifest defaultLocale $package.locale.en-US.yaml <<YAML
PackageLocale: en-US
Publisher: $publisher
PublisherUrl: $home
PublisherSupportUrl: $home
PackageName: $name
PackageUrl: $home
License: MIT-0
ShortDescription: $about
Moniker: asyncvfs
Tags:
- database
- sqlite
- vfs
YAML
