/* test_faults.c: the whole stack over a machine whose calls fail.
 *
 *   SQL --> asyncvfs --> store, engine --> a table that fails the n-th call --> win32
 *
 * By exhaustion: the same small workload with the first call of a kind failing, with
 * the second, the n-th, until it passes untouched. What COMMIT acknowledged is done
 * in a shadow database in memory as well; in the end stock SQLite must find the same
 * content in both. The engine retries, so a statement may fail only where the disk is
 * asked before the commit: when the journal is opened, and in a transaction too large
 * for memory.
 *
 * In child processes, as the first registration of the VFS in a process decides over
 * which table it stands.
 */
#include "../harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "asyncvfs.h"
#include "store/faulty_io.h"
#include "vfs/sql_tools.h"

/* ---- what goes wrong ------------------------------------------------------------- */

static int problems;
static LONG fault_number;

static void problem(sqlite3 *db, const char *what, int rc) {
  problems++;
  harness_print("%s call %ld failed: %s: %d, %s\n", faulty_names[faulty_which()], fault_number, what, rc,
                db != NULL ? sqlite3_errmsg(db) : "");
}

/* ---- the workload ---------------------------------------------------------------- */

enum { TRIES = 8 };

typedef struct worker {
  sqlite3 *db, *shadow;
  int refused;   /* statements that failed and were repeated */
} worker;

/* One transaction, repeated until it is acknowledged, and then done in the shadow. */
static void transact(worker *w, const char *sql, bool large) {
  int rc = SQLITE_ERROR;
  for (int i = 0; i < TRIES && rc != SQLITE_OK; i++) {
    rc = sql_exec(w->db, "BEGIN IMMEDIATE");
    if (rc != SQLITE_OK) {
      w->refused++;
      continue;   /* the journal could not be opened: nothing has begun */
    }
    rc = sql_exec(w->db, sql);
    if (rc == SQLITE_OK) rc = sql_exec(w->db, "COMMIT");
    if (rc != SQLITE_OK) {
      w->refused++;
      if (!large) problem(w->db, sql, rc);
      if (!sqlite3_get_autocommit(w->db)) sql_exec(w->db, "ROLLBACK");
    }
  }
  if (rc != SQLITE_OK) problem(w->db, sql, rc);
  else if (sql_exec(w->shadow, sql) != SQLITE_OK) problem(w->shadow, sql, rc);
}

static void flush(worker *w) {
  int rc = sql_exec(w->db, "PRAGMA asyncvfs_flush");
  if (rc != SQLITE_OK) problem(w->db, "flush", rc);
}

static sqlite3 *open_worker(const char *path) {
  const char *uri = sql_uri(path, "max_queue_bytes=1048576&max_lag_ms=5");
  sqlite3 *db = NULL;
  if (sql_try_open(uri, "asyncvfs", &db) != SQLITE_OK) return NULL;
  sqlite3_busy_timeout(db, 5000);
  return db;
}

static void check_same(const char *path, sqlite3 *shadow) {
  uint64_t hash = 1, expected = 2;
  char text[100] = "";
  sqlite3 *db = NULL;
  if (sql_try_open(path, SQL_STOCK_VFS, &db) != SQLITE_OK) problem(NULL, "stock SQLite: open", 1);
  if (db == NULL) return;
  if (sql_try_text(db, "PRAGMA integrity_check", text, sizeof text) != SQLITE_OK || strcmp(text, "ok") != 0) {
    problem(db, text, 0);
  }
  sql_dump_hash(db, &hash);
  sql_dump_hash(shadow, &expected);
  if (hash != expected) problem(db, "stock SQLite finds other content than was acknowledged", 0);
  sqlite3_close(db);
}

static void work(const char *path) {
  worker w = {NULL, NULL, 0};
  w.db = open_worker(path);
  if (w.db == NULL || sql_try_open(":memory:", SQL_STOCK_VFS, &w.shadow) != SQLITE_OK) {
    problem(NULL, "open", SQLITE_ERROR);
    return;
  }
  sql_exec(w.db, "PRAGMA page_size=4096; PRAGMA auto_vacuum=FULL; PRAGMA cache_size=20");
  transact(&w, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", false);
  for (int i = 1; i <= 6; i++) {
    char sql[200];
    snprintf(sql, sizeof sql, "INSERT INTO t VALUES(%d, noise(%d, 9000))", i, i);
    transact(&w, sql, false);
    if (i == 3) flush(&w);
  }
  sql_exec(w.db, "BEGIN IMMEDIATE; DELETE FROM t; ROLLBACK");
  transact(&w, "UPDATE t SET b=noise(a+100, 5000) WHERE a<>2", false);
  flush(&w);
  transact(&w, "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i+1 FROM n WHERE i<140)"
           "INSERT INTO t SELECT i, noise(i, 40000) FROM n", true);
  transact(&w, "INSERT INTO t VALUES(1000, 'after the large one')", false);
  transact(&w, "DELETE FROM t WHERE a>=100 AND a<140", true);   /* the file shrinks */
  flush(&w);
  transact(&w, "INSERT INTO t VALUES(1001, 'the last')", false);
  int rc = sqlite3_close(w.db);
  if (rc != SQLITE_OK) problem(NULL, "close", rc);
  if (faulty_which() != CALL_REMOVE && sql_file_exists(sql_beside(path, "-journal"))) {
    problem(NULL, "a journal is left", 0);
  }
  check_same(path, w.shadow);
  sqlite3_close(w.shadow);
}

/* Fails the n-th call of a kind, for each n until the work needs fewer calls. */
int role_faults(int argc, char **argv) {
  faulty_call k = 0;
  LONG n = 0;
  while (k < FAULTY_CALLS && (argc < 1 || strcmp(argv[0], faulty_names[k]) != 0)) k++;
  if (k == FAULTY_CALLS || !faulty_begin()) return 10;
  do {
    fault_number = ++n;
    faulty_fail(k, n, 1, NULL);
    work(scratch_path("faults.db"));
  } while (faulty_failed() > 0 && problems < 5 && n < 400);
  harness_print("%ld calls failed, one in each run\n", n - 1);
  return problems > 0 ? 11 : n < 2 ? 12 : 0;
}

static void any_open_may_fail(void) { harness_run_role("faults", "open"); }
static void any_removal_may_fail(void) { harness_run_role("faults", "remove"); }
static void any_identity_may_fail(void) { harness_run_role("faults", "identity"); }
static void any_size_may_fail(void) { harness_run_role("faults", "size"); }
static void any_resize_may_fail(void) { harness_run_role("faults", "resize"); }
static void any_flush_may_fail(void) { harness_run_role("faults", "flush"); }
static void any_read_may_fail(void) { harness_run_role("faults", "read"); }
static void any_write_may_fail(void) { harness_run_role("faults", "write"); }

/* ---- a disk that stays broken for a while ------------------------------------------- */

/* Commits go on in memory and are readable, a flush tells, another database of the
 * process is untouched, and once the disk is well again all of it is written. */
int role_faults_lasting(int argc, char **argv) {
  const char *sick_path = scratch_path("sick.db"), *well_path = scratch_path("well.db");
  worker sick = {NULL, NULL, 0}, well = {NULL, NULL, 0};
  int64_t rows = 0;
  (void)argc;
  (void)argv;
  if (!faulty_begin()) return 10;
  sick.db = open_worker(sick_path);
  well.db = open_worker(well_path);
  if (sick.db == NULL || well.db == NULL ||
      sql_try_open(":memory:", SQL_STOCK_VFS, &sick.shadow) != SQLITE_OK ||
      sql_try_open(":memory:", SQL_STOCK_VFS, &well.shadow) != SQLITE_OK) {
    return 13;
  }
  transact(&sick, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)", false);
  transact(&well, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)", false);
  flush(&sick);
  faulty_fail(CALL_WRITE, 1, FAULTY_ALWAYS, "sick.db");
  transact(&sick, "INSERT INTO t VALUES(1, 'while it is broken')", false);
  int rc = sql_exec(sick.db, "PRAGMA asyncvfs_flush");
  if ((rc & 0xff) != SQLITE_IOERR) problem(sick.db, "a flush that cannot be answers", rc);
  transact(&sick, "INSERT INTO t VALUES(2, 'still')", false);
  rc = sql_try_int(sick.db, "SELECT count(*) FROM t", &rows);
  if (rc != SQLITE_OK || rows != 2) problem(sick.db, "what was committed is not readable", rc);
  transact(&well, "INSERT INTO t VALUES(1, 'well')", false);
  flush(&well);
  if (sql_status(well.db, "last_error") > 0) problem(well.db, "the other database has the error", 0);
  faulty_fail(CALL_WRITE, 0, 0, NULL);
  rc = asyncvfs_flush(NULL, 60000);   /* through the retries that are still to come */
  if (rc != SQLITE_OK) problem(sick.db, "a flush after the disk is well again", rc);
  rc = sqlite3_close(sick.db);
  if (rc != SQLITE_OK || sqlite3_close(well.db) != SQLITE_OK) problem(NULL, "close", rc);
  check_same(sick_path, sick.shadow);
  check_same(well_path, well.shadow);
  sqlite3_close(sick.shadow);
  sqlite3_close(well.shadow);
  return problems > 0 ? 11 : 0;
}

static void a_lasting_failure_is_told_touches_no_other_and_heals(void) {
  harness_run_role("faults_lasting", "now");
}

/* ---- the OS lock on its way out ------------------------------------------------------- */

static DWORD WINAPI commit_one(void *arg) {
  sqlite3 *db = arg;
  return (DWORD)sql_exec(db, "BEGIN IMMEDIATE; INSERT INTO t VALUES(2, 'meanwhile'); COMMIT");
}

/* An idle store deletes its journal and then unlocks, without its lock held. It is
 * stopped between the two. A transaction that begins now must wait for a lock of its
 * own: one that commits by the lock that goes has none, and other processes write
 * beside it. What the wait for it shows is only that it came through. */
int role_faults_relax(int argc, char **argv) {
  enum { LONG_ENOUGH_TO_COMMIT_MS = 300 };
  const char *path = scratch_path("relax.db");
  DWORD rc = 99;
  (void)argc;
  (void)argv;
  if (!faulty_begin()) return 10;
  sqlite3 *db = open_worker(path);
  if (db == NULL || sql_exec(db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)") != SQLITE_OK) return 13;
  HANDLE removing = faulty_hold(CALL_REMOVE, NULL);
  if (sql_exec(db, "INSERT INTO t VALUES(1, 'first')") != SQLITE_OK) return 14;
  WaitForSingleObject(removing, INFINITE);
  HANDLE thread = CreateThread(NULL, 0, commit_one, db, 0, NULL);
  if (WaitForSingleObject(thread, LONG_ENOUGH_TO_COMMIT_MS) == WAIT_OBJECT_0) {
    GetExitCodeThread(thread, &rc);
    harness_print("a transaction ended with %lu while the OS lock was being given up\n", rc);
    return 15;
  }
  faulty_release();
  WaitForSingleObject(thread, INFINITE);
  GetExitCodeThread(thread, &rc);
  CloseHandle(thread);
  if (rc != SQLITE_OK) return 16;
  return sqlite3_close(db) == SQLITE_OK ? 0 : 17;
}

static void no_transaction_uses_an_os_lock_that_is_being_given_up(void) {
  harness_run_role("faults_relax", "now");
}

void suite_faults(void) {
  CU_pSuite suite = CU_add_suite("faults", NULL, NULL);
  ADD_TEST(suite, any_open_may_fail);
  ADD_TEST(suite, any_removal_may_fail);
  ADD_TEST(suite, any_identity_may_fail);
  ADD_TEST(suite, any_size_may_fail);
  ADD_TEST(suite, any_resize_may_fail);
  ADD_TEST(suite, any_flush_may_fail);
  ADD_TEST(suite, any_read_may_fail);
  ADD_TEST(suite, any_write_may_fail);
  ADD_TEST(suite, a_lasting_failure_is_told_touches_no_other_and_heals);
  ADD_TEST(suite, no_transaction_uses_an_os_lock_that_is_being_given_up);
}
