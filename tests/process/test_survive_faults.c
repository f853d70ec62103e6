/* test_survive_faults.c: with durability=os nothing is lost either when the machine refuses something.
 *
 * What a killed process has left is kept aside, and put back before each run, into the same file, as the
 * ring knows its database by number. Each run opens it over a machine of which the first call of a kind
 * fails, the second, the n-th, until all pass: while the ring is looked at, replayed, made, and closed. A
 * statement may fail, and is tried again; what had been told must be there, and what is told then must
 * be on the disk after the close.
 *
 * And where there can be no ring any more, COMMIT must wait for the disk: a process that ends itself
 * without a warning after its commits, and whoever comes next finds them.
 *
 * In child processes, as in store/test_faults.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "asyncvfs.h"
#include "harness.h"
#include "process/survivor.h"
#include "redo/redo.h"
#include "store/faulty_io.h"
#include "vfs/sql_tools.h"

enum { LINE_MS = 120000, TRIES = 10, MOST_FAULTS = 300 };

static const char *const suffixes[] = {"", "-journal", AVFS_REDO_SUFFIX};

/* ---- the child: one fault after the other ------------------------------------------------------- */

static struct {
  stream s;
  const char *path;         /* of the database that was killed over */
  char kept[3][400];        /* its files */
  int least, most;
  int problems;
  long fault;
} run;

static void problem(sqlite3 *db, const char *what, int n) {
  run.problems++;
  harness_print("fault %ld: %s: %d %s\n", run.fault, what, n, db != NULL ? sqlite3_errmsg(db) : "");
}

static bool write_over(const char *from, const char *to) {
  int64_t bytes = sql_file_size(from);
  unsigned char *p = malloc(bytes > 0 ? (size_t)bytes : 1);
  DWORD n = 0;
  HANDLE h = CreateFileA(to, GENERIC_WRITE, FILE_SHARE_READ, NULL, OPEN_ALWAYS, 0, NULL);
  bool ok = p != NULL && h != INVALID_HANDLE_VALUE && sql_file_read(from, 0, p, (size_t)bytes) == bytes &&
            WriteFile(h, p, (DWORD)bytes, &n, NULL) && n == bytes && SetEndOfFile(h);
  CloseHandle(h);
  free(p);
  return ok;
}

static void put_back(void) {
  for (int i = 0; i < 3; i++) {
    const char *to = sql_beside(run.path, suffixes[i]);
    bool ok = sql_file_exists(run.kept[i]) ? write_over(run.kept[i], to) : sql_file_delete(to);
    if (!ok) problem(NULL, "a file cannot be put back", i);
  }
}

static sqlite3 *open_patiently(void) {
  sqlite3 *db = NULL;
  int rc = SQLITE_ERROR;
  for (int i = 0; i < TRIES && rc != SQLITE_OK; i++) {
    rc = sql_try_open(sql_uri(run.path, "durability=os&max_lag_ms=5"), "asyncvfs", &db);
  }
  if (rc != SQLITE_OK) problem(NULL, "open", rc);
  else sqlite3_busy_timeout(db, 10000);
  return db;
}

static int read_patiently(sqlite3 *db) {
  int64_t n = -1;
  int rc = SQLITE_ERROR;
  for (int i = 0; i < TRIES && rc != SQLITE_OK; i++) rc = sql_try_int(db, "SELECT n FROM last", &n);
  if (rc != SQLITE_OK) problem(db, "read", rc);
  return (int)n;
}

/* A COMMIT that fails, as the disk refused, may be committed all the same. */
static int write_patiently(sqlite3 *db, int transactions) {
  int told = 0, n = 0, rc = SQLITE_ERROR;
  while (transactions-- > 0) {
    rc = SQLITE_ERROR;
    for (int i = 0; i < TRIES && rc != SQLITE_OK; i++) {
      rc = stream_write_next(&run.s, db, &n);
      if (rc != SQLITE_OK && !sqlite3_get_autocommit(db)) sql_exec(db, "ROLLBACK");
      if (rc != SQLITE_OK) sql_exec(db, "PRAGMA asyncvfs_flush");   /* whoever finds no room is told of the failure */
    }
    if (rc != SQLITE_OK) problem(db, "write", rc);
    else told = n;
  }
  return told;
}

static void check_stock(int told) {
  sqlite3 *db = NULL;
  if (sql_try_open(run.path, SQL_STOCK_VFS, &db) != SQLITE_OK) problem(NULL, "stock SQLite: open", 0);
  if (db == NULL) return;
  int n = stream_verify(&run.s, db, "stock SQLite");
  if (n < told) problem(db, "stock SQLite finds less than was told", n);
  sqlite3_close(db);
}

static void one_life(void) {
  sqlite3 *db = open_patiently();
  if (db == NULL) return;
  int n = read_patiently(db);
  if (n < run.least) problem(db, "a commit that had returned is gone", n);
  if (n > run.most) problem(db, "a commit that was never made is there", n);
  int told = write_patiently(db, 3);
  for (int i = 0; i < TRIES && sqlite3_close(db) != SQLITE_OK; i++) {
  }
  if (sql_file_exists(sql_beside(run.path, AVFS_REDO_ASIDE_SUFFIX))) problem(NULL, "a ring was refused", 0);
  check_stock(told > n ? told : n);
}

static bool begin_run(int argc, char **argv) {
  if (argc < 6 || !faulty_begin()) return false;
  run.path = argv[1];
  for (int i = 0; i < 3; i++) snprintf(run.kept[i], sizeof run.kept[i], "%s%s", argv[2], suffixes[i]);
  run.least = atoi(argv[3]);
  run.most = atoi(argv[4]);
  run.s.vfs = "asyncvfs";
  run.s.journal_mode = "DELETE";
  run.s.seed = strtoull(argv[5], NULL, 10);
  run.s.page_size = 4096;
  run.s.cache_size = 2000;
  return true;
}

/* Each request for memory, or each call of a kind, for each n until the work needs fewer. */
static int fail_each(const char *what) {
  int call = 0;
  LONG failed;
  bool heap = strcmp(what, "memory") == 0;
  while (!heap && call < FAULTY_CALLS && strcmp(what, faulty_names[call]) != 0) call++;
  if (call == FAULTY_CALLS) return 10;
  do {
    put_back();
    run.fault++;
    if (heap) faulty_heap_fail((LONG)run.fault);
    else faulty_fail((faulty_call)call, (LONG)run.fault, 1, "killed.db");
    one_life();
    failed = heap ? faulty_heap_failed() : faulty_failed();
    if (heap) faulty_heap_fail(0);
  } while (failed > 0 && run.problems < 5 && run.fault < MOST_FAULTS);
  harness_print("%ld times %s failed\n", run.fault - 1, what);
  return run.problems > 0 ? 11 : 0;
}

/* ---- the child: no ring any more ------------------------------------------------------------------- */

static void is_durable(sqlite3 *db, const char *when) {
  if (sql_status(db, "durable_commits") != sql_status(db, "commits")) problem(db, when, (int)sql_status(db, "durable_commits"));
}

/* Commits, tells, and ends without a warning. */
static int commit_and_die(sqlite3 *db, int transactions) {
  int told = write_patiently(db, transactions);
  if (run.problems > 0) return 11;
  printf("told %d\n", told);
  fflush(stdout);
  TerminateProcess(GetCurrentProcess(), 0);
  return 12;
}

static sqlite3 *open_to_die(void) {
  sqlite3 *db = NULL;
  if (sql_try_open(sql_uri(run.path, "durability=os&max_lag_ms=60000"), "asyncvfs", &db) != SQLITE_OK) {
    problem(NULL, "open", 0);
  }
  return db;
}

static int no_ring_can_be_made(int rc, DWORD os_error) {
  faulty_fail_by(CALL_MAP, 1, FAULTY_ALWAYS, AVFS_REDO_SUFFIX, rc, os_error);
  sqlite3 *db = open_to_die();
  write_patiently(db, 2);
  is_durable(db, "without a ring a commit does not wait for the disk");
  return commit_and_die(db, 3);
}

/* A page of it cannot be had, in the midst of the commits. */
static int ring_breaks(void) {
  sqlite3 *db = open_to_die();
  write_patiently(db, 5);
  if (sql_status(db, "durable_commits") == sql_status(db, "commits")) problem(db, "there is no ring", 0);
  if (!faulty_break_mapping(false)) problem(db, "its ring cannot be broken", 0);
  write_patiently(db, 1);
  is_durable(db, "over a broken ring a commit does not wait for the disk");
  return commit_and_die(db, 4);   /* in a new ring, if one can be had */
}

/* What has no room in the ring: one written through, and one that the queue can hold. */
static int large(void) {
  static const int sizes[] = {2 << 20, 20 << 20};
  int told = 0;
  for (int i = 0; i < 2; i++) {
    sqlite3 *db = NULL;
    const char *parameters = i == 0 ? "durability=os&max_lag_ms=60000&max_queue_bytes=1048576"
                                    : "durability=os&max_lag_ms=60000";
    if (sql_try_open(sql_uri(run.path, parameters), "asyncvfs", &db) != SQLITE_OK) problem(NULL, "open", i);
    sql_exec(db, "PRAGMA cache_size=-30000");
    write_patiently(db, 3);
    run.s.big_every = 1;
    run.s.big_bytes = sizes[i];
    told = write_patiently(db, 1);
    is_durable(db, "a large transaction is not waited for");
    run.s.big_every = 0;
    if (i == 1) break;
    sqlite3_close(db);
  }
  printf("told %d\n", told);
  fflush(stdout);
  TerminateProcess(GetCurrentProcess(), run.problems > 0 ? 11 : 0);
  return 12;
}

/* The first connection that wants the ring comes when commits of `memory` are queued. */
static int late(void) {
  sqlite3 *db = NULL;
  if (sql_try_open(sql_uri(run.path, "durability=memory&max_lag_ms=60000"), "asyncvfs", &db) != SQLITE_OK) {
    problem(NULL, "open", 0);
  }
  write_patiently(db, 5);
  if (sql_status(db, "durable_commits") == sql_status(db, "commits")) problem(db, "nothing is queued", 0);
  if (sql_exec(db, "PRAGMA asyncvfs_durability=os") != SQLITE_OK) problem(db, "pragma", 0);
  return commit_and_die(db, 4);
}

int role_survive_faults(int argc, char **argv) {
  if (!begin_run(argc, argv)) return 10;
  if (strcmp(argv[0], "full") == 0) return no_ring_can_be_made(SQLITE_FULL, ERROR_DISK_FULL);
  if (strcmp(argv[0], "denied") == 0) return no_ring_can_be_made(SQLITE_CANTOPEN, ERROR_ACCESS_DENIED);
  if (strcmp(argv[0], "breaks") == 0) return ring_breaks();
  if (strcmp(argv[0], "large") == 0) return large();
  if (strcmp(argv[0], "late") == 0) return late();
  return fail_each(argv[0]);
}

/* ---- the parent ---------------------------------------------------------------------------------------- */

typedef struct left {
  survivor s;
  const char *path, *kept;
  survivor_life life;
} left;

static void keep(const left *l) {
  for (int i = 0; i < 3; i++) {
    const char *from = sql_beside(l->path, suffixes[i]);
    if (sql_file_exists(from)) CHECK(sql_file_copy(from, sql_beside(l->kept, suffixes[i])));
  }
}

static bool leave(left *l, bool hot) {
  memset(l, 0, sizeof *l);
  l->s.stream.vfs = sql_vfs();
  l->s.stream.journal_mode = "DELETE";
  l->s.stream.seed = rng_next() >> 33;
  l->s.stream.page_size = 4096;
  l->s.stream.cache_size = 2000;
  l->s.parameters = hot ? "max_lag_ms=2" : "max_lag_ms=60000&max_queue_bytes=16777216";
  l->s.most_commits = 60;
  l->path = scratch_path("killed.db");
  l->kept = scratch_path("kept");
  for (int i = 0; i < 10; i++) {
    if (!survivor_kill(&l->s, l->path, hot ? AT_BATCH : AT_COMMITS, &l->life)) return false;
    if (!hot || sql_journal_is_hot(l->path)) break;
  }
  keep(l);
  return true;
}

/* Runs the child over it; what it has told at last, or 0. */
static int run_child(const left *l, const char *what) {
  char least[20], most[20], seed[30], line[400];
  int told = 0, code = -1;
  snprintf(least, sizeof least, "%d", l->life.least);
  snprintf(most, sizeof most, "%d", l->life.most);
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)l->s.stream.seed);
  harness_child *child = harness_spawn("survive_faults", what, l->path, l->kept, least, most, seed, NULL);
  if (child == NULL) return 0;
  while (harness_child_read_line(child, line, sizeof line, LINE_MS)) {
    if (strncmp(line, "told ", 5) == 0) told = atoi(line + 5);
    else harness_print("    %s\n", line);
  }
  CHECK(harness_child_wait(child, LINE_MS, &code));
  CHECK_EQ(code, 0);
  harness_child_free(child);
  return told;
}

static void any_may_fail(const char *what) {
  for (int hot = 0; hot < 2; hot++) {
    left l;
    if (!leave(&l, hot == 1)) return;
    run_child(&l, what);
  }
}

static void any_open_may_fail(void) { any_may_fail("open"); }
static void any_removal_may_fail(void) { any_may_fail("remove"); }
static void any_identity_may_fail(void) { any_may_fail("identity"); }
static void any_size_may_fail(void) { any_may_fail("size"); }
static void any_resize_may_fail(void) { any_may_fail("resize"); }
static void any_flush_may_fail(void) { any_may_fail("flush"); }
static void any_read_may_fail(void) { any_may_fail("read"); }
static void any_write_may_fail(void) { any_may_fail("write"); }
static void any_mapping_may_fail(void) { any_may_fail("map"); }
static void any_end_of_a_mapping_may_fail(void) { any_may_fail("unmap"); }
static void any_request_for_memory_may_fail(void) {
  left l;
  if (leave(&l, rng_below(2) == 0)) run_child(&l, "memory");
}

static void take_up(left *l) {
  sqlite3 *db = sql_open(l->path, sql_vfs());
  l->life.least = l->life.most = stream_verify(&l->s.stream, db, "at first");
  sql_close(db);
}

static void what_was_told_is_there(const char *what) {
  left l;
  if (!leave(&l, false)) return;
  take_up(&l);
  int told = run_child(&l, what);
  if (!CHECK(told > 0)) return;
  sqlite3 *db = sql_open(l.path, sql_vfs());
  int n = -1;
  if (strcmp(what, "large") == 0) n = (int)sql_int(db, "SELECT n FROM last");   /* its rows are of several streams */
  else n = stream_verify(&l.s.stream, db, what);
  sql_check_integrity(db, what);
  sql_close(db);
  CHECK_EQ(n, told);
}

static void a_full_disk_costs_time_and_no_commit(void) { what_was_told_is_there("full"); }
static void a_folder_that_may_not_be_written_costs_time_and_no_commit(void) { what_was_told_is_there("denied"); }
static void a_ring_that_breaks_costs_time_and_no_commit(void) { what_was_told_is_there("breaks"); }

static void a_transaction_that_has_no_room_is_waited_for(void) { what_was_told_is_there("large"); }
static void a_ring_that_comes_late_has_what_was_queued_before_it(void) { what_was_told_is_there("late"); }

void suite_survive_faults(void) {
  CU_pSuite suite = CU_add_suite("survive_faults", NULL, NULL);
  ADD_TEST(suite, any_open_may_fail);
  ADD_TEST(suite, any_removal_may_fail);
  ADD_TEST(suite, any_identity_may_fail);
  ADD_TEST(suite, any_size_may_fail);
  ADD_TEST(suite, any_resize_may_fail);
  ADD_TEST(suite, any_flush_may_fail);
  ADD_TEST(suite, any_read_may_fail);
  ADD_TEST(suite, any_write_may_fail);
  ADD_TEST(suite, any_mapping_may_fail);
  ADD_TEST(suite, any_end_of_a_mapping_may_fail);
  ADD_TEST(suite, any_request_for_memory_may_fail);
  ADD_TEST(suite, a_full_disk_costs_time_and_no_commit);
  ADD_TEST(suite, a_folder_that_may_not_be_written_costs_time_and_no_commit);
  ADD_TEST(suite, a_ring_that_breaks_costs_time_and_no_commit);
  ADD_TEST(suite, a_transaction_that_has_no_room_is_waited_for);
  ADD_TEST(suite, a_ring_that_comes_late_has_what_was_queued_before_it);
}
