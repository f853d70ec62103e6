/* races.c: many threads, a few databases, all that a program may do at once, for
 * ThreadSanitizer and AddressSanitizer to watch.
 *
 *   WORKERS threads ---> connections of asyncvfs ----\
 *   one more        ---> a stock connection ("unix") --+--> files
 *
 * Money is moved between accounts, in one database or from one to another: the sum of all
 * is the same whoever looks, at any moment, in a database or, in the end, over both. So
 * besides the sanitizers there is a judge of isolation and of atomicity.
 *
 * usage: races DIRECTORY [SECONDS]
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "seam.h"
#include "sqlite3.h"
#include "watchdog.h"

enum { WORKERS = 5, DATABASES = 2, ACCOUNTS = 40, EACH = 1000 };

static const char *directory;
static double seconds = 20;
static atomic_int failures;
static atomic_long commits, busy, looks;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

typedef struct worker {
  pthread_t thread;
  uint64_t chance;
  int stock;
  double until;
  sqlite3 *db;
} worker;

static uint32_t below(worker *w, uint32_t n) {
  w->chance = w->chance * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)((w->chance >> 33) % n);
}

static void fail(worker *w, const char *what, int rc) {
  failures++;
  fprintf(stderr, "%s: %d, %s\n", what, rc, w->db == NULL ? "" : sqlite3_errmsg(w->db));
}

static void path_of(char *path, size_t n, int d) { snprintf(path, n, "%s/%d.db", directory, d); }

/* BUSY is what two programs at once may meet; nothing else is. */
static int run(worker *w, const char *sql) {
  int rc = sqlite3_exec(w->db, sql, NULL, NULL, NULL);
  if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED) busy++;
  else if (rc != SQLITE_OK) fail(w, sql, rc);
  return rc;
}

static void finish(worker *w) {
  if (run(w, "COMMIT") == SQLITE_OK) commits++;
  else if (!sqlite3_get_autocommit(w->db)) run(w, "ROLLBACK");
}

static long number(worker *w, const char *sql, int *rc_out) {
  sqlite3_stmt *s = NULL;
  long n = -1;
  int rc = sqlite3_prepare_v2(w->db, sql, -1, &s, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(s);
  if (rc == SQLITE_ROW) n = (long)sqlite3_column_int64(s, 0);
  sqlite3_finalize(s);
  *rc_out = rc;
  return n;
}

static void connect(worker *w) {
  char path[300], uri[400];
  int rc;
  path_of(path, sizeof path, 0);
  snprintf(uri, sizeof uri, "file:%s?max_queue_bytes=1048576&max_lag_ms=%u%s", path, below(w, 30),
           below(w, 4) == 0 ? "&durability=disk" : "");
  rc = sqlite3_open_v2(w->stock ? path : uri, &w->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI,
                       w->stock ? "unix" : "asyncvfs");
  if (rc != SQLITE_OK) fail(w, "open", rc);
  sqlite3_busy_timeout(w->db, 2000);
  path_of(path, sizeof path, 1);
  snprintf(uri, sizeof uri, "ATTACH '%s' AS b", path);
  while (run(w, uri) != SQLITE_OK && failures == 0) continue;   /* SQLite reads the schema */
  if (below(w, 3) == 0) run(w, "PRAGMA cache_size=8; PRAGMA b.cache_size=8");
  if (below(w, 2) == 0) run(w, "PRAGMA mmap_size=16777216; PRAGMA b.mmap_size=16777216");
}

static void move_money(worker *w, const char *from, const char *to, int rolled_back) {
  char sql[300];
  uint32_t sum = below(w, 50);
  snprintf(sql, sizeof sql,
           "UPDATE %s.account SET money=money-%u, note=zeroblob(%u) WHERE id=%u;"
           "UPDATE %s.account SET money=money+%u, note=zeroblob(%u) WHERE id=%u",
           from, sum, below(w, 3000), below(w, ACCOUNTS), to, sum, below(w, 3000), below(w, ACCOUNTS));
  if (run(w, below(w, 2) ? "BEGIN IMMEDIATE" : "BEGIN") != SQLITE_OK) return;
  if (run(w, sql) == SQLITE_OK && !rolled_back) finish(w);
  else if (!sqlite3_get_autocommit(w->db)) run(w, "ROLLBACK");
}

/* More than the queue takes: written through. */
static void oversized(worker *w) {
  if (run(w, "BEGIN IMMEDIATE") != SQLITE_OK) return;
  run(w, "INSERT INTO main.bulk(data) VALUES(randomblob(400000)),(randomblob(400000))");
  if (below(w, 4) != 0) run(w, "DELETE FROM main.bulk");
  if (sqlite3_get_autocommit(w->db)) return;
  if (below(w, 3) == 0) run(w, "ROLLBACK");
  else finish(w);
}

static void look(worker *w, const char *schema) {
  char sql[100];
  int rc;
  long sum;
  snprintf(sql, sizeof sql, "SELECT sum(money) FROM %s.account", schema);
  sum = number(w, sql, &rc);
  looks++;
  if (rc == SQLITE_ROW && strcmp(schema, "main") == 0 && sum > 2L * ACCOUNTS * EACH) fail(w, "a sum is wrong", (int)sum);
  if (rc != SQLITE_ROW && (rc & 0xff) != SQLITE_BUSY) fail(w, sql, rc);
}

/* Both databases in one transaction: whoever holds SHARED in both sees the whole sum. */
static void look_at_all(worker *w) {
  int rc;
  long sum;
  if (run(w, "BEGIN") != SQLITE_OK) return;
  if (number(w, "SELECT 1 FROM main.account, b.account LIMIT 1", &rc), rc == SQLITE_ROW) {
    sum = number(w, "SELECT (SELECT sum(money) FROM main.account)+(SELECT sum(money) FROM b.account)", &rc);
    looks++;
    if (rc == SQLITE_ROW && sum != 2L * ACCOUNTS * EACH) fail(w, "the sum of all is wrong", (int)sum);
  }
  if (!sqlite3_get_autocommit(w->db)) run(w, "COMMIT");
}

static void step(worker *w) {
  static const char *const pragmas[] = {
      "asyncvfs_flush", "asyncvfs_status", "asyncvfs_max_lag_ms=3", "asyncvfs_durability=disk",
      "asyncvfs_durability=memory", "locking_mode=NORMAL", "journal_mode=DELETE", "journal_mode=PERSIST",
      "journal_mode=TRUNCATE", "b.journal_mode=MEMORY", "incremental_vacuum(3)"};
  char sql[60];
  uint32_t what = below(w, 100);
  if (what < 40) move_money(w, "main", "main", what < 4);
  else if (what < 50) move_money(w, "b", "b", 0);
  else if (what < 58) move_money(w, "main", "b", what < 52);
  else if (what < 75) look(w, what < 66 ? "main" : "b");
  else if (what < 82) look_at_all(w);
  else if (what < 85) oversized(w);
  else if (what < 95) {
    snprintf(sql, sizeof sql, "PRAGMA %s", pragmas[below(w, 11)]);
    if (!w->stock || strncmp(sql + 7, "asyncvfs", 8) != 0) run(w, sql);
  } else if (what < 97) {
    usleep(below(w, 30000));
  } else {
    sqlite3_close(w->db);
    connect(w);
  }
}

static void *work(void *arg) {
  worker *w = arg;
  connect(w);
  while (now() < w->until && failures == 0) step(w);
  if (sqlite3_close(w->db) != SQLITE_OK) fail(w, "close", 0);
  return NULL;
}

static void create(worker *w) {
  char path[300], sql[400];
  int d;
  for (d = 0; d < DATABASES; d++) {
    path_of(path, sizeof path, d);
    if (sqlite3_open_v2(path, &w->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "unix") != SQLITE_OK) exit(2);
    snprintf(sql, sizeof sql,
             "PRAGMA page_size=1024; PRAGMA auto_vacuum=2;"
             "CREATE TABLE account(id INTEGER PRIMARY KEY, money INT, note BLOB); CREATE TABLE bulk(data BLOB);"
             "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i<%d)"
             "INSERT INTO account SELECT i, %d, NULL FROM n", ACCOUNTS - 1, EACH);
    run(w, sql);
    sqlite3_close(w->db);
  }
}

static void check_end(worker *w) {
  char path[300], attach[400];
  int rc;
  path_of(path, sizeof path, 0);
  sqlite3_open_v2(path, &w->db, SQLITE_OPEN_READWRITE, "unix");
  path_of(path, sizeof path, 1);
  snprintf(attach, sizeof attach, "ATTACH '%s' AS b", path);
  run(w, attach);
  if (number(w, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check<>'ok'", &rc) != 0) {
    fail(w, "integrity_check", rc);
  }
  look_at_all(w);
  sqlite3_close(w->db);
}

int main(int argc, char **argv) {
  static worker workers[WORKERS + 1];
  worker main_worker = {0};
  int i;
  if (argc < 2) {
    fprintf(stderr, "usage: races DIRECTORY [SECONDS]\n");
    return 2;
  }
  directory = argv[1];
  if (argc > 2) seconds = strtod(argv[2], NULL);
  watchdog_start(120 + (unsigned)seconds, "races");
  if (native_start() != SQLITE_OK) return 2;
  create(&main_worker);
  for (i = 0; i <= WORKERS; i++) {
    workers[i].chance = (uint64_t)time(NULL) * 77 + (uint64_t)i * 1000003;
    workers[i].stock = i == WORKERS;
    workers[i].until = now() + seconds;
    if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) return 2;
  }
  for (i = 0; i <= WORKERS; i++) pthread_join(workers[i].thread, NULL);
  check_end(&main_worker);
  if (native_heap_blocks() != 0) {
    fprintf(stderr, "%ld blocks were not freed\n", native_heap_blocks());
    failures++;
  }
  printf("%d threads, %.0f s: %ld commits, %ld looks, %ld times BUSY; %d failures\n", WORKERS + 1,
         seconds, (long)commits, (long)looks, (long)busy, (int)failures);
  return failures != 0;
}
