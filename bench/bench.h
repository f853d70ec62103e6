/* bench.h: what the modes share. A mode is a function that runs its turns, prints its
 * table and returns the program's exit status; bench.c has the first ones, and main().
 *
 * A table that answers a target of the project ends in a line "target: ...", with the
 * target, what was measured, and "met" or "missed". It is for the reader: a benchmark
 * on a busy machine proves nothing either way, so no exit status depends on it.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdint.h>

#define MAX_ROUNDS 25

#define SQLITES_OWN UINT32_MAX

typedef struct options {
  const char *mode;
  const char *only; /* part of a name, or NULL */
  const char *json_path;
  const char *folder;
  uint32_t commits;
  uint32_t rounds;
  uint32_t pages;      /* reads: the longest queue */
  int mark;            /* strace_commits.sh wants to see where the commits are */
  double slow_seconds; /* for each turn of those who wait for the disk */
  uint32_t retry_ms;   /* disk: of the busy handler; SQLITES_OWN: sqlite3_busy_timeout's */
  uint32_t mib;        /* oversized: of the transaction */
  double seconds;      /* memory: of the stream */
  uint32_t databases;  /* databases: as many are open */
} options;

int disk_mode(const options *);
int oversized_mode(const options *);
int memory_mode(const options *);
int backpressure_mode(const options *);
int databases_mode(const options *);

/* xorshift64; *state is not 0 */
static inline uint64_t random_next(uint64_t *state) {
  uint64_t x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

#endif
