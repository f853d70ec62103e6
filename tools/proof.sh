# shellcheck shell=bash
# proof.sh, for ./dev: the checks that take long: ./dev proof, soak, mutants, coverage.

# Beside the sources, three versions of SQLite that judge crash images.
setup_proof() {
  local pins
  setup "${build_packages[@]}" "${wine_packages[@]}" "${fuzz_packages[@]}" "${architecture_packages[@]}"
  pins=$(cksum <cmake/fetch.sh | tr ' ' -)
  if [ "$pins" != "$(cat "$third_party/stock/.complete" 2>/dev/null)" ]; then
    run_step stock "fetching three versions of SQLite" cmake/fetch.sh stock "$third_party" ||
      die "the versions of SQLite that judge could not be had; see build/log/stock.log"
    echo "$pins" >"$third_party/stock/.complete"
  fi
}

# proof_step NAME TITLE COMMAND...: a test that is a command, whose figures are lines
# that begin with "proof: ".
proof_step() {
  test_step "$@"
  { grep '^proof: ' "$log_dir/$1.log" || true; } | while read -r _ line; do say "  $line"; done
}

# ./dev proof: the simulation, then whatever else proves something at length:
# tests/*/proof_*.sh, in the order of their names.
cmd_proof() {
  local script
  fix_seed
  lock_build
  setup_proof
  if ! compile; then
    echo "0 passed, 1 failed"
    return 1
  fi
  unlock_build
  wine_start
  proof_step proof_of_sim "simulation: every power cut" tests/sim/proof.sh
  for script in $(printf '%s\n' tests/*/proof_*.sh | sort -t/ -k3); do
    [ -x "$script" ] || continue
    proof_step "$(basename "$script" .sh)" "$script" "$script"
  done
  tell_result "the proof is done"
}

# ./dev soak: SIM_SEED=N chooses the first seed.
cmd_soak() {
  lock_build
  setup_proof
  unlock_build
  in_foreground tests/sim/proof.sh soak
}

# ./dev mutants [NAME...]: tests/mutants/run.sh
cmd_mutants() {
  lock_build
  setup "${build_packages[@]}" "${wine_packages[@]}"
  unlock_build
  wine_start
  say "planted bugs, each of which a check must catch"
  in_foreground tests/mutants/run.sh "$@"
}

# ./dev coverage: tests/coverage/run.sh
cmd_coverage() {
  lock_build
  setup "${build_packages[@]}" "${wine_packages[@]}"
  compile asyncvfs sqlite3
  unlock_build
  wine_start
  say "native runs and suites, counting lines and branches"
  in_foreground tests/coverage/run.sh
}
