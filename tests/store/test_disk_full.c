/* test_disk_full.c: a real disk, which is full.
 *
 * TEST_DISK names a folder on a volume of some 12 MiB with nothing else on it;
 * run_disk_full.sh makes one. A ballast file fills it, and its deletion ends the fault.
 */
#include "../harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "asyncvfs.h"
#include "vfs/sql_tools.h"

static volatile LONG full_errors, lost;

/* Maybe on two threads at a time: a loss is told by the one that closes. */
static void ASYNCVFS_CALL hear(void *arg, const asyncvfs_error *e) {
  (void)arg;
  if (e->code == SQLITE_FULL && e->os_error == ERROR_DISK_FULL) InterlockedIncrement(&full_errors);
  InterlockedExchangeAdd(&lost, (LONG)e->lost);
}

typedef struct disk_path {
  char text[400];
} disk_path;

static disk_path on_disk(const char *name) {
  const char *folder = getenv("TEST_DISK");
  disk_path p;
  snprintf(p.text, sizeof p.text, "%s\\%s", folder != NULL ? folder : "", name);
  return p;
}

/* Leaves less than 64 KiB on the volume. */
static void fill_disk(void) {
  static char block[64 * 1024];
  HANDLE f = CreateFileA(on_disk("ballast").text, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
  DWORD written = 1;
  if (!CHECK(f != INVALID_HANDLE_VALUE)) return;
  while (WriteFile(f, block, sizeof block, &written, NULL) && written == sizeof block) continue;
  CloseHandle(f);
}

static void empty_disk(void) { CHECK(sql_file_delete(on_disk("ballast").text)); }

static sqlite3 *begin(const char *path) {
  sqlite3 *db = sql_open(path, sql_vfs());
  if (db == NULL) return NULL;
  full_errors = lost = 0;
  CHECK_EQ(asyncvfs_on_error(hear, NULL), SQLITE_OK);
  sql_must(db, "PRAGMA asyncvfs_max_queue_bytes=4194304; PRAGMA asyncvfs_max_lag_ms=5;"
               "CREATE TABLE t(id INTEGER PRIMARY KEY, b); PRAGMA asyncvfs_flush");
  return db;
}

/* Commits rows until one is refused; returns how many were not. */
static int commit_until_refused(sqlite3 *db, int *rc_out) {
  int n = 0;
  do {
    *rc_out = sql_exec(db, "INSERT INTO t(b) VALUES(randomblob(20000))");
    if (*rc_out == SQLITE_OK) n++;
  } while (*rc_out == SQLITE_OK && n < 2000);
  return n;
}

static void check_stock(const char *path, int64_t rows) {
  sqlite3 *db = sql_open(path, SQL_STOCK_VFS);
  if (db == NULL) return;
  sql_check_integrity(db, "after a full disk");
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), rows);
  sql_close(db);
}

static void commits_wait_for_space(void) {
  disk_path path = on_disk("wait.db");
  sqlite3 *db = begin(path.text), *elsewhere = sql_open(scratch_path("other.db"), sql_vfs());
  int rc, n;
  if (db == NULL || elsewhere == NULL) return;
  fill_disk();
  n = commit_until_refused(db, &rc);
  CHECK_RC(db, rc, SQLITE_FULL);
  CHECK(n > 10);
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), n);
  CHECK(full_errors > 0);
  sql_must(elsewhere, "CREATE TABLE t(x); PRAGMA asyncvfs_flush");
  empty_disk();
  CHECK_EQ(asyncvfs_flush(NULL, 60000), SQLITE_OK);
  sql_must(db, "INSERT INTO t(b) VALUES('the last')");
  sql_close(elsewhere);
  sql_close(db);
  CHECK_EQ(lost, 0);
  check_stock(path.text, n + 1);
  CHECK(sql_delete_database(path.text));
}

/* A transaction that is written through meets the full disk itself, and is undone. */
static void large_transaction_is_refused(void) {
  disk_path path = on_disk("large.db");
  sqlite3 *db = begin(path.text);
  int rc;
  if (db == NULL) return;
  sql_must(db, "INSERT INTO t(b) VALUES('before'); PRAGMA asyncvfs_flush");
  rc = sql_exec(db, "BEGIN; INSERT INTO t(b) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 "
                    "FROM n WHERE i<1500) SELECT randomblob(20000) FROM n; COMMIT");
  CHECK_RC(db, rc, SQLITE_FULL);
  if (!sqlite3_get_autocommit(db)) sql_must(db, "ROLLBACK");
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), 1);
  sql_must(db, "INSERT INTO t(b) VALUES('after'); PRAGMA asyncvfs_flush");
  sql_check_integrity(db, "after the refusal");
  sql_close(db);
  check_stock(path.text, 2);
  CHECK(sql_delete_database(path.text));
}

static void close_on_a_full_disk_tells_the_loss(void) {
  disk_path path = on_disk("lost.db");
  sqlite3 *db = begin(path.text);
  int rc, n;
  if (db == NULL) return;
  sql_must(db, "INSERT INTO t(b) VALUES('kept'); PRAGMA asyncvfs_flush;"
               "PRAGMA asyncvfs_close_timeout_ms=100");
  fill_disk();
  n = commit_until_refused(db, &rc);
  CHECK_RC(db, rc, SQLITE_FULL);
  sql_close(db);
  CHECK_EQ(lost, n);
  empty_disk();
  check_stock(path.text, 1);
  CHECK(sql_delete_database(path.text));
}

static int end(void) { return asyncvfs_on_error(NULL, NULL); }

void suite_disk_full(void) {
  CU_pSuite suite = CU_add_suite("disk_full", NULL, end);
  ADD_TEST(suite, commits_wait_for_space);
  ADD_TEST(suite, large_transaction_is_refused);
  ADD_TEST(suite, close_on_a_full_disk_tells_the_loss);
}
