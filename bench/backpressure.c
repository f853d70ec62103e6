/* backpressure.c: what a commit costs while the queue is at its limit.
 *
 * One connection changes a random row of 12,000 bytes (four pages) per commit, in a database
 * much larger than max_queue_bytes (64 MiB, the default) and all of it in SQLite's page
 * cache, so that nothing is read: more than the disk takes at 2 ms a flush. Once a writer has
 * waited for room, the samples begin. A commit's time includes that wait, which comes at the
 * start of its transaction, and whatever the application does when it is told BUSY: here it
 * tries again.
 *
 *   without busy_timeout   the engine is waited for, for full_timeout_ms
 *   with                   SQLite's busy handler is called meanwhile
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "contestant.h"
#include "figures.h"
#include "samples.h"

#define ROWS         30000u
#define ROW_BYTES    12000u
#define MOST_SAMPLES 2000000u
#define WARM_UP_S    30 /* by then the limit is reached, or never will be */

typedef struct turn {
  summary sum;
  double stalls, busy, flushes;
} turn;

static const struct variant {
  const char *name;
  int busy_timeout_ms;
} variants[] = {{"without busy_timeout", 0}, {"busy_timeout 10 s", 10000}};

#define VARIANTS (sizeof variants / sizeof variants[0])

static uint64_t random_state = 88172645463325252u;

/* Returns how often it was told BUSY. */
static uint32_t change_row(sqlite3 *db, sqlite3_stmt *update) {
  static unsigned char body[ROW_BYTES];
  uint64_t r = random_next(&random_state);
  memcpy(body, &r, sizeof r);
  sqlite3_bind_blob(update, 1, body, sizeof body, SQLITE_STATIC);
  sqlite3_bind_int64(update, 2, (sqlite3_int64)(1 + r % ROWS));
  return run_statement(db, update);
}

static void make_database(const char *path) {
  const contestant *win32 = contestant_by_vfs("win32");
  char sql[250];
  sqlite3 *db;
  database_remove(win32, path);
  db = database_open(win32, path, 4096);
  run_sql(db, "PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY;"
              "CREATE TABLE item(id INTEGER PRIMARY KEY, body BLOB)");
  snprintf(sql, sizeof sql,
           "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u) "
           "INSERT INTO item SELECT i, zeroblob(%u) FROM n",
           ROWS, ROW_BYTES);
  run_sql(db, sql);
  check(db, sqlite3_close(db), SQLITE_OK, "close");
}

static turn run_turn(const struct variant *v, const options *o, const char *path, samples *s) {
  const contestant *c = contestant_by_vfs("asyncvfs");
  sqlite3 *db = database_open(c, path, 4096);
  sqlite3_stmt *update;
  engine_status before, after;
  double start = clock_seconds();
  uint32_t n = 0;
  char sql[100];
  turn t = {0};

  snprintf(sql, sizeof sql, "PRAGMA cache_size=%d", ROWS * (ROW_BYTES / 4096 + 3));
  run_sql(db, sql);
  query_int64(db, "SELECT count(*) FROM item WHERE substr(body, -1) = x'01'"); /* reads all */
  sqlite3_busy_timeout(db, v->busy_timeout_ms);
  update = prepare(db, "UPDATE item SET body = ?1 WHERE id = ?2");
  do {
    for (int i = 0; i < 100; i++) change_row(db, update);
    before = status_read(c, db);
  } while (before.stalls == 0 && clock_seconds() - start < WARM_UP_S);

  start = clock_seconds();
  samples_start(s);
  while (n < MOST_SAMPLES && clock_seconds() - start < o->slow_seconds) {
    t.busy += change_row(db, update);
    samples_mark(s);
    n++;
  }
  samples_stop(s);
  after = status_read(c, db);
  after = status_difference(&after, &before);
  t.stalls = after.stalls;
  t.flushes = after.flushes;
  t.sum = samples_summary(s);
  sqlite3_finalize(update);
  check(db, sqlite3_close(db), SQLITE_OK, "close");
  return t;
}

static void print_row(const struct variant *v, const turn *turns, uint32_t n) {
  double worst = 0, commits_per_s[MAX_ROUNDS], busy = 0, stalls = 0;
  char b[7][32];
  for (uint32_t i = 0; i < n; i++) {
    commits_per_s[i] = (double)turns[i].sum.count / turns[i].sum.seconds;
    busy += turns[i].busy;
    stalls += turns[i].stalls;
    if (turns[i].sum.max_ns > worst) worst = turns[i].sum.max_ns;
  }
  printf("%-21s %10s %9s %9s %9s %10s %10s %7s\n", v->name,
         grouped(median(commits_per_s, n), b[0], 32),
         micros(median_of(&turns->sum.p50_ns, sizeof *turns, n), b[1], 32),
         micros(median_of(&turns->sum.p99_ns, sizeof *turns, n), b[2], 32),
         micros(median_of(&turns->sum.p999_ns, sizeof *turns, n), b[3], 32),
         micros(worst, b[4], 32), grouped(stalls, b[5], 32), grouped(busy, b[6], 32));
  if (stalls == 0) printf("  the queue was never full: these are commits as ever\n");
}

int backpressure_mode(const options *o) {
  static turn turns[VARIANTS][MAX_ROUNDS];
  samples *s = samples_create(MOST_SAMPLES);
  char path[600];
  if (s == NULL) {
    fprintf(stderr, "bench: no memory for %u samples\n", MOST_SAMPLES);
    return 1;
  }
  snprintf(path, sizeof path, "%s\\bench-backpressure.db", o->folder);
  fprintf(stderr, "making a database of %u MiB\n", ROWS * ROW_BYTES >> 20);
  make_database(path);
  for (uint32_t round = 0; round < o->rounds; round++) {
    for (size_t i = 0; i < VARIANTS; i++) {
      turns[i][round] = run_turn(&variants[i], o, path, s);
      fprintf(stderr, "round %u/%u  %-21s %.0f waits for room\n", (unsigned)round + 1,
              (unsigned)o->rounds, variants[i].name, turns[i][round].stalls);
    }
  }
  database_remove(contestant_by_vfs("asyncvfs"), path);
  samples_free(s);
  printf("%-21s %10s %9s %9s %9s %10s %10s %7s\n", "memory commits,", "", "p50", "p99", "p99.9",
         "worst", "waits", "told");
  printf("%-21s %10s %9s %9s %9s %10s %10s %7s\n", "the queue at its limit", "commits/s", "us",
         "us", "us", "us", "for room", "BUSY");
  for (size_t i = 0; i < VARIANTS; i++) print_row(&variants[i], turns[i], o->rounds);
  printf("target: p99.9 of memory commits during backpressure is reported: above\n");
  return 0;
}
