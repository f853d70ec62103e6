/* test_regressions.c: what SQLite's retired asynchronous VFS got wrong, each
 * as a claim that it would fail.
 *
 * It queued every xWrite and replayed them: reads did not see what waited in
 * the queue as the file would have shown it, other processes' locks were not
 * asked for, and journal modes other than DELETE went through paths that
 * nobody had thought of.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "process/sql_child.h"
#include "process/stream.h"
#include "sql_tools.h"

#define PAGE 4096

/* ---- as the file would have shown it ------------------------------------- */

static sqlite3_file *file_of(sqlite3 *db) {
  sqlite3_file *file = NULL;
  CHECK_RC(db, sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file), SQLITE_OK);
  return file;
}

static int64_t size_of(sqlite3 *db) {
  sqlite3_file *file = file_of(db);
  sqlite3_int64 size = -1;
  CHECK_RC(db, file->pMethods->xFileSize(file, &size), SQLITE_OK);
  return size;
}

/* What lies beyond the end reads as zeros, and says so, wherever the end is:
 * in memory, or on disk. */
static void check_reads_past_end(sqlite3 *db) {
  static uint8_t buffer[3 * PAGE];
  sqlite3_file *file = file_of(db);
  int64_t size = size_of(db);
  static const int starts[] = {-PAGE, -100, 0, 1, PAGE, 50 * PAGE};
  for (int i = 0; i < 6; i++) {
    if (size + starts[i] < 0) continue;
    memset(buffer, 0xAA, sizeof buffer);
    int rc = file->pMethods->xRead(file, buffer, sizeof buffer, size + starts[i]);
    CHECK_RC(NULL, rc, SQLITE_IOERR_SHORT_READ);
    int first_zero = starts[i] < 0 ? -starts[i] : 0;
    for (int at = first_zero; at < (int)sizeof buffer; at++) {
      if (buffer[at] != 0) {
        FAIL("read at size%+d: byte %d is 0x%02x, expected 0", starts[i], at, buffer[at]);
        return;
      }
    }
  }
}

static void settle(sqlite3 *db) {
  if (sql_vfs_is_asyncvfs()) sql_must(db, "PRAGMA asyncvfs_drain");
}

static void short_read_is_filled_with_zeros(void) {
  sqlite3 *db = sql_open(scratch_path("short.db"), sql_vfs());
  check_reads_past_end(db); /* of an empty file */
  sql_must(db,
           "PRAGMA page_size=4096; CREATE TABLE t(b); INSERT INTO t VALUES(noise(1, 30000))");
  check_reads_past_end(db);
  settle(db);
  check_reads_past_end(db);
  sql_must(db, "INSERT INTO t VALUES(noise(2, 30000))");
  check_reads_past_end(db);
  sql_close(db);
}

static void reads_see_a_truncate_that_is_not_on_disk(void) {
  sqlite3 *db = sql_open(scratch_path("cut.db"), sql_vfs());
  sqlite3 *second = sql_open(sqlite3_db_filename(db, "main"), sql_vfs());
  sql_must(db, "PRAGMA page_size=4096; PRAGMA auto_vacuum=FULL; CREATE TABLE t(b)");
  for (int round = 0; round < 5; round++) {
    sql_must(db, "INSERT INTO t VALUES(noise(1, 400000)), (noise(2, 9000))");
    if (round % 2 == 0) settle(db);
    int64_t large = size_of(db);
    sql_must(db, "DELETE FROM t WHERE length(b) = 400000");
    int64_t small = size_of(db);
    CHECK(small <= large - 390000);
    CHECK_EQ(small, sql_int(db, "PRAGMA page_count") * PAGE);
    CHECK_EQ(size_of(second), small);
    check_reads_past_end(db);
    check_reads_past_end(second);
    /* Grown again, it holds nothing of what had been there. */
    sql_must(db, "INSERT INTO t VALUES(zeroblob(300000))");
    CHECK_EQ(sql_int(second, "SELECT count(*) FROM t WHERE b = zeroblob(300000)"), 1);
    sql_check_integrity(second, "grown again");
    sql_must(db, "DELETE FROM t");
  }
  sql_close(second);
  sql_close(db);
}

/* SQLite itself writes every page that it will read. One who writes far behind the end
 * of a file that shrank finds zeros between, wherever the old pages are. */
static void gap_behind_the_end_is_zeros(void) {
  static uint8_t page[PAGE], zeros[PAGE];
  for (int on_disk = 0; on_disk < 2; on_disk++) {
    sqlite3 *db = sql_open(scratch_path("gap.db"), sql_vfs());
    sql_must(db, "PRAGMA page_size=4096; CREATE TABLE t(b); INSERT INTO t VALUES(noise(1, 100000))");
    if (on_disk) settle(db);
    sqlite3_file *f = file_of(db);
    for (int level = SQLITE_LOCK_SHARED; level <= SQLITE_LOCK_EXCLUSIVE; level += level == SQLITE_LOCK_RESERVED ? 2 : 1) {
      CHECK_RC(db, f->pMethods->xLock(f, level), SQLITE_OK);
    }
    CHECK_RC(db, f->pMethods->xTruncate(f, 2 * PAGE), SQLITE_OK);
    CHECK_RC(db, f->pMethods->xWrite(f, page, PAGE, 10 * PAGE), SQLITE_OK);
    for (int i = 2; i < 10; i++) {
      memset(page, 0xAA, sizeof page);
      CHECK_RC(db, f->pMethods->xRead(f, page, PAGE, i * PAGE), SQLITE_OK);
      if (!CHECK_MEM_EQ(page, zeros, PAGE)) break;
    }
    f->pMethods->xUnlock(f, SQLITE_LOCK_NONE);   /* without a commit: nothing has happened */
    if (sql_vfs_is_asyncvfs()) sql_check_integrity(db, "after a transaction without a commit");
    sql_close(db);
  }
}

/* ---- other processes ------------------------------------------------------- */

static void select_is_busy_while_another_process_holds_exclusive(void) {
  const char *path = scratch_path("locked.db");
  sqlite3 *db = sql_open(path, sql_vfs());
  sql_must(db, "CREATE TABLE t(n INT); INSERT INTO t VALUES(1)");
  CHECK_EQ(sql_int(db, "SELECT n FROM t"), 1); /* in its cache */
  settle(db);
  harness_child *other = sql_child_start(SQL_STOCK_VFS, path);
  if (other == NULL) return;
  sql_child_must(other, "BEGIN EXCLUSIVE");
  int64_t n = 0;
  CHECK_RC(db, sql_try_int(db, "SELECT n FROM t", &n), SQLITE_BUSY);
  sqlite3 *second = sql_open(path, sql_vfs()); /* and with no cache */
  CHECK_RC(second, sql_try_int(second, "SELECT n FROM t", &n), SQLITE_BUSY);
  sql_child_must(other, "COMMIT");
  CHECK_EQ(sql_int(db, "SELECT n FROM t"), 1);
  sql_close(second);
  sql_close(db);
  sql_child_end(other);
}

/* ---- journals --------------------------------------------------------------- */

/* A journal taken for hot undoes the commit before it: the counter would fall
 * behind, as it did in 299 of 300 transactions. */
static void commits_stay(const char *mode) {
  const char *path = scratch_path("stays.db");
  sqlite3 *db = sql_open(path, sql_vfs());
  sqlite3 *second = sql_open(path, sql_vfs());
  sql_mustf(db, "PRAGMA journal_mode=%s; PRAGMA cache_size=5", mode);
  sql_mustf(second, "PRAGMA journal_mode=%s", mode);
  sql_must(db, "CREATE TABLE t(n INT, b BLOB); INSERT INTO t VALUES(0, zeroblob(30000))");
  for (int n = 1; n <= 300; n++) {
    sqlite3 *writer = n % 3 == 0 ? second : db;
    sqlite3 *reader = n % 3 == 0 ? db : second;
    sql_mustf(writer, "UPDATE t SET n = n + 1, b = noise(n, 30000)");
    int64_t seen = sql_int(reader, "SELECT n FROM t");
    if (seen != n) {
      FAIL("%s: %lld after %d commits", mode, (long long)seen, n);
      break;
    }
  }
  sql_close(second);
  sql_close(db);
  db = sql_open(path, SQL_STOCK_VFS);
  CHECK_EQ(sql_int(db, "SELECT n FROM t WHERE b = noise(n - 1, 30000)"), 300);
  sql_check_integrity(db, mode);
  sql_close(db);
}

static void delete_mode_rolls_nothing_back(void) {
  commits_stay("DELETE");
}
static void truncate_mode_rolls_nothing_back(void) {
  commits_stay("TRUNCATE");
}
static void persist_mode_rolls_nothing_back(void) {
  commits_stay("PERSIST");
}
static void memory_mode_rolls_nothing_back(void) {
  commits_stay("MEMORY");
}
static void off_mode_rolls_nothing_back(void) {
  commits_stay("OFF");
}

static void persist_mode_with_spills_survives_a_kill(void) {
  for (int i = 0; i < 20; i++) {
    stream s = {.vfs = sql_vfs(),
                .journal_mode = "PERSIST",
                .page_size = i % 2 == 0 ? 4096 : 1024,
                .cache_size = 5,
                .flush_every = 15,
                .big_every = 4,
                .big_bytes = 120000,
                .seed = rng_next() >> 33};
    const char *path = scratch_path("persist.db");
    int flushed = stream_kill(&s, path, 1 + (int)rng_below(25), i % 2 == 0);
    if (flushed < 0) return;
    sqlite3 *db = sql_open(path, i % 4 < 2 ? SQL_STOCK_VFS : sql_vfs());
    int n = stream_verify(&s, db, path);
    sql_close(db);
    if (n < flushed) FAIL("commit %d was flushed, recovered are %d", flushed, n);
  }
}

/* ---- work is saved, and none is lost ------------------------------------------ */

/* Commits that change the same pages are written once a batch, and a batch
 * flushes at most four times. */
static void commits_are_coalesced_into_batches(void) {
  enum { COMMITS = 3000 };
  if (!sql_vfs_is_asyncvfs()) return;
  sqlite3 *db = sql_open(scratch_path("batches.db"), sql_vfs());
  sql_must(db, "CREATE TABLE t(n INT); INSERT INTO t VALUES(0); PRAGMA asyncvfs_flush");
  int64_t commits = sql_status(db, "commits");
  int64_t written = sql_status(db, "pages_written");
  for (int i = 0; i < COMMITS; i++) sql_must(db, "UPDATE t SET n = n + 1");
  sql_must(db, "PRAGMA asyncvfs_flush");
  commits = sql_status(db, "commits") - commits;
  written = sql_status(db, "pages_written") - written;
  CHECK_EQ(commits, COMMITS);
  CHECK_EQ(sql_status(db, "durable_commits"), sql_status(db, "commits"));
  CHECK_EQ(sql_status(db, "queue_pages"), 0);
  CHECK_EQ(sql_status(db, "queue_bytes"), 0);
  harness_print("    %d commits of 2 pages: %lld pages written, %lld batches, %lld flushes\n",
                COMMITS, (long long)written, (long long)sql_status(db, "batches"),
                (long long)sql_status(db, "flushes"));
  CHECK(written > 0 && written < COMMITS);
  CHECK(sql_status(db, "batches") > 0);
  CHECK(sql_status(db, "flushes") <= 4 * sql_status(db, "batches"));
  sql_close(db);
}

/* An error on one database must not reach another: here, a write that is
 * refused by another process's lock. */
static void trouble_with_one_database_leaves_others_alone(void) {
  const char *path = scratch_path("troubled.db");
  sqlite3 *a = sql_open(path, sql_vfs());
  sqlite3 *b = sql_open(scratch_path("calm.db"), sql_vfs());
  sql_must(a, "CREATE TABLE t(n INT); INSERT INTO t VALUES(0)");
  sql_must(b, "CREATE TABLE t(n INT); INSERT INTO t VALUES(0)");
  settle(a);
  harness_child *other = sql_child_start(SQL_STOCK_VFS, path);
  if (other == NULL) return;
  sql_child_must(other, "BEGIN EXCLUSIVE");
  for (int i = 1; i <= 20; i++) {
    CHECK_RC(a, sql_exec(a, "UPDATE t SET n = n + 1"), SQLITE_BUSY);
    sql_must(b, "UPDATE t SET n = n + 1");
    CHECK_EQ(sql_int(b, "SELECT n FROM t"), i);
    if (i % 5 == 0) settle(b);
  }
  sql_child_must(other, "ROLLBACK");
  sql_must(a, "UPDATE t SET n = n + 1");
  CHECK_EQ(sql_int(a, "SELECT n FROM t"), 1);
  sql_close(a);
  sql_close(b);
  sql_child_end(other);
}

void suite_regressions(void) {
  CU_pSuite suite = CU_add_suite("regressions", NULL, NULL);
  ADD_TEST(suite, short_read_is_filled_with_zeros);
  ADD_TEST(suite, reads_see_a_truncate_that_is_not_on_disk);
  ADD_TEST(suite, gap_behind_the_end_is_zeros);
  ADD_TEST(suite, select_is_busy_while_another_process_holds_exclusive);
  ADD_TEST(suite, delete_mode_rolls_nothing_back);
  ADD_TEST(suite, truncate_mode_rolls_nothing_back);
  ADD_TEST(suite, persist_mode_rolls_nothing_back);
  ADD_TEST(suite, memory_mode_rolls_nothing_back);
  ADD_TEST(suite, off_mode_rolls_nothing_back);
  ADD_TEST(suite, persist_mode_with_spills_survives_a_kill);
  ADD_TEST(suite, commits_are_coalesced_into_batches);
  ADD_TEST(suite, trouble_with_one_database_leaves_others_alone);
}
