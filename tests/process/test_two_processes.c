/* test_two_processes.c: another process sees the database locked, or drained,
 * never a stale one; and we see what it wrote.
 *
 * The other process is a child that runs SQL on command (sql_child.h), on
 * stock win32 unless a test says otherwise; this process uses the VFS under
 * test. Nothing sleeps: either the order is the test's, or both run freely and
 * the claim holds for any order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "harness.h"
#include "process/sql_child.h"
#include "vfs/sql_tools.h"

#define PATIENCE "PRAGMA busy_timeout=60000"

/* A database with one counter, drained, open here and in a child. */
typedef struct pair {
  char path[512];
  sqlite3 *ours;
  harness_child *other;
} pair;

static void must_drain(sqlite3 *db) {
  if (sql_vfs_is_asyncvfs()) sql_must(db, "PRAGMA asyncvfs_drain");
}

static bool begin_pair(pair *p, const char *other_vfs) {
  snprintf(p->path, sizeof p->path, "%s", scratch_path("shared.db"));
  p->ours = sql_open(p->path, sql_vfs());
  sql_must(p->ours, "CREATE TABLE t(n INT, pad BLOB); INSERT INTO t VALUES(0, zeroblob(3000))");
  must_drain(p->ours);
  p->other = sql_child_start(other_vfs, p->path);
  return p->ours != NULL && p->other != NULL;
}

static void end_pair_with_journal(pair *p) {
  sql_child_end(p->other);
  sql_close(p->ours);
  CHECK(!sql_journal_is_hot(p->path));
  sqlite3 *stock = sql_open(p->path, SQL_STOCK_VFS);
  sql_check_integrity(stock, p->path);
  sql_close(stock);
}

static void end_pair(pair *p) {
  end_pair_with_journal(p);
  if (sql_vfs_is_asyncvfs()) sql_check_nothing_beside(p->path);
}

static void other_reads_drained_database_at_once(void) {
  pair p;
  int rc;
  if (!begin_pair(&p, SQL_STOCK_VFS)) return;
  for (int n = 1; n <= 20; n++) {
    sql_mustf(p.ours, "UPDATE t SET n = %d", n);
    must_drain(p.ours);
    CHECK(!sql_file_exists(sql_beside(p.path, "-journal")));
    CHECK_EQ(sql_child_int(p.other, "SELECT n FROM t", &rc), n);
    CHECK_RC(NULL, rc, SQLITE_OK);
  }
  end_pair(&p);
}

static void we_see_what_the_other_writes_between_our_commits(void) {
  pair p;
  if (!begin_pair(&p, SQL_STOCK_VFS)) return;
  for (int n = 0; n < 40; n += 2) {
    sql_must(p.ours, "UPDATE t SET n = n + 1");
    CHECK_EQ(sql_int(p.ours, "SELECT n FROM t"), n + 1);
    must_drain(p.ours);
    sql_child_must(p.other, "UPDATE t SET n = n + 1");
    CHECK_EQ(sql_int(p.ours, "SELECT n FROM t"), n + 2);
  }
  end_pair(&p);
}

/* The other one changes the schema and the file's size under our caches. */
static void we_see_the_others_schema_and_vacuum(void) {
  pair p;
  if (!begin_pair(&p, SQL_STOCK_VFS)) return;
  sql_must(p.ours, "CREATE TABLE fill(b); INSERT INTO fill VALUES(noise(1, 400000))");
  must_drain(p.ours);
  sql_child_must(p.other, "CREATE TABLE later(x)");
  sql_child_must(p.other, "INSERT INTO later VALUES(42)");
  CHECK_EQ(sql_int(p.ours, "SELECT x FROM later"), 42);
  sql_must(p.ours, "DELETE FROM fill");
  must_drain(p.ours);
  sql_child_must(p.other, "PRAGMA page_size=1024");
  sql_child_must(p.other, "VACUUM");
  CHECK_EQ(sql_int(p.ours, "SELECT x FROM later"), 42);
  CHECK_EQ(sql_int(p.ours, "PRAGMA page_size"), 1024);
  sql_must(p.ours, "INSERT INTO fill VALUES(noise(2, 100000))");
  sql_check_integrity(p.ours, "after the other's VACUUM");
  must_drain(p.ours);
  int rc;
  CHECK_EQ(sql_child_int(p.other, "SELECT length(b) FROM fill", &rc), 100000);
  end_pair(&p);
}

/* Nobody drains here: the lock lingers after our commits, and is given back by
 * itself; until then the other waits in its busy handler. */
static void lock_is_given_back_when_idle(void) {
  pair p;
  int rc;
  if (!begin_pair(&p, SQL_STOCK_VFS)) return;
  sql_child_must(p.other, PATIENCE);
  for (int n = 0; n < 10; n += 2) {
    sql_must(p.ours, "UPDATE t SET n = n + 1");
    if (n % 4 == 0) {
      CHECK_EQ(sql_child_int(p.other, "SELECT n FROM t", &rc), n + 1);
      CHECK_RC(NULL, rc, SQLITE_OK);
    }
    sql_child_must(p.other, "UPDATE t SET n = n + 1");
    CHECK_EQ(sql_int(p.ours, "SELECT n FROM t"), n + 2);
  }
  /* The other has written last, so nothing of ours waits. */
  CHECK(!sql_file_exists(sql_beside(p.path, "-journal")));
  end_pair(&p);
}

/* Nobody asks for it: the engine does it. */
static void idle_database_is_plain(void) {
  enum { GIVE_UP_MS = 60000 };
  pair p;
  int rc;
  if (!sql_vfs_is_asyncvfs() || !begin_pair(&p, SQL_STOCK_VFS)) return;
  for (int n = 1; n <= 5; n++) {
    sql_mustf(p.ours, "UPDATE t SET n = %d", n);
    ULONGLONG start = GetTickCount64();
    while (sql_status(p.ours, "os_lock") != 0) {
      if (!CHECK(GetTickCount64() - start < GIVE_UP_MS)) return;
    }
    CHECK_EQ(sql_status(p.ours, "queue_bytes"), 0);
    CHECK_EQ(sql_status(p.ours, "durable_commits"), sql_status(p.ours, "commits"));
    sql_check_nothing_beside(p.path);
    CHECK_EQ(sql_child_int(p.other, "SELECT n FROM t", &rc), n);
    CHECK_RC(NULL, rc, SQLITE_OK);
    sql_child_must(p.other, "UPDATE t SET pad = zeroblob(10 * n)");
  }
  end_pair(&p);
}

/* Whoever locks while the OS lock is being given back has it all the same: the
 * other cannot write under our open read transaction. The journal goes first, so
 * its end is the moment to come in. */
static void lock_taken_while_it_is_given_back_counts(void) {
  enum { ROUNDS = 50 };
  pair p;
  int rc;
  int n = 0;
  if (!sql_vfs_is_asyncvfs() || !begin_pair(&p, SQL_STOCK_VFS)) return;
  for (int round = 0; round < ROUNDS; round++) {
    const char *journal = sql_beside(p.path, "-journal");
    sql_mustf(p.ours, "UPDATE t SET n = %d", ++n);
    sql_must(p.ours, "PRAGMA asyncvfs_flush");
    while (sql_file_exists(journal)) {
    }
    sql_must(p.ours, "BEGIN");
    CHECK_EQ(sql_int(p.ours, "SELECT n FROM t"), n);
    rc = sql_child_run(p.other, "UPDATE t SET n = -1");
    if ((rc & 0xff) != SQLITE_BUSY) {
      FAIL("round %d: the other one wrote (%d) under our read transaction", round, rc);
      break;
    }
    CHECK_EQ(sql_int(p.ours, "SELECT n FROM t"), n);
    sql_must(p.ours, "COMMIT");
  }
  end_pair(&p);
}

/* What the other reads is at least what was committed before it was asked:
 * from the first commit that is not on disk until all are, the lock is held. */
static void other_is_locked_out_or_up_to_date(void) {
  pair p;
  int answers = 0;
  int n = 0;
  if (!begin_pair(&p, SQL_STOCK_VFS)) return;
  for (int round = 0; round < 300; round++) {
    bool writes = rng_below(3) == 0;
    int before = n;
    int rc;
    sql_child_send(p.other, writes ? "BEGIN IMMEDIATE" : "SELECT n FROM t");
    for (uint64_t i = rng_below(30); i > 0; i--) {
      rc = sql_execf(p.ours, "UPDATE t SET n = %d, pad = noise(%d, 3000)", n + 1, n);
      if (rc == SQLITE_OK)
        n++;
      else if ((rc & 0xff) != SQLITE_BUSY)
        CHECK_RC(p.ours, rc, SQLITE_OK);
    }
    char value[64];
    rc = sql_child_answer(p.other, value, sizeof value);
    if (rc == SQLITE_OK && writes) {
      /* From its lock on no commit of ours has got through. */
      CHECK_EQ(sql_child_int(p.other, "SELECT n FROM t", &rc), n);
      sql_child_must(p.other, "COMMIT");
      answers++;
    } else if (rc == SQLITE_OK) {
      int64_t seen = strtoll(value, NULL, 10);
      if (seen < before || seen > n) FAIL("read %lld of %d..%d", (long long)seen, before, n);
      answers++;
    } else if ((rc & 0xff) != SQLITE_BUSY) {
      CHECK_RC(NULL, rc, SQLITE_BUSY);
    }
    if (rng_below(4) == 0) must_drain(p.ours);
  }
  harness_print("    %d commits, %d of 300 reads let in\n", n, answers);
  CHECK(answers > 0);
  CHECK(n > 0);
  end_pair(&p);
}

static void others_reserved_lock_refuses_our_write_not_our_read(void) {
  pair p;
  if (!begin_pair(&p, SQL_STOCK_VFS)) return;
  sql_child_must(p.other, "BEGIN IMMEDIATE");
  sql_child_must(p.other, "UPDATE t SET n = 5");
  CHECK_EQ(sql_int(p.ours, "SELECT n FROM t"), 0);
  CHECK_RC(p.ours, sql_exec(p.ours, "UPDATE t SET n = 9"), SQLITE_BUSY);
  CHECK_RC(p.ours, sql_exec(p.ours, "BEGIN IMMEDIATE"), SQLITE_BUSY);
  CHECK_EQ(sqlite3_get_autocommit(p.ours), 1);
  sql_child_must(p.other, "COMMIT");
  CHECK_EQ(sql_int(p.ours, "SELECT n FROM t"), 5);
  sql_must(p.ours, "UPDATE t SET n = n + 1");
  CHECK_EQ(sql_int(p.ours, "SELECT n FROM t"), 6);
  end_pair(&p);
}

static void others_exclusive_lock_refuses_our_read(void) {
  pair p;
  if (!begin_pair(&p, SQL_STOCK_VFS)) return;
  sql_child_must(p.other, "BEGIN EXCLUSIVE");
  int64_t n;
  CHECK_RC(p.ours, sql_try_int(p.ours, "SELECT n FROM t", &n), SQLITE_BUSY);
  CHECK_RC(p.ours, sql_exec(p.ours, "UPDATE t SET n = 9"), SQLITE_BUSY);
  sql_child_must(p.other, "UPDATE t SET n = 7");
  sql_child_must(p.other, "COMMIT");
  CHECK_EQ(sql_int(p.ours, "SELECT n FROM t"), 7);
  end_pair(&p);
}

static void others_reader_makes_our_commit_busy(void) {
  pair p;
  int rc;
  if (!begin_pair(&p, SQL_STOCK_VFS)) return;
  sql_child_must(p.other, "BEGIN");
  CHECK_EQ(sql_child_int(p.other, "SELECT n FROM t", &rc), 0);
  sql_must(p.ours, "BEGIN IMMEDIATE; UPDATE t SET n = 3");
  CHECK_RC(p.ours, sql_exec(p.ours, "COMMIT"), SQLITE_BUSY);
  CHECK_EQ(sqlite3_get_autocommit(p.ours), 0);
  CHECK_EQ(sql_child_int(p.other, "SELECT n FROM t", &rc), 0);
  sql_child_must(p.other, "COMMIT");
  sql_must(p.ours, "COMMIT");
  must_drain(p.ours);
  CHECK_EQ(sql_child_int(p.other, "SELECT n FROM t", &rc), 3);
  CHECK_RC(NULL, rc, SQLITE_OK);
  end_pair(&p);
}

/* Our reader must see the commit of our writer or none, while the other one's
 * reader makes that commit wait. */
static void our_second_connection_waits_with_our_commit(void) {
  pair p;
  int rc;
  if (!begin_pair(&p, SQL_STOCK_VFS)) return;
  sqlite3 *second = sql_open(p.path, sql_vfs());
  sql_child_must(p.other, "BEGIN");
  CHECK_EQ(sql_child_int(p.other, "SELECT n FROM t", &rc), 0);
  sql_must(p.ours, "BEGIN IMMEDIATE; UPDATE t SET n = 3");
  CHECK_EQ(sql_int(second, "SELECT n FROM t"), 0);
  CHECK_RC(p.ours, sql_exec(p.ours, "COMMIT"), SQLITE_BUSY);
  sql_must(p.ours, "ROLLBACK");
  CHECK_EQ(sql_int(second, "SELECT n FROM t"), 0);
  sql_child_must(p.other, "COMMIT");
  sql_must(second, "UPDATE t SET n = n + 10");
  CHECK_EQ(sql_int(p.ours, "SELECT n FROM t"), 10);
  sql_close(second);
  end_pair(&p);
}

static void drain_is_busy_while_we_hold_a_lock(void) {
  pair p;
  if (!sql_vfs_is_asyncvfs() || !begin_pair(&p, SQL_STOCK_VFS)) return;
  sqlite3 *second = sql_open(p.path, sql_vfs());
  sql_must(p.ours, "UPDATE t SET n = 1");
  sql_must(second, "BEGIN");
  CHECK_EQ(sql_int(second, "SELECT n FROM t"), 1);
  CHECK_RC(p.ours, sql_exec(p.ours, "PRAGMA asyncvfs_drain"), SQLITE_BUSY);
  sql_must(p.ours, "PRAGMA asyncvfs_flush"); /* needs no lock given back */
  CHECK_EQ(sql_status(p.ours, "durable_commits"), sql_status(p.ours, "commits"));
  sql_must(second, "COMMIT");
  sql_must(p.ours, "PRAGMA asyncvfs_drain");
  sql_child_must(p.other, "UPDATE t SET n = 2");
  CHECK_EQ(sql_int(second, "SELECT n FROM t"), 2);
  sql_close(second);
  end_pair(&p);
}

static void closing_hands_over_at_once(void) {
  pair p;
  int rc;
  if (!begin_pair(&p, SQL_STOCK_VFS)) return;
  for (int n = 1; n <= 15; n++) {
    sql_mustf(p.ours, "UPDATE t SET n = %d", n);
    sql_close(p.ours);
    CHECK_EQ(sql_child_int(p.other, "SELECT n FROM t", &rc), n);
    CHECK_RC(NULL, rc, SQLITE_OK);
    sql_child_must(p.other, "UPDATE t SET pad = zeroblob(4000)");
    p.ours = sql_open(p.path, sql_vfs());
    if (p.ours == NULL) break;
    CHECK_EQ(sql_int(p.ours, "SELECT n FROM t"), n);
  }
  end_pair(&p);
}

static void exclusive_locking_mode_keeps_the_other_out_until_it_ends(void) {
  pair p;
  int rc;
  if (!begin_pair(&p, SQL_STOCK_VFS)) return;
  sql_must(p.ours, "PRAGMA locking_mode=EXCLUSIVE; UPDATE t SET n = 1; UPDATE t SET n = 2");
  sql_child_int(p.other, "SELECT n FROM t", &rc);
  CHECK_RC(NULL, rc, SQLITE_BUSY);
  if (sql_vfs_is_asyncvfs()) sql_must(p.ours, "PRAGMA asyncvfs_flush");
  sql_child_int(p.other, "SELECT n FROM t", &rc);
  CHECK_RC(NULL, rc, SQLITE_BUSY);
  sql_must(p.ours, "PRAGMA locking_mode=NORMAL");
  CHECK_EQ(sql_int(p.ours, "SELECT n FROM t"), 2);
  must_drain(p.ours);
  CHECK_EQ(sql_child_int(p.other, "SELECT n FROM t", &rc), 2);
  CHECK_RC(NULL, rc, SQLITE_OK);
  sql_child_must(p.other, "UPDATE t SET n = 3");
  CHECK_EQ(sql_int(p.ours, "SELECT n FROM t"), 3);
  end_pair(&p);
}

/* A stock connection in PERSIST or TRUNCATE keeps the -journal open, in a way
 * that lets nobody delete it. */
static void journal_held_open_by_another_is_no_obstacle(void) {
  static const char *const modes[] = {"PERSIST", "TRUNCATE"};
  for (int m = 0; m < 2; m++) {
    pair p;
    int rc;
    int64_t n = 0;
    char sql[60];
    if (!begin_pair(&p, SQL_STOCK_VFS)) return;
    snprintf(sql, sizeof sql, "PRAGMA journal_mode=%s", modes[m]);
    sql_child_must(p.other, sql);
    sql_must(p.ours, sql);
    for (int i = 0; i < 10; i++, n += 2) {
      sql_child_must(p.other, "UPDATE t SET n = n + 1"); /* its journal is open now */
      CHECK_EQ(sql_int(p.ours, "SELECT n FROM t"), n + 1);
      rc = sql_exec(p.ours, "UPDATE t SET n = n + 1");
      if (!CHECK_RC(p.ours, rc, SQLITE_OK)) break;
      must_drain(p.ours);
      CHECK_EQ(sql_child_int(p.other, "SELECT n FROM t", &rc), n + 2);
      CHECK_RC(NULL, rc, SQLITE_OK);
    }
    sql_child_must(p.other, ".close");
    end_pair_with_journal(&p);
  }
}

/* Two processes that both write behind, each with its own memory: every
 * increment survives. */
static void two_asyncvfs_processes_lose_no_increment(void) {
  pair p;
  enum { TURNS = 12, FREE_RUNS = 20 };
  if (!begin_pair(&p, sql_vfs())) return;
  sql_child_must(p.other, PATIENCE);
  sql_must(p.ours, PATIENCE);
  for (int i = 0; i < TURNS; i++) {
    sql_must(p.ours, "UPDATE t SET n = n + 1");
    sql_child_must(p.other, "UPDATE t SET n = n + 1");
  }
  CHECK_EQ(sql_int(p.ours, "SELECT n FROM t"), 2 * TURNS);
  for (int i = 0; i < FREE_RUNS; i++) {
    sql_child_send(p.other, "UPDATE t SET n = n + 1");
    int rc = SQLITE_BUSY;
    /* The other may hold the lock for longer than our patience. */
    while ((rc & 0xff) == SQLITE_BUSY) rc = sql_exec(p.ours, "UPDATE t SET n = n + 1");
    CHECK_RC(p.ours, rc, SQLITE_OK);
    if (rng_below(8) == 0) must_drain(p.ours);
    CHECK_RC(NULL, sql_child_answer(p.other, NULL, 0), SQLITE_OK);
  }
  CHECK_EQ(sql_int(p.ours, "SELECT n FROM t"), 2 * TURNS + 2 * FREE_RUNS);
  end_pair(&p);
}

void suite_two_processes(void) {
  CU_pSuite suite = CU_add_suite("two_processes", NULL, NULL);
  ADD_TEST(suite, other_reads_drained_database_at_once);
  ADD_TEST(suite, we_see_what_the_other_writes_between_our_commits);
  ADD_TEST(suite, we_see_the_others_schema_and_vacuum);
  ADD_TEST(suite, lock_is_given_back_when_idle);
  ADD_TEST(suite, idle_database_is_plain);
  ADD_TEST(suite, lock_taken_while_it_is_given_back_counts);
  ADD_TEST(suite, other_is_locked_out_or_up_to_date);
  ADD_TEST(suite, others_reserved_lock_refuses_our_write_not_our_read);
  ADD_TEST(suite, others_exclusive_lock_refuses_our_read);
  ADD_TEST(suite, others_reader_makes_our_commit_busy);
  ADD_TEST(suite, our_second_connection_waits_with_our_commit);
  ADD_TEST(suite, drain_is_busy_while_we_hold_a_lock);
  ADD_TEST(suite, closing_hands_over_at_once);
  ADD_TEST(suite, exclusive_locking_mode_keeps_the_other_out_until_it_ends);
  ADD_TEST(suite, journal_held_open_by_another_is_no_obstacle);
  ADD_TEST(suite, two_asyncvfs_processes_lose_no_increment);
}
