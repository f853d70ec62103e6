/* test_threads.c: many threads on one database, each reader with a view that
 * belongs together, and no update lost.
 *
 * Writers move money between accounts, count their own commits and keep a log;
 * readers, in one read transaction, must find the total unchanged, the log as
 * long as the counters say, and no counter lower than they saw it before. The
 * totals at the end are exact. Every connection waits when it is busy; any
 * other error fails the test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "harness.h"
#include "sql_tools.h"

#define ACCOUNTS    24
#define TOTAL       (ACCOUNTS * 100)
#define WRITERS     4
#define READERS     3
#define PATIENCE_MS 120000

typedef struct bank {
  char path[512];
  const char *journal_mode;
  int cache_size;
  int commits_each;
  bool shared_cache;
  bool reopens; /* writers close and open in the middle */
  bool drains;  /* readers ask for a drain or a flush now and then */
  uint64_t seed;
  volatile LONG writers_left;
} bank;

typedef struct worker {
  bank *bank;
  int number;
  int64_t reads;
} worker;

static sqlite3 *open_bank(bank *b) {
  sqlite3 *db = NULL;
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  flags |= b->shared_cache ? SQLITE_OPEN_SHAREDCACHE : SQLITE_OPEN_PRIVATECACHE;
  int rc = sql_try_open_flags(b->path, sql_vfs(), flags, &db);
  if (!CHECK_RC(NULL, rc, SQLITE_OK)) return NULL;
  sqlite3_busy_timeout(db, PATIENCE_MS);
  do {
    rc = sql_execf(db, "PRAGMA journal_mode=%s; PRAGMA cache_size=%d", b->journal_mode,
                   b->cache_size);
  } while ((rc & 0xff) == SQLITE_LOCKED);
  CHECK_RC(db, rc, SQLITE_OK);
  return db;
}

/* In a shared cache a table may be locked by a neighbour, which no busy
 * handler waits for: the transaction is tried again as a whole. */
static bool must_repeat(const bank *b, int rc) {
  return b->shared_cache && (rc & 0xff) == SQLITE_LOCKED;
}

/* ---- writers ------------------------------------------------------------------ */

static int transfer(sqlite3 *db, int writer) {
  int from = (int)rng_below(ACCOUNTS);
  int to = (int)rng_below(ACCOUNTS);
  int rc = sql_exec(db, "BEGIN IMMEDIATE");
  if (rc == SQLITE_OK) {
    rc = sql_execf(
        db,
        "UPDATE account SET balance = balance - 7 WHERE id = %d;"
        "UPDATE account SET balance = balance + 7, pad = noise(%d, 900) WHERE id = %d;"
        "UPDATE counter SET n = n + 1 WHERE writer = %d;"
        "INSERT INTO log(writer) VALUES(%d)",
        from, (int)rng_below(1000), to, writer, writer);
  }
  if (rc == SQLITE_OK) rc = sql_exec(db, "COMMIT");
  if (rc != SQLITE_OK && !sqlite3_get_autocommit(db)) sql_exec(db, "ROLLBACK");
  return rc;
}

/* A transaction that must leave no trace. */
static int spoil(sqlite3 *db) {
  int rc = sql_exec(db, "BEGIN IMMEDIATE");
  if (rc == SQLITE_OK) {
    rc = sql_exec(db, "UPDATE account SET balance = 0, pad = noise(id, 2000); DELETE FROM log");
  }
  if (!sqlite3_get_autocommit(db)) sql_exec(db, "ROLLBACK");
  return rc;
}

static DWORD WINAPI run_writer(void *parameter) {
  worker *w = parameter;
  bank *b = w->bank;
  rng_seed(b->seed + (uint64_t)w->number);
  sqlite3 *db = open_bank(b);
  for (int i = 0; i < b->commits_each && db != NULL;) {
    bool spoils = strcmp(b->journal_mode, "OFF") != 0 && rng_below(10) == 0;
    int rc = spoils ? spoil(db) : transfer(db, w->number);
    if (must_repeat(b, rc)) continue;
    if (!CHECK_RC(db, rc, SQLITE_OK)) break;
    if (!spoils) i++;
    if (b->reopens && rng_below(20) == 0) {
      CHECK_RC(db, sqlite3_close(db), SQLITE_OK);
      db = open_bank(b);
    }
  }
  if (db != NULL) CHECK_RC(db, sqlite3_close(db), SQLITE_OK);
  InterlockedDecrement(&b->writers_left);
  return 0;
}

/* ---- readers ------------------------------------------------------------------ */

static int look(sqlite3 *db, int64_t seen[WRITERS]) {
  int64_t total = -1;
  int64_t logged = -1;
  int64_t counted = 0;
  int rc = sql_exec(db, "BEGIN");
  if (rc == SQLITE_OK) rc = sql_try_int(db, "SELECT sum(balance) FROM account", &total);
  for (int i = 0; i < WRITERS && rc == SQLITE_OK; i++) {
    int64_t n = -1;
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT n FROM counter WHERE writer = %d", i);
    rc = sql_try_int(db, sql, &n);
    if (rc != SQLITE_OK) break;
    if (n < seen[i]) {
      FAIL("writer %d: %lld commits, after %lld were seen", i, (long long)n,
           (long long)seen[i]);
    }
    seen[i] = n;
    counted += n;
  }
  if (rc == SQLITE_OK) rc = sql_try_int(db, "SELECT count(*) FROM log", &logged);
  int end = sql_exec(db, rc == SQLITE_OK ? "COMMIT" : "ROLLBACK");
  if (rc != SQLITE_OK) return rc;
  if (total != TOTAL) FAIL("the total is %lld, expected %d", (long long)total, TOTAL);
  if (logged != counted) {
    FAIL("%lld log entries, %lld counted commits", (long long)logged, (long long)counted);
  }
  return end;
}

static DWORD WINAPI run_reader(void *parameter) {
  worker *w = parameter;
  bank *b = w->bank;
  int64_t seen[WRITERS] = {0};
  rng_seed(b->seed + 1000 + (uint64_t)w->number);
  sqlite3 *db = open_bank(b);
  while (db != NULL) {
    bool last = b->writers_left == 0; /* one more look when all is done */
    int rc = look(db, seen);
    if (must_repeat(b, rc)) continue;
    if (!CHECK_RC(db, rc, SQLITE_OK)) break;
    w->reads++;
    if (b->drains && sql_vfs_is_asyncvfs() && rng_below(50) == 0) {
      /* Others hold locks, so a drain may be refused. */
      rc = sql_exec(db, "PRAGMA asyncvfs_drain");
      if ((rc & 0xff) != SQLITE_BUSY) CHECK_RC(db, rc, SQLITE_OK);
      CHECK_RC(db, sql_exec(db, "PRAGMA asyncvfs_flush"), SQLITE_OK);
    }
    if (last) break;
  }
  if (db != NULL) CHECK_RC(db, sqlite3_close(db), SQLITE_OK);
  return 0;
}

/* ---- the tests ------------------------------------------------------------------ */

static void run_bank(bank *b) {
  worker workers[WRITERS + READERS];
  HANDLE threads[WRITERS + READERS];
  snprintf(b->path, sizeof b->path, "%s", scratch_path("bank.db"));
  if (sql_vfs_is_asyncvfs() && !b->shared_cache)
    b->commits_each *= 4; /* it is that much faster */
  b->seed = test_seed();
  b->writers_left = WRITERS;
  sqlite3 *db = sql_open(b->path, sql_vfs());
  sql_mustf(db,
            "CREATE TABLE account(id INTEGER PRIMARY KEY, balance INT, pad BLOB);"
            "WITH RECURSIVE k(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM k WHERE i < %d)"
            "INSERT INTO account SELECT i, 100, noise(i, 900) FROM k;"
            "CREATE TABLE counter(writer INTEGER PRIMARY KEY, n INT);"
            "CREATE TABLE log(id INTEGER PRIMARY KEY, writer INT)",
            ACCOUNTS - 1);
  for (int i = 0; i < WRITERS; i++) sql_mustf(db, "INSERT INTO counter VALUES(%d, 0)", i);
  sql_close(db);
  for (int i = 0; i < WRITERS + READERS; i++) {
    workers[i] = (worker){b, i < WRITERS ? i : i - WRITERS, 0};
    threads[i] =
        CreateThread(NULL, 0, i < WRITERS ? run_writer : run_reader, &workers[i], 0, NULL);
    CHECK(threads[i] != NULL);
  }
  int64_t reads = 0;
  for (int i = 0; i < WRITERS + READERS; i++) {
    if (threads[i] == NULL) continue;
    WaitForSingleObject(threads[i], INFINITE);
    CloseHandle(threads[i]);
    reads += workers[i].reads;
  }
  CHECK(reads >= READERS);
  harness_print("    %d commits, %lld consistent reads\n", WRITERS * b->commits_each,
                (long long)reads);
  db = sql_open(b->path, SQL_STOCK_VFS);
  CHECK_EQ(sql_int(db, "SELECT sum(balance) FROM account"), TOTAL);
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM log"), WRITERS * b->commits_each);
  CHECK_EQ(sql_int(db, "SELECT min(n) FROM counter"), b->commits_each);
  CHECK_EQ(sql_int(db, "SELECT max(n) FROM counter"), b->commits_each);
  sql_check_integrity(db, b->path);
  sql_close(db);
  if (sql_vfs_is_asyncvfs()) sql_check_nothing_beside(b->path);
}

static void readers_see_whole_commits_only(void) {
  bank b = {.journal_mode = "DELETE", .cache_size = 2000, .commits_each = 300, .drains = true};
  run_bank(&b);
}

static void readers_see_whole_commits_only_in_persist_mode(void) {
  bank b = {.journal_mode = "PERSIST", .cache_size = 2000, .commits_each = 200};
  run_bank(&b);
}

static void readers_see_whole_commits_only_in_memory_mode(void) {
  bank b = {.journal_mode = "MEMORY", .cache_size = 2000, .commits_each = 200};
  run_bank(&b);
}

static void spilled_pages_stay_the_writers_own(void) {
  bank b = {.journal_mode = "DELETE", .cache_size = 5, .commits_each = 200};
  run_bank(&b);
}

static void opening_and_closing_under_load_loses_nothing(void) {
  bank b = {.journal_mode = "DELETE",
            .cache_size = 50,
            .commits_each = 150,
            .reopens = true,
            .drains = true};
  run_bank(&b);
}

static void shared_cache_readers_see_whole_commits_only(void) {
  bank b = {
      .journal_mode = "DELETE", .cache_size = 2000, .commits_each = 100, .shared_cache = true};
  run_bank(&b);
}

/* Threads that take turns on databases of their own share the engine only. */
static DWORD WINAPI run_alone(void *parameter) {
  worker *w = parameter;
  char path[600];
  snprintf(path, sizeof path, "%s.%d", w->bank->path, w->number);
  sqlite3 *db = NULL;
  if (!CHECK_RC(NULL, sql_try_open(path, sql_vfs(), &db), SQLITE_OK)) return 0;
  int rc = sql_exec(db, "CREATE TABLE t(n INT); INSERT INTO t VALUES(0)");
  for (int i = 1; i <= 400 && rc == SQLITE_OK; i++) {
    rc = sql_execf(db, "UPDATE t SET n = %d", i);
    if (rc == SQLITE_OK && i % 100 == 0) rc = sql_exec(db, "PRAGMA asyncvfs_flush");
  }
  CHECK_RC(db, rc, SQLITE_OK);
  int64_t n = -1;
  sql_try_int(db, "SELECT n FROM t", &n);
  CHECK_EQ(n, 400);
  CHECK_RC(db, sqlite3_close(db), SQLITE_OK);
  return 0;
}

static void databases_of_their_own_do_not_disturb_each_other(void) {
  enum { THREADS = 8 };
  bank b = {0};
  worker workers[THREADS];
  HANDLE threads[THREADS];
  snprintf(b.path, sizeof b.path, "%s", scratch_path("alone.db"));
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (worker){&b, i, 0};
    threads[i] = CreateThread(NULL, 0, run_alone, &workers[i], 0, NULL);
    CHECK(threads[i] != NULL);
  }
  for (int i = 0; i < THREADS; i++) {
    char path[600];
    WaitForSingleObject(threads[i], INFINITE);
    CloseHandle(threads[i]);
    snprintf(path, sizeof path, "%s.%d", b.path, i);
    sqlite3 *db = sql_open(path, SQL_STOCK_VFS);
    CHECK_EQ(sql_int(db, "SELECT n FROM t"), 400);
    sql_close(db);
  }
}

enum { VISITORS = 3, VISITS = 250 };

/* Opens, commits and closes: now and then the last connection there is, or the first. */
static DWORD WINAPI visit(void *parameter) {
  const char *path = parameter;
  for (int i = 0; i < VISITS; i++) {
    sqlite3 *db = NULL;
    if (!CHECK_RC(NULL, sql_try_open(path, sql_vfs(), &db), SQLITE_OK)) return 1;
    sqlite3_busy_timeout(db, PATIENCE_MS);
    CHECK_RC(db, sql_exec(db, "INSERT INTO t(b) VALUES(1)"), SQLITE_OK);
    CHECK_EQ(sqlite3_close(db), SQLITE_OK);
  }
  return 0;
}

static void last_connection_changes_hands(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  HANDLE threads[VISITORS];
  sql_close(db);
  for (int i = 0; i < VISITORS; i++) threads[i] = CreateThread(NULL, 0, visit, (void *)(uintptr_t)path, 0, NULL);
  WaitForMultipleObjects(VISITORS, threads, TRUE, INFINITE);
  for (int i = 0; i < VISITORS; i++) CloseHandle(threads[i]);
  sql_check_nothing_beside(path);
  db = sql_open(path, SQL_STOCK_VFS);
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), VISITORS * VISITS);
  sql_close(db);
}

void suite_threads(void) {
  CU_pSuite suite = CU_add_suite("threads", NULL, NULL);
  ADD_TEST(suite, readers_see_whole_commits_only);
  ADD_TEST(suite, readers_see_whole_commits_only_in_persist_mode);
  ADD_TEST(suite, readers_see_whole_commits_only_in_memory_mode);
  ADD_TEST(suite, spilled_pages_stay_the_writers_own);
  ADD_TEST(suite, opening_and_closing_under_load_loses_nothing);
  ADD_TEST(suite, shared_cache_readers_see_whole_commits_only);
  ADD_TEST(suite, last_connection_changes_hands);
  ADD_TEST(suite, databases_of_their_own_do_not_disturb_each_other);
}
