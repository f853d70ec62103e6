# sdk.sh, to be sourced: the .NET SDK that dotnet/global.json asks for.
#
#   dotnet_sdk          0: there is one, and `dotnet` is it; else says where to get it
#   net COMMAND ...     dotnet, without servers that outlive it
dotnet_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
export MSBUILDDISABLENODEREUSE=1

dotnet_sdk() {
  local at
  for at in "${DOTNET_ROOT:-}" /usr/share/dotnet /usr/lib/dotnet "$HOME/.dotnet"; do
    if [ -x "$at/dotnet" ] && ! command -v dotnet >/dev/null; then PATH=$PATH:$at; fi
  done
  if (cd "$dotnet_dir" && dotnet --version) >/dev/null 2>&1; then return; fi
  echo "skipped: no .NET SDK 10; neither Debian nor NuGet has one. Get it from https://dot.net/download (DOTNET_ROOT, or dotnet in PATH, is found)"
  return 1
}

net() { (cd "$dotnet_dir" && dotnet "$1" --disable-build-servers "${@:2}"); }

# .NET under Wine: it needs Wine's mscoree, and Wine 8 cannot map a page twice.
export DOTNET_EnableWriteXorExecute=0
wine_for_dotnet="mshtml=;winemenubuilder.exe="
