/* test_durability.c: what an application is told of a commit, and may rely on.
 *
 * A flush, a ticket, a `disk` commit: what they answered is in the status and, after
 * a kill, in the file as stock SQLite reads it. And a program that ends without
 * closing anything loses nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "asyncvfs.h"
#include "harness.h"
#include "store/settings.h"
#include "store/store_peek.h"
#include "vfs/sql_tools.h"

#define LINE_MS 60000

/* ---- one connection ------------------------------------------------------------------ */

static void disk_commit_is_durable_when_it_returns(void) {
  static const char *const locking[] = {"NORMAL", "EXCLUSIVE"};
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  int i, n;
  if (db == NULL) return;
  sql_must(db, "PRAGMA asyncvfs_durability=disk; PRAGMA asyncvfs_max_lag_ms=60000");
  for (i = 0; i < 2; i++) {
    sql_mustf(db, "PRAGMA locking_mode=%s", locking[i]);
    for (n = 0; n < 5; n++) {
      sql_must(db, "INSERT INTO t(b) VALUES(randomblob(100))");
      CHECK_EQ(sql_status(db, "durable_commits"), sql_status(db, "commits"));
    }
  }
  sql_close(db);
}

static void memory_commit_waits_only_when_asked(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  if (db == NULL) return;
  sql_must(db, "PRAGMA asyncvfs_max_lag_ms=60000; PRAGMA asyncvfs_flush");
  sql_must(db, "INSERT INTO t(b) VALUES(1)");
  CHECK_EQ(sql_status(db, "durable_commits"), sql_status(db, "commits") - 1);
  CHECK_EQ(sql_int(db, "SELECT asyncvfs_flush()"), 1);
  CHECK_EQ(sql_status(db, "durable_commits"), sql_status(db, "commits"));
  sql_close(db);
}

static void ticket_stands_for_the_commits_before_it(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  long long t1 = 0, t2 = 0;
  if (db == NULL) return;
  sql_must(db, "PRAGMA asyncvfs_max_lag_ms=60000; INSERT INTO t(b) VALUES(1)");
  CHECK_EQ(asyncvfs_ticket(db, "main", &t1), SQLITE_OK);
  CHECK_EQ(asyncvfs_wait(t1, ASYNCVFS_FOREVER), SQLITE_OK);
  CHECK_EQ(sql_status(db, "durable_commits"), sql_status(db, "commits"));
  sql_must(db, "INSERT INTO t(b) VALUES(2)");
  CHECK_EQ(asyncvfs_ticket(db, NULL, &t2), SQLITE_OK);
  CHECK(t2 > t1);
  CHECK_EQ(asyncvfs_wait(t1, 0), SQLITE_OK);   /* that one still stands for less */
  CHECK_EQ(sql_status(db, "durable_commits"), sql_status(db, "commits") - 1);
  CHECK_EQ(asyncvfs_wait(t2 + 1, 0), SQLITE_MISUSE);
  CHECK_EQ(asyncvfs_wait(-1, 0), SQLITE_MISUSE);
  CHECK_EQ(asyncvfs_wait(t2 + (1LL << 60), 0), SQLITE_MISUSE);   /* of no database that ever was */
  CHECK_EQ(asyncvfs_wait(t2, -2), SQLITE_MISUSE);
  CHECK_EQ(asyncvfs_wait(0, 0), SQLITE_OK);
  sql_close(db);
  CHECK_EQ(asyncvfs_wait(t2, 0), SQLITE_OK);   /* closing drained it */
}

/* BEGIN IMMEDIATE; COMMIT makes no commit, but a disk commit covers those before it. */
static void empty_disk_commit_covers_those_before_it(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  if (db == NULL) return;
  sql_must(db, "PRAGMA asyncvfs_max_lag_ms=60000; INSERT INTO t(b) VALUES(1)");
  CHECK(sql_status(db, "durable_commits") < sql_status(db, "commits"));
  sql_must(db, "PRAGMA asyncvfs_durability=disk; BEGIN IMMEDIATE; COMMIT");
  CHECK_EQ(sql_status(db, "durable_commits"), sql_status(db, "commits"));
  sql_must(db, "BEGIN IMMEDIATE; COMMIT; SELECT * FROM t");   /* nothing is left to wait for */
  sql_close(db);
}

/* PRAGMA locking_mode=EXCLUSIVE holds for attached databases too, but SQLite tells the main
 * database's VFS alone. Then no xUnlock comes, in which a disk commit would wait. */
static void disk_commit_of_an_attached_exclusive_database_is_durable(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  int64_t i;
  if (db == NULL) return;
  sql_close(db);
  db = sql_open(":memory:", SQL_STOCK_VFS);
  sql_mustf(db, "ATTACH '%s' AS a", sql_uri(path, "vfs=asyncvfs&max_lag_ms=60000&durability=disk"));
  sql_must(db, "SELECT * FROM a.t; PRAGMA locking_mode=EXCLUSIVE");   /* it has given locks up before */
  for (i = 0; i < 3; i++) {
    sql_mustf(db, "INSERT INTO a.t(b) VALUES(%d)", (int)i);
    CHECK(sql_status_of(db, "a", "commits") > i);
    CHECK_EQ(sql_status_of(db, "a", "durable_commits"), sql_status_of(db, "a", "commits"));
  }
  sql_close(db);
}

static void check_refused(sqlite3 *db, const char *sql, const char *message) {
  char text[100];
  CHECK_EQ(sql_try_text(db, sql, text, sizeof text) & 0xff, SQLITE_ERROR);
  if (!CHECK(strstr(sqlite3_errmsg(db), message) != NULL)) harness_print("%s\n", sqlite3_errmsg(db));
}

static void sql_functions_do_what_the_c_functions_do(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  char text[100];
  long long t = 0;
  if (db == NULL) return;
  CHECK_EQ(sql_try_text(db, "SELECT asyncvfs_version()", text, sizeof text), SQLITE_OK);
  CHECK_STR_EQ(text, asyncvfs_version());
  sql_must(db, "PRAGMA asyncvfs_max_lag_ms=60000; INSERT INTO t(b) VALUES(1)");
  CHECK_EQ(asyncvfs_ticket(db, "main", &t), SQLITE_OK);
  CHECK_EQ(sql_int(db, "SELECT asyncvfs_ticket()"), t);
  CHECK_EQ(asyncvfs_wait(t, 60000), SQLITE_OK);
  CHECK_EQ(sql_int(db, "SELECT asyncvfs_wait(asyncvfs_ticket(), 0)"), 1);
  CHECK_EQ(sql_int(db, "SELECT asyncvfs_wait(asyncvfs_ticket())"), 1);
  check_refused(db, "SELECT asyncvfs_wait(asyncvfs_ticket() + 1, 0)", "a ticket of asyncvfs_ticket()");
  /* As numbers all of these would be 0, the ticket that waits for nothing, or another timeout. */
  {
    static const char *const tickets[] = {"NULL", "''", "'abc'", "'1'", "x'01'", "1.5", "-1", "4611686018427387904"};
    static const char *const timeouts[] = {"-2", "2147483648", "4294967295", "NULL", "'5'", "0.5",
                                           "9223372036854775807"};
    for (size_t i = 0; i < sizeof tickets / sizeof *tickets; i++) {
      char *one = sqlite3_mprintf("SELECT asyncvfs_wait(%s)", tickets[i]);
      char *two = sqlite3_mprintf("SELECT asyncvfs_wait(%s, 0)", tickets[i]);
      check_refused(db, one, "the first argument must be a ticket");
      check_refused(db, two, "the first argument must be a ticket");
      sqlite3_free(one);
      sqlite3_free(two);
    }
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
      char *sql = sqlite3_mprintf("SELECT asyncvfs_wait(asyncvfs_ticket(), %s)", timeouts[i]);
      check_refused(db, sql, "from -1 (for ever) to 2147483647 milliseconds");
      sqlite3_free(sql);
    }
  }
  CHECK_EQ(sql_int(db, "SELECT asyncvfs_wait(asyncvfs_ticket(), 2147483647)"), 1);
  /* No view or trigger waits, or changes a setting. */
  sql_must(db, "CREATE VIEW f AS SELECT asyncvfs_flush(); CREATE VIEW w AS SELECT asyncvfs_wait(0)");
  sql_must(db, "CREATE VIEW d AS SELECT asyncvfs_default('max_lag_ms', 1)");
  check_refused(db, "SELECT * FROM f", "unsafe use of asyncvfs_flush()");
  check_refused(db, "SELECT * FROM w", "unsafe use of asyncvfs_wait()");
  check_refused(db, "SELECT * FROM d", "unsafe use of asyncvfs_default()");
  sql_close(db);
}

static void tickets_refuse_null(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  long long t = 5;
  if (db == NULL) return;
  CHECK_EQ(asyncvfs_ticket(NULL, "main", &t), SQLITE_MISUSE);
  CHECK_EQ(asyncvfs_ticket(db, "main", NULL), SQLITE_MISUSE);
  CHECK_EQ(asyncvfs_ticket(db, "nowhere", &t), SQLITE_NOTFOUND);
  CHECK_EQ(t, 0);
  sql_close(db);
}

static void ticket_of_another_vfs_is_refused(void) {
  sqlite3 *db = sql_open(scratch_path("stock.db"), SQL_STOCK_VFS);
  long long t = 0;
  char text[100];
  if (db == NULL) return;
  CHECK_EQ(asyncvfs_ticket(db, "main", &t), SQLITE_NOTFOUND);
  CHECK_EQ(sql_try_text(db, "SELECT asyncvfs_ticket()", text, sizeof text), SQLITE_ERROR);
  sql_close(db);
}

static void flush_by_path_finds_the_open_database(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  if (db == NULL) return;
  CHECK_EQ(asyncvfs_flush(sqlite3_db_filename(db, "main"), 60000), SQLITE_OK);
  CHECK_EQ(sql_status(db, "durable_commits"), sql_status(db, "commits"));
  CHECK_EQ(asyncvfs_flush("C:\\no\\such.db", 0), SQLITE_NOTFOUND);
  CHECK_EQ(asyncvfs_flush(NULL, -2), SQLITE_MISUSE);
  sql_close(db);
}

/* More databases than any list of a fixed length would hold; none would be written by
 * itself within the test. */
static void flush_of_all_means_all(void) {
  enum { DATABASES = 80 };
  sqlite3 *db[DATABASES];
  int i, open = 0;
  for (i = 0; i < DATABASES; i++) {
    db[i] = sql_open(scratch_path("one.db"), sql_vfs());
    if (db[i] == NULL) break;
    open++;
    sql_must(db[i], "PRAGMA asyncvfs_max_lag_ms=60000; " SQL_CREATE_T);
  }
  CHECK_EQ(asyncvfs_flush(NULL, ASYNCVFS_FOREVER), SQLITE_OK);
  for (i = 0; i < open; i++) {
    CHECK_EQ(sql_status(db[i], "durable_commits"), sql_status(db[i], "commits"));
    sql_close(db[i]);
  }
}

/* SQLite's own pragma for a statement that still reads would be a snapshot; ours is
 * BUSY for what it has not read yet, and no mixture. */
static void reader_of_a_waiting_connection_sees_no_mixture(void) {
  const char *path;
  sqlite3 *a = sql_open_table(&path), *b;
  sqlite3_stmt *reading = NULL;
  int rc;
  if (a == NULL) return;
  sql_must(a, "PRAGMA cache_size=5; INSERT INTO t(b) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
              "SELECT i+1 FROM n WHERE i<300) SELECT zeroblob(2000) FROM n");
  sql_must(a, "PRAGMA asyncvfs_durability=disk");
  b = sql_open(path, sql_vfs());
  if (b == NULL) return;
  CHECK_EQ(sqlite3_prepare_v2(a, "SELECT id FROM t", -1, &reading, NULL), SQLITE_OK);
  CHECK_EQ(sqlite3_step(reading), SQLITE_ROW);
  sql_must(a, "INSERT INTO t(b) VALUES(1)");   /* waits, and has SHARED again after it */
  for (rc = SQLITE_ROW; rc == SQLITE_ROW;) rc = sqlite3_step(reading);
  CHECK_EQ(rc, SQLITE_DONE);   /* nobody else committed */
  sqlite3_finalize(reading);
  sql_close(b);
  sql_close(a);
}

/* ---- several connections -------------------------------------------------------------- */

typedef struct writer {
  const char *path;
  int commits, failed;
} writer;

static DWORD WINAPI write_disk_commits(LPVOID arg) {
  writer *w = arg;
  sqlite3 *db = NULL;
  int i;
  if (sql_try_open(w->path, sql_vfs(), &db) != SQLITE_OK) {
    w->failed = 1;
    return 0;
  }
  sqlite3_busy_timeout(db, 60000);
  if (sql_exec(db, "PRAGMA asyncvfs_durability=disk") != SQLITE_OK) w->failed = 1;
  for (i = 0; i < w->commits && !w->failed; i++) {
    int rc = sql_exec(db, "BEGIN IMMEDIATE; INSERT INTO t(b) VALUES(randomblob(50)); COMMIT");
    if (rc != SQLITE_OK) {
      harness_print("a disk commit answered %d\n", rc);
      w->failed = 1;
    }
  }
  sqlite3_close(db);
  return 0;
}

static void disk_commits_of_several_connections_share_batches(void) {
  enum { WRITERS = 8, COMMITS = 25 };
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  writer w[WRITERS];
  HANDLE thread[WRITERS];
  int64_t batches, wakes, locks;
  int i;
  if (db == NULL) return;
  batches = sql_status(db, "batches");
  wakes = sql_status(db, "wake");
  locks = sql_status(db, "lock");
  for (i = 0; i < WRITERS; i++) {
    w[i].path = path;
    w[i].commits = COMMITS;
    w[i].failed = 0;
    thread[i] = CreateThread(NULL, 0, write_disk_commits, &w[i], 0, NULL);
  }
  for (i = 0; i < WRITERS; i++) {
    WaitForSingleObject(thread[i], INFINITE);
    CloseHandle(thread[i]);
    CHECK_EQ(w[i].failed, 0);
  }
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), WRITERS * COMMITS);
  batches = sql_status(db, "batches") - batches;
  wakes = sql_status(db, "wake") - wakes;
  locks = sql_status(db, "lock") - locks;
  harness_print("    %d commits in %d batches, for which the engine was woken %d times\n",
                WRITERS * COMMITS, (int)batches, (int)wakes);
  CHECK(batches < WRITERS * COMMITS);
  /* Again, and not more often, where the lock was being given up meanwhile. */
  CHECK(wakes <= 3 * (batches + locks));
  sql_close(db);
}

/* ---- kill, and exit --------------------------------------------------------------------- */

/* PATH: commits with durability=disk for ever, and says each that returned. */
int role_disk_commits(int argc, char **argv) {
  sqlite3 *db = NULL;
  int i;
  if (argc < 1 || sql_try_open(argv[0], sql_vfs(), &db) != SQLITE_OK) return 1;
  if (sql_exec(db, "PRAGMA asyncvfs_durability=disk") != SQLITE_OK) return 1;
  for (i = 1;; i++) {
    if (sql_exec(db, "INSERT INTO t(b) VALUES(randomblob(300))") != SQLITE_OK) return 1;
    printf("%d\n", i);
    fflush(stdout);
  }
}

static void no_disk_commit_is_missing_after_a_kill(void) {
  enum { KILLS = 20 };
  int kill;
  for (kill = 0; kill < KILLS; kill++) {
    const char *path;
    sqlite3 *db = sql_open_table(&path);
    harness_child *child;
    char line[40];
    int lines = 1 + (int)rng_below(20), told = 0;
    sql_close(db);
    child = harness_spawn("disk_commits", path, (char *)NULL);
    if (child == NULL) return;
    while (lines-- > 0 && harness_child_read_line(child, line, sizeof line, LINE_MS)) {
      told = atoi(line);
    }
    harness_child_kill(child);
    while (harness_child_read_line(child, line, sizeof line, 0)) told = atoi(line);
    harness_child_free(child);
    CHECK(told > 0);
    db = sql_open(path, SQL_STOCK_VFS);
    if (db == NULL) return;
    sql_check_integrity(db, "after a kill");
    CHECK(sql_int(db, "SELECT count(*) FROM t") >= told);
    sql_close(db);
  }
}

/* PATH N HOW [LOG SQL]: commits N rows through the real DLL and ends without closing. */
int role_end_without_closing(int argc, char **argv) {
  sqlite3 *loader = NULL, *db = NULL;
  int i;
  if (argc < 3 || argc == 4) return 1;
  sqlite3_open(":memory:", &loader);
  sqlite3_enable_load_extension(loader, 1);
  if (sqlite3_load_extension(loader, "asyncvfs", NULL, NULL) != SQLITE_OK) return 1;
  /* Not by sql_try_open, which would register the core that is in tests.exe. */
  if (sqlite3_open_v2(argv[0], &db, SQLITE_OPEN_READWRITE, "asyncvfs") != SQLITE_OK) return 1;
  if (argc > 3) {
    SetEnvironmentVariableA("ASYNCVFS_LOG", argv[3]);
    if (sql_exec(db, "PRAGMA asyncvfs_exit_timeout_ms=0; PRAGMA asyncvfs_max_lag_ms=60000") != SQLITE_OK ||
        sql_exec(db, argv[4]) != SQLITE_OK) {
      return 1;
    }
  }
  for (i = 0; i < atoi(argv[1]); i++) {
    if (sql_exec(db, "INSERT INTO t(b) VALUES(randomblob(300))") != SQLITE_OK) return 1;
  }
  if (strstr(argv[2], "in_transaction") != NULL &&
      sql_exec(db, "BEGIN; INSERT INTO t(b) VALUES('not committed')") != SQLITE_OK) {
    return 1;
  }
  if (strcmp(argv[2], "ExitProcess") == 0) ExitProcess(0);
  if (strstr(argv[2], "closed") != NULL && sqlite3_close(db) != SQLITE_OK) return 1;
  if (strstr(argv[2], "thread") != NULL) {
    fflush(stdout);
    ExitThread(0);   /* the process ends with its last thread */
  }
  return 0;
}

static void program_that_ends_without_closing_loses_nothing(void) {
  static const char *const how[] = {"return", "ExitProcess", "in_transaction", "thread",
                                    "thread_closed", "thread_in_transaction"};
  int i;
  for (i = 0; i < 18; i++) {
    char n[20];
    int commits = 1 + (int)rng_below(6000), status = -1;
    const char *path = scratch_path("app.db");
    sqlite3 *db = sql_open(path, SQL_STOCK_VFS);
    harness_child *child;
    sql_must(db, SQL_CREATE_T);
    sql_close(db);
    snprintf(n, sizeof n, "%d", commits);
    child = harness_spawn("end_without_closing", path, n, how[i % 6], (char *)NULL);
    if (child == NULL) return;
    CHECK(harness_child_wait(child, LINE_MS, &status));
    CHECK_EQ(status, 0);
    harness_child_free(child);
    CHECK(!sql_journal_is_hot(path));
    db = sql_open(path, SQL_STOCK_VFS);
    if (db == NULL) return;
    sql_check_integrity(db, how[i % 6]);
    CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), commits);
    sql_close(db);
  }
}

static void ASYNCVFS_CALL on_error(void *arg, const asyncvfs_error *error) {
  (void)arg;
  (void)error;
}

static void ASYNCVFS_CALL on_durable(void *arg, long long ticket, int rc) {
  (void)ticket;
  if (rc == SQLITE_OK) harness_print("%s\n", (const char *)arg);
}

/* argv: a database. Its threads of callbacks, and of the pool, outlive the program's own. */
int role_callbacks_and_end(int argc, char **argv) {
  sqlite3 *db = NULL;
  if (argc != 1 || sql_try_open(argv[0], sql_vfs(), &db) != SQLITE_OK) return 1;
  if (asyncvfs_on_error(on_error, NULL) != SQLITE_OK) return 1;
  if (sql_exec(db, "PRAGMA asyncvfs_max_lag_ms=500; INSERT INTO t(b) VALUES(1)") != SQLITE_OK) return 1;
  if (asyncvfs_on_durable(db, "main", on_durable, (void *)"durable") != SQLITE_OK) return 1;
  ExitThread(0);
}

static void callbacks_come_and_let_the_process_end(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  harness_child *child;
  char line[100] = "";
  int status = -1;
  if (db == NULL) return;
  sql_close(db);
  child = harness_spawn("callbacks_and_end", path, (char *)NULL);
  if (child == NULL) return;
  CHECK(harness_child_read_line(child, line, sizeof line, LINE_MS));
  CHECK_STR_EQ(line, "durable");
  CHECK(harness_child_wait(child, LINE_MS, &status));
  CHECK_EQ(status, 0);
  harness_child_free(child);
}

/* A database of 7 commits that its program has left in memory; what the log says. Answers its path. */
static const char *ended_without_time(const char *durability, char *text, size_t bytes) {
  const char *path = scratch_path("app.db"), *log = scratch_path("exit.log");
  sqlite3 *db = sql_open(path, SQL_STOCK_VFS);
  harness_child *child;
  int status = -1;
  sql_must(db, SQL_CREATE_T);
  sql_close(db);
  child = harness_spawn("end_without_closing", path, "7", "return", log, durability, (char *)NULL);
  if (child == NULL) return path;
  CHECK(harness_child_wait(child, LINE_MS, &status));
  CHECK_EQ(status, 0);
  harness_child_free(child);
  memset(text, 0, bytes);
  sql_file_read(log, 0, text, bytes - 1);
  CHECK(strstr(text, "asyncvfs: the process ended with 7 commits of ") != NULL);
  return path;
}

static void program_that_ends_without_time_says_what_is_lost(void) {
  char text[1000];
  const char *path = ended_without_time("PRAGMA asyncvfs_durability=memory", text, sizeof text);
  sqlite3 *db = sql_open(path, SQL_STOCK_VFS);
  CHECK(strstr(text, "app.db not on disk; they are lost") != NULL);
  if (db == NULL) return;
  sql_check_integrity(db, "after an exit without time");
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), 0);
  sql_close(db);
}

static void program_that_ends_without_time_loses_nothing_by_default(void) {
  char text[1000];
  const char *path = ended_without_time("", text, sizeof text);
  sqlite3 *db;
  CHECK(strstr(text, "app.db not on disk; who opens it next through asyncvfs has them") != NULL);
  db = sql_open(path, sql_vfs());
  if (db == NULL) return;
  sql_check_integrity(db, "after an exit without time");
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), 7);
  sql_close(db);
}

/* ---- settings ------------------------------------------------------------------------- */

static void settings_refuse_what_is_out_of_range(void) {
  static const char *const bad[] = {
      "durability=never", "durability=osx",    "max_lag_ms=-1",        "max_lag_ms=60001",
      "max_lag_ms=1s",    "max_queue_bytes=1",   "on_full=maybe",        "full_timeout_ms=x",
      "close=never",      "close_timeout_ms=-5", "max_queue_bytes=68719476737",
      "max_process_bytes=0", "exit_timeout_ms=forever", "full_timeout_ms=",
  };
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  size_t i;
  if (db == NULL) return;
  for (i = 0; i < sizeof bad / sizeof *bad; i++) {
    char sql[80], name[40];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(bad[i], "="), bad[i]);
    snprintf(sql, sizeof sql, "PRAGMA asyncvfs_%s='%s'", name, bad[i] + strlen(name) + 1);
    CHECK_EQ(sql_exec(db, sql) & 0xff, SQLITE_ERROR);
    if (!CHECK(strstr(sqlite3_errmsg(db), name) != NULL)) harness_print("%s\n", sqlite3_errmsg(db));
  }
  check_refused(db, "PRAGMA asyncvfs_durability=never", "durability=never: must be memory, os or disk");
  check_refused(db, "PRAGMA asyncvfs_max_lag_ms=60001", "max_lag_ms=60001: must be a number from 0 to 60000");
  check_refused(db, "PRAGMA asyncvfs_on_full=maybe", "on_full=maybe: must be wait or busy");
  sql_must(db, "PRAGMA asyncvfs_on_full=BUSY; PRAGMA asyncvfs_close_timeout_ms=0");
  CHECK_EQ(sql_int(db, "PRAGMA asyncvfs_close_timeout_ms"), 0);
  sql_close(db);
}

/* durability as a connection is told it: by the pragma, and by the status. */
static void check_durability(sqlite3 *db, const char *expected) {
  char text[4000] = "", key[60];
  CHECK_EQ(sql_try_text(db, "PRAGMA asyncvfs_durability", text, sizeof text), SQLITE_OK);
  CHECK_STR_EQ(text, expected);
  snprintf(key, sizeof key, "\"durability\":\"%s\"", expected);
  CHECK_EQ(sql_try_text(db, "PRAGMA asyncvfs_status", text, sizeof text), SQLITE_OK);
  if (!CHECK(strstr(text, key) != NULL)) harness_print("%s\n", text);
}

static void durability_is_one_of_three_words(void) {
  static const char *const words[] = {"memory", "os", "disk"};
  const char *path;
  uint64_t first = avfs_setting_default(AVFS_DURABILITY);   /* of the suites that come next, too */
  sqlite3 *db = sql_open_table(&path), *other;
  if (db == NULL) return;
  for (int i = 0; i < 3; i++) {
    char parameter[40], before[40] = "";
    sql_mustf(db, "PRAGMA asyncvfs_durability=%s", words[i]);
    check_durability(db, words[i]);
    sql_must(db, "INSERT INTO t(b) VALUES(1)");
    check_durability(db, words[i]);
    snprintf(parameter, sizeof parameter, "durability=%s", words[i]);
    other = sql_open(sql_uri(path, parameter), sql_vfs());
    check_durability(other, words[i]);
    CHECK_EQ(sql_try_text(other, "PRAGMA asyncvfs_durability=memory", before, sizeof before), SQLITE_OK);
    sql_close(other);
    check_durability(db, words[i]);   /* a connection's own */
    CHECK_EQ(asyncvfs_default("durability", words[i], NULL, 0), SQLITE_OK);
    other = sql_open(path, sql_vfs());
    check_durability(other, words[i]);
    sql_close(other);
  }
  avfs_setting_set_default(AVFS_DURABILITY, first);
  sql_close(db);
}

static void where_os_cannot_be_had_disk_is_in_force_and_says_why(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path), *other;
  sqlite3_file *file = NULL;
  char text[4000] = "";
  if (db == NULL) return;
  CHECK_EQ(sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file), SQLITE_OK);
  sql_must(db, "PRAGMA asyncvfs_durability=memory");
  store_peek_fall_back(file, "there is no room");
  check_durability(db, "memory");
  sql_must(db, "PRAGMA asyncvfs_durability=os");
  check_durability(db, "disk");
  CHECK_EQ(sql_try_text(db, "PRAGMA asyncvfs_status", text, sizeof text), SQLITE_OK);
  if (!CHECK(strstr(text, ",\"reason\":\"there is no room\"}") != NULL)) harness_print("%s\n", text);
  other = sql_open(sql_uri(path, "durability=os"), sql_vfs());
  check_durability(other, "disk");
  sql_close(other);
  store_peek_fall_back(file, NULL);
  check_durability(db, "os");   /* what was set is kept */
  CHECK_EQ(sql_try_text(db, "PRAGMA asyncvfs_status", text, sizeof text), SQLITE_OK);
  if (!CHECK(strstr(text, ",\"reason\":\"\"}") != NULL)) harness_print("%s\n", text);
  sql_close(db);
}

void suite_durability(void) {
  CU_pSuite suite = CU_add_suite("durability", NULL, NULL);
  ADD_TEST(suite, disk_commit_is_durable_when_it_returns);
  ADD_TEST(suite, memory_commit_waits_only_when_asked);
  ADD_TEST(suite, ticket_stands_for_the_commits_before_it);
  ADD_TEST(suite, empty_disk_commit_covers_those_before_it);
  ADD_TEST(suite, disk_commit_of_an_attached_exclusive_database_is_durable);
  ADD_TEST(suite, sql_functions_do_what_the_c_functions_do);
  ADD_TEST(suite, tickets_refuse_null);
  ADD_TEST(suite, ticket_of_another_vfs_is_refused);
  ADD_TEST(suite, flush_by_path_finds_the_open_database);
  ADD_TEST(suite, flush_of_all_means_all);
  ADD_TEST(suite, reader_of_a_waiting_connection_sees_no_mixture);
  ADD_TEST(suite, disk_commits_of_several_connections_share_batches);
  ADD_TEST(suite, no_disk_commit_is_missing_after_a_kill);
  /* Wine 8 for 32 bits crashes when a process ends while a thread of it begins (its signal
   * handler wants a %gs that is not set yet), and then calls no DllMain. */
  if (sizeof(void *) == 8 || !harness_is_wine()) {
    ADD_TEST(suite, program_that_ends_without_closing_loses_nothing);
    ADD_TEST(suite, callbacks_come_and_let_the_process_end);
  ADD_TEST(suite, program_that_ends_without_time_says_what_is_lost);
  ADD_TEST(suite, program_that_ends_without_time_loses_nothing_by_default);
  }
  ADD_TEST(suite, settings_refuse_what_is_out_of_range);
  ADD_TEST(suite, durability_is_one_of_three_words);
  ADD_TEST(suite, where_os_cannot_be_had_disk_is_in_force_and_says_why);
}
