/* test_recover.c: commits that outlived their process: PRAGMA asyncvfs_recover, asyncvfs_recover,
 * and the program asyncvfs-recover. Whether a ring may be replayed is tests/redo's to say.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "asyncvfs.h"
#include "harness.h"
#include "redo/redo.h"
#include "store/store_peek.h"
#include "vfs/sql_tools.h"

#define LINE_MS 60000

static sqlite3_file *file_of(sqlite3 *db) {
  sqlite3_file *file = NULL;
  CHECK_EQ(sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file), SQLITE_OK);
  return file;
}

/* ---- what is answered ------------------------------------------------------------------- */

static void recovery_of_a_database_that_was_closed_replays_nothing(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  long long replayed = 7;
  if (db == NULL) return;
  CHECK_EQ(sql_int(db, "PRAGMA asyncvfs_recover"), 0);
  CHECK_EQ(sql_status(db, "os_lock"), 0);
  sql_close(db);
  CHECK_EQ(asyncvfs_recover(path, &replayed), SQLITE_OK);
  CHECK_EQ(replayed, 0);
  sql_check_nothing_beside(path);
  CHECK(!sql_file_exists(sql_beside(path, AVFS_REDO_SUFFIX)));
  CHECK(sql_file_delete(path));   /* nobody has it open */
}

static void recovery_writes_what_is_queued(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  long long replayed = 7;
  if (db == NULL) return;
  sql_must(db, "PRAGMA asyncvfs_max_lag_ms=60000; INSERT INTO t(b) VALUES(1)");
  CHECK(sql_status(db, "durable_commits") < sql_status(db, "commits"));
  CHECK_EQ(sql_int(db, "PRAGMA asyncvfs_recover"), 0);
  CHECK_EQ(sql_status(db, "durable_commits"), sql_status(db, "commits"));
  CHECK_EQ(sql_status(db, "os_lock"), 0);
  sql_must(db, "INSERT INTO t(b) VALUES(2)");
  CHECK_EQ(asyncvfs_recover(path, &replayed), SQLITE_OK);
  CHECK_EQ(sql_status(db, "durable_commits"), sql_status(db, "commits"));
  sql_must(db, "BEGIN; SELECT * FROM t");
  CHECK_EQ(asyncvfs_recover(path, &replayed), SQLITE_BUSY);
  CHECK_EQ(sql_exec(db, "PRAGMA asyncvfs_recover") & 0xff, SQLITE_BUSY);
  sql_must(db, "COMMIT");
  sql_close(db);
}

static void recovery_answers_what_was_replayed_since_the_database_was_opened(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  long long replayed = 0;
  if (db == NULL) return;
  store_peek_recovered(file_of(db), 5000000017, 0);
  CHECK_EQ(sql_int(db, "PRAGMA asyncvfs_recover"), 5000000017);
  CHECK_EQ(asyncvfs_recover(path, &replayed), SQLITE_OK);
  CHECK_EQ(replayed, 5000000017);
  store_peek_recovered(file_of(db), 1, 41);
  CHECK_EQ(sql_exec(db, "PRAGMA asyncvfs_recover"), SQLITE_WARNING);
  if (!CHECK(strstr(sqlite3_errmsg(db), "41 commits of ") != NULL &&
             strstr(sqlite3_errmsg(db), "app.db-avfsredo-refused") != NULL)) {
    harness_print("%s\n", sqlite3_errmsg(db));
  }
  CHECK_EQ(asyncvfs_recover(path, &replayed), SQLITE_WARNING);
  sql_close(db);
}

static void recovery_refuses_what_is_no_database(void) {
  const char *path = scratch_path("notes.txt");
  long long replayed = 7;
  CHECK_EQ(asyncvfs_recover(path, &replayed), SQLITE_CANTOPEN);
  CHECK(!sql_file_exists(path));
  CHECK_EQ(replayed, 0);
  CHECK(sql_file_write(path, "no database, however long it is, and it is longer than a header has to be "
                       "for SQLite to look at it: a hundred bytes", 118));
  CHECK_EQ(asyncvfs_recover(path, &replayed), SQLITE_NOTADB);
  CHECK_EQ(asyncvfs_recover("", &replayed), SQLITE_CANTOPEN);
  CHECK_EQ(asyncvfs_recover(":memory:", &replayed), SQLITE_CANTOPEN);
  CHECK_EQ(asyncvfs_recover(NULL, &replayed), SQLITE_MISUSE);
  CHECK_EQ(asyncvfs_recover(path, NULL), SQLITE_MISUSE);
}

/* Nobody may think that it is done. */
static void ring_of_a_database_that_cannot_be_managed_is_told(void) {
  const char *path = scratch_path("app.db");
  sqlite3 *db = sql_open(path, SQL_STOCK_VFS);
  long long replayed = 7;
  sql_must(db, SQL_CREATE_T);
  sql_close(db);
  CHECK(SetEnvironmentVariableA("ASYNCVFS_DISABLE", "1"));
  CHECK_EQ(asyncvfs_recover(path, &replayed), SQLITE_OK);
  CHECK(sql_file_write(sql_beside(path, AVFS_REDO_SUFFIX), "x", 1));
  CHECK_EQ(asyncvfs_recover(path, &replayed), SQLITE_WARNING);
  db = NULL;
  CHECK_EQ(sql_try_open(path, sql_vfs(), &db), SQLITE_OK);
  CHECK_EQ(sql_exec(db, "PRAGMA asyncvfs_recover"), SQLITE_WARNING);
  if (!CHECK(strstr(sqlite3_errmsg(db), "app.db-avfsredo is not replayed, since the database cannot be "
                    "managed: ASYNCVFS_DISABLE is set") != NULL)) {
    harness_print("%s\n", sqlite3_errmsg(db));
  }
  sql_close(db);
  CHECK(sql_file_exists(sql_beside(path, AVFS_REDO_SUFFIX)));
  CHECK(SetEnvironmentVariableA("ASYNCVFS_DISABLE", NULL));
}

/* SQLite's own lock is not given up by the one for a moment: durability.h relies on that. */
static void recovery_leaves_locking_mode_exclusive_alone(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  if (db == NULL) return;
  sql_must(db, "PRAGMA asyncvfs_durability=disk; PRAGMA asyncvfs_max_lag_ms=60000; PRAGMA locking_mode=EXCLUSIVE");
  CHECK_EQ(sql_int(db, "PRAGMA asyncvfs_recover"), 0);
  sql_must(db, "INSERT INTO t(b) VALUES(1)");
  CHECK_EQ(sql_status(db, "durable_commits"), sql_status(db, "commits"));
  CHECK_EQ(sql_exec(db, "PRAGMA asyncvfs_recover") & 0xff, SQLITE_BUSY);
  sql_close(db);
}

/* WAL mode has a ring of SQLite's own. */
static void recovery_of_a_database_in_wal_mode_is_sqlites(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  long long replayed = 7;
  if (db == NULL) return;
  sql_must(db, "PRAGMA journal_mode=WAL; INSERT INTO t(b) VALUES(1)");
  CHECK_EQ(sql_int(db, "PRAGMA asyncvfs_recover"), 0);
  CHECK_EQ(asyncvfs_recover(path, &replayed), SQLITE_OK);
  CHECK_EQ(replayed, 0);
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), 1);
  sql_close(db);
}

void suite_recover(void) {
  CU_pSuite suite = CU_add_suite("recover", NULL, NULL);
  sql_vfs();   /* registers it */
  ADD_TEST(suite, recovery_of_a_database_that_was_closed_replays_nothing);
  ADD_TEST(suite, recovery_writes_what_is_queued);
  ADD_TEST(suite, recovery_answers_what_was_replayed_since_the_database_was_opened);
  ADD_TEST(suite, recovery_refuses_what_is_no_database);
  ADD_TEST(suite, ring_of_a_database_that_cannot_be_managed_is_told);
  ADD_TEST(suite, recovery_leaves_locking_mode_exclusive_alone);
  ADD_TEST(suite, recovery_of_a_database_in_wal_mode_is_sqlites);
}
