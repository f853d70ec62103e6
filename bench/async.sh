#!/bin/bash
# async.sh: SQLite's retired module for asynchronous I/O beside asyncvfs: async.c, compiled with
# each, a process a turn, in turns. run.sh calls it, in the folder where the databases are to be.
#   FLUSH_US       other flush costs than 0, 2 and 10 ms
#   ASYNC_ROUNDS   3; a figure is the median of the rounds
#   ASYNC_SECONDS  10: so long commits are made at most, to come to 100,000
set -euo pipefail
: "${BIN_DIR:?call this by ./dev bench async}" "${WINE:?}"
slow_flush=$BIN_DIR/slow_flush.so
rounds=${ASYNC_ROUNDS:-3}
[ -f "$BIN_DIR/bench_async_original.exe" ] || { echo "async: SQLite's source has no ext/async here" >&2; exit 1; }
rm -f async-*.txt

turn() { # FLUSH_US PROGRAM MEASURE ARG...: its lines, behind flush cost, program and measure
  LD_PRELOAD=$slow_flush SLOW_FLUSH_US=$1 "$WINE" "$BIN_DIR/$2.exe" "${@:3}" </dev/null | tr -d '\r' |
    sed "s/^/$1 $2 $3$([ "$3" != reads ] || echo "$4") /"
}
both() { # FLUSH_US MEASURE ARG...
  turn "$1" bench_async_original "${@:2}"
  turn "$1" bench_async "${@:2}"
}

for us in ${FLUSH_US:-0 2000 10000}; do
  for ((i = 1; i <= rounds; i++)); do
    echo "flush $((us / 1000)) ms, round $i" >&2
    both "$us" commits 100000 "${ASYNC_SECONDS:-10}"
    both "$us" drain 300
  done
done >async-commits.txt
for n in 0 10000 100000; do
  for ((i = 1; i <= rounds; i++)); do
    echo "reads, $n pages queued, round $i" >&2
    both 1000000 reads $n   # should anybody write: it takes long
  done
done >async-reads.txt
rm -f bench-async.db bench-async.db-journal   # of those that end without closing

cat async-commits.txt async-reads.txt | awk '
  function median(key,   i, j, n, v, t) {
    n = count[key]
    for (i = 1; i <= n; i++) v[i] = value[key, i]
    for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
    return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
  }
  function row(title, us, measure, name, unit, more_is_better,   a, b, ahead) {
    if (!((us " bench_async " measure " " name) in count)) return
    a = median(us " bench_async_original " measure " " name)
    b = median(us " bench_async " measure " " name)
    ahead = more_is_better ? b / a : a / b
    if (ahead <= 1) behind++
    printf "%-34s %14.1f %14.1f %-10s %10.1f\n", title, a, b, unit, ahead
  }
  function plain(title, us, name, unit) {
    printf "%-34s %14.1f %14.1f %s\n", title, median(us " bench_async_original commits " name),
      median(us " bench_async commits " name), unit
  }
  { key = $1 " " $2 " " $3 " " $4; value[key, ++count[key]] = $5; if (!($1 in seen)) { seen[$1] = 1; costs[++n_costs] = $1 } }
  END {
    printf "%-34s %14s %14s %-10s %10s\n", "", "the module", "asyncvfs", "", "times"
    for (c = 1; c <= n_costs; c++) {
      us = costs[c]
      if (us >= 1000000) continue
      printf "-- %g ms a flush\n", us / 1000
      row("commit, p50", us, "commits", "p50_us", "us")
      row("commit, p99.9", us, "commits", "p999_us", "us")
      row("commits/s until 100,000 or 10 s", us, "commits", "commits_per_s", "", 1)
      plain("commits made", us, "commits", "")
      plain("memory grown by then", us, "grown_mib", "MiB")
      row("memory grown for each of them", us, "commits", "kib_a_commit", "KiB")
      row("commits/s until the queue is empty", us, "drain", "drained_per_s", "", 1)
    }
    print "-- a page of 512 bytes, read"
    split("0 10000 100000", depth, " ")
    for (d = 1; d <= 3; d++) {
      row("not queued, with " depth[d] " queued", 1000000, "reads" depth[d], "cold_ns", "ns")
      row("queued, with " depth[d] " queued", 1000000, "reads" depth[d], "hot_ns", "ns")
    }
    printf "target: asyncvfs is ahead on every row: %s\n", behind ? "missed on " behind : "met"
  }'
