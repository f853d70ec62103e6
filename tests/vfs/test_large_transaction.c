/* test_large_transaction.c: a transaction far beyond max_queue_bytes commits
 * and rolls back right, in bounded memory; and so does one over two databases.
 *
 * The transaction changes every page of a database of 64 MiB and adds as much
 * again, under a queue of 4 MiB and a page cache of 1 MiB, in a child process:
 * a process's highest memory use counts from its start, and its own alone.
 * Stock SQLite then reads what is there.
 *
 * The suite large_2gib does the same with 2 GiB and a limit of 300 MiB. It
 * needs several GiB of disk, and runs when it is named.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>
#include <psapi.h>

#include "harness.h"
#include "process/sql_child.h"
#include "sql_tools.h"

#define MIB       (1024 * 1024)
#define ROW_BYTES 16000
#define CHILD_MS  900000

/* ---- memory ------------------------------------------------------------------------ */

/* Private memory, sampled: the peak that the system keeps counts file pages
 * that are mapped, and the private peak is not kept under Wine. */
static struct {
  volatile LONG stop;
  volatile LONG64 most;
} memory;

static DWORD WINAPI watch_memory(void *unused) {
  (void)unused;
  while (!memory.stop) {
    PROCESS_MEMORY_COUNTERS counters;
    if (K32GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters) &&
        (LONG64)counters.PagefileUsage > memory.most) {
      memory.most = (LONG64)counters.PagefileUsage;
    }
    Sleep(5);
  }
  return 0;
}

/* ---- the child ---------------------------------------------------------------------- */

static int fill(sqlite3 *db, const char *table, int seed, int rows) {
  return sql_execf(
      db,
      "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < %d)"
      "INSERT INTO %s SELECT i, noise(%d + i, %d) FROM k",
      rows, table, seed, ROW_BYTES);
}

static int change_all(sqlite3 *db, int seed, int rows) {
  int rc = sql_exec(db, "BEGIN");
  if (rc == SQLITE_OK)
    rc = sql_execf(db, "UPDATE t SET b = noise(%d + id, %d)", seed, ROW_BYTES);
  if (rc == SQLITE_OK) rc = fill(db, "added", seed, rows);
  return rc;
}

/* argv: vfs, path, journal_mode, MiB, max_queue_bytes, "COMMIT" or "ROLLBACK".
 * Makes a database of that size if there is none, then one transaction. */
int role_large(int argc, char **argv) {
  sqlite3 *db = NULL;
  if (argc != 6) return 2;
  int rows = (int)((int64_t)atoi(argv[3]) * MIB / ROW_BYTES);
  HANDLE watcher = CreateThread(NULL, 0, watch_memory, NULL, 0, NULL);
  int rc = sql_try_open(argv[1], argv[0], &db);
  if (rc == SQLITE_OK && strcmp(argv[0], "asyncvfs") == 0) {
    rc = sql_execf(db, "PRAGMA asyncvfs_max_queue_bytes=%s", argv[4]);
  }
  if (rc == SQLITE_OK) rc = sql_exec(db, "PRAGMA page_size=4096; PRAGMA cache_size=-1024");
  int64_t tables = 0;
  if (rc == SQLITE_OK) rc = sql_try_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
  if (rc == SQLITE_OK && tables == 0) {
    rc = sql_exec(db, "PRAGMA journal_mode=OFF; CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB);"
                      "CREATE TABLE added(id INTEGER PRIMARY KEY, b BLOB)");
    if (rc == SQLITE_OK) rc = fill(db, "t", 0, rows);
  }
  if (rc == SQLITE_OK) rc = sql_execf(db, "PRAGMA journal_mode=%s", argv[2]);
  if (rc == SQLITE_OK) rc = change_all(db, 1000000, rows);
  if (rc == SQLITE_OK) rc = sql_exec(db, argv[5]);
  /* Small ones go on as ever. */
  if (rc == SQLITE_OK) rc = sql_exec(db, "PRAGMA user_version=5");
  printf("rc %d %s\n", rc, db == NULL ? "" : sqlite3_errmsg(db));
  int closed = sqlite3_close(db);
  memory.stop = 1;
  WaitForSingleObject(watcher, INFINITE);
  CloseHandle(watcher);
  printf("closed %d\nmost %lld\n", closed, (long long)memory.most);
  return 0;
}

/* ---- the parent ----------------------------------------------------------------------- */

static void check_content(const char *path, int mib, bool committed) {
  int64_t rows = (int64_t)mib * MIB / ROW_BYTES;
  sqlite3 *db = sql_open(path, SQL_STOCK_VFS);
  char sql[200];
  snprintf(sql, sizeof sql, "SELECT count(*) FROM t WHERE b = noise(%d + id, %d)",
           committed ? 1000000 : 0, ROW_BYTES);
  CHECK_EQ(sql_int(db, sql), rows);
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), rows);
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM added"), committed ? rows : 0);
  CHECK_EQ(sql_int(db, "PRAGMA user_version"), 5);
  sql_check_integrity(db, path);
  sql_close(db);
}

/* Returns whether the child did what it should. */
static bool run_large(const char *path, const char *mode, int mib, const char *queue_bytes,
                      const char *end, int64_t most_bytes) {
  char line[400];
  char size[24];
  int rc = -1;
  int closed = -1;
  long long most = -1;
  snprintf(size, sizeof size, "%d", mib);
  harness_child *child =
      harness_spawn("large", sql_vfs(), path, mode, size, queue_bytes, end, NULL);
  if (child == NULL) return false;
  while (harness_child_read_line(child, line, sizeof line, CHILD_MS)) {
    if (strncmp(line, "rc ", 3) == 0) rc = atoi(line + 3);
    if (rc > 0 && strncmp(line, "rc ", 3) == 0) harness_print("    %s\n", line);
    if (strncmp(line, "closed ", 7) == 0) closed = atoi(line + 7);
    if (strncmp(line, "most ", 5) == 0) most = atoll(line + 5);
  }
  harness_child_free(child);
  harness_print("    %-8s %-8s %5d MiB, at most %lld MiB of memory\n", mode, end, mib,
                most / MIB);
  bool ok = CHECK_EQ(rc, SQLITE_OK) && CHECK_EQ(closed, SQLITE_OK);
  if (most <= 0 || most > most_bytes) FAIL("%s %s: %lld bytes of memory", mode, end, most);
  return ok;
}

#define LARGE_MIB 64
/* Of 128 MiB of changed pages (docs/DURABILITY.md, Memory): queue 4, the transaction in hand 2, pages
 * kept for the next 16, the virtual journal 8, buffers 4; the rest are SQLite and the process. On a
 * slow disk more of it is used at a time than on a fast one. */
#define MOST_BYTES ((34 + 8) * (int64_t)MIB)

static void large_in_mode(const char *mode) {
  const char *path = scratch_path("large.db");
  bool can_roll_back = strcmp(mode, "OFF") != 0 || sql_vfs_is_asyncvfs();
  /* In MEMORY the journal lies in SQLite's own memory: 64 MiB of old pages. */
  int64_t most = strcmp(mode, "MEMORY") == 0 ? MOST_BYTES + 96 * (int64_t)MIB : MOST_BYTES;
  if (can_roll_back) {
    if (run_large(path, mode, LARGE_MIB, "4194304", "ROLLBACK", most)) {
      check_content(path, LARGE_MIB, false);
      if (sql_vfs_is_asyncvfs()) sql_check_nothing_beside(path);
    }
  }
  if (run_large(path, mode, LARGE_MIB, "4194304", "COMMIT", most)) {
    check_content(path, LARGE_MIB, true);
    if (sql_vfs_is_asyncvfs()) sql_check_nothing_beside(path);
  }
}

static void delete_mode_takes_a_large_transaction(void) {
  large_in_mode("DELETE");
}
static void truncate_mode_takes_a_large_transaction(void) {
  large_in_mode("TRUNCATE");
}
static void persist_mode_takes_a_large_transaction(void) {
  large_in_mode("PERSIST");
}
static void memory_mode_takes_a_large_transaction(void) {
  large_in_mode("MEMORY");
}
static void off_mode_takes_a_large_transaction(void) {
  large_in_mode("OFF");
}

/* ---- within one process ------------------------------------------------------------------ */

/* Other connections read the state before it, until it is committed. */
static void readers_see_nothing_of_a_large_transaction_before_its_end(void) {
  const char *path = scratch_path("large.db");
  sqlite3 *db = sql_open(path, sql_vfs());
  sqlite3 *reader = sql_open(path, sql_vfs());
  if (sql_vfs_is_asyncvfs()) sql_must(db, "PRAGMA asyncvfs_max_queue_bytes=4194304");
  sql_must(db, "PRAGMA cache_size=-512; CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB);"
               "CREATE TABLE added(id INTEGER PRIMARY KEY, b BLOB)");
  CHECK_RC(db, fill(db, "t", 0, 600), SQLITE_OK);
  for (int round = 0; round < 2; round++) {
    sql_must(db, "BEGIN IMMEDIATE");
    CHECK_EQ(sql_int(reader, "SELECT count(*) FROM added"), 0);
    sql_mustf(db, "UPDATE t SET b = noise(5000 + id, %d)", ROW_BYTES);
    /* Spilled pages need EXCLUSIVE, so a reader waits, or sees the old state. */
    int64_t n = -1;
    int rc = sql_try_int(reader, "SELECT count(*) FROM added", &n);
    if ((rc & 0xff) != SQLITE_BUSY) {
      CHECK_RC(reader, rc, SQLITE_OK);
      CHECK_EQ(n, 0);
    }
    CHECK_RC(db, fill(db, "added", 5000, 600), SQLITE_OK);
    CHECK_EQ(sql_int(db, "SELECT count(*) FROM added"), 600);
    sql_must(db, round == 0 ? "ROLLBACK" : "COMMIT");
    CHECK_EQ(sql_int(reader, "SELECT count(*) FROM added"), round == 0 ? 0 : 600);
    char sql[120];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM t WHERE b = noise(%d + id, %d)",
             round == 0 ? 0 : 5000, ROW_BYTES);
    CHECK_EQ(sql_int(reader, sql), 600);
  }
  sql_close(reader);
  sql_close(db);
}

/* Savepoints within it, rolled back after their pages had been spilled. */
static void savepoints_within_a_large_transaction_roll_back(void) {
  const char *path = scratch_path("large.db");
  sqlite3 *db = sql_open(path, sql_vfs());
  uint64_t before = 0, after = 1;
  if (sql_vfs_is_asyncvfs()) sql_must(db, "PRAGMA asyncvfs_max_queue_bytes=4194304");
  sql_must(db, "PRAGMA cache_size=-512; CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB)");
  CHECK_RC(db, fill(db, "t", 0, 600), SQLITE_OK);
  sql_must(db, "BEGIN");
  sql_mustf(db, "UPDATE t SET b = noise(7000 + id, %d)", ROW_BYTES);
  CHECK_RC(db, sql_dump_hash(db, &before), SQLITE_OK);
  for (int i = 0; i < 3; i++) {
    sql_must(db, "SAVEPOINT s");
    sql_mustf(
        db,
        "UPDATE t SET b = noise(%d + id, %d) WHERE id %% 3 <> %d; DELETE FROM t WHERE id > 400",
        9000 * i, ROW_BYTES, i);
    sql_must(db, "ROLLBACK TO s; RELEASE s");
    CHECK_RC(db, sql_dump_hash(db, &after), SQLITE_OK);
    CHECK(before == after);
  }
  sql_must(db, "COMMIT");
  sql_close(db);
  db = sql_open(path, SQL_STOCK_VFS);
  CHECK_RC(db, sql_dump_hash(db, &after), SQLITE_OK);
  CHECK(before == after);
  sql_check_integrity(db, path);
  sql_close(db);
}

/* ---- two databases --------------------------------------------------------------------------
 */

static void check_pair(const char *a, const char *b, int64_t n) {
  const char *paths[2] = {a, b};
  for (int i = 0; i < 2; i++) {
    sqlite3 *db = sql_open(paths[i], SQL_STOCK_VFS);
    CHECK_EQ(sql_int(db, "SELECT n FROM t"), n);
    sql_check_integrity(db, paths[i]);
    sql_close(db);
  }
}

static void transaction_over_two_databases_is_one(void) {
  const char *main_path = scratch_path("one.db");
  const char *other_path = scratch_path("two.db");
  static const char *const modes[] = {"DELETE", "TRUNCATE", "PERSIST", "MEMORY", "OFF"};
  sqlite3 *db = sql_open(main_path, sql_vfs());
  sql_mustf(db, "ATTACH %Q AS two", other_path);
  sql_must(db, "CREATE TABLE t(n INT, b BLOB); INSERT INTO t VALUES(0, x'');"
               "CREATE TABLE two.t(n INT, b BLOB); INSERT INTO two.t VALUES(0, x'')");
  int n = 0;
  for (int m = 0; m < 5; m++) {
    bool can_roll_back = strcmp(modes[m], "OFF") != 0;
    sql_mustf(db, "PRAGMA main.journal_mode=%s; PRAGMA two.journal_mode=%s", modes[m],
              modes[m]);
    for (int i = 0; i < 12; i++) {
      sql_mustf(db, "PRAGMA main.cache_size=%d; PRAGMA two.cache_size=%d",
                i % 3 == 0 ? 5 : 2000, i % 3 == 1 ? 5 : 2000);
      sql_mustf(db,
                "BEGIN; UPDATE main.t SET n = n + 1, b = noise(%d, 90000);"
                "UPDATE two.t SET n = n + 1, b = noise(%d, 90000)",
                i, i + 1);
      if (can_roll_back && i % 4 == 2) {
        sql_must(db, "ROLLBACK");
      } else {
        sql_must(db, "COMMIT");
        n++;
      }
      CHECK_EQ(sql_int(db, "SELECT n FROM main.t"), n);
      CHECK_EQ(sql_int(db, "SELECT n FROM two.t"), n);
    }
  }
  sql_close(db);
  check_pair(main_path, other_path, n);
  if (sql_vfs_is_asyncvfs()) {
    sql_check_nothing_beside(main_path);
    sql_check_nothing_beside(other_path);
  }
}

/* argv: vfs, two paths. Counts both up together until it is ended. */
int role_two_databases(int argc, char **argv) {
  sqlite3 *db = NULL;
  if (argc != 3) return 2;
  int rc = sql_try_open(argv[1], argv[0], &db);
  if (rc == SQLITE_OK) rc = sql_execf(db, "ATTACH %Q AS two; PRAGMA cache_size=5", argv[2]);
  for (int i = 1; rc == SQLITE_OK; i++) {
    rc = sql_execf(db,
                   "BEGIN; UPDATE main.t SET n = %d, b = noise(%d, 30000);"
                   "UPDATE two.t SET n = %d, b = noise(%d, 30000); COMMIT",
                   i, i, i, i);
    printf("%d\n", i);
    fflush(stdout);
  }
  printf("error %d\n", rc);
  return 1;
}

/* A kill leaves both at the same count: the super-journal's promise. */
static void kill_leaves_two_databases_at_the_same_commit(void) {
  for (int round = 0; round < 25; round++) {
    const char *paths[2] = {scratch_path("one.db"), scratch_path("two.db")};
    char line[100] = "";
    int64_t n[2] = {-1, -2};
    for (int i = 0; i < 2; i++) {
      sqlite3 *db = sql_open(paths[i], SQL_STOCK_VFS);
      sql_must(db, "CREATE TABLE t(n INT, b BLOB); INSERT INTO t VALUES(0, x'')");
      sql_close(db);
    }
    harness_child *child = harness_spawn("two_databases", sql_vfs(), paths[0], paths[1], NULL);
    if (child == NULL) return;
    for (uint64_t i = 1 + rng_below(12); i > 0; i--) {
      CHECK(harness_child_read_line(child, line, sizeof line, 60000));
    }
    for (uint64_t i = rng_below(20000); i > 0; i--) (void)rng_next();
    harness_child_kill(child);
    harness_child_free(child);
    for (int i = 0; i < 2; i++) {
      sqlite3 *db = sql_open(paths[i], (round + i) % 2 == 0 ? SQL_STOCK_VFS : sql_vfs());
      sql_check_integrity(db, paths[i]);
      n[i] = sql_int(db, "SELECT n FROM t WHERE n = 0 OR b = noise(n, 30000)");
      sql_close(db);
    }
    CHECK_EQ(n[0], n[1]);
    /* Write-through: what was acknowledged is on disk, up to the process's end. */
    if (n[0] < atoi(line))
      FAIL("commit %s was acknowledged, recovered are %lld", line, (long long)n[0]);
  }
}

void suite_large_transaction(void) {
  CU_pSuite suite = CU_add_suite("large_transaction", NULL, NULL);
  ADD_TEST(suite, delete_mode_takes_a_large_transaction);
  ADD_TEST(suite, truncate_mode_takes_a_large_transaction);
  ADD_TEST(suite, persist_mode_takes_a_large_transaction);
  ADD_TEST(suite, memory_mode_takes_a_large_transaction);
  ADD_TEST(suite, off_mode_takes_a_large_transaction);
  ADD_TEST(suite, readers_see_nothing_of_a_large_transaction_before_its_end);
  ADD_TEST(suite, savepoints_within_a_large_transaction_roll_back);
  ADD_TEST(suite, transaction_over_two_databases_is_one);
  ADD_TEST(suite, kill_leaves_two_databases_at_the_same_commit);
}

/* ---- 2 GiB
 * ------------------------------------------------------------------------------------ */

#define HUGE_MIB   1024 /* changed, and as much again added: 2 GiB of pages */
#define HUGE_BYTES (300 * (int64_t)MIB)

static void huge(const char *end, bool committed) {
  const char *path = scratch_path("huge.db");
  if (run_large(path, "DELETE", HUGE_MIB, "67108864", end, HUGE_BYTES)) {
    check_content(path, HUGE_MIB, committed);
  }
  sql_delete_database(path);
}

static void transaction_of_2_gib_commits_in_300_mib(void) {
  huge("COMMIT", true);
}
static void transaction_of_2_gib_rolls_back_in_300_mib(void) {
  huge("ROLLBACK", false);
}

/* Minutes each: on a slow disk, TEST_LIMIT_S must allow them. */
void suite_large_2gib(void) {
  CU_pSuite suite = CU_add_suite("large_2gib", NULL, NULL);
  ADD_TEST(suite, transaction_of_2_gib_commits_in_300_mib);
  ADD_TEST(suite, transaction_of_2_gib_rolls_back_in_300_mib);
}
