#!/bin/bash
# Builds the simulation and runs a sample: SIM_IMAGES distinct crash images or
# SIM_SECONDS seconds, whichever comes first. Arguments go to sim: see programs/sim.c.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
"$here/build.sh"
if [ $# = 0 ]; then
  set -- --images "${SIM_IMAGES:-25000}" --seconds "${SIM_SECONDS:-60}" --seed "${SIM_SEED:-1}"
fi
exec "$here/../../build/sim/sim" "$@"
