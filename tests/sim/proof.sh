#!/bin/bash
# The simulation's part of ./dev proof.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
SIM_IMAGES=${SIM_IMAGES:-200000} SIM_SECONDS=${SIM_SECONDS:-300} "$here/run_sim.sh" |
  sed -u 's/^ *[0-9]* s:.*failures$/proof: &/' | tail -n 1
