/* test_mmap.c: PRAGMA mmap_size.
 *
 * It answers as win32 does; pages that the disk has are read from a view of the file, without
 * a call of Windows; others from memory; and the file is cut when it shrinks, as soon as nobody
 * reads from a view. Random use is compared with win32 in test_differential.c, and in the simulation.
 */
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "sql_tools.h"

#define ROWS 2000
#define MMAP "PRAGMA cache_size=5; PRAGMA mmap_size=268435456"

/* 8 MB, on the disk. */
static sqlite3 *open_filled(const char *path) {
  sqlite3 *db = sql_open(path, sql_vfs());
  sql_must(db, MMAP "; PRAGMA page_size=4096; CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB)");
  sql_mustf(db, "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < %d)"
            "INSERT INTO t SELECT i, noise(i, 3500) FROM k", ROWS);
  if (sql_vfs_is_asyncvfs()) sql_must(db, "PRAGMA asyncvfs_drain");
  return db;
}

static void check_rows(sqlite3 *db, int64_t n) {
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM t WHERE b = noise(id, 3500)"), n);
}

static int64_t disk_reads(sqlite3 *db) { return sql_vfs_is_asyncvfs() ? sql_status(db, "read") : 0; }

static void it_answers_as_win32_does(void) {
  static const char *const values[] = {"0", "1000000", "268435456", "-1", "9999999999999", "0", "4096"};
  sqlite3 *ours = sql_open(scratch_path("ours.db"), sql_vfs());
  sqlite3 *stock = sql_open(scratch_path("stock.db"), SQL_STOCK_VFS);
  for (int i = 0; i < 7; i++) {
    char sql[60];
    snprintf(sql, sizeof sql, "PRAGMA mmap_size=%s", values[i]);
    CHECK_EQ(sql_int(ours, sql), sql_int(stock, sql));
    CHECK_EQ(sql_int(ours, "PRAGMA mmap_size"), sql_int(stock, "PRAGMA mmap_size"));
  }
  sql_close(ours);
  sql_close(stock);
}

static void pages_on_the_disk_cost_no_read(void) {
  const char *path = scratch_path("app.db");
  sqlite3 *db = open_filled(path);
  int64_t before = disk_reads(db);
  check_rows(db, ROWS);
  CHECK(disk_reads(db) - before < 20);
  sql_must(db, "PRAGMA mmap_size=0");
  before = disk_reads(db);
  check_rows(db, ROWS);
  if (sql_vfs_is_asyncvfs()) CHECK(disk_reads(db) - before > ROWS / 2);
  sql_close(db);
}

/* A commit that waits is in memory, and the view shows what was before. */
static void pages_in_memory_are_read_there(void) {
  const char *path = scratch_path("app.db");
  sqlite3 *db = open_filled(path), *reader = sql_open(path, sql_vfs());
  sql_must(reader, MMAP);
  check_rows(reader, ROWS);
  sql_must(db, "PRAGMA cache_size=5000");   /* an open transaction shuts nobody out */
  if (sql_vfs_is_asyncvfs()) sql_must(db, "PRAGMA asyncvfs_max_lag_ms=60000");
  for (int i = 1; i <= 5; i++) {
    sql_mustf(db, "UPDATE t SET b = noise(id + %d, 3500) WHERE id %% 3 = 0", i);
    CHECK_EQ(sql_int(reader, "SELECT count(*) FROM t WHERE b = noise(id, 3500)"), ROWS - ROWS / 3);
    sql_must(db, "BEGIN; UPDATE t SET b = zeroblob(3500)");
    CHECK_EQ(sql_int(reader, "SELECT count(*) FROM t WHERE b = noise(id, 3500)"), ROWS - ROWS / 3);
    sql_must(db, "ROLLBACK");
    if (sql_vfs_is_asyncvfs() && i % 2 == 0) sql_must(db, "PRAGMA asyncvfs_flush");
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM t WHERE id %% 3 = 0 AND b = noise(id + %d, 3500)", i);
    CHECK_EQ(sql_int(reader, sql), ROWS / 3);
  }
  sql_close(reader);
  sql_close(db);
}

static int64_t content_bytes(sqlite3 *db) {
  return sql_int(db, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size");
}

/* A cut that a view is in the way of is made when EXCLUSIVE is given up; if the view is in use even
 * then, which is a matter of time, by the next batch: so there is one. */
static void drain_and_cut(sqlite3 *db) {
  if (!sql_vfs_is_asyncvfs()) return;
  sql_must(db, "PRAGMA asyncvfs_drain; PRAGMA asyncvfs_max_lag_ms=60000");   /* not while the UPDATE uses a view */
  sql_must(db, "UPDATE t SET b = b WHERE id = 1; PRAGMA asyncvfs_drain; PRAGMA asyncvfs_max_lag_ms=100");
}

static void file_is_cut_when_nobody_reads_from_a_view(void) {
  static const char *const shrink[] = {"VACUUM", "PRAGMA incremental_vacuum"};
  for (int i = 0; i < 2; i++) {
    const char *path = scratch_path("app.db");
    sqlite3 *db = open_filled(path), *reader = sql_open(path, sql_vfs());
    sqlite3_stmt *rows = NULL;
    int64_t full = sql_file_size(path);
    sql_must(reader, MMAP);
    if (i == 1) sql_must(db, "PRAGMA auto_vacuum=2; VACUUM");
    if (sql_vfs_is_asyncvfs()) sql_must(db, "PRAGMA asyncvfs_max_lag_ms=60000");
    check_rows(reader, ROWS);
    sql_mustf(db, "DELETE FROM t WHERE id > %d", ROWS / 10);
    sql_must(db, shrink[i]);
    /* It has a page of the view, and keeps it while the batch is written. */
    CHECK_EQ(sqlite3_prepare_v2(reader, "SELECT id FROM t WHERE b = noise(id, 3500)", -1, &rows, NULL), SQLITE_OK);
    CHECK_EQ(sqlite3_step(rows), SQLITE_ROW);
    if (sql_vfs_is_asyncvfs()) sql_must(db, "PRAGMA asyncvfs_flush");
    int n = 1;
    while (sqlite3_step(rows) == SQLITE_ROW) n++;
    CHECK_EQ(n, ROWS / 10);
    CHECK_EQ(sqlite3_finalize(rows), SQLITE_OK);
    drain_and_cut(db);
    CHECK_EQ(sql_file_size(path), content_bytes(db));
    CHECK(sql_file_size(path) < full / 2);
    /* And grows again. */
    sql_mustf(db, "INSERT INTO t SELECT id + %d, noise(id + %d, 3500) FROM t", ROWS, ROWS);
    check_rows(reader, ROWS / 5);
    sql_check_integrity(reader, path);
    sql_close(reader);
    sql_close(db);
    CHECK(sql_file_size(path) < full / 2 && sql_file_size(path) % 4096 == 0);
  }
}

static void wait_for_os_lock(sqlite3 *db, int64_t level) {
  while (sql_status(db, "os_lock") != level) sqlite3_sleep(1);
}

/* A cut that a view was in the way of is owed; but not once the lock was given up, and somebody
 * else has made the file longer. */
static void cut_that_is_owed_spares_what_others_wrote(void) {
  const char *path = scratch_path("app.db");
  sqlite3 *db, *reader, *other;
  sqlite3_stmt *rows = NULL;
  if (!sql_vfs_is_asyncvfs()) return;
  db = open_filled(path);
  reader = sql_open(path, sql_vfs());
  sql_must(reader, MMAP);
  sql_must(db, "PRAGMA auto_vacuum=2; VACUUM; PRAGMA asyncvfs_drain; PRAGMA asyncvfs_max_lag_ms=60000");
  sql_mustf(db, "DELETE FROM t WHERE id > %d; PRAGMA incremental_vacuum", ROWS / 10);
  CHECK_EQ(sqlite3_prepare_v2(reader, "SELECT id FROM t WHERE b = noise(id, 3500)", -1, &rows, NULL), SQLITE_OK);
  CHECK_EQ(sqlite3_step(rows), SQLITE_ROW);
  sql_must(db, "PRAGMA asyncvfs_flush");
  wait_for_os_lock(db, SQLITE_LOCK_SHARED);
  CHECK(sql_file_size(path) > content_bytes(db));   /* the reader's view is in the way */
  CHECK_EQ(sqlite3_finalize(rows), SQLITE_OK);
  wait_for_os_lock(db, SQLITE_LOCK_NONE);

  other = sql_open(path, SQL_STOCK_VFS);
  sql_mustf(other, "WITH RECURSIVE k(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM k WHERE i < %d)"
            "INSERT INTO t SELECT i, noise(i, 3500) FROM k", ROWS / 10 + 1, ROWS / 2);
  sql_close(other);

  sql_must(db, "BEGIN EXCLUSIVE; ROLLBACK; PRAGMA asyncvfs_drain");
  check_rows(db, ROWS / 2);
  sql_check_integrity(db, path);
  sql_close(reader);
  sql_close(db);
}

/* Its pages go to the file while it is open, and come back from the journal. */
static void large_transaction_commits_and_rolls_back(void) {
  const char *path = scratch_path("app.db");
  sqlite3 *db = open_filled(path);
  if (sql_vfs_is_asyncvfs()) sql_must(db, "PRAGMA asyncvfs_max_queue_bytes=1048576");
  for (int i = 0; i < 3; i++) {
    sql_mustf(db, "BEGIN; UPDATE t SET b = noise(id + %d, 3500); INSERT INTO t SELECT id + 10000, b FROM t", i + 1);
    CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), 2 * ROWS);
    sql_must(db, "ROLLBACK");
    check_rows(db, ROWS);
  }
  sql_mustf(db, "BEGIN; UPDATE t SET b = noise(id, 3500); DELETE FROM t WHERE id > %d; COMMIT; VACUUM", ROWS / 2);
  check_rows(db, ROWS / 2);
  sql_check_integrity(db, path);
  drain_and_cut(db);
  CHECK_EQ(sql_file_size(path), content_bytes(db));
  sql_close(db);
}

static void database_in_wal_mode_is_mapped_too(void) {
  const char *path = scratch_path("app.db");
  sqlite3 *db = open_filled(path);
  for (int i = 0; i < 3; i++) {
    check_rows(db, ROWS);
    sql_must(db, "PRAGMA journal_mode=WAL; UPDATE t SET b = noise(id, 3500) WHERE id % 7 = 0");
    CHECK_EQ(sql_int(db, "PRAGMA mmap_size"), 268435456);
    check_rows(db, ROWS);
    sql_must(db, "PRAGMA journal_mode=DELETE; UPDATE t SET b = noise(id, 3500) WHERE id % 5 = 0");
    CHECK_EQ(sql_int(db, "PRAGMA mmap_size"), 268435456);
  }
  sql_mustf(db, "DELETE FROM t WHERE id > %d; VACUUM", ROWS / 4);
  check_rows(db, ROWS / 4);
  drain_and_cut(db);
  CHECK_EQ(sql_file_size(path), content_bytes(db));
  sql_close(db);
}

void suite_mmap(void) {
  CU_pSuite suite = CU_add_suite("mmap", NULL, NULL);
  ADD_TEST(suite, it_answers_as_win32_does);
  ADD_TEST(suite, pages_on_the_disk_cost_no_read);
  ADD_TEST(suite, pages_in_memory_are_read_there);
  ADD_TEST(suite, file_is_cut_when_nobody_reads_from_a_view);
  ADD_TEST(suite, cut_that_is_owed_spares_what_others_wrote);
  ADD_TEST(suite, large_transaction_commits_and_rolls_back);
  ADD_TEST(suite, database_in_wal_mode_is_mapped_too);
}
