/* test_sqlite3async.c: the interface of SQLite's retired module (sqlite3async.h), and the
 * scenarios of its tests, async.test to async5.test in SQLite's source:
 *
 *   async     SQL gives the same as over stock SQLite, the queue emptied after each statement
 *   async2    the n-th call of the disk fails, the n-th allocation fails: what stock SQLite finds
 *             is the state between two transactions
 *   async3    a database is one, however its path is written
 *   async4    lockfiles and delay; a commit that is queued keeps the file locked for others
 *   async5    transactions over two databases
 *
 * What they look for in files while our commits are in memory is in docs/SQLITE3ASYNC.md. The
 * program of examples/, which is compiled with the original as well, is run by
 * tests/sqlite3async/run_sqlite3async.sh.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "asyncvfs.h"
#include "harness.h"
#include "sqlite3async.h"
#include "store/scenario.h"
#include "vfs/sql_tools.h"

#define LINE_MS 60000
#define QUEUED  "max_lag_ms=60000"   /* commits stay in memory until they are waited for */

static int get(int op) {
  int value = -1;
  CHECK_EQ(sqlite3async_control(op, &value), SQLITE_OK);
  return value;
}

/* "halt idle", a run, "halt never", as in the tests of the module. */
static void flush_queue(void) {
  sqlite3async_control(SQLITEASYNC_HALT, SQLITEASYNC_HALT_IDLE);
  sqlite3async_run();
  sqlite3async_control(SQLITEASYNC_HALT, SQLITEASYNC_HALT_NEVER);
}

static void begin(void) {
  (void)sql_vfs();
  CHECK_EQ(sqlite3async_initialize(NULL, 0), SQLITE_OK);
}

static sqlite3 *open_queued(const char *path) { return sql_open(sql_uri(path, QUEUED), SQLITEASYNC_VFSNAME); }

/* ---- a thread of the program's -------------------------------------------------------- */

typedef struct runner {
  HANDLE thread, begun;
} runner;

static DWORD WINAPI run(LPVOID begun) {
  SetEvent(begun);
  sqlite3async_run();
  return 0;
}

static runner start_runner(void) {
  runner r;
  r.begun = CreateEventA(NULL, TRUE, FALSE, NULL);
  r.thread = CreateThread(NULL, 0, run, r.begun, 0, NULL);
  WaitForSingleObject(r.begun, INFINITE);
  return r;
}

static bool still_runs(const runner *r) { return WaitForSingleObject(r->thread, 0) == WAIT_TIMEOUT; }

static void join(const runner *r) {
  WaitForSingleObject(r->thread, INFINITE);   /* the harness has a limit */
  CloseHandle(r->thread);
  CloseHandle(r->begun);
}

/* ---- control ---------------------------------------------------------------------------- */

static void control_tells_what_was_set(void) {
  begin();
  CHECK_EQ(get(SQLITEASYNC_GET_HALT), SQLITEASYNC_HALT_NEVER);
  CHECK_EQ(get(SQLITEASYNC_GET_DELAY), 0);
  CHECK_EQ(get(SQLITEASYNC_GET_LOCKFILES), 1);
  CHECK_EQ(sqlite3async_control(SQLITEASYNC_HALT, SQLITEASYNC_HALT_IDLE), SQLITE_OK);
  CHECK_EQ(sqlite3async_control(SQLITEASYNC_DELAY, 23), SQLITE_OK);
  CHECK_EQ(sqlite3async_control(SQLITEASYNC_LOCKFILES, 0), SQLITE_OK);
  CHECK_EQ(get(SQLITEASYNC_GET_HALT), SQLITEASYNC_HALT_IDLE);
  CHECK_EQ(get(SQLITEASYNC_GET_DELAY), 23);
  CHECK_EQ(get(SQLITEASYNC_GET_LOCKFILES), 0);
  sqlite3async_shutdown();
  CHECK_EQ(get(SQLITEASYNC_GET_DELAY), 23);   /* they stay */
  CHECK_EQ(sqlite3async_control(SQLITEASYNC_HALT, SQLITEASYNC_HALT_NEVER), SQLITE_OK);
  CHECK_EQ(sqlite3async_control(SQLITEASYNC_DELAY, 0), SQLITE_OK);
  CHECK_EQ(sqlite3async_control(SQLITEASYNC_LOCKFILES, 1), SQLITE_OK);
}

static void control_refuses_what_is_no_value(void) {
  static const struct {
    int op, value, rc;
  } bad[] = {
      {SQLITEASYNC_HALT, 3, SQLITE_MISUSE},      {SQLITEASYNC_HALT, -1, SQLITE_MISUSE},
      {SQLITEASYNC_DELAY, -1, SQLITE_MISUSE},    {SQLITEASYNC_LOCKFILES, 2, SQLITE_MISUSE},
      {SQLITEASYNC_LOCKFILES, -1, SQLITE_MISUSE}, {0, 0, SQLITE_ERROR}, {7, 0, SQLITE_ERROR},
  };
  size_t i;
  for (i = 0; i < sizeof bad / sizeof *bad; i++) CHECK_EQ(sqlite3async_control(bad[i].op, bad[i].value), bad[i].rc);
  CHECK_EQ(sqlite3async_control(SQLITEASYNC_GET_HALT, (int *)NULL), SQLITE_MISUSE);
  CHECK_EQ(get(SQLITEASYNC_GET_HALT), SQLITEASYNC_HALT_NEVER);
  CHECK_EQ(get(SQLITEASYNC_GET_DELAY), 0);
  CHECK_EQ(get(SQLITEASYNC_GET_LOCKFILES), 1);
}

/* async4.1.10 to 12; there the queue had to be emptied after the close. */
static void lockfiles_is_not_set_while_a_database_is_open(void) {
  sqlite3 *db, *other;
  begin();
  other = sql_open(scratch_path("other.db"), sql_vfs());   /* of another VFS */
  db = open_queued(scratch_path("a.db"));
  CHECK_EQ(sqlite3async_control(SQLITEASYNC_LOCKFILES, 0), SQLITE_MISUSE);
  CHECK_EQ(get(SQLITEASYNC_GET_LOCKFILES), 1);
  sql_close(db);
  CHECK_EQ(sqlite3async_control(SQLITEASYNC_LOCKFILES, 0), SQLITE_OK);
  CHECK_EQ(sqlite3async_control(SQLITEASYNC_LOCKFILES, 1), SQLITE_OK);
  sql_close(other);
  sqlite3async_shutdown();
}

/* ---- initialize, shutdown --------------------------------------------------------------- */

static void say(const char *what, int rc) {
  printf("%s %d\n", what, rc);
  fflush(stdout);
}

static void say_default(void) {
  printf("default %s\n", sqlite3_vfs_find(NULL)->zName);
  fflush(stdout);
}

static void say_name(const char *path, const char *vfs) {
  char *name = NULL;
  sqlite3 *db = NULL;
  say("open", sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs));
  sqlite3_file_control(db, "main", SQLITE_FCNTL_VFSNAME, &name);
  printf("vfsname %s\n", name);
  sqlite3_free(name);
  say("close", sqlite3_close(db));
}

/* argv: a database. Where nothing has registered anything. */
int role_sqlite3async_initialize(int argc, char **argv) {
  sqlite3_vfs other;
  sqlite3 *db = NULL;
  if (argc != 1) return 2;
  sqlite3async_run();   /* nothing is there */
  sqlite3async_shutdown();
  say("no parent", sqlite3async_initialize("nobody", 0));
  say("found", sqlite3_vfs_find(SQLITEASYNC_VFSNAME) != NULL);
  say("initialize", sqlite3async_initialize(NULL, 0));
  say_default();
  say("again", sqlite3async_initialize("nobody", 1));
  say_default();
  say_name(argv[0], SQLITEASYNC_VFSNAME);
  say("asyncvfs", sqlite3_vfs_find("asyncvfs") != NULL);
  sqlite3async_shutdown();
  say("found", sqlite3_vfs_find(SQLITEASYNC_VFSNAME) != NULL);
  say("longpath", sqlite3async_initialize("win32-longpath", 1));
  say_default();
  say_name(argv[0], NULL);
  say("open", sqlite3_open(argv[0], &db));
  sqlite3async_shutdown();
  say("another parent", sqlite3async_initialize("win32", 0));
  say("write", sqlite3_exec(db, "CREATE TABLE t(a); INSERT INTO t VALUES(1); SELECT * FROM t", NULL, NULL, NULL));
  say("close", sqlite3_close(db));
  say("another parent", sqlite3async_initialize("win32", 0));
  sqlite3async_shutdown();
  say("register", asyncvfs_register(NULL, ASYNCVFS_MAKE_DEFAULT, NULL, 0));
  say("beside it", sqlite3async_initialize(NULL, 0));
  say_name(argv[0], SQLITEASYNC_VFSNAME);
  say("open", sqlite3_open_v2(argv[0], &db, SQLITE_OPEN_READWRITE, SQLITEASYNC_VFSNAME));
  say("unregister", asyncvfs_unregister());   /* it has nothing open */
  say("close", sqlite3_close(db));
  sqlite3async_shutdown();
  other = *sqlite3_vfs_find("win32");
  other.zName = "other";
  sqlite3_vfs_register(&other, 1);
  say("over another", sqlite3async_initialize(NULL, 0));
  return 0;
}

static void expect_lines(harness_child *child, const char *const *lines) {
  char line[400];
  int status = -1;
  if (child == NULL) return;
  for (; *lines != NULL; lines++) {
    if (!harness_child_read_line(child, line, sizeof line, LINE_MS)) {
      FAIL("the child ended before it said \"%s\"", *lines);
      break;
    }
    CHECK_STR_EQ(line, *lines);
  }
  CHECK(harness_child_wait(child, LINE_MS, &status));
  CHECK_EQ(status, 0);
  harness_child_free(child);
}

static void initialize_answers_as_the_module_did(void) {
  static const char *const lines[] = {
      "no parent 1", "found 0",
      "initialize 0", "default win32", "again 0", "default win32",
      "open 0", "vfsname sqlite3async/win32", "close 0", "asyncvfs 0", "found 0",
      "longpath 0", "default sqlite3async", "open 0", "vfsname sqlite3async/win32-longpath", "close 0",
      "open 0", "another parent 1", "write 0", "close 0", "another parent 0",
      "register 0", "beside it 0", "open 0", "vfsname sqlite3async/win32", "close 0",
      "open 0", "unregister 0", "close 0", "over another 1", NULL};
  expect_lines(harness_spawn("sqlite3async_initialize", scratch_path("a.db"), (char *)NULL), lines);
}

static void database_stays_usable_after_a_shutdown(void) {
  const char *path = scratch_path("a.db");
  sqlite3 *db;
  begin();
  db = open_queued(path);
  sql_must(db, SQL_CREATE_T);
  sqlite3async_shutdown();
  CHECK(sqlite3_vfs_find(SQLITEASYNC_VFSNAME) == NULL);
  sql_must(db, "INSERT INTO t(b) VALUES(1)");
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), 1);
  sql_close(db);
  db = sql_open(path, SQL_STOCK_VFS);
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), 1);
  sql_close(db);
}

/* ---- run ---------------------------------------------------------------------------------- */

static void run_returns_when_idle(void) {
  const char *path = scratch_path("a.db");
  sqlite3 *db, *stock;
  begin();
  db = open_queued(path);
  sql_must(db, SQL_CREATE_T);
  CHECK(sql_status(db, "durable_commits") < sql_status(db, "commits"));
  flush_queue();
  CHECK_EQ(sql_status(db, "durable_commits"), sql_status(db, "commits"));
  CHECK_EQ(sql_status(db, "os_lock"), 0);
  stock = sql_open(path, SQL_STOCK_VFS);
  sql_must(stock, "INSERT INTO t(b) VALUES(1)");   /* the lock is given back */
  sql_close(stock);
  sql_check_nothing_beside(path);
  sql_must(db, "BEGIN IMMEDIATE; INSERT INTO t(b) VALUES(2)");
  flush_queue();   /* an open transaction is nobody's queue */
  sql_must(db, "COMMIT");
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), 2);
  sql_close(db);
  flush_queue();   /* nothing is open */
  sqlite3async_shutdown();
}

static void run_stays_while_halt_is_never(void) {
  sqlite3 *db;
  runner a, b;
  begin();
  db = open_queued(scratch_path("a.db"));
  a = start_runner();
  b = start_runner();
  sql_must(db, SQL_CREATE_T "; PRAGMA asyncvfs_flush");   /* as long as a disk takes */
  CHECK(still_runs(&a));
  CHECK(still_runs(&b));
  CHECK_EQ(sqlite3async_control(SQLITEASYNC_HALT, SQLITEASYNC_HALT_NEVER), SQLITE_OK);
  sql_must(db, "INSERT INTO t(b) VALUES(1); PRAGMA asyncvfs_flush");
  CHECK(still_runs(&a));
  sql_must(db, "INSERT INTO t(b) VALUES(2)");
  CHECK_EQ(sqlite3async_control(SQLITEASYNC_HALT, SQLITEASYNC_HALT_IDLE), SQLITE_OK);
  join(&a);
  join(&b);
  CHECK_EQ(sql_status(db, "durable_commits"), sql_status(db, "commits"));
  CHECK_EQ(sqlite3async_control(SQLITEASYNC_HALT, SQLITEASYNC_HALT_NEVER), SQLITE_OK);
  sql_close(db);
  sqlite3async_shutdown();
}

static void run_leaves_the_queue_when_halt_is_now(void) {
  sqlite3 *db;
  runner r;
  begin();
  db = open_queued(scratch_path("a.db"));
  r = start_runner();
  sql_must(db, SQL_CREATE_T);
  CHECK_EQ(sqlite3async_control(SQLITEASYNC_HALT, SQLITEASYNC_HALT_NOW), SQLITE_OK);
  join(&r);
  CHECK(sql_status(db, "durable_commits") < sql_status(db, "commits"));
  sqlite3async_run();
  CHECK(sql_status(db, "durable_commits") < sql_status(db, "commits"));
  /* The engine is not halted. */
  sql_must(db, "PRAGMA asyncvfs_flush");
  CHECK_EQ(sql_status(db, "durable_commits"), sql_status(db, "commits"));
  CHECK_EQ(sqlite3async_control(SQLITEASYNC_HALT, SQLITEASYNC_HALT_NEVER), SQLITE_OK);
  sql_close(db);
  sqlite3async_shutdown();
}

static void run_returns_at_a_shutdown(void) {
  sqlite3 *db;
  runner r;
  begin();
  r = start_runner();
  db = open_queued(scratch_path("a.db"));
  sql_must(db, SQL_CREATE_T "; PRAGMA asyncvfs_flush");   /* meanwhile it has come to wait */
  sql_close(db);
  sqlite3async_shutdown();
  join(&r);
  sqlite3async_run();
}

/* ---- async.test --------------------------------------------------------------------------- */

/* Of insert, select, trans and lock tests; the same on both sides. */
static const char *const statements[] = {
    "CREATE TABLE t1(a INTEGER PRIMARY KEY, b TEXT, c)",
    "CREATE INDEX i1 ON t1(b, c)",
    "INSERT INTO t1 VALUES(1, 'one', 1.5), (2, 'two', NULL), (3, 'three', x'00ff')",
    "INSERT INTO t1(b) SELECT b || a FROM t1",
    "INSERT INTO t1 VALUES(1, 'twice', 0)",
    "BEGIN; UPDATE t1 SET c = a * 2; DELETE FROM t1 WHERE a % 2; ROLLBACK",
    "BEGIN; UPDATE t1 SET c = a * 2; DELETE FROM t1 WHERE a % 2; COMMIT",
    "SAVEPOINT s; INSERT INTO t1(b) VALUES('gone'); ROLLBACK TO s; INSERT INTO t1(b) VALUES('kept'); RELEASE s",
    "CREATE TABLE t2(x UNIQUE, y DEFAULT 7)",
    "INSERT INTO t2(x) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT i FROM n",
    "INSERT OR REPLACE INTO t2 SELECT x, x * x FROM t2 WHERE x % 3 = 0",
    "CREATE TRIGGER d AFTER DELETE ON t2 BEGIN INSERT INTO t1(b, c) VALUES('deleted', old.x); END",
    "DELETE FROM t2 WHERE x > 450",
    "ALTER TABLE t2 ADD COLUMN z",
    "DROP INDEX i1",
    "PRAGMA user_version = 5",
    "VACUUM",
    "DROP TABLE t2",
};

static void sql_gives_the_same_as_stock_sqlite(void) {
  const char *path = scratch_path("a.db"), *stock_path = scratch_path("b.db");
  sqlite3 *db, *stock = sql_open(stock_path, SQL_STOCK_VFS), *reader;
  uint64_t ours = 0, theirs = 1;
  size_t i;
  begin();
  db = open_queued(path);
  for (i = 0; i < sizeof statements / sizeof *statements; i++) {
    CHECK_EQ(sql_exec(db, statements[i]), sql_exec(stock, statements[i]));
    CHECK_EQ(sqlite3_total_changes(db), sqlite3_total_changes(stock));
    flush_queue();
    reader = sql_open(path, SQL_STOCK_VFS);   /* in the file, too */
    CHECK_EQ(sql_dump_hash(reader, &ours), SQLITE_OK);
    CHECK_EQ(sql_dump_hash(stock, &theirs), SQLITE_OK);
    if (!CHECK_EQ(ours, theirs)) harness_print("after: %s\n", statements[i]);
    sql_close(reader);
  }
  sql_close(stock);
  sql_close(db);
  sqlite3async_shutdown();
}

/* ---- async2.test -------------------------------------------------------------------------- */

static const char setup_script[] = "CREATE TABLE counter(c); INSERT INTO counter(c) VALUES(1)";

static const char sql_script[] =
    "BEGIN;"
    "  UPDATE counter SET c = 2;"
    "  CREATE TABLE t1(a PRIMARY KEY, b, c);"
    "  CREATE TABLE t2(a PRIMARY KEY, b, c);"
    "COMMIT;"
    "BEGIN;"
    "  UPDATE counter SET c = 3;"
    "  INSERT INTO t1 VALUES('abcdefghij', 'four', 'score');"
    "  INSERT INTO t2 VALUES('klmnopqrst', 'and', 'seven');"
    "COMMIT;"
    "UPDATE counter SET c = 'FIN';";

/* What stock SQLite finds: after how many transactions of the script, 0 to 3. */
static int found(const char *path) {
  static const char *const schema = "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema "
                                    "WHERE type = 'table' ORDER BY name)";
  static const char *const rows = "SELECT group_concat(a || b || c) FROM (SELECT * FROM t1 UNION SELECT * FROM t2)";
  char c[20] = "", tables[60] = "", text[80] = "";
  sqlite3 *db = NULL;
  int state;
  EXPECT(sql_try_open(path, SQL_STOCK_VFS, &db) == SQLITE_OK);
  EXPECT(sql_try_text(db, "PRAGMA integrity_check", text, sizeof text) == SQLITE_OK && strcmp(text, "ok") == 0);
  EXPECT(sql_try_text(db, "SELECT c FROM counter LIMIT 1", c, sizeof c) == SQLITE_OK);
  EXPECT(sql_try_text(db, schema, tables, sizeof tables) == SQLITE_OK);
  state = strcmp(c, "FIN") == 0 ? 3 : atoi(c) - 1;
  EXPECT(strcmp(tables, state == 0 ? "counter" : "counter,t1,t2") == 0);
  text[0] = 0;
  if (state > 0) EXPECT(sql_try_text(db, rows, text, sizeof text) == SQLITE_OK);
  EXPECT(strcmp(text, state < 2 ? "" : "abcdefghijfourscore,klmnopqrstandseven") == 0);
  sqlite3_close(db);
  return state;
}

static void set_up(const char *path) {
  sqlite3 *db = NULL;
  sql_delete_database(path);
  EXPECT(sql_try_open(path, SQL_STOCK_VFS, &db) == SQLITE_OK);
  EXPECT(sql_exec(db, setup_script) == SQLITE_OK);
  sqlite3_close(db);
}

static sqlite3 *open_for_script(const char *path) {
  sqlite3 *db = NULL;
  EXPECT(sqlite3async_initialize(NULL, 1) == SQLITE_OK);
  EXPECT(sqlite3_open(path, &db) == SQLITE_OK);
  sqlite3_db_config(db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 0, 0);
  return db;
}

static void close_after_script(sqlite3 *db) {
  sqlite3_close(db);
  flush_queue();
  sqlite3async_shutdown();
}

/* One call of the disk fails; the engine repeats it. So nothing is lost, but where SQLite was told
 * before COMMIT; the module lost all that came after. */
static void failing_disk_leaves_the_state_between_transactions(void) {
  const char *path = scratch_path("a.db");
  for (int call = 0; call < FAULTY_CALLS; call++) {
    bool touched = true;
    for (LONG n = 1; touched && n < 200; n++) {
      sqlite3 *db;
      int rc, state;
      set_up(path);
      db = open_for_script(path);
      faulty_fail((faulty_call)call, n, 1, NULL);
      rc = sqlite3_exec(db, sql_script, NULL, NULL, NULL);
      close_after_script(db);
      touched = faulty_failed() > 0;
      faulty_fail((faulty_call)call, 0, 0, NULL);
      state = found(path);
      if (!EXPECT(rc != SQLITE_OK || state == 3)) {
        harness_print("%s call %ld failed: all was committed, found is %d\n", faulty_names[call], n, state);
      }
    }
  }
}

/* The disk fails for ever: "halt idle" does not wait for it. */
static void run_returns_when_the_disk_fails(void) {
  const char *path = scratch_path("a.db");
  sqlite3 *db = NULL;
  EXPECT(sqlite3async_initialize(NULL, 0) == SQLITE_OK);
  EXPECT(sql_try_open(sql_uri(path, QUEUED), SQLITEASYNC_VFSNAME, &db) == SQLITE_OK);
  EXPECT(sql_exec(db, setup_script) == SQLITE_OK);
  faulty_fail(CALL_WRITE, 1, FAULTY_ALWAYS, NULL);
  flush_queue();
  EXPECT(sql_status(db, "durable_commits") < sql_status(db, "commits"));
  faulty_fail(CALL_WRITE, 0, 0, NULL);
  EXPECT(asyncvfs_flush(path, LINE_MS) == SQLITE_OK);   /* they were still there */
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  EXPECT(found(path) == 0);
  sqlite3async_shutdown();
}

/* Halted while it waits for a disk that does not answer. */
static void run_returns_at_halt_now_while_the_disk_is_busy(void) {
  sqlite3 *db = NULL;
  HANDLE reached;
  runner r;
  EXPECT(sqlite3async_initialize(NULL, 0) == SQLITE_OK);
  EXPECT(sql_try_open(sql_uri(scratch_path("a.db"), QUEUED), SQLITEASYNC_VFSNAME, &db) == SQLITE_OK);
  EXPECT(sql_exec(db, setup_script) == SQLITE_OK);
  reached = faulty_hold(CALL_FLUSH, NULL);
  sqlite3async_control(SQLITEASYNC_HALT, SQLITEASYNC_HALT_IDLE);
  r = start_runner();
  WaitForSingleObject(reached, INFINITE);
  EXPECT(still_runs(&r));
  sqlite3async_control(SQLITEASYNC_HALT, SQLITEASYNC_HALT_NOW);
  join(&r);
  faulty_release();
  sqlite3async_control(SQLITEASYNC_HALT, SQLITEASYNC_HALT_NEVER);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  sqlite3async_shutdown();
}

static const scenario scenarios[] = {
    SCENARIO(failing_disk_leaves_the_state_between_transactions),
    SCENARIO(run_returns_when_the_disk_fails),
    SCENARIO(run_returns_at_halt_now_while_the_disk_is_busy),
    {NULL, NULL},
};

int role_sqlite3async(int argc, char **argv) { return scenario_run(scenarios, argc, argv); }

/* ---- async2.test: memory ------------------------------------------------------------------ */

static sqlite3_mem_methods memory;      /* SQLite's own */
static volatile LONG allocations_left;  /* until one fails; 0: none does */
static volatile LONG failed_allocations;
static bool fails_for_good;

static bool is_to_fail(void) {
  if (allocations_left == 0) return false;
  if (allocations_left == 1) {
    InterlockedIncrement(&failed_allocations);
    if (!fails_for_good) allocations_left = 0;
    return true;
  }
  InterlockedDecrement(&allocations_left);
  return false;
}

static void *failing_malloc(int n) { return is_to_fail() ? NULL : memory.xMalloc(n); }
static void *failing_realloc(void *p, int n) { return is_to_fail() ? NULL : memory.xRealloc(p, n); }

/* argv: "once" or "for_good". The n-th allocation of SQLite's fails, as long as one does. */
int role_sqlite3async_memory(int argc, char **argv) {
  const char *path = scratch_path("a.db");
  sqlite3_mem_methods failing;
  LONG n = 1;
  int states[4] = {0};
  if (argc != 1 || sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory) != SQLITE_OK) return 2;
  failing = memory;
  failing.xMalloc = failing_malloc;
  failing.xRealloc = failing_realloc;
  if (sqlite3_config(SQLITE_CONFIG_MALLOC, &failing) != SQLITE_OK) return 2;
  fails_for_good = strcmp(argv[0], "for_good") == 0;
  do {
    sqlite3 *db;
    int rc, state;
    set_up(path);
    db = open_for_script(path);
    failed_allocations = 0;
    allocations_left = n;
    rc = sqlite3_exec(db, sql_script, NULL, NULL, NULL);
    close_after_script(db);
    allocations_left = 0;
    state = found(path);
    EXPECT(state >= 0 && state <= 3 && (rc != SQLITE_OK || state == 3));
    if (state >= 0 && state <= 3) states[state]++;
    n += 1 + (LONG)rng_below(12);
  } while (failed_allocations > 0);
  printf("up to allocation %ld: %d, %d, %d, %d times after 0, 1, 2, 3 transactions\n", n, states[0],
         states[1], states[2], states[3]);
  return states[0] > 0 && states[1] > 0 && states[3] > 0 ? scenario_problems() : 12;
}

static void failing_allocation_leaves_the_state_between_transactions(void) {
  harness_run_role("sqlite3async_memory", "once");
  harness_run_role("sqlite3async_memory", "for_good");
}

/* ---- async3.test -------------------------------------------------------------------------- */

static void database_is_one_however_its_path_is_written(void) {
  static const char *const forms[] = {"/vanilla/file.db",     "//vanilla/file.db",
                                      "/.//vanilla/file.db",  "/vanilla/./file.db",
                                      "/vanilla/../vanilla/file.db", "\\vanilla\\extra\\..\\file.db"};
  char folder[600], path[700];
  sqlite3 *db, *other;
  size_t i;
  begin();
  snprintf(folder, sizeof folder, "%s", scratch_path("chocolate"));
  CreateDirectoryA(folder, NULL);
  snprintf(path, sizeof path, "%s\\vanilla", folder);
  CreateDirectoryA(path, NULL);
  snprintf(path, sizeof path, "%s\\vanilla\\extra", folder);
  CreateDirectoryA(path, NULL);
  snprintf(path, sizeof path, "%s\\vanilla\\file.db", folder);
  db = sql_open(path, SQLITEASYNC_VFSNAME);
  sql_must(db, SQL_CREATE_T "; BEGIN; INSERT INTO t(b) VALUES(1)");
  for (i = 0; i < sizeof forms / sizeof *forms; i++) {
    char form[700];
    snprintf(form, sizeof form, "%s%s", folder, forms[i]);
    other = sql_open(form, SQLITEASYNC_VFSNAME);
    CHECK_EQ(sql_int(other, "SELECT count(*) FROM t"), 0);
    CHECK_RC(other, sql_exec(other, "INSERT INTO t(b) VALUES(2)"), SQLITE_BUSY);
    CHECK_STR_EQ(sqlite3_errmsg(other), "database is locked");
    sql_close(other);
  }
  sql_close(db);
  sqlite3async_shutdown();
}

/* ---- async4.test -------------------------------------------------------------------------- */

/* With lockfiles=0 the module did not lock: what others then did was undefined. */
static void queued_commit_keeps_the_file_locked(void) {
  for (int lock_files = 1; lock_files >= 0; lock_files--) {
    const char *path = scratch_path("a.db");
    sqlite3 *db, *stock;
    begin();
    CHECK_EQ(sqlite3async_control(SQLITEASYNC_LOCKFILES, lock_files), SQLITE_OK);
    db = open_queued(path);
    sql_must(db, "CREATE TABLE t1(a, b, c)");
    CHECK_EQ(sql_file_size(path), 0);
    stock = sql_open(path, SQL_STOCK_VFS);
    CHECK_RC(stock, sql_exec(stock, "CREATE TABLE t2(a, b, c)"), SQLITE_BUSY);
    flush_queue();
    sql_must(stock, "CREATE TABLE t2(a, b, c)");
    sql_must(db, "CREATE TABLE t3(a, b, c)");
    CHECK_RC(stock, sql_exec(stock, "CREATE INDEX i1 ON t2(a)"), SQLITE_BUSY);
    flush_queue();
    sql_must(stock, "CREATE INDEX i1 ON t2(a); CREATE INDEX i2 ON t3(a)");
    sql_check_integrity(stock, "after both have written");
    sql_close(stock);
    sql_close(db);
    CHECK_EQ(sqlite3async_control(SQLITEASYNC_LOCKFILES, 1), SQLITE_OK);
    sqlite3async_shutdown();
  }
}

/* ---- async5.test -------------------------------------------------------------------------- */

static void transaction_over_two_databases_is_whole(void) {
  const char *path = scratch_path("a.db"), *second = scratch_path("b.db");
  sqlite3 *db;
  begin();
  db = sql_open(path, SQLITEASYNC_VFSNAME);
  sql_mustf(db, "ATTACH '%s' AS next", second);
  sql_must(db, "CREATE TABLE main.t1(a, b); CREATE TABLE next.t2(a, b)");
  sql_must(db, "BEGIN; INSERT INTO t1 VALUES(1, 2); INSERT INTO t2 VALUES(3, 4); COMMIT");
  CHECK_EQ(sql_int(db, "SELECT t1.a + t1.b + 10 * t2.a + 10 * t2.b FROM t1, t2"), 73);
  sql_must(db, "BEGIN; INSERT INTO t1 VALUES(5, 6); INSERT INTO t2 VALUES(7, 8); COMMIT");
  sql_close(db);
  sqlite3async_shutdown();
  db = sql_open(path, SQL_STOCK_VFS);
  sql_mustf(db, "ATTACH '%s' AS next", second);
  CHECK_EQ(sql_int(db, "SELECT sum(a * b) FROM t1"), 32);
  CHECK_EQ(sql_int(db, "SELECT sum(a * b) FROM t2"), 68);
  sql_close(db);
}

/* ---- beside asyncvfs ---------------------------------------------------------------------- */

static void both_names_are_one_database(void) {
  const char *path = scratch_path("a.db");
  sqlite3 *db, *other;
  begin();
  db = open_queued(path);
  sql_must(db, SQL_CREATE_T);
  other = sql_open(path, "asyncvfs");
  CHECK(sql_is_ours(other));
  sql_must(other, "INSERT INTO t(b) VALUES(1)");
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), 1);
  CHECK_EQ(sql_status(db, "commits"), sql_status(other, "commits"));
  CHECK_EQ(asyncvfs_flush(path, ASYNCVFS_FOREVER), SQLITE_OK);
  CHECK_EQ(sql_status(db, "durable_commits"), sql_status(db, "commits"));
  CHECK_EQ(asyncvfs_unregister(), SQLITE_BUSY);   /* `other` is open through it */
  sql_close(other);
  sql_close(db);
  sqlite3async_shutdown();
}

static void pragmas_and_functions_are_there(void) {
  sqlite3 *db;
  begin();
  db = sql_open(sql_uri(scratch_path("a.db"), "durability=disk&max_lag_ms=60000"), SQLITEASYNC_VFSNAME);
  sql_must(db, SQL_CREATE_T);
  CHECK_EQ(sql_status(db, "durable_commits"), sql_status(db, "commits"));
  CHECK_EQ(sql_int(db, "PRAGMA asyncvfs_max_lag_ms"), 60000);
  CHECK_EQ(sql_int(db, "SELECT asyncvfs_wait(asyncvfs_ticket())"), 1);
  sql_close(db);
  sqlite3async_shutdown();
}

/* The module could not. */
static void wal_mode_is_possible(void) {
  char mode[20] = "";
  sqlite3 *db;
  begin();
  db = sql_open(scratch_path("a.db"), SQLITEASYNC_VFSNAME);
  CHECK_EQ(sql_try_text(db, "PRAGMA journal_mode=WAL", mode, sizeof mode), SQLITE_OK);
  CHECK_STR_EQ(mode, "wal");
  sql_must(db, SQL_CREATE_T "; INSERT INTO t(b) VALUES(1)");
  CHECK(!sql_is_ours(db));
  sql_close(db);
  sqlite3async_shutdown();
}

void suite_sqlite3async(void) {
  CU_pSuite suite = CU_add_suite("sqlite3async", NULL, NULL);
  ADD_TEST(suite, control_tells_what_was_set);
  ADD_TEST(suite, control_refuses_what_is_no_value);
  ADD_TEST(suite, lockfiles_is_not_set_while_a_database_is_open);
  ADD_TEST(suite, initialize_answers_as_the_module_did);
  ADD_TEST(suite, database_stays_usable_after_a_shutdown);
  ADD_TEST(suite, run_returns_when_idle);
  ADD_TEST(suite, run_stays_while_halt_is_never);
  ADD_TEST(suite, run_leaves_the_queue_when_halt_is_now);
  ADD_TEST(suite, run_returns_at_a_shutdown);
  ADD_TEST(suite, sql_gives_the_same_as_stock_sqlite);
  ADD_TEST(suite, failing_allocation_leaves_the_state_between_transactions);
  ADD_TEST(suite, database_is_one_however_its_path_is_written);
  ADD_TEST(suite, queued_commit_keeps_the_file_locked);
  ADD_TEST(suite, transaction_over_two_databases_is_whole);
  ADD_TEST(suite, both_names_are_one_database);
  ADD_TEST(suite, pragmas_and_functions_are_there);
  ADD_TEST(suite, wal_mode_is_possible);
  scenario_add_all(suite, scenarios);
}
