/* test_hot_journal.c: a batch that a kill cut short is rolled back the same
 * way by everyone: stock SQLite, stock SQLite that had the database open with
 * a warm cache all the while, and the VFS under test.
 *
 * The writer of stream.h is ended as soon as a hot journal is seen beside its
 * database, until one stays; "the same" is: the state after the same number of
 * commits, every byte of it. Read-only openers answer as stock's do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "process/sql_child.h"
#include "process/stream.h"
#include "vfs/sql_tools.h"

#define MOST_KILLS 200
#define ROUNDS     8

static const char *const modes[] = {"DELETE", "PERSIST", "TRUNCATE", "MEMORY", "OFF"};

static stream make_stream(int round) {
  static const int page_sizes[] = {4096, 1024, 16384};
  stream s = {.vfs = sql_vfs(),
              .journal_mode = modes[round % (sql_vfs_is_asyncvfs() ? 5 : 3)],
              .page_size = page_sizes[round % 3],
              .cache_size = round % 4 == 0 ? 5 : 2000,
              .flush_every = 25,
              .seed = rng_next() >> 33};
  return s;
}

/* Kills writers until one leaves a hot journal at path. */
static bool leave_hot_journal(const stream *s, const char *path) {
  for (int i = 0; i < MOST_KILLS; i++) {
    if (!CHECK(sql_delete_database(path))) return false;
    if (stream_kill(s, path, 2 + (int)rng_below(20), true) < 0) return false;
    if (sql_journal_is_hot(path)) return true;
  }
  return FAIL("%d kills left no hot journal", MOST_KILLS);
}

static int recover_on(const stream *s, const char *path, const char *vfs) {
  sqlite3 *db = sql_open(path, vfs);
  int n = stream_verify(s, db, vfs);
  sql_close(db);
  CHECK(!sql_journal_is_hot(path));
  return n;
}

static void stock_and_ours_recover_the_same_prefix(void) {
  for (int round = 0; round < ROUNDS; round++) {
    stream s = make_stream(round);
    const char *path = scratch_path("left.db");
    const char *for_stock = scratch_path("stock.db");
    const char *for_ours = scratch_path("ours.db");
    if (!leave_hot_journal(&s, path)) return;
    if (!CHECK(sql_copy_database(path, for_stock) && sql_copy_database(path, for_ours))) return;
    int n = recover_on(&s, for_stock, SQL_STOCK_VFS);
    CHECK_EQ(recover_on(&s, for_ours, sql_vfs()), n);
    sql_check_nothing_beside(for_stock);
    sql_check_nothing_beside(for_ours);
    CHECK_EQ(recover_on(&s, for_ours, SQL_STOCK_VFS), n);
  }
}

/* The recovery happens inside a lock, so a second opener at the same time
 * waits or is told BUSY; it never sees a torn state. */
static void both_at_once_recover_the_same_prefix(void) {
  for (int round = 0; round < ROUNDS; round++) {
    stream s = make_stream(round);
    const char *path = scratch_path("left.db");
    const char *for_stock = scratch_path("stock.db");
    if (!leave_hot_journal(&s, path)) return;
    if (!CHECK(sql_copy_database(path, for_stock))) return;
    int n = recover_on(&s, for_stock, SQL_STOCK_VFS);
    harness_child *other = sql_child_start(SQL_STOCK_VFS, path);
    if (other == NULL) return;
    sql_child_must(other, "PRAGMA busy_timeout=60000");
    sqlite3 *db = sql_open(path, sql_vfs());
    sql_must(db, "PRAGMA busy_timeout=60000");
    sql_child_send(other, ".hash");
    int ours = stream_verify(&s, db, sql_vfs());
    CHECK_EQ(ours, n);
    char text[64];
    uint64_t hash = 0;
    CHECK_RC(NULL, sql_child_answer(other, text, sizeof text), SQLITE_OK);
    CHECK_RC(db, sql_dump_hash(db, &hash), SQLITE_OK);
    CHECK(strtoull(text, NULL, 10) == hash);
    sql_close(db);
    sql_child_end(other);
    sql_check_nothing_beside(path);
  }
}

/* A database with content, of which `warm` has every page in its cache and on
 * which it holds no lock; then a writer is killed in mid-batch. False, with a
 * failed check, if that does not come about. */
static bool leave_hot_journal_under(const stream *s, const char *path,
                                    harness_child **warm_out) {
  enum { PREPARED = 40 };
  for (int i = 0; i < MOST_KILLS; i++) {
    if (!CHECK(sql_delete_database(path))) return false;
    sqlite3 *db = sql_open(path, SQL_STOCK_VFS);
    CHECK_RC(db, stream_create(s, db), SQLITE_OK);
    CHECK_RC(db, stream_write(s, db, 1, PREPARED), SQLITE_OK);
    sql_close(db);
    *warm_out = sql_child_start(SQL_STOCK_VFS, path);
    if (*warm_out == NULL) return false;
    sql_child_must(*warm_out, ".hash");
    if (stream_kill(s, path, 1 + (int)rng_below(20), true) < 0) return false;
    if (sql_journal_is_hot(path)) return true;
    sql_child_end(*warm_out);
  }
  return FAIL("%d kills left no hot journal", MOST_KILLS);
}

static uint64_t hash_of(const char *path, const char *vfs) {
  uint64_t hash = 0;
  sqlite3 *db = sql_open(path, vfs);
  CHECK_RC(db, sql_dump_hash(db, &hash), SQLITE_OK);
  sql_close(db);
  return hash;
}

static uint64_t child_hash(harness_child *child) {
  char text[64];
  sql_child_send(child, ".hash");
  CHECK_RC(NULL, sql_child_answer(child, text, sizeof text), SQLITE_OK);
  return strtoull(text, NULL, 10);
}

/* `ours_first`: somebody else rolls back before the warm one looks. */
static void warm_caches(bool ours_first) {
  for (int round = 0; round < ROUNDS; round++) {
    stream s = make_stream(round);
    const char *path = scratch_path("left.db");
    const char *copy = scratch_path("copy.db");
    harness_child *warm = NULL;
    if (!leave_hot_journal_under(&s, path, &warm)) return;
    if (!CHECK(sql_copy_database(path, copy))) return;
    int n = recover_on(&s, copy, SQL_STOCK_VFS);
    if (ours_first) CHECK_EQ(recover_on(&s, path, sql_vfs()), n);
    CHECK(child_hash(warm) == hash_of(copy, SQL_STOCK_VFS));
    sqlite3 *db = sql_open(path, sql_vfs());
    CHECK_EQ(stream_verify(&s, db, sql_vfs()), n);
    CHECK_RC(db, stream_write(&s, db, n + 1, n + 5), SQLITE_OK);
    sql_close(db);
    CHECK(child_hash(warm) == hash_of(path, SQL_STOCK_VFS));
    sql_child_must(warm, "UPDATE last SET n = n"); /* and it can write */
    sql_child_end(warm);
    CHECK_EQ(recover_on(&s, path, sql_vfs()), n + 5);
    sql_check_nothing_beside(path);
  }
}

static void warm_stock_process_rolls_back_itself(void) {
  warm_caches(false);
}
static void warm_stock_process_notices_that_others_rolled_back(void) {
  warm_caches(true);
}

/* The other way round: ours has every page in its cache, no lock, and has
 * committed itself, when another process dies. Its next lock is a fresh one. */
static void our_warm_connection_rolls_back(const char *killed_vfs) {
  enum { PREPARED = 40, LEAST_HOT = 4 };
  int hot = 0;
  for (int i = 0; i < MOST_KILLS && hot < LEAST_HOT; i++) {
    stream s = make_stream(i);
    s.vfs = killed_vfs;
    s.journal_mode = modes[i % 3];
    s.cache_size = 5;
    const char *path = scratch_path("left.db");
    const char *copy = scratch_path("copy.db");
    sqlite3 *db = sql_open(path, sql_vfs());
    CHECK_RC(db, stream_create(&s, db), SQLITE_OK);
    CHECK_RC(db, stream_write(&s, db, 1, PREPARED), SQLITE_OK);
    CHECK_EQ(stream_verify(&s, db, "before"), PREPARED);
    if (sql_vfs_is_asyncvfs()) sql_must(db, "PRAGMA asyncvfs_drain");
    bool killed = stream_kill(&s, path, 1 + (int)rng_below(20), true) >= 0;
    if (killed && sql_journal_is_hot(path)) {
      hot++;
      CHECK(sql_copy_database(path, copy));
      int n = recover_on(&s, copy, SQL_STOCK_VFS);
      CHECK_EQ(stream_verify(&s, db, "warm"), n);
      CHECK_RC(db, stream_write(&s, db, n + 1, n + 5), SQLITE_OK);
      CHECK_EQ(stream_verify(&s, db, "warm, and written to"), n + 5);
      sql_close(db);
      CHECK_EQ(recover_on(&s, path, SQL_STOCK_VFS), n + 5);
      sql_check_nothing_beside(path);
    } else {
      sql_close(db);
    }
    if (!killed) return;
  }
  CHECK_EQ(hot, LEAST_HOT);
}

static void our_warm_connection_rolls_back_what_stock_left(void) {
  our_warm_connection_rolls_back(SQL_STOCK_VFS);
}

static void our_warm_connection_rolls_back_what_asyncvfs_left(void) {
  our_warm_connection_rolls_back(sql_vfs());
}

static int read_only_code(const char *path, const char *vfs) {
  sqlite3 *db = NULL;
  int64_t n;
  int rc = sql_try_open_flags(sql_uri(path, "mode=ro"), vfs, SQLITE_OPEN_READONLY, &db);
  if (rc == SQLITE_OK) rc = sql_try_int(db, "SELECT n FROM last", &n);
  sql_close(db);
  return rc;
}

static void read_only_opener_is_refused_and_leaves_the_journal(void) {
  for (int round = 0; round < 3; round++) {
    stream s = make_stream(round);
    const char *path = scratch_path("left.db");
    /* No journal is hot to a reader of an empty database (pager.c, hasHotJournal). */
    do {
      if (!leave_hot_journal(&s, path)) return;
    } while (sql_file_size(path) == 0);
    CHECK_RC(NULL, read_only_code(path, SQL_STOCK_VFS), SQLITE_READONLY_ROLLBACK);
    CHECK_RC(NULL, read_only_code(path, sql_vfs()), SQLITE_READONLY_ROLLBACK);
    CHECK(sql_journal_is_hot(path));
    int n = recover_on(&s, path, sql_vfs());
    if (n > 0) {
      CHECK_RC(NULL, read_only_code(path, SQL_STOCK_VFS), SQLITE_OK);
      CHECK_RC(NULL, read_only_code(path, sql_vfs()), SQLITE_OK);
    }
  }
}

/* The journal of stock SQLite's own crash, met by the VFS under test. */
static void journal_of_stock_is_rolled_back(void) {
  for (int round = 0; round < 6; round++) {
    stream s = make_stream(round);
    s.vfs = SQL_STOCK_VFS;
    s.journal_mode = modes[round % 3];
    s.cache_size = 5;
    const char *path = scratch_path("left.db");
    const char *copy = scratch_path("copy.db");
    if (!leave_hot_journal(&s, path)) return;
    if (!CHECK(sql_copy_database(path, copy))) return;
    int n = recover_on(&s, copy, SQL_STOCK_VFS);
    CHECK_EQ(recover_on(&s, path, sql_vfs()), n);
    sql_check_nothing_beside(path);
  }
}

void suite_hot_journal(void) {
  CU_pSuite suite = CU_add_suite("hot_journal", NULL, NULL);
  ADD_TEST(suite, stock_and_ours_recover_the_same_prefix);
  ADD_TEST(suite, both_at_once_recover_the_same_prefix);
  ADD_TEST(suite, warm_stock_process_rolls_back_itself);
  ADD_TEST(suite, warm_stock_process_notices_that_others_rolled_back);
  ADD_TEST(suite, our_warm_connection_rolls_back_what_stock_left);
  ADD_TEST(suite, our_warm_connection_rolls_back_what_asyncvfs_left);
  ADD_TEST(suite, read_only_opener_is_refused_and_leaves_the_journal);
  ADD_TEST(suite, journal_of_stock_is_rolled_back);
}
