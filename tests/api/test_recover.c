/* test_recover.c: commits that outlived their process: PRAGMA asyncvfs_recover, asyncvfs_recover,
 * and the program asyncvfs-recover. Whether a ring may be replayed is tests/redo's to say.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "asyncvfs.h"
#include "harness.h"
#include "process/survivor.h"
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

/* ---- what a killed process left ------------------------------------------------------------ */

/* A database whose newest commits are in its ring. Answers how many the disk has, as stock SQLite reads it; -1: failed. */
static int leave_ring(survivor *s, const char *path, survivor_life *life) {
  const char *copy = scratch_path("copy.db");
  sqlite3 *db = sql_open(path, sql_vfs());
  int disk;
  memset(s, 0, sizeof *s);
  memset(life, 0, sizeof *life);
  s->stream.vfs = sql_vfs();
  s->stream.journal_mode = "DELETE";
  s->stream.seed = rng_next() >> 33;
  s->stream.page_size = 1024;
  s->stream.cache_size = 2000;
  s->parameters = "max_lag_ms=60000";
  CHECK_RC(db, stream_create(&s->stream, db), SQLITE_OK);
  sql_close(db);
  if (!survivor_kill(s, path, AT_COMMITS, life)) return -1;
  CHECK(sql_file_exists(sql_beside(path, AVFS_REDO_SUFFIX)));
  if (!CHECK(sql_copy_database(path, copy))) return -1;
  db = sql_open(copy, SQL_STOCK_VFS);
  disk = stream_verify(&s->stream, db, "stock SQLite, of a copy");
  sql_close(db);
  CHECK(disk < life->least);
  return disk;
}

/* As a program without asyncvfs finds it. */
static int state_of(const survivor *s, const char *path, const survivor_life *life) {
  sqlite3 *db = sql_open(path, SQL_STOCK_VFS);
  int n = stream_verify(&s->stream, db, "stock SQLite");
  CHECK(n >= life->least && n <= life->most);
  sql_close(db);
  return n;
}

/* Runs asyncvfs-recover; its exit status, and the first line that it says. */
static int run_program(const char *a, const char *b, const char *c, char *line, size_t bytes) {
  harness_child *child = harness_spawn_program("asyncvfs-recover.exe", a, b, c, (char *)NULL);
  int status = -1;
  line[0] = 0;
  if (child == NULL) return -1;
  (void)harness_child_read_line(child, line, bytes, LINE_MS);
  CHECK(harness_child_wait(child, LINE_MS, &status));
  harness_child_free(child);
  return status;
}

static void commits_of_a_killed_process_are_there_for_a_stock_program(void) {
  for (int i = 0; i < 3; i++) {
    const char *path = scratch_path("app.db");
    survivor s;
    survivor_life life;
    char line[700] = "", expected[700];
    long long replayed = -1;
    int disk = leave_ring(&s, path, &life), n;
    if (disk < 0) return;
    if (i == 0) {
      CHECK_EQ(asyncvfs_recover(path, &replayed), SQLITE_OK);
    } else if (i == 1) {
      sqlite3 *db = sql_open(path, sql_vfs());
      replayed = sql_int(db, "PRAGMA asyncvfs_recover");
      CHECK_EQ(sql_status(db, "os_lock"), 0);
      n = state_of(&s, path, &life);   /* while it is open */
      CHECK_EQ(replayed, n - disk);
      sql_close(db);
    } else {
      CHECK_EQ(run_program(path, NULL, NULL, line, sizeof line), 0);
    }
    n = state_of(&s, path, &life);
    snprintf(expected, sizeof expected, "%s: %d commit%s recovered", path, n - disk, n - disk == 1 ? "" : "s");
    if (i == 2) CHECK_STR_EQ(line, expected);
    else CHECK_EQ(replayed, n - disk);
    sql_check_nothing_beside(path);
    CHECK(!sql_file_exists(sql_beside(path, AVFS_REDO_SUFFIX)));
    CHECK_EQ(run_program("--", path, NULL, line, sizeof line), 0);   /* again is fine */
    snprintf(expected, sizeof expected, "%s: nothing to recover", path);
    CHECK_STR_EQ(line, expected);
  }
}

static void commits_that_do_not_fit_are_told(void) {
  const char *path = scratch_path("app.db");
  survivor s;
  survivor_life life;
  char line[700];
  long long replayed = -1;
  if (leave_ring(&s, path, &life) < 0) return;
  for (int i = 0; i < 2; i++) {
    const char *copy = scratch_path("other.db");   /* another file than they were made in */
    CHECK(sql_copy_database(path, copy));
    CHECK(sql_file_copy(sql_beside(path, AVFS_REDO_SUFFIX), sql_beside(copy, AVFS_REDO_SUFFIX)));
    if (i == 0) CHECK_EQ(asyncvfs_recover(copy, &replayed), SQLITE_WARNING);
    else CHECK_EQ(run_program(copy, path, NULL, line, sizeof line), 1);
    CHECK(sql_file_exists(sql_beside(copy, AVFS_REDO_ASIDE_SUFFIX)));
    CHECK_EQ(asyncvfs_recover(copy, &replayed), SQLITE_OK);
    CHECK_EQ(replayed, 0);
  }
  state_of(&s, path, &life);   /* the program has gone on to the second one */
}

/* It can do nothing while another reads; nothing is lost by that. */
static void recovery_beside_a_reader_is_busy(void) {
  const char *path = scratch_path("app.db");
  survivor s;
  survivor_life life;
  sqlite3 *reader, *db;
  int disk = leave_ring(&s, path, &life);
  if (disk < 0) return;
  reader = sql_open(path, SQL_STOCK_VFS);
  sql_must(reader, "BEGIN; SELECT n FROM last");
  db = sql_open(path, sql_vfs());
  CHECK_EQ(sql_exec(db, "PRAGMA asyncvfs_recover") & 0xff, SQLITE_BUSY);
  CHECK_EQ(sql_int(reader, "SELECT n FROM last"), disk);
  sql_must(reader, "COMMIT");
  sql_close(reader);
  CHECK(sql_int(db, "PRAGMA asyncvfs_recover") > 0);
  sql_close(db);
  state_of(&s, path, &life);
}

static void the_program_says_how_it_is_used(void) {
  char line[700];
  CHECK_EQ(run_program("--help", NULL, NULL, line, sizeof line), 0);
  CHECK_STR_EQ(line, "use: asyncvfs-recover [OPTION]... FILE...");
  CHECK_EQ(run_program("--version", NULL, NULL, line, sizeof line), 0);
  CHECK_STR_EQ(line, "asyncvfs-recover " ASYNCVFS_VERSION);
  CHECK_EQ(run_program(NULL, NULL, NULL, line, sizeof line), 2);
  CHECK_EQ(run_program("--no-such", NULL, NULL, line, sizeof line), 2);
  CHECK_EQ(run_program("--sqlite", "nowhere.dll", "nowhere.db", line, sizeof line), 2);
  CHECK_EQ(run_program(scratch_path("nowhere.db"), NULL, NULL, line, sizeof line), 1);
  CHECK_STR_EQ(line, "");   /* on standard error */
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
  ADD_TEST(suite, commits_of_a_killed_process_are_there_for_a_stock_program);
  ADD_TEST(suite, commits_that_do_not_fit_are_told);
  ADD_TEST(suite, recovery_beside_a_reader_is_busy);
  ADD_TEST(suite, the_program_says_how_it_is_used);
}
