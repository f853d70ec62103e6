#!/bin/bash
# ./dev proof and ./dev soak: the simulation at length, with each stock SQLite that is
# there as a judge.
#   usage: proof.sh          SIM_IMAGES distinct crash images, in SIM_SECONDS at most
#          proof.sh soak     for ever, or until something fails; SIM_SEED: the first
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$here/../../build/sim
export SIM_STOCK=1
"$here/build.sh"
judges=()
for so in "$out"/stock-*.so; do
  if [ -f "$so" ]; then judges+=(--stock "$so"); fi
done
if [ "${1:-}" = soak ]; then
  seed=${SIM_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
  echo "seeds from $seed on; Ctrl-C ends it"
  exec "$out/sim" "${judges[@]}" --for-ever --seed "$seed"
fi
sim() { # NAME ARGS...: shows what it tells, its summary marked; fails as it does
  local log=$out/$1.log
  shift
  "$out/sim" "${judges[@]}" "$@" | tee "$log" | sed -u 's/^summary: /proof: /'
}

# Each allocation, each call of the disk and each of the parent VFS fails, once and
# lastingly.
for seed in ${SIM_SWEEPS-1 2 5}; do
  for calls in memory io parent; do
    for how in '' --lasting; do
      # shellcheck disable=SC2086
      sim sweep --sweep $calls $how --seed "$seed" | sed 's/^proof: .*//; s/^sweep: /proof: /; /^$/d'
    done
  done
done

images=${SIM_IMAGES:-600000}
sim proof --images "$images" --seconds "${SIM_SECONDS:-840}" --seed "${SIM_SEED:-1}"
# What the time did not suffice for is not proved.
got=$(sed -n 's/^summary: \([0-9]*\) distinct.*/\1/p' "$out/proof.log")
if [ "${got:-0}" -lt "$images" ]; then
  echo "proof: only ${got:-0} distinct crash images in ${SIM_SECONDS:-840} s: $images are to be had"
  exit 1
fi
