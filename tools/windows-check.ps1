<#
.SYNOPSIS
What of docs/WINDOWS.md's checklist can be done unattended, on a real Windows, with a report
to paste into an issue.

.DESCRIPTION
Builds by presets, runs the suites, on each folder that is named (one a volume), the ends
without a close and the commits at a person's pace, and measures what Windows answers: whether a
write ends at once or pends, what a flush costs, how a wait is rounded. With -Msi it installs
and uninstalls. It needs Windows PowerShell 5.1 or newer, changes no setting, and writes under
the build tree, the folders named and the report alone. What fails does not stop it.

Full length: an hour or two, most of it -Commits times -GapMs for each folder. -Quick: minutes.

.EXAMPLE
powershell -ExecutionPolicy Bypass -File tools\windows-check.ps1 -Preset msvc,msvc-x86,clang-cl -Solution

.EXAMPLE
powershell -ExecutionPolicy Bypass -File tools\windows-check.ps1 -Bin build\msvc\bin -Folder C:\Temp,E:\ -Quick
#>
[CmdletBinding()]
param(
  [string[]]$Preset = @('msvc'),   # of CMakePresets.json, to be built and tested
  [switch]$Solution,               # build AsyncVfs.sln as well, x64 and x86
  [string]$Bin = '',               # what was built already: no build, no ctest
  [string[]]$Folder = @($env:TEMP),# where databases are made: one on each volume of interest
  [int]$Exits = 100,               # processes that end without closing, for each folder
  [int]$Commits = 10000,           # ... and commits
  [int]$GapMs = 50,                # ... with this pause behind each
  [string]$Msi = '',               # an installer: for one user, and as an administrator for all
  [switch]$Quick,
  [string]$Report = 'windows-check.md'
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$root = Split-Path -Parent $PSScriptRoot
$logs = Join-Path $root 'build\windows-check'
$null = New-Item -ItemType Directory -Force -Path $logs
# powershell -File passes "a,b" as one text.
$Preset = @($Preset | ForEach-Object { $_ -split ',' })
$Folder = @($Folder | ForEach-Object { $_ -split ',' })
if ($Quick) { $Exits = 15; $Commits = 200 }
if (-not $env:VCPKG_ROOT -and $env:VCPKG_INSTALLATION_ROOT) { $env:VCPKG_ROOT = $env:VCPKG_INSTALLATION_ROOT }

# ---- the report -------------------------------------------------------------------

$lines = New-Object System.Collections.Generic.List[string]
$failures = New-Object System.Collections.Generic.List[string]
function Add-Line([string]$Text) { $lines.Add($Text); Write-Host $Text }
function Add-Failure([string]$What) { $failures.Add($What); Add-Line "- **FAILED**: $What" }
function Add-Tail([string]$Log, [int]$Count) {
  if (-not (Test-Path $Log)) { return }
  Add-Line '```'
  Get-Content $Log -Tail $Count | ForEach-Object { Add-Line $_ }
  Add-Line '```'
}

function Write-Report { [IO.File]::WriteAllLines((Join-Path (Get-Location).ProviderPath $Report), $lines) }
trap { Add-Failure "this script: $($_.Exception.Message) $($_.InvocationInfo.PositionMessage)"; Write-Report; exit 2 }

# A fact that this machine may not be able to tell.
function Get-Fact([scriptblock]$Ask) {
  try { $answer = & $Ask; if ($null -eq $answer) { 'none' } else { "$answer" } }
  catch { "unknown ($($_.Exception.Message.Trim()))" }
}

# ---- running things ---------------------------------------------------------------

# Runs a program with its output in a log; ends it, with all that it started, after LimitS.
function Invoke-Program([string]$Name, [string]$Program, [string]$Arguments, [int]$LimitS) {
  $log = Join-Path $logs ($Name -replace '[^A-Za-z0-9_.-]', '_')
  $clock = [Diagnostics.Stopwatch]::StartNew()
  $code = -1
  try {
    $start = @{ FilePath = $Program; PassThru = $true; NoNewWindow = $true; WorkingDirectory = $root
                RedirectStandardOutput = "$log.log"; RedirectStandardError = "$log.err" }
    if ($Arguments) { $start.ArgumentList = $Arguments }
    $process = Start-Process @start
    $null = $process.Handle   # or ExitCode stays empty
    if ($process.WaitForExit($LimitS * 1000)) { $process.WaitForExit(); $code = $process.ExitCode }
    else {
      & taskkill.exe /T /F /PID $process.Id | Out-Null
      Add-Content "$log.log" "ended after $LimitS s"
    }
    if ((Test-Path "$log.err") -and (Get-Item "$log.err").Length -gt 0) { Get-Content "$log.err" | Add-Content "$log.log" }
  } catch { Set-Content "$log.log" "it cannot be started: $($_.Exception.Message)" }
  [pscustomobject]@{ Name = $Name; Code = $code; Seconds = [int]$clock.Elapsed.TotalSeconds; Log = "$log.log" }
}

# The same, as a step that passes by the exit status 0; its last line that matches Summary is shown.
function Test-Program([string]$Name, [string]$Program, [string]$Arguments, [int]$LimitS, [string]$Summary) {
  $run = Invoke-Program $Name $Program $Arguments $LimitS
  $said = ''
  if ($Summary -and (Test-Path $run.Log)) {
    $match = Select-String -Path $run.Log -Pattern $Summary | Select-Object -Last 1
    if ($match) { $said = ": $($match.Line.Trim())" }
  }
  if ($run.Code -eq 0) { Add-Line "- ok: $Name, $($run.Seconds) s$said" }
  else {
    Add-Failure "$Name, exit status $($run.Code), $($run.Seconds) s$said"
    Add-Tail $run.Log 40
  }
  $run.Code -eq 0
}

# ---- what Windows answers, and a program that saves at a person's pace ------------

Add-Type -Language CSharp -TypeDefinition @'
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;

public static class AvfsCheck {
  [DllImport("kernel32.dll", CharSet = CharSet.Unicode, SetLastError = true)]
  static extern IntPtr CreateFileW(string name, uint access, uint share, IntPtr security, uint disposition, uint flags, IntPtr template);
  [DllImport("kernel32.dll", SetLastError = true)]
  static extern IntPtr CreateIoCompletionPort(IntPtr file, IntPtr port, UIntPtr key, uint threads);
  [DllImport("kernel32.dll", SetLastError = true)]
  static extern bool SetFileCompletionNotificationModes(IntPtr file, byte flags);
  [DllImport("kernel32.dll", SetLastError = true)]
  static extern bool WriteFile(IntPtr file, IntPtr buffer, uint bytes, IntPtr written, IntPtr overlapped);
  [DllImport("kernel32.dll", SetLastError = true)]
  static extern bool GetQueuedCompletionStatus(IntPtr port, out uint bytes, out UIntPtr key, out IntPtr overlapped, uint ms);
  [DllImport("kernel32.dll", SetLastError = true)] static extern bool FlushFileBuffers(IntPtr file);
  [DllImport("kernel32.dll", SetLastError = true)] static extern bool CloseHandle(IntPtr handle);
  [DllImport("kernel32.dll", CharSet = CharSet.Unicode, SetLastError = true)] static extern IntPtr LoadLibraryW(string path);

  const int Page = 4096;
  static Exception Failed(string call) { return new Exception(call + ": error " + Marshal.GetLastWin32Error()); }
  static double Ms(long ticks) { return ticks * 1000.0 / Stopwatch.Frequency; }
  static string Spread(List<long> ticks) {
    ticks.Sort();
    return string.Format("p50 {0:0.000}, p99 {1:0.000}, max {2:0.000} ms", Ms(ticks[ticks.Count / 2]),
                         Ms(ticks[(ticks.Count * 99) / 100]), Ms(ticks[ticks.Count - 1]));
  }

  // Writes of a page each, as the library starts them: overlapped, bound to a port, and without a
  // packet for what ends at once. One at a time. True: at once.
  static bool WriteOne(IntPtr file, IntPtr port, IntPtr buffer, IntPtr overlapped, long offset) {
    for (int i = 0; i < 32; i++) Marshal.WriteByte(overlapped, i, 0);
    Marshal.WriteInt32(overlapped, 2 * IntPtr.Size, (int)offset);
    if (WriteFile(file, buffer, Page, IntPtr.Zero, overlapped)) return true;
    if (Marshal.GetLastWin32Error() != 997) throw Failed("WriteFile");
    uint bytes; UIntPtr key; IntPtr done;
    if (!GetQueuedCompletionStatus(port, out bytes, out key, out done, 60000)) throw Failed("a pended write");
    return false;
  }

  public static string[] Io(string path) {
    IntPtr file = CreateFileW(path, 0xC0000000, 3, IntPtr.Zero, 2, 0x44000000, IntPtr.Zero);   // overlapped, deleted on close
    if (file == new IntPtr(-1)) throw Failed("CreateFileW " + path);
    IntPtr port = CreateIoCompletionPort(file, IntPtr.Zero, UIntPtr.Zero, 0);
    IntPtr buffer = Marshal.AllocHGlobal(Page), overlapped = Marshal.AllocHGlobal(32);
    try {
      if (port == IntPtr.Zero) throw Failed("CreateIoCompletionPort");
      if (!SetFileCompletionNotificationModes(file, 1)) throw Failed("SetFileCompletionNotificationModes");
      int extending = 0, within = 0;
      for (int i = 0; i < 200; i++) if (WriteOne(file, port, buffer, overlapped, (long)i * Page)) extending++;
      for (int i = 0; i < 200; i++) if (WriteOne(file, port, buffer, overlapped, (long)((i * 7) % 200) * Page)) within++;
      List<long> flushes = new List<long>(), waits = new List<long>();
      for (int i = 0; i < 100; i++) {
        WriteOne(file, port, buffer, overlapped, (long)i * Page);
        long start = Stopwatch.GetTimestamp();
        if (!FlushFileBuffers(file)) throw Failed("FlushFileBuffers");
        flushes.Add(Stopwatch.GetTimestamp() - start);
      }
      for (int i = 0; i < 50; i++) {
        uint bytes; UIntPtr key; IntPtr done;
        long start = Stopwatch.GetTimestamp();
        GetQueuedCompletionStatus(port, out bytes, out key, out done, 10);
        waits.Add(Stopwatch.GetTimestamp() - start);
      }
      return new string[] {
        string.Format("cached writes behind the end: {0} at once, {1} pended; within the file: {2} at once, {3} pended",
                      extending, 200 - extending, within, 200 - within),
        "a flush behind a write of 4 KiB: " + Spread(flushes),
        "a wait of 10 ms for a completion: " + Spread(waits) };
    } finally {
      CloseHandle(file);
      if (port != IntPtr.Zero) CloseHandle(port);
      Marshal.FreeHGlobal(buffer);
      Marshal.FreeHGlobal(overlapped);
    }
  }

  const CallingConvention C = CallingConvention.Cdecl;
  [DllImport("sqlite3.dll", CallingConvention = C)] static extern int sqlite3_open_v2(byte[] name, out IntPtr db, int flags, byte[] vfs);
  [DllImport("sqlite3.dll", CallingConvention = C)] static extern int sqlite3_close(IntPtr db);
  [DllImport("sqlite3.dll", CallingConvention = C)] static extern int sqlite3_exec(IntPtr db, byte[] sql, IntPtr callback, IntPtr arg, IntPtr message);
  [DllImport("sqlite3.dll", CallingConvention = C)] static extern int sqlite3_prepare_v2(IntPtr db, byte[] sql, int bytes, out IntPtr statement, IntPtr tail);
  [DllImport("sqlite3.dll", CallingConvention = C)] static extern int sqlite3_step(IntPtr statement);
  [DllImport("sqlite3.dll", CallingConvention = C)] static extern IntPtr sqlite3_column_text(IntPtr statement, int column);
  [DllImport("sqlite3.dll", CallingConvention = C)] static extern int sqlite3_finalize(IntPtr statement);
  [DllImport("asyncvfs.dll", CallingConvention = C)] static extern int asyncvfs_register(IntPtr module, uint flags, byte[] message, int bytes);

  static byte[] Z(string text) { return Encoding.UTF8.GetBytes(text + "\0"); }
  static string Ask(IntPtr db, string sql) {
    IntPtr statement;
    int rc = sqlite3_prepare_v2(db, Z(sql), -1, out statement, IntPtr.Zero);
    if (rc != 0) return "error " + rc;
    rc = sqlite3_step(statement);
    string answer = rc == 100 ? Marshal.PtrToStringAnsi(sqlite3_column_text(statement, 0)) : "error " + rc;
    sqlite3_finalize(statement);
    return answer;
  }

  public static string[] Trickle(string bin, string path, int commits, int gapMs) {
    IntPtr sqlite = LoadLibraryW(bin + "\\sqlite3.dll");
    if (sqlite == IntPtr.Zero) throw Failed("LoadLibraryW sqlite3.dll");
    if (LoadLibraryW(bin + "\\asyncvfs.dll") == IntPtr.Zero) throw Failed("LoadLibraryW asyncvfs.dll");
    byte[] message = new byte[256];
    IntPtr db;
    if (asyncvfs_register(sqlite, 0, message, 256) != 0) throw new Exception(Encoding.UTF8.GetString(message).TrimEnd('\0'));
    if (sqlite3_open_v2(Z(path), out db, 6, Z("asyncvfs")) != 0) throw new Exception("sqlite3_open_v2 " + path);
    int rc = sqlite3_exec(db, Z("CREATE TABLE IF NOT EXISTS t(a)"), IntPtr.Zero, IntPtr.Zero, IntPtr.Zero);
    if (rc != 0) throw new Exception("CREATE TABLE: error " + rc);
    SortedDictionary<int, int> errors = new SortedDictionary<int, int>();
    List<long> ticks = new List<long>();
    for (int i = 0; i < commits; i++) {
      long start = Stopwatch.GetTimestamp();
      rc = sqlite3_exec(db, Z("INSERT INTO t VALUES(randomblob(200))"), IntPtr.Zero, IntPtr.Zero, IntPtr.Zero);
      ticks.Add(Stopwatch.GetTimestamp() - start);
      if (rc != 0) errors[rc] = (errors.ContainsKey(rc) ? errors[rc] : 0) + 1;
      Thread.Sleep(gapMs);
    }
    string status = Ask(db, "PRAGMA asyncvfs_status");
    rc = sqlite3_close(db);
    int failed = 0;
    StringBuilder told = new StringBuilder();
    foreach (KeyValuePair<int, int> e in errors) { failed += e.Value; told.AppendFormat(" {0} times error {1};", e.Value, e.Key); }
    if (sqlite3_open_v2(Z(path), out db, 2, Z("win32")) != 0) throw new Exception("stock SQLite cannot open " + path);
    string integrity = Ask(db, "PRAGMA integrity_check"), rows = Ask(db, "SELECT count(*) FROM t");
    sqlite3_close(db);
    bool good = failed == 0 && rc == 0 && integrity == "ok" && rows == commits.ToString();
    return new string[] { good ? "ok" : "FAILED",
      string.Format("{0} commits, {1} ms apart: {2};{3} close: {4}; stock SQLite: integrity_check {5}, {6} rows",
                    commits, gapMs, Spread(ticks), told, rc, integrity, rows), status };
  }
}
'@

# ---- the machine ------------------------------------------------------------------

$version = Get-ItemProperty 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
$admin = ([Security.Principal.WindowsPrincipal][Security.Principal.WindowsIdentity]::GetCurrent()).IsInRole(
  [Security.Principal.WindowsBuiltInRole]::Administrator)
Add-Line '# AsyncVfs on Windows'
Add-Line ''
Add-Line "- AsyncVfs: $(Get-Fact { Get-Content (Join-Path $root 'VERSION') -TotalCount 1 }), $(Get-Fact { git -C $root describe --always --dirty })"
Add-Line "- Windows: $(Get-Fact { (Get-CimInstance Win32_OperatingSystem).Caption }), build $(Get-Fact { "$($version.CurrentBuild).$($version.UBR)" }), $env:PROCESSOR_ARCHITECTURE; as an administrator: $admin"
Add-Line "- processor: $(Get-Fact { @(Get-CimInstance Win32_Processor)[0].Name }), $env:NUMBER_OF_PROCESSORS threads; memory: $(Get-Fact { [int]((Get-CimInstance Win32_ComputerSystem).TotalPhysicalMemory / 1MB) }) MiB"
Add-Line "- PowerShell $($PSVersionTable.PSVersion), $([IntPtr]::Size * 8) bits; $(Get-Fact { @(cmake --version)[0] })"
Add-Line "- antivirus: $(Get-Fact { @(Get-CimInstance -Namespace root/SecurityCenter2 -ClassName AntiVirusProduct | ForEach-Object { $_.displayName }) -join ', ' }); Defender's real-time protection: $(Get-Fact { (Get-MpComputerStatus).RealTimeProtectionEnabled })"
Add-Line "- Windows Search: $(Get-Fact { (Get-Service WSearch).Status }); OneDrive runs: $(Get-Fact { @(Get-Process OneDrive -ErrorAction SilentlyContinue).Count -gt 0 })"
if ($admin) { Add-Line "- filter drivers: $(Get-Fact { @(fltmc.exe filters | Select-Object -Skip 3 | ForEach-Object { ($_ -split '\s+')[0] }) -join ' ' })" }

# ---- builds -----------------------------------------------------------------------

$bins = New-Object System.Collections.Generic.List[string]
if ($Bin) { $bins.Add((Resolve-Path $Bin).Path) }
else {
  Add-Line ''
  Add-Line '## Builds and suites'
  Add-Line ''
  foreach ($name in $Preset) {
    if (-not (Test-Program "configure $name" 'cmake.exe' "--preset $name" 3600 '')) { continue }
    if (-not (Test-Program "build $name" 'cmake.exe' "--build --preset $name" 3600 '')) { continue }
    if ($name -eq 'msvc-arm64' -and $env:PROCESSOR_ARCHITECTURE -ne 'ARM64') { continue }
    if ($name -ne 'msvc-arm64') { $null = Test-Program "ctest $name" 'ctest.exe' "--preset $name" 7200 'tests passed' }
    $bins.Add((Join-Path $root "build\$name\bin"))
  }
  if ($Solution) {
    $vswhere = "${env:ProgramFiles(x86)}\Microsoft Visual Studio\Installer\vswhere.exe"
    $msbuild = Get-Fact { & $vswhere -latest -requires Microsoft.Component.MSBuild -find 'MSBuild\**\Bin\MSBuild.exe' | Select-Object -First 1 }
    foreach ($platform in 'x64', 'x86') {
      $null = Test-Program "AsyncVfs.sln $platform" $msbuild "AsyncVfs.sln -m -nodeReuse:false -p:Configuration=Release -p:Platform=$platform" 3600 'Warning\(s\)'
    }
  }
}

# ---- each folder ------------------------------------------------------------------

# Of a process, 64 or 32 bits: one DLL has to fit into this one.
function Get-Bits([string]$File) {
  $bytes = [IO.File]::ReadAllBytes($File)
  $machine = [BitConverter]::ToUInt16($bytes, [BitConverter]::ToInt32($bytes, 0x3c) + 4)
  if ($machine -eq 0x14c) { 32 } else { 64 }
}

$number = 0
foreach ($base in $Folder) {
  $number++
  $place = Join-Path $base "asyncvfs-check-$PID-$number"
  Add-Line ''
  Add-Line "## $base"
  Add-Line ''
  try { $null = New-Item -ItemType Directory -Path $place } catch { Add-Failure "cannot write to ${base}: $($_.Exception.Message)"; continue }
  $place = (Resolve-Path $place).ProviderPath
  $drive = [IO.Path]::GetPathRoot($place)
  Add-Line "- volume: $(Get-Fact { $d = New-Object IO.DriveInfo $drive; "$($d.DriveFormat), $($d.DriveType), $([int]($d.AvailableFreeSpace / 1MB)) MiB free" })"
  if ($drive.Length -eq 3) {
    Add-Line "- disk: $(Get-Fact { $d = Get-Partition -DriveLetter $drive[0] | Get-Disk; "$($d.FriendlyName), $($d.BusType)" }); Dev Drive: $(Get-Fact { (fsutil.exe devdrv query $drive.TrimEnd('\') | Where-Object { $_ }) -join ' ' })"
  }
  try { [AvfsCheck]::Io((Join-Path $place 'io.bin')) | ForEach-Object { Add-Line "- $_" } }
  catch { Add-Failure "reading and writing: $($_.Exception.GetBaseException().Message)" }

  $env:TEST_SCRATCH = "$place\"
  $managed = (Get-Fact { (New-Object IO.DriveInfo $drive).DriveFormat }) -eq 'NTFS'
  if (-not $managed) { Add-Line '- skipped: the suites; what is not on a local NTFS is passed through, as the status below has to say' }
  foreach ($bin in $bins) {
    if (-not $managed) { continue }
    $tests = Join-Path $bin 'tests.exe'
    $label = Split-Path -Leaf (Split-Path -Parent $bin)
    if (-not (Test-Path $tests)) { Add-Failure "no $tests"; continue }
    foreach ($suite in 'io', 'loading', 'kill', 'durability', 'two_processes', 'hot_journal') {
      $null = Test-Program "$label, $suite ($number)" $tests $suite 1800 '^\d+ passed'
      $counts = Select-String -Path (Join-Path $logs '*_io__*.log') -Pattern 'ended at once' | Select-Object -Last 1
      if ($suite -eq 'io' -and $counts) { Add-Line "  - $($counts.Line.Trim())" }
    }
    # Fifteen ends in each run: by return, by ExitProcess, in a transaction.
    $ends = 'durability/program_that_ends_without_closing_loses_nothing'
    $rounds = [int][Math]::Ceiling($Exits / 15)
    $bad = 0
    for ($i = 1; $i -le $rounds; $i++) {
      $run = Invoke-Program "$label, ends ($number) $i" $tests $ends 600
      if ($run.Code -ne 0) { $bad++; Add-Failure "$label, ends without closing, round $i"; Add-Tail $run.Log 30 }
    }
    if ($bad -eq 0) { Add-Line "- ok: $label, $(15 * $rounds) processes that ended without closing" }

    if (-not $Quick) { $null = Test-Program "$label, large_2gib ($number)" $tests 'large_2gib' 3600 '^\d+ passed' }
    $bench = Join-Path $bin 'bench.exe'
    if (Test-Path $bench) {
      $modes = if ($Quick) { @('flush') } else { @('flush', 'latency', 'disk') }
      foreach ($mode in $modes) {
        $run = Invoke-Program "$label, bench $mode ($number)" $bench "--mode $mode --dir `"$($place.TrimEnd('\'))`"" 1800
        if ($run.Code -ne 0) { Add-Failure "$label, bench $mode" }
        Add-Tail $run.Log 40
      }
    }
  }

  $fitting = $bins | Where-Object { (Test-Path "$_\asyncvfs.dll") -and (Get-Bits "$_\asyncvfs.dll") -eq [IntPtr]::Size * 8 } | Select-Object -First 1
  if (-not $fitting) { Add-Line '- skipped: commits at a person''s pace; no asyncvfs.dll here is for this PowerShell' }
  else {
    try {
      $said = [AvfsCheck]::Trickle($fitting, (Join-Path $place 'trickle.db'), $Commits, $GapMs)
      if (-not $managed -and $said[2] -notmatch '"mode":"passed') { Add-Failure "a database on $base is not passed through" }
      if ($said[0] -eq 'ok') { Add-Line "- ok: $($said[1])" } else { Add-Failure $said[1] }
      Add-Line "- its status: ``$($said[2])``"
    } catch { Add-Failure "commits at a person's pace: $($_.Exception.GetBaseException().Message)" }
  }
  Remove-Item -Recurse -Force $place -ErrorAction SilentlyContinue
  if (Test-Path $place) { Add-Failure "$place cannot be removed: somebody has a file of it open" }
}
Remove-Item Env:TEST_SCRATCH -ErrorAction SilentlyContinue

# ---- the installer ----------------------------------------------------------------

if ($Msi) {
  Add-Line ''
  Add-Line '## Installer'
  Add-Line ''
  $file = (Resolve-Path $Msi).Path
  $scopes = @(@{ Name = 'one user'; Arguments = 'MSIINSTALLPERUSER=1'; Key = 'HKCU:\Software\AsyncVfs' })
  if ($admin) { $scopes += @{ Name = 'all users'; Arguments = ''; Key = 'HKLM:\Software\AsyncVfs' } }
  else { Add-Line '- skipped: for all users, which needs an administrator' }
  foreach ($scope in $scopes) {
    $before = [Environment]::GetEnvironmentVariable('Path', 'User') + '|' + [Environment]::GetEnvironmentVariable('Path', 'Machine')
    if (-not (Test-Program "install, $($scope.Name)" 'msiexec.exe' "/i `"$file`" /qn ADDTOPATH=1 $($scope.Arguments) /l*v `"$logs\install.txt`"" 600 '')) { continue }
    $dll = Get-Fact { (Get-ItemProperty $scope.Key).Dll }
    if (Test-Path $dll) { Add-Line "- ok: the registry names $dll" } else { Add-Failure "$($scope.Key) names no DLL: $dll" }
    $null = Test-Program "uninstall, $($scope.Name)" 'msiexec.exe' "/x `"$file`" /qn /l*v `"$logs\uninstall.txt`"" 600 ''
    if (Test-Path $scope.Key) { Add-Failure "$($scope.Key) is left" }
    if (Test-Path $dll) { Add-Failure "$dll is left" }
    $after = [Environment]::GetEnvironmentVariable('Path', 'User') + '|' + [Environment]::GetEnvironmentVariable('Path', 'Machine')
    if ($before -ne $after) { Add-Failure "PATH was $before and is $after" }
  }
}

# ---- the end ----------------------------------------------------------------------

Add-Line ''
if ($failures.Count -eq 0) { Add-Line 'Nothing failed.' }
else { Add-Line "Failed, $($failures.Count):"; $failures | ForEach-Object { Add-Line "- $_" } }
Write-Report
Write-Host "The report is $Report, the whole logs are in $logs. By hand: the rest of docs/WINDOWS.md's checklist."
if ($failures.Count -gt 0) { exit 1 }
