/* disk.c: commits that are durable when COMMIT returns, from several connections.
 *
 * Each connection has a thread: BEGIN IMMEDIATE, one row, COMMIT, until the time is up.
 * asyncvfs has durability=disk: commits that wait at the same time share a batch. All have
 * the same busy handler, which never gives up: SQLite's own, with a busy timeout of a
 * minute, under which one connection of win32 can do all the work while the others sleep;
 * then, with the most connections, one that tries again at once, which lets more of them in
 * (--retry-ms: one that tries so often, in place of SQLite's). A commit counts if it was over
 * in time. The figures are medians of the rounds.
 *
 * Fairness is the commits of the connection that made least over those of the one that
 * made most. A flush costs all the same: see slow_flush.c.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "bench.h"
#include "contestant.h"
#include "figures.h"
#include "samples.h"

enum { OURS, DELETE_FULL, PERSIST_FULL, WAL_FULL, CONTESTANTS };

static const contestant lanes[CONTESTANTS] = {
    [OURS] = {"asyncvfs disk", "asyncvfs", "DELETE", "FULL", DURABLE_AT_COMMIT, 0, "disk"},
    [DELETE_FULL] = {"win32 DELETE/FULL", "win32", "DELETE", "FULL", DURABLE_AT_COMMIT, 0, NULL},
    [PERSIST_FULL] = {"win32 PERSIST/FULL", "win32", "PERSIST", "FULL", DURABLE_AT_COMMIT, 0, NULL},
    [WAL_FULL] = {"win32 WAL/FULL", "win32", "WAL", "FULL", DURABLE_AT_COMMIT, 0, NULL},
};

/* What all lanes do, one after the other. */
typedef struct crowd {
  uint32_t connections;
  uint32_t retry_ms; /* of the busy handler */
} crowd;

static const crowd crowds[] = {{1, SQLITES_OWN}, {4, SQLITES_OWN}, {16, SQLITES_OWN}, {16, 0}};

enum { ALONE, FEW, MANY, MANY_AT_ONCE };

#define COUNTS          (sizeof crowds / sizeof crowds[0])
#define MOST            16
#define BUSY_TIMEOUT_MS 60000

typedef struct worker {
  sqlite3 *db;
  HANDLE thread, start;
  const double *until; /* set before start */
  uint64_t random;
  uint32_t commits; /* in time */
  uint32_t rows;    /* all */
} worker;

typedef struct turn {
  double per_s, fairness, per_flush;
} turn;

static DWORD WINAPI work(void *arg) {
  worker *w = arg;
  sqlite3_stmt *begin = prepare(w->db, "BEGIN IMMEDIATE");
  sqlite3_stmt *insert = prepare(w->db, "INSERT INTO item(key, text) VALUES(?1, hex(?1))");
  sqlite3_stmt *commit = prepare(w->db, "COMMIT");
  WaitForSingleObject(w->start, INFINITE);
  while (clock_seconds() < *w->until) {
    run_statement(w->db, begin);
    sqlite3_bind_int64(insert, 1, (sqlite3_int64)(random_next(&w->random) >> 1));
    run_statement(w->db, insert);
    run_statement(w->db, commit);
    w->rows++;
    if (clock_seconds() < *w->until) w->commits++;
  }
  sqlite3_finalize(begin);
  sqlite3_finalize(insert);
  sqlite3_finalize(commit);
  return 0;
}

static int retry_soon(void *arg, int tries) {
  const crowd *all = arg;
  (void)tries;
  Sleep(all->retry_ms);
  return 1;
}

static sqlite3 *open_lane(const contestant *c, const crowd *all, const char *path) {
  sqlite3 *db = database_open(c, path, 4096);
  if (all->retry_ms == SQLITES_OWN) sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
  else sqlite3_busy_handler(db, retry_soon, (void *)(uintptr_t)all);
  return db;
}

static turn run_turn(const contestant *c, const options *o, const crowd *all) {
  char path[600];
  worker workers[MOST];
  HANDLE start = CreateEventA(NULL, TRUE, FALSE, NULL);
  engine_status before, after;
  uint32_t n = all->connections, least = UINT32_MAX, most = 0, commits = 0, rows = 0;
  double until;
  turn t;

  snprintf(path, sizeof path, "%s\\bench-disk.db", o->folder);
  database_remove(c, path);
  for (uint32_t i = 0; i < n; i++) {
    workers[i] = (worker){.start = start, .until = &until, .random = 88172645463325252u + i};
    workers[i].db = open_lane(c, all, path);
    if (i == 0) {
      run_sql(workers[i].db, "CREATE TABLE item(id INTEGER PRIMARY KEY, key INTEGER NOT NULL, "
                             "text TEXT NOT NULL); CREATE INDEX item_by_key ON item(key)");
    }
  }
  for (uint32_t i = 0; i < n; i++) {
    workers[i].thread = CreateThread(NULL, 0, work, &workers[i], 0, NULL);
    if (start == NULL || workers[i].thread == NULL) {
      fprintf(stderr, "\nbench: no thread can be started\n");
      exit(1);
    }
  }
  before = status_read(c, workers[0].db);
  until = clock_seconds() + o->slow_seconds;
  SetEvent(start);
  for (uint32_t i = 0; i < n; i++) {
    WaitForSingleObject(workers[i].thread, INFINITE);
    CloseHandle(workers[i].thread);
    commits += workers[i].commits;
    rows += workers[i].rows;
    if (workers[i].commits < least) least = workers[i].commits;
    if (workers[i].commits > most) most = workers[i].commits;
  }
  after = status_read(c, workers[0].db);
  after = status_difference(&after, &before);
  CloseHandle(start);
  if (query_int64(workers[0].db, "SELECT count(*) FROM item") != rows) {
    fprintf(stderr, "\nbench: %s: rows are missing\n", c->name);
    exit(1);
  }
  for (uint32_t i = 0; i < n; i++) {
    check(workers[i].db, sqlite3_close(workers[i].db), SQLITE_OK, "close");
  }
  database_remove(c, path);
  t.per_s = commits / o->slow_seconds;
  t.fairness = most == 0 ? NAN : (double)least / most;
  t.per_flush = after.flushes > 0 ? rows / after.flushes : NAN;
  return t;
}

static turn medians(const turn *turns, uint32_t n) {
  turn t;
  t.per_s = median_of(&turns->per_s, sizeof *turns, n);
  t.fairness = median_of(&turns->fairness, sizeof *turns, n);
  t.per_flush = median_of(&turns->per_flush, sizeof *turns, n);
  return t;
}

/* May use b. */
static const char *handler_name(const crowd *c, char *b, size_t n) {
  if (c->retry_ms == SQLITES_OWN) return "SQLite's";
  if (c->retry_ms == 0) return "at once";
  snprintf(b, n, "%u ms", (unsigned)c->retry_ms);
  return b;
}

static void print_row(const crowd *c, const char *name, const turn *t, const turn *all) {
  char b[5][32];
  printf("%11u  %-8s  %-21s %10s %9s %9s %9s", (unsigned)c->connections,
         handler_name(c, b[4], 32), name, grouped(t->per_s, b[0], 32),
         times(t->per_s, all[DELETE_FULL].per_s, b[1], 32),
         times(t->per_s, all[PERSIST_FULL].per_s, b[2], 32), times(t->fairness, 1, b[3], 32));
  if (!isnan(t->per_flush)) printf("  %.2f commits a flush", t->per_flush);
  printf("\n");
}

/* Unknown (NAN) where --only has left one of the two out. Judged as it is printed. */
static void print_target(const char *what, double least, double measured) {
  if (isnan(measured)) return;
  printf("target: %s at least %.2f: %.2f, %s\n", what, least, measured,
         round(measured * 100) >= round(least * 100) ? "met" : "missed");
}

int disk_mode(const options *o) {
  static turn turns[COUNTS][CONTESTANTS][MAX_ROUNDS];
  turn middle[COUNTS][CONTESTANTS];
  printf("%11s  %-8s  %-21s %10s %9s %9s %9s\n", "", "busy", "", "commits/s", "x DELETE",
         "x PERSIST", "least");
  printf("%11s  %-8s  %-21s %10s %9s %9s %9s\n", "connections", "handler", "contestant", "",
         "/FULL", "/FULL", "/ most");
  for (size_t k = 0; k < COUNTS; k++) {
    crowd all = crowds[k];
    char handler[32];
    if (all.retry_ms == SQLITES_OWN) all.retry_ms = o->retry_ms;
    for (int i = 0; i < CONTESTANTS; i++) middle[k][i] = (turn){NAN, NAN, NAN};
    for (uint32_t round = 0; round < o->rounds; round++) {
      for (int i = 0; i < CONTESTANTS; i++) {
        turn *t = &turns[k][i][round];
        if (o->only != NULL && strstr(lanes[i].name, o->only) == NULL) continue;
        *t = run_turn(&lanes[i], o, &all);
        fprintf(stderr,
                "round %u/%u  %2u connections  %-8s  %-21s %8.1f commits/s, least/most %.2f\n",
                (unsigned)round + 1, (unsigned)o->rounds, (unsigned)all.connections,
                handler_name(&all, handler, sizeof handler), lanes[i].name, t->per_s, t->fairness);
        middle[k][i] = medians(turns[k][i], round + 1);
      }
    }
    for (int i = 0; i < CONTESTANTS; i++) {
      if (isnan(middle[k][i].per_s)) continue;
      print_row(&all, lanes[i].name, &middle[k][i], middle[k]);
    }
    fflush(stdout);
  }
  print_target("disk, 1 connection, over PERSIST/FULL", 1,
               middle[ALONE][OURS].per_s / middle[ALONE][PERSIST_FULL].per_s);
  print_target("disk, 16 connections that all write, over DELETE/FULL", 20,
               middle[MANY_AT_ONCE][OURS].per_s / middle[MANY_AT_ONCE][DELETE_FULL].per_s);
  print_target("disk, 4 connections, least over most", 0.5, middle[FEW][OURS].fairness);
  print_target("disk, 16 connections, least over most", 0.5, middle[MANY][OURS].fairness);
  return 0;
}
