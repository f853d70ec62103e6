#!/bin/bash
# Some of the planted bugs, others each day: ./dev mutants has them all.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rc=0
MUTANT_SECONDS=60 "$here/run.sh" --sample "${MUTANT_SAMPLE:-8}" | tee "$here/../../build/log/proof_mutants.out" || rc=$?
sed -n 's/^[0-9]* of [0-9]* mutants caught$/proof: &, of today/p' "$here/../../build/log/proof_mutants.out"
exit $rc
