/* test_journal_overflow.c: a transaction whose rollback journal does not fit in memory.
 *
 * SQLite reads that journal for ROLLBACK and savepoints. What it has beyond 8 MiB stands in a
 * hidden file beside the database, <database>-avfstmp, as long as the transaction is open.
 * Each test changes 11 MB of old pages, without a usable folder for temporary files. Against
 * win32 the same holds, but for that file.
 */
#include <stdio.h>
#include <stdlib.h>

#include <windows.h>

#include "harness.h"
#include "process/sql_child.h"
#include "sql_tools.h"

#define SCHEMA                                                                     \
  "CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB);"                                \
  "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 700)" \
  "INSERT INTO t SELECT i, noise(i, 16000) FROM k"
#define CHANGE "UPDATE t SET b = noise(id + 1000, 16000)"

static const char *const temp_variables[] = {"TMP", "TEMP", "USERPROFILE"};
static char temp_was[3][MAX_PATH];

static void take_temp_away(void) {
  for (int i = 0; i < 3; i++) {
    if (GetEnvironmentVariableA(temp_variables[i], temp_was[i], MAX_PATH) == 0) temp_was[i][0] = 0;
    CHECK(SetEnvironmentVariableA(temp_variables[i], "C:\\no\\such\\folder"));
  }
}

static void give_temp_back(void) {
  for (int i = 0; i < 3; i++) {
    CHECK(SetEnvironmentVariableA(temp_variables[i], temp_was[i][0] == 0 ? NULL : temp_was[i]));
  }
}

static const char *overflow_of(const char *path) { return sql_beside(path, "-avfstmp"); }

static void check_overflow(const char *path, bool expected) {
  if (sql_vfs_is_asyncvfs()) CHECK_EQ(sql_file_exists(overflow_of(path)), expected);
}

static sqlite3 *open_filled(const char *path) {
  sqlite3 *db = sql_open(path, sql_vfs());
  sql_must(db, SCHEMA);
  check_overflow(path, false);
  return db;
}

static void check_rows(sqlite3 *db, bool changed) {
  CHECK_EQ(sql_int(db, changed ? "SELECT count(*) FROM t WHERE b = noise(id + 1000, 16000)"
                               : "SELECT count(*) FROM t WHERE b = noise(id, 16000)"), 700);
}

static void it_stands_beside_the_database_while_it_is_needed(void) {
  static const char *const modes[] = {"DELETE", "PERSIST", "TRUNCATE"};
  for (int i = 0; i < 3; i++) {
    const char *path = scratch_path("app.db");
    take_temp_away();
    sqlite3 *db = open_filled(path);
    sql_mustf(db, "PRAGMA journal_mode=%s", modes[i]);
    sql_must(db, "BEGIN; " CHANGE);
    check_overflow(path, true);
    sql_must(db, "ROLLBACK");
    check_overflow(path, false);
    check_rows(db, false);
    give_temp_back();   /* SQLite's own journal of a savepoint stands there, in stock too */
    sql_must(db, "BEGIN; SAVEPOINT a; " CHANGE);
    check_overflow(path, true);
    sql_must(db, "ROLLBACK TO a");
    check_rows(db, false);
    sql_must(db, CHANGE "; COMMIT");
    check_overflow(path, false);
    check_rows(db, true);
    sql_check_integrity(db, path);
    sql_close(db);
  }
}

/* What a power cut leaves is no obstacle, and is gone after it. */
static void one_that_was_left_is_used(void) {
  static uint8_t old[3 << 20];
  const char *path = scratch_path("app.db");
  sqlite3 *db = open_filled(path);
  sql_noise(5, old, sizeof old);
  CHECK(sql_file_write(overflow_of(path), old, sizeof old));
  sql_must(db, "BEGIN; " CHANGE "; ROLLBACK");
  if (sql_vfs_is_asyncvfs()) CHECK(!sql_file_exists(overflow_of(path)));
  check_rows(db, false);
  sql_close(db);
}

static void databases_in_one_folder_have_one_each(void) {
  enum { COUNT = 3 };
  const char *first = scratch_path("app.db");
  char paths[COUNT][MAX_PATH];
  sqlite3 *db[COUNT];
  for (int i = 0; i < COUNT; i++) {
    snprintf(paths[i], sizeof paths[i], "%.200s%d", first, i);
    db[i] = open_filled(paths[i]);
    sql_must(db[i], "BEGIN; SAVEPOINT a; " CHANGE);
  }
  for (int i = 0; i < COUNT; i++) check_overflow(paths[i], true);
  sql_must(db[1], "ROLLBACK TO a; COMMIT");
  check_overflow(paths[1], false);
  sql_must(db[0], "COMMIT");
  sql_must(db[2], "ROLLBACK");
  for (int i = 0; i < COUNT; i++) {
    check_overflow(paths[i], false);
    check_rows(db[i], i == 0);
    sql_close(db[i]);
  }
}

/* The writer alone has a journal, so two processes never have one at a time; and it goes with
 * its process. */
static void another_process_takes_its_turn(void) {
  const char *path = scratch_path("app.db");
  sqlite3 *db = open_filled(path);
  for (int round = 0; round < 2; round++) {
    harness_child *other = sql_child_start(sql_vfs(), path);
    if (other == NULL) break;
    if (sql_vfs_is_asyncvfs()) sql_must(db, "PRAGMA asyncvfs_drain");
    sql_child_must(other, "PRAGMA busy_timeout=60000");
    sql_child_must(other, "BEGIN IMMEDIATE");
    sql_child_must(other, "UPDATE t SET b = noise(id + 2000, 16000)");
    check_overflow(path, true);
    CHECK_RC(db, sql_exec(db, "BEGIN IMMEDIATE"), SQLITE_BUSY);
    if (round == 0) {
      sql_child_must(other, "ROLLBACK");
      check_overflow(path, false);
      sql_child_end(other);
    } else {
      harness_child_kill(other);
      harness_child_free(other);
    }
    check_overflow(path, false);
    sql_must(db, "PRAGMA busy_timeout=60000; BEGIN; " CHANGE);
    check_overflow(path, true);
    sql_must(db, "ROLLBACK; PRAGMA busy_timeout=0");
    check_rows(db, false);
  }
  sql_close(db);
}

void suite_journal_overflow(void) {
  CU_pSuite suite = CU_add_suite("journal_overflow", NULL, NULL);
  ADD_TEST(suite, it_stands_beside_the_database_while_it_is_needed);
  ADD_TEST(suite, one_that_was_left_is_used);
  ADD_TEST(suite, databases_in_one_folder_have_one_each);
  ADD_TEST(suite, another_process_takes_its_turn);
}
