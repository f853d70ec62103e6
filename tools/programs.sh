# shellcheck shell=bash
# programs.sh, for ./dev: what was built, run under Wine: ./dev demo, bench, dotnet-demo, run.

cmd_demo() {
  lock_build
  setup "${build_packages[@]}"
  setup_behind "${wine_packages[@]}"
  compile asyncvfs sqlite3 demo
  join_setup
  unlock_build
  wine_start
  say "the demo"
  in_foreground examples/demo.sh "$@"
}

# ./dev bench [MODE...]: bench/run.sh
cmd_bench() {
  lock_build
  setup "${build_packages[@]}"
  setup_behind "${wine_packages[@]}"
  compile asyncvfs sqlite3 bench
  join_setup
  unlock_build
  wine_start
  say "the benchmark"
  in_foreground bench/run.sh "$@"
}

# ./dev dotnet-demo: dotnet/samples/demo.sh
cmd_dotnet-demo() {
  lock_build
  setup "${build_packages[@]}" "${wine_packages[@]}"
  compile asyncvfs sqlite3
  # shellcheck source=dotnet/sdk.sh
  . dotnet/sdk.sh
  dotnet_sdk || die "the sample cannot be built"
  run_step notes "building the sample (first time: NuGet packages)" \
    net publish samples/Notes -c Release -v quiet -o "$BUILD_DIR/dotnet/notes"
  unlock_build
  wine_start
  in_foreground dotnet/samples/demo.sh
}

# ./dev run PROGRAM ARGS...: a program of build/bin, under Wine.
cmd_run() {
  [ $# -gt 0 ] || die "run what? For example: ./dev run sqlite3.exe app.db"
  lock_build
  setup "${build_packages[@]}" "${wine_packages[@]}"
  unlock_build
  local program=$1 rc=0
  shift
  [ -f "$program" ] || program=$BIN_DIR/$program
  [ -f "$program" ] || die "no $program: ./dev build first"
  wine_start
  trap : INT
  "$WINE" "$program" "$@" 8>&- 9>&- || rc=$?
  return $rc
}
