/* databases.c: one process with many databases open, as a server has one for each tenant.
 *
 * NNNNN\main.db, all with the same schema, are opened and stay open; one thread commits a row to
 * each in turn, for --slow-seconds. What the others of a round do while one commits is
 * what a stream of commits to a single database does not show: batches of all of them at a time,
 * and whatever is looked for among as many.
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

#define MOST_SAMPLES 3000000u

typedef struct turn {
  summary sum;
  double open_s, durable_per_s, close_s;
} turn;

typedef struct tenant {
  sqlite3 *db;
  sqlite3_stmt *insert;
} tenant;

static uint64_t random_state = 88172645463325252u;

static void path_of(const options *o, uint32_t i, char *path, size_t n) {
  snprintf(path, n, "%s\\bench-databases\\%05u\\main.db", o->folder, i);
}

static void make_databases(const options *o) {
  const contestant *win32 = contestant_by_vfs("win32");
  char path[700], first[700];
  uint32_t i;
  for (i = 0; i < o->databases; i++) {
    path_of(o, i, path, sizeof path);
    *strrchr(path, '\\') = 0;
    CreateDirectoryA(path, NULL);
    path_of(o, i, path, sizeof path);
    database_remove(win32, path);
    if (i == 0) {
      sqlite3 *db = database_open(win32, path, 4096);
      run_sql(db, "CREATE TABLE item(id INTEGER PRIMARY KEY, key INTEGER NOT NULL, text TEXT NOT NULL);"
                  "CREATE INDEX item_by_key ON item(key)");
      check(db, sqlite3_close(db), SQLITE_OK, "close");
      memcpy(first, path, sizeof first);
    } else if (!CopyFileA(first, path, FALSE)) {
      fprintf(stderr, "bench: cannot make %s\n", path);
      exit(1);
    }
  }
}

static void remove_databases(const options *o) {
  char path[700];
  uint32_t i;
  for (i = 0; i < o->databases; i++) {
    path_of(o, i, path, sizeof path);
    database_remove(contestant_by_vfs("win32"), path);
    *strrchr(path, '\\') = 0;
    RemoveDirectoryA(path);
  }
}

static void commit(tenant *t) {
  sqlite3_bind_int64(t->insert, 1, (sqlite3_int64)(random_next(&random_state) >> 1));
  sqlite3_bind_text(t->insert, 2, "a tenant's row", -1, SQLITE_STATIC);
  run_statement(t->db, t->insert);
}

static turn run_turn(const contestant *c, const options *o, tenant *tenants, samples *s) {
  turn t;
  double start = clock_seconds(), durable;
  uint32_t i, n = 0;
  for (i = 0; i < o->databases; i++) {
    char path[700];
    path_of(o, i, path, sizeof path);
    tenants[i].db = database_open(c, path, 4096);
    tenants[i].insert = prepare(tenants[i].db, "INSERT INTO item(key, text) VALUES(?, ?)");
  }
  t.open_s = clock_seconds() - start;
  if (c->quick) {   /* a first round, in which locks are taken and journals made */
    for (i = 0; i < o->databases; i++) commit(&tenants[i]);
    run_sql(tenants[0].db, "SELECT asyncvfs_flush()");
  }
  start = clock_seconds();
  samples_start(s);
  for (i = 0; n < MOST_SAMPLES && clock_seconds() - start < o->slow_seconds; n++) {
    commit(&tenants[i]);
    samples_mark(s);
    i = i + 1 < o->databases ? i + 1 : 0;
  }
  samples_stop(s);
  if (c->quick) run_sql(tenants[0].db, "SELECT asyncvfs_flush()");
  durable = clock_seconds() - start;
  t.sum = samples_summary(s);
  t.durable_per_s = n / durable;
  start = clock_seconds();
  for (i = 0; i < o->databases; i++) {
    sqlite3_finalize(tenants[i].insert);
    check(tenants[i].db, sqlite3_close(tenants[i].db), SQLITE_OK, "close");
  }
  t.close_s = clock_seconds() - start;
  return t;
}

int databases_mode(const options *o) {
  static const char *const vfs[2] = {"win32", "asyncvfs"};
  static turn turns[2][MAX_ROUNDS];
  tenant *tenants = calloc(o->databases, sizeof *tenants);
  samples *s = samples_create(MOST_SAMPLES);
  double per_s[2];
  char b[5][32], folder[700];
  uint32_t round;
  int i;
  if (tenants == NULL || s == NULL) return 1;
  snprintf(folder, sizeof folder, "%s\\bench-databases", o->folder);
  CreateDirectoryA(folder, NULL);
  for (round = 0; round < o->rounds; round++) {
    for (i = 0; i < 2; i++) {
      make_databases(o);
      fprintf(stderr, "round %u/%u  %s\n", round + 1, o->rounds, vfs[i]);
      turns[i][round] = run_turn(contestant_by_vfs(vfs[i]), o, tenants, s);
    }
  }
  remove_databases(o);
  RemoveDirectoryA(folder);
  printf("%u databases, a row to each in turn, for %.0f s\n", o->databases, o->slow_seconds);
  printf("%-22s %10s %10s %12s %12s %9s %9s\n", "", "p50 us", "p99 us", "commits/s", "durable/s",
         "open s", "close s");
  for (i = 0; i < 2; i++) {
    const turn *t = turns[i];
    double rate[MAX_ROUNDS];
    per_s[i] = median_of(&t->durable_per_s, sizeof *t, o->rounds);
    for (round = 0; round < o->rounds; round++) rate[round] = (double)t[round].sum.count / t[round].sum.seconds;
    printf("%-22s %10s %10s %12s %12s %9.1f %9.1f\n", contestant_by_vfs(vfs[i])->name,
           micros(median_of(&t->sum.p50_ns, sizeof *t, o->rounds), b[0], 32),
           micros(median_of(&t->sum.p99_ns, sizeof *t, o->rounds), b[1], 32),
           grouped(median(rate, o->rounds), b[2], 32), grouped(per_s[i], b[3], 32),
           median_of(&t->open_s, sizeof *t, o->rounds), median_of(&t->close_s, sizeof *t, o->rounds));
  }
  printf("asyncvfs makes %s times as many commits durable as win32\n", times(per_s[1], per_s[0], b[0], 32));
  samples_free(s);
  free(tenants);
  return 0;
}
