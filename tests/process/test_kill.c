/* test_kill.c: a process that is ended without warning loses at most its last
 * commits, and leaves what stock SQLite recovers.
 *
 * A child writes the numbered commits of stream.h. The parent reads a random
 * number of its lines, spins for a random moment, or until it sees a hot
 * journal, and ends it by TerminateProcess. What it left is copied, and stock
 * SQLite opens the copy: it must hold the state after the first n commits for
 * some n, all that was reported flushed among them. Then the original is opened
 * on the VFS under test: the same n, and no file stays beside it.
 *
 * The round's number picks journal_mode, page size, cache spills, transactions
 * beyond max_queue_bytes, max_lag_ms and locking_mode, so that each test here
 * covers its grid whatever the seed is. A test in which none of many kills has
 * hit a batch proves little, and fails.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "process/stream.h"
#include "vfs/sql_tools.h"

#define KILLS_PER_MODE  24
#define OVERSIZED_KILLS 24
#define SHRINKING_KILLS 24
#define EXCLUSIVE_KILLS 12
#define DISK_KILLS      24
#define ENOUGH_KILLS    24 /* for one of them to hit a batch */

typedef struct tally {
  int kills;
  int hot; /* left a hot journal */
  int64_t commits;
} tally;

static bool recovers(const stream *s, const char *path, int flushed, tally *t) {
  char copy[512];
  char what[160];
  snprintf(what, sizeof what, "%s, page_size %d, cache_size %d, seed %llu", s->journal_mode,
           s->page_size, s->cache_size, (unsigned long long)s->seed);
  snprintf(copy, sizeof copy, "%s", scratch_path("copy.db"));
  t->hot += sql_journal_is_hot(path);
  if (!CHECK(sql_copy_database(path, copy))) return false;

  sqlite3 *db = sql_open(copy, SQL_STOCK_VFS);
  int recovered = stream_verify(s, db, what);
  sql_close(db);
  if (recovered < 0) return false;
  if (recovered < flushed) {
    return FAIL("%s: commit %d was flushed, stock SQLite recovers %d", what, flushed,
                recovered);
  }
  t->commits += recovered;

  db = sql_open(path, s->vfs);
  int again = stream_verify(s, db, what);
  /* It can be written to as if nothing had been. */
  if (again > 0) CHECK_RC(db, stream_write(s, db, again + 1, again + 3), SQLITE_OK);
  sql_close(db);
  if (again != recovered) {
    return FAIL("%s: stock SQLite recovers %d, %s %d", what, recovered, s->vfs, again);
  }
  /* A session that only read leaves a cold journal where it was, as stock. */
  if (again > 0 && sql_vfs_is_asyncvfs()) sql_check_nothing_beside(path);
  CHECK(!sql_journal_is_hot(path));
  db = sql_open(path, SQL_STOCK_VFS);
  int last = stream_verify(s, db, what);
  sql_close(db);
  CHECK_EQ(last, again > 0 ? again + 3 : again);
  /* Space, and nothing to look at. */
  sql_delete_database(copy);
  sql_delete_database(path);
  return last >= 0;
}

static bool kill_once(stream *s, int most_lines, tally *t) {
  char path[512];
  snprintf(path, sizeof path, "%s", scratch_path("killed.db"));
  s->vfs = sql_vfs();
  s->seed = rng_next() >> 33;
  bool aimed = rng_below(2) == 0;
  int flushed = stream_kill(s, path, (int)rng_below((uint64_t)most_lines), aimed);
  if (flushed < 0) return false;
  t->kills++;
  if (!sql_file_exists(path)) return true; /* ended before it began */
  return recovers(s, path, flushed, t);
}

static void report(const tally *t) {
  harness_print("    %d kills, %d with a hot journal, %lld commits recovered\n", t->kills,
                t->hot, (long long)t->commits);
  CHECK(t->commits > 0);
  if (t->kills >= ENOUGH_KILLS) CHECK(t->hot > 0);
}

/* MEMORY and OFF are safe against a kill with asyncvfs alone. */
static bool mode_is_safe(const char *mode) {
  return sql_vfs_is_asyncvfs() || (strcmp(mode, "MEMORY") != 0 && strcmp(mode, "OFF") != 0);
}

/* All page sizes in each mode; over the modes, each of them with spills. */
static void kill_in_mode(const char *mode, int shift) {
  static const int page_sizes[] = {4096, 512, 65536, 1024, 8192, 32768, 2048, 16384};
  tally t = {0, 0, 0};
  if (!mode_is_safe(mode)) return;
  for (int i = 0; i < KILLS_PER_MODE; i++) {
    stream s = {.journal_mode = mode,
                .page_size = page_sizes[(i + shift) % 8],
                .cache_size = i % 4 == 1 ? 5 : 2000,
                .flush_every = i % 3 == 0   ? 5
                               : i % 3 == 1 ? 40
                                            : 400,
                .big_every = i % 2 == 0 ? 50 : 0,
                .big_bytes = 90000,
                .pragma = i % 5 == 0   ? "asyncvfs_max_lag_ms=0"
                          : i % 5 == 1 ? "asyncvfs_max_lag_ms=5"
                                       : NULL};
    if (!kill_once(&s, i % 3 == 0 ? 120 : 25, &t)) break;
  }
  report(&t);
}

static void delete_mode_recovers_a_prefix(void) {
  kill_in_mode("DELETE", 0);
}
static void truncate_mode_recovers_a_prefix(void) {
  kill_in_mode("TRUNCATE", 1);
}
static void persist_mode_recovers_a_prefix(void) {
  kill_in_mode("PERSIST", 2);
}
static void memory_mode_recovers_a_prefix(void) {
  kill_in_mode("MEMORY", 3);
}
static void off_mode_recovers_a_prefix(void) {
  kill_in_mode("OFF", 4);
}

/* Transactions of 2 MiB through a queue of 1 MiB: the write-through path. */
static void oversized_transactions_recover_a_prefix(void) {
  static const char *const modes[] = {"DELETE", "TRUNCATE", "PERSIST", "MEMORY", "OFF"};
  tally t = {0, 0, 0};
  for (int i = 0; i < OVERSIZED_KILLS; i++) {
    stream s = {.journal_mode = modes[i % 5],
                .page_size = i % 2 == 0 ? 4096 : 1024,
                .cache_size = 20,
                .flush_every = 10,
                .big_every = 3,
                .big_bytes = 2 << 20,
                .max_queue_bytes = 1 << 20};
    if (mode_is_safe(s.journal_mode) && !kill_once(&s, 7, &t)) break;
  }
  report(&t);
}

/* Every other rewrite of the table `big` cuts it off the file. */
static void shrinking_files_recover_a_prefix(void) {
  static const char *const modes[] = {"DELETE", "OFF", "TRUNCATE", "MEMORY", "PERSIST"};
  tally t = {0, 0, 0};
  for (int i = 0; i < SHRINKING_KILLS; i++) {
    stream s = {.journal_mode = modes[i % 5],
                .page_size = i % 3 == 0   ? 1024
                             : i % 3 == 1 ? 4096
                                          : 16384,
                .cache_size = i % 4 == 0 ? 5 : 2000,
                .flush_every = 40,
                .big_every = 4,
                .big_bytes = 150000,
                .pragma = i % 2 == 0 ? "asyncvfs_max_lag_ms=1" : NULL,
                .shrinks = true};
    if (mode_is_safe(s.journal_mode) && !kill_once(&s, 25, &t)) break;
  }
  report(&t);
}

static void exclusive_locking_recovers_a_prefix(void) {
  tally t = {0, 0, 0};
  for (int i = 0; i < EXCLUSIVE_KILLS; i++) {
    stream s = {.journal_mode = i % 2 == 0 ? "DELETE" : "PERSIST",
                .page_size = 4096,
                .cache_size = i % 3 == 0 ? 5 : 2000,
                .flush_every = 20,
                .exclusive = true};
    if (!kill_once(&s, 60, &t)) break;
  }
  report(&t);
}

/* Each COMMIT that has returned is there. */
static void disk_commits_are_all_there(void) {
  static const char *const modes[] = {"DELETE", "TRUNCATE", "PERSIST", "MEMORY", "OFF"};
  tally t = {0, 0, 0};
  if (!sql_vfs_is_asyncvfs()) return;
  for (int i = 0; i < DISK_KILLS; i++) {
    stream s = {.journal_mode = modes[i % 5],
                .page_size = i % 2 == 0 ? 4096 : 512,
                .cache_size = i % 4 == 0 ? 5 : 2000,
                .big_every = i % 3 == 0 ? 10 : 0,
                .big_bytes = 90000,
                .exclusive = i % 6 == 5,
                .pragma = "asyncvfs_durability=disk"};
    if (!kill_once(&s, 30, &t)) break;
  }
  report(&t);
}

void suite_kill(void) {
  CU_pSuite suite = CU_add_suite("kill", NULL, NULL);
  ADD_TEST(suite, delete_mode_recovers_a_prefix);
  ADD_TEST(suite, truncate_mode_recovers_a_prefix);
  ADD_TEST(suite, persist_mode_recovers_a_prefix);
  ADD_TEST(suite, memory_mode_recovers_a_prefix);
  ADD_TEST(suite, off_mode_recovers_a_prefix);
  ADD_TEST(suite, oversized_transactions_recover_a_prefix);
  ADD_TEST(suite, shrinking_files_recover_a_prefix);
  ADD_TEST(suite, exclusive_locking_recovers_a_prefix);
  ADD_TEST(suite, disk_commits_are_all_there);
}
