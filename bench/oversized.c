/* oversized.c: one transaction much larger than max_queue_bytes, beside win32 in the same
 * journal_mode. Such a transaction is written through: the engine writes segments of it
 * to the file, under a journal, before its COMMIT.
 *
 *   insert   rows for --mib MiB into an empty table
 *   update   as many rows, all of them changed
 *
 * Each turn has a database of its own, made by win32 and not timed. The two take turns, and
 * so does who begins. A turn's time is from BEGIN until the transaction is durable: for
 * asyncvfs that is a flush after COMMIT, for win32 the COMMIT.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "contestant.h"
#include "figures.h"
#include "samples.h"

#define QUEUE_BYTES (1024 * 1024) /* the least that max_queue_bytes takes */
#define ROW_BYTES   1000
#define MIB         (1024 * 1024)

typedef struct turn {
  double seconds;
  engine_status engine;
} turn;

static void with_body(sqlite3 *db, const char *sql, int fill) {
  static unsigned char body[ROW_BYTES];
  sqlite3_stmt *stmt = prepare(db, sql);
  for (size_t i = 0; i < sizeof body; i++) body[i] = (unsigned char)(fill + (int)i);
  sqlite3_bind_blob(stmt, 1, body, sizeof body, SQLITE_STATIC);
  check(db, sqlite3_step(stmt), SQLITE_DONE, sql);
  sqlite3_finalize(stmt);
}

static void insert_rows(sqlite3 *db, uint32_t rows, int fill) {
  char sql[200];
  snprintf(sql, sizeof sql,
           "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u) "
           "INSERT INTO item SELECT i, ?1 FROM n",
           (unsigned)rows);
  with_body(db, sql, fill);
}

static void make_database(const contestant *win32, const char *path, uint32_t rows) {
  sqlite3 *db;
  database_remove(win32, path);
  db = database_open(win32, path, 4096);
  run_sql(db, "PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY;"
              "CREATE TABLE item(id INTEGER PRIMARY KEY, body BLOB NOT NULL)");
  if (rows > 0) insert_rows(db, rows, 0);
  run_sql(db, "PRAGMA synchronous=FULL; PRAGMA user_version=1"); /* all of it is on disk */
  check(db, sqlite3_close(db), SQLITE_OK, "close");
}

static turn run_turn(const contestant *c, const contestant *win32, const options *o,
                     int updates) {
  const uint32_t rows = (uint32_t)((uint64_t)o->mib * MIB / ROW_BYTES);
  char path[600], sql[100];
  engine_status before;
  sqlite3 *db;
  turn t;

  snprintf(path, sizeof path, "%s\\bench-oversized.db", o->folder);
  make_database(win32, path, updates ? rows : 0);
  db = database_open(c, path, 4096);
  run_sql(db, "PRAGMA cache_size=-2000"); /* SQLite's default */
  snprintf(sql, sizeof sql, "PRAGMA asyncvfs_max_queue_bytes=%d", QUEUE_BYTES);
  if (c->durable == DURABLE_BY_FLUSH) run_sql(db, sql);

  before = status_read(c, db);
  t.seconds = clock_seconds();
  run_sql(db, "BEGIN IMMEDIATE");
  if (updates) {
    with_body(db, "UPDATE item SET body = ?1", 1);
  } else {
    insert_rows(db, rows, 1);
  }
  run_sql(db, "COMMIT");
  database_make_durable(c, db);
  t.seconds = clock_seconds() - t.seconds;
  t.engine = status_read(c, db);
  t.engine = status_difference(&t.engine, &before);

  if (query_int64(db, "SELECT count(*) FROM item WHERE substr(body, 1, 1) = x'01'") != rows) {
    fprintf(stderr, "\nbench: %s: rows are missing\n", c->name);
    exit(1);
  }
  check(db, sqlite3_close(db), SQLITE_OK, "close");
  database_remove(win32, path);
  return t;
}

/* The rows of one kind of work in one journal_mode. Returns the ratio of the medians. */
static double run_pair(const options *o, const char *mode, int updates) {
  const contestant pair[2] = {
      {"win32", "win32", mode, "FULL", DURABLE_AT_COMMIT, 0, NULL},
      {"asyncvfs", "asyncvfs", mode, "FULL", DURABLE_BY_FLUSH, 0, NULL},
  };
  double seconds[2][MAX_ROUNDS], ratios[MAX_ROUNDS], middle[2];
  turn last = {0};
  char b[2][32];
  for (uint32_t round = 0; round < o->rounds; round++) {
    for (uint32_t i = 0; i < 2; i++) {
      uint32_t who = (round + i) % 2;
      turn t = run_turn(&pair[who], &pair[0], o, updates);
      fprintf(stderr, "round %u/%u  %-8s %-8s %-8s %7.2f s\n", (unsigned)round + 1,
              (unsigned)o->rounds, updates ? "update" : "insert", mode, pair[who].name,
              t.seconds);
      seconds[who][round] = t.seconds;
      if (who == 1) last = t;
    }
    ratios[round] = seconds[1][round] / seconds[0][round];
  }
  middle[0] = median(seconds[0], o->rounds);
  middle[1] = median(seconds[1], o->rounds);
  median(ratios, o->rounds); /* sorts them */
  printf("%-8s %-8s %9.2f %9.2f %9s   %.2f .. %.2f %9.0f %11s\n", updates ? "update" : "insert",
         mode, middle[0], middle[1], times(middle[1], middle[0], b[0], 32), ratios[0],
         ratios[o->rounds - 1], last.engine.flushes,
         grouped((last.engine.journal_bytes + last.engine.database_bytes) / MIB, b[1], 32));
  fflush(stdout);
  return middle[1] / middle[0];
}

int oversized_mode(const options *o) {
  static const char *const modes[] = {"DELETE", "PERSIST", "TRUNCATE"};
  double worst = 0;
  printf("one transaction of %u MiB, max_queue_bytes 1 MiB, page cache 2 MB; seconds until it "
         "is durable\n",
         (unsigned)o->mib);
  printf("%-8s %-8s %9s %9s %9s   %-12s %9s %11s\n", "", "journal", "win32", "asyncvfs",
         "x win32", "least, most", "asyncvfs", "asyncvfs");
  printf("%-8s %-8s %9s %9s %9s   %-12s %9s %11s\n", "work", "mode", "s", "s", "medians",
         "of a pair", "flushes", "MiB written");
  for (int updates = 0; updates < 2; updates++) {
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
      char name[40];
      double ratio;
      snprintf(name, sizeof name, "%s %s", updates ? "update" : "insert", modes[i]);
      if (o->only != NULL && strstr(name, o->only) == NULL) continue;
      ratio = run_pair(o, modes[i], updates);
      if (ratio > worst) worst = ratio;
    }
  }
  printf("target: a transaction beyond the limit at most 1.20 x win32: %.2f at worst, %s\n",
         worst, worst <= 1.2 ? "met" : "missed");
  return 0;
}
