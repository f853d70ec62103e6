/* test_wal_handover.c: PRAGMA journal_mode=WAL takes a database out of our
 * hands, and a rollback mode brings it back, with nothing lost on the way,
 * whoever else has it open.
 *
 * A database in WAL mode is passed through to win32, so every process may read
 * and write it; what was committed before the change is on disk when the
 * change has been answered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "process/sql_child.h"
#include "sql_tools.h"

static void check_mode(sqlite3 *db, const char *expected) {
  char mode[16];
  CHECK_RC(db, sql_try_text(db, "PRAGMA journal_mode", mode, sizeof mode), SQLITE_OK);
  CHECK_STR_EQ(mode, expected);
}

static void set_mode(sqlite3 *db, const char *mode) {
  char sql[60];
  char answer[16];
  snprintf(sql, sizeof sql, "PRAGMA journal_mode=%s", mode);
  CHECK_RC(db, sql_try_text(db, sql, answer, sizeof answer), SQLITE_OK);
  CHECK_STR_EQ(answer, mode);
}

static void check_ours(sqlite3 *db, bool expected) {
  if (sql_vfs_is_asyncvfs()) CHECK_EQ(sql_is_ours(db), expected);
}

static void drain(sqlite3 *db) {
  if (sql_vfs_is_asyncvfs()) sql_must(db, "PRAGMA asyncvfs_drain");
}

static void check_stock_content(const char *path, int64_t n) {
  sqlite3 *db = sql_open(path, SQL_STOCK_VFS);
  sql_check_integrity(db, path);
  CHECK_EQ(sql_int(db, "SELECT n FROM t"), n);
  sql_close(db);
}

#define SCHEMA "CREATE TABLE t(n INT, b BLOB); INSERT INTO t VALUES(0, noise(1, 50000))"

static void one_connection_goes_there_and_back(void) {
  const char *path = scratch_path("wal.db");
  sqlite3 *db = sql_open(path, sql_vfs());
  int n = 0;
  sql_must(db, SCHEMA);
  check_ours(db, true);
  for (int round = 0; round < 6; round++) {
    for (int i = 0; i < 20; i++, n++) sql_must(db, "UPDATE t SET n = n + 1");
    set_mode(db, "wal");
    check_ours(db, false);
    CHECK_EQ(sql_int(db, "SELECT n FROM t"), n);
    for (int i = 0; i < 20; i++, n++)
      sql_must(db, "UPDATE t SET n = n + 1, b = noise(n, 40000)");
    set_mode(db, round % 2 == 0 ? "delete" : "persist");
    CHECK_EQ(sql_int(db, "SELECT n FROM t"), n);
  }
  sql_close(db);
  check_stock_content(path, n);
  /* Opened afresh in a rollback mode, it is ours again. */
  db = sql_open(path, sql_vfs());
  sql_must(db, "UPDATE t SET n = n + 1");
  check_ours(db, true);
  sql_close(db);
  check_stock_content(path, n + 1);
  if (sql_vfs_is_asyncvfs()) sql_check_nothing_beside(path);
}

static void other_connections_follow(void) {
  const char *path = scratch_path("wal.db");
  sqlite3 *a = sql_open(path, sql_vfs());
  sqlite3 *b = sql_open(path, sql_vfs());
  sqlite3 *c = sql_open(path, sql_vfs());
  int n = 0;
  sql_must(a, SCHEMA);
  for (int round = 0; round < 5; round++) {
    for (int i = 0; i < 10; i++, n++) sql_must(i % 2 == 0 ? a : b, "UPDATE t SET n = n + 1");
    CHECK_EQ(sql_int(c, "SELECT n FROM t"), n);
    set_mode(round % 2 == 0 ? a : b, "wal");
    for (int i = 0; i < 10; i++, n++) sql_must(i % 2 == 0 ? b : c, "UPDATE t SET n = n + 1");
    CHECK_EQ(sql_int(a, "SELECT n FROM t"), n);
    check_mode(c, "wal");
    check_ours(b, false);
    /* WAL is left by the last connection alone. */
    sql_must(a, "PRAGMA wal_checkpoint(TRUNCATE)");
    CHECK_RC(a, sql_exec(a, "PRAGMA journal_mode=DELETE"), SQLITE_BUSY);
    sql_close(b);
    sql_close(c);
    set_mode(a, "delete");
    b = sql_open(path, sql_vfs());
    c = sql_open(path, sql_vfs());
    CHECK_EQ(sql_int(b, "SELECT n FROM t"), n);
  }
  sql_close(a);
  sql_close(b);
  sql_close(c);
  check_stock_content(path, n);
}

/* As in stock: the change waits for nobody, and is refused as a whole. */
static void change_is_refused_while_another_reads(void) {
  const char *path = scratch_path("wal.db");
  sqlite3 *a = sql_open(path, sql_vfs());
  sqlite3 *b = sql_open(path, sql_vfs());
  sql_must(a, SCHEMA "; UPDATE t SET n = 5");
  sql_must(b, "BEGIN");
  CHECK_EQ(sql_int(b, "SELECT n FROM t"), 5);
  CHECK_RC(a, sql_exec(a, "PRAGMA journal_mode=WAL"), SQLITE_BUSY);
  check_mode(a, "delete");
  check_ours(a, true);
  CHECK_EQ(sql_int(b, "SELECT n FROM t"), 5);
  sql_must(b, "COMMIT");
  sql_must(a, "UPDATE t SET n = 6");
  set_mode(a, "wal");
  CHECK_EQ(sql_int(b, "SELECT n FROM t"), 6);
  sql_close(a);
  sql_close(b);
  check_stock_content(path, 6);
}

static void exclusive_locking_goes_there_and_back(void) {
  const char *path = scratch_path("wal.db");
  sqlite3 *db = sql_open(path, sql_vfs());
  int n = 0;
  sql_must(db, "PRAGMA locking_mode=EXCLUSIVE;" SCHEMA);
  for (int round = 0; round < 4; round++) {
    for (int i = 0; i < 10; i++, n++) sql_must(db, "UPDATE t SET n = n + 1");
    set_mode(db, "wal");
    for (int i = 0; i < 10; i++, n++) sql_must(db, "UPDATE t SET n = n + 1");
    set_mode(db, "delete");
    CHECK_EQ(sql_int(db, "SELECT n FROM t"), n);
  }
  sql_must(db, "PRAGMA locking_mode=NORMAL; UPDATE t SET n = n + 1");
  drain(db);
  check_stock_content(path, n + 1);
  sql_must(db, "UPDATE t SET n = n + 1");
  sql_close(db);
  check_stock_content(path, n + 2);
}

static void foreign_process_reads_and_writes_in_wal_mode(void) {
  const char *path = scratch_path("wal.db");
  int rc;
  sqlite3 *db = sql_open(path, sql_vfs());
  sql_must(db, SCHEMA);
  drain(db);
  harness_child *other = sql_child_start(SQL_STOCK_VFS, path);
  if (other == NULL) return;
  sql_child_must(other, "PRAGMA busy_timeout=60000");
  sql_child_must(other, ".hash"); /* a warm cache */
  for (int i = 0; i < 20; i++) sql_must(db, "UPDATE t SET n = n + 1");
  set_mode(db, "wal");
  /* No drain: the commits before it must be there, and no lock in the way. */
  CHECK_EQ(sql_child_int(other, "SELECT n FROM t", &rc), 20);
  CHECK_RC(NULL, rc, SQLITE_OK);
  for (int i = 0; i < 20; i++) {
    if (i % 2 == 0)
      sql_must(db, "UPDATE t SET n = n + 1");
    else
      sql_child_must(other, "UPDATE t SET n = n + 1");
  }
  CHECK_EQ(sql_int(db, "SELECT n FROM t"), 40);
  CHECK_EQ(sql_child_int(other, "SELECT n FROM t", &rc), 40);
  sql_child_must(other, ".close");
  set_mode(db, "delete");
  sql_must(db, "UPDATE t SET n = n + 1");
  drain(db);
  char command[700];
  snprintf(command, sizeof command, ".open %s", path);
  sql_child_must(other, command);
  CHECK_EQ(sql_child_int(other, "SELECT n FROM t", &rc), 41);
  sql_child_must(other, "UPDATE t SET n = n + 1");
  CHECK_EQ(sql_int(db, "SELECT n FROM t"), 42);
  sql_close(db);
  sql_child_end(other);
  check_stock_content(path, 42);
}

/* The other process changes the mode under our open connection. */
static void foreign_process_changes_the_mode(void) {
  const char *path = scratch_path("wal.db");
  sqlite3 *db = sql_open(path, sql_vfs());
  sqlite3 *second = sql_open(path, sql_vfs());
  char answer[16];
  sql_must(db, SCHEMA);
  drain(db);
  harness_child *other = sql_child_start(SQL_STOCK_VFS, path);
  if (other == NULL) return;
  sql_child_must(other, "PRAGMA busy_timeout=60000");
  int n = 0;
  for (int round = 0; round < 4; round++) {
    sql_must(db, "UPDATE t SET n = n + 1");
    n++;
    drain(db);
    sql_child_send(other, "PRAGMA journal_mode=WAL");
    CHECK_RC(NULL, sql_child_answer(other, answer, sizeof answer), SQLITE_OK);
    CHECK_STR_EQ(answer, "wal");
    sql_child_must(other, "UPDATE t SET n = n + 1");
    n++;
    CHECK_EQ(sql_int(db, "SELECT n FROM t"), n);
    sql_must(second, "UPDATE t SET n = n + 1");
    n++;
    check_ours(db, false);
    check_mode(db, "wal");
    int rc;
    CHECK_EQ(sql_child_int(other, "SELECT n FROM t", &rc), n);
    /* Back again by the other one, which must be alone for it. */
    sql_close(db);
    sql_close(second);
    sql_child_send(other, "PRAGMA journal_mode=DELETE");
    CHECK_RC(NULL, sql_child_answer(other, answer, sizeof answer), SQLITE_OK);
    CHECK_STR_EQ(answer, "delete");
    db = sql_open(path, sql_vfs());
    second = sql_open(path, sql_vfs());
    CHECK_EQ(sql_int(second, "SELECT n FROM t"), n);
  }
  sql_close(db);
  sql_close(second);
  sql_child_end(other);
  check_stock_content(path, n);
}

/* A database that stock SQLite left in WAL mode, with frames in its -wal. */
static void database_in_wal_mode_is_passed_through(void) {
  const char *path = scratch_path("wal.db");
  harness_child *other = sql_child_start(SQL_STOCK_VFS, path);
  if (other == NULL) return;
  sql_child_must(other, "PRAGMA journal_mode=WAL");
  sql_child_must(other, "CREATE TABLE t(n INT)");
  sql_child_must(other, "INSERT INTO t VALUES(1)");
  sqlite3 *db = sql_open(path, sql_vfs());
  CHECK_EQ(sql_int(db, "SELECT n FROM t"), 1);
  check_ours(db, false);
  sql_must(db, "UPDATE t SET n = 2");
  harness_child_kill(other); /* nobody tidies up */
  harness_child_free(other);
  CHECK_EQ(sql_int(db, "SELECT n FROM t"), 2);
  sql_close(db);
  check_stock_content(path, 2);
}

/* What a new connection sees, opened in each state of an old one. */
static void new_connection_sees_all_before_and_after_the_change(void) {
  const char *path = scratch_path("wal.db");
  sqlite3 *db = sql_open(path, sql_vfs());
  sql_must(db, SCHEMA);
  for (int i = 1; i <= 10; i++) {
    sql_mustf(db, "UPDATE t SET n = %d", 10 * i);
    if (i % 2 == 0) set_mode(db, i % 4 == 0 ? "delete" : "wal");
    sqlite3 *fresh = sql_open(path, sql_vfs());
    CHECK_EQ(sql_int(fresh, "SELECT n FROM t"), 10 * i);
    sql_mustf(fresh, "UPDATE t SET n = %d", 10 * i + 1);
    CHECK_EQ(sql_int(db, "SELECT n FROM t"), 10 * i + 1);
    sql_close(fresh);
  }
  sql_close(db);
  check_stock_content(path, 101);
}

/* A journal that counts as hot and brings no page back, beside a database in WAL mode: a set of
 * files that somebody put together. What the rollback needs of SQLite is not to end the WAL,
 * which is the application's. */
static void recovery_leaves_the_wal(void) {
  static const uint8_t header[512] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7, 0, 0,
                                      0,    0,    1,    2,    3,    4,    0,    0,    0, 1,
                                      0,    0,    2,    0,    0,    0,    16,   0};
  static const char *const vfs_names[] = {SQL_STOCK_VFS, NULL};
  for (int i = 0; i < 2; i++) {
    const char *vfs = vfs_names[i] != NULL ? vfs_names[i] : sql_vfs();
    const char *from = scratch_path("from.db"), *path = scratch_path("both.db");
    sqlite3 *db = sql_open(from, SQL_STOCK_VFS);
    set_mode(db, "wal");   /* one page, as the journal's header says */
    sql_must(db, "CREATE TABLE t(n); INSERT INTO t VALUES(7)");
    CHECK(sql_copy_database(from, path));
    CHECK(sql_file_copy(sql_beside(from, "-wal"), sql_beside(path, "-wal")));
    CHECK(sql_file_write(sql_beside(path, "-journal"), header, sizeof header));
    sql_close(db);
    int64_t wal_bytes = sql_file_size(sql_beside(path, "-wal"));
    int64_t database_bytes = sql_file_size(path);
    CHECK(wal_bytes > 0);
    db = sql_open(path, vfs);
    CHECK_EQ(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL), SQLITE_OK);
    CHECK_EQ(sql_int(db, "SELECT n FROM t"), 7);
    CHECK(!sql_file_exists(sql_beside(path, "-journal")));
    sql_close(db);
    CHECK_EQ(sql_file_size(sql_beside(path, "-wal")), wal_bytes);
    CHECK_EQ(sql_file_size(path), database_bytes);
  }
}

void suite_wal_handover(void) {
  CU_pSuite suite = CU_add_suite("wal_handover", NULL, NULL);
  ADD_TEST(suite, one_connection_goes_there_and_back);
  ADD_TEST(suite, other_connections_follow);
  ADD_TEST(suite, change_is_refused_while_another_reads);
  ADD_TEST(suite, exclusive_locking_goes_there_and_back);
  ADD_TEST(suite, foreign_process_reads_and_writes_in_wal_mode);
  ADD_TEST(suite, foreign_process_changes_the_mode);
  ADD_TEST(suite, database_in_wal_mode_is_passed_through);
  ADD_TEST(suite, new_connection_sees_all_before_and_after_the_change);
  ADD_TEST(suite, recovery_leaves_the_wal);
}
