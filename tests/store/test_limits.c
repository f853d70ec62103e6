/* test_limits.c: what is in memory stays within its limits, and who waits for that; and how
 * a writer waits for another.
 *
 * Scenarios, in child processes (scenario.h): the disk is held at a flush, so that the
 * queue is as full as the test has made it, for as long as it likes.
 */
#include "store/scenario.h"

#include <stdio.h>
#include <string.h>

#include "asyncvfs.h"
#include "store/store_peek.h"

#define LIMIT "max_queue_bytes=1048576"

/* Fills the queue beyond its limit of 1 MiB, while the disk is held. */
static void fill(sqlite3 *db) {
  while (sql_status(db, "queue_bytes") <= 1 << 20) {
    if (!EXPECT(sql_exec(db, "INSERT INTO t(b) VALUES(zeroblob(60000))") == SQLITE_OK)) return;
  }
}

/* A database whose queue is full, and stays so: the disk is held. */
static sqlite3 *open_full(const char *path, const char *options, int64_t *rows_out) {
  sqlite3 *db = scenario_open_table(path, options);
  faulty_hold(CALL_FLUSH, NULL);
  fill(db);
  *rows_out = scenario_rows(db);   /* readers do not wait */
  return db;
}

static void end(sqlite3 *db, const char *path, int64_t rows) {
  faulty_release();
  EXPECT(asyncvfs_flush(NULL, ASYNCVFS_FOREVER) == SQLITE_OK);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  scenario_check_stock(path, rows, rows);
}

static void full_queue_is_busy_when_asked(void) {
  const char *path = scratch_path("busy.db");
  int64_t rows;
  sqlite3 *db = open_full(path, LIMIT "&on_full=busy", &rows);
  EXPECT(sql_exec(db, "BEGIN IMMEDIATE") == SQLITE_BUSY);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(NULL, 'x')") == SQLITE_BUSY);
  EXPECT(scenario_rows(db) == rows);
  EXPECT(sql_status(db, "stalls") == 2);
  faulty_release();
  EXPECT(sql_exec(db, "PRAGMA asyncvfs_flush; INSERT INTO t VALUES(NULL, 'x')") == SQLITE_OK);
  end(db, path, rows + 1);
}

static void full_queue_is_waited_for_so_long(void) {
  const char *path = scratch_path("timeout.db");
  int64_t rows;
  sqlite3 *db = open_full(path, LIMIT "&full_timeout_ms=30", &rows);
  EXPECT(sql_exec(db, "BEGIN IMMEDIATE") == SQLITE_BUSY);
  end(db, path, rows);
}

static int handler_calls;

static int give_up_at_the_fourth(void *arg, int count) {
  (void)arg;
  (void)count;
  return ++handler_calls < 4;
}

static void busy_handler_ends_the_wait(void) {
  const char *path = scratch_path("handler.db");
  int64_t rows;
  sqlite3 *db = open_full(path, LIMIT, &rows);
  sqlite3_busy_handler(db, give_up_at_the_fourth, NULL);
  EXPECT(sql_exec(db, "BEGIN IMMEDIATE") == SQLITE_BUSY);
  EXPECT(handler_calls == 4);
  end(db, path, rows);
}

/* The disk goes on when the handler is asked for the third time. */
static int release_at_the_third(void *arg, int count) {
  (void)arg;
  if (count == 2) {
    faulty_release();
    EXPECT(asyncvfs_flush(NULL, ASYNCVFS_FOREVER) == SQLITE_OK);
  }
  return ++handler_calls <= 3;
}

static void writer_goes_on_when_there_is_room(void) {
  const char *path = scratch_path("room.db");
  int64_t rows;
  sqlite3 *db = open_full(path, LIMIT, &rows);
  sqlite3_busy_handler(db, release_at_the_third, NULL);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(NULL, 'x')") == SQLITE_OK);
  EXPECT(handler_calls == 3);
  end(db, path, rows + 1);
}

static DWORD WINAPI release_when_stalled(void *arg) {
  const char *path = arg;
  char status[4000] = "";
  /* Until the writer waits: there is no event for that. */
  while (asyncvfs_status(path, status, sizeof status) == SQLITE_OK && strstr(status, "\"stalls\":0") != NULL) {
    SwitchToThread();
  }
  faulty_release();
  return 0;
}

/* With the handler that sqlite3_busy_timeout installs, which sleeps by our xSleep, and
 * with none. */
static void writer_sleeps_until_there_is_room(int timeout_ms) {
  const char *path = scratch_path("sleep.db");
  HANDLE thread;
  int64_t rows;
  sqlite3 *db = open_full(path, LIMIT "&full_timeout_ms=3600000", &rows);
  sqlite3_busy_timeout(db, timeout_ms);
  thread = CreateThread(NULL, 0, release_when_stalled, (void *)(uintptr_t)sqlite3_db_filename(db, "main"),
                        0, NULL);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(NULL, 'x')") == SQLITE_OK);
  WaitForSingleObject(thread, INFINITE);
  CloseHandle(thread);
  end(db, path, rows + 1);
}

static void writer_with_a_busy_timeout_waits(void) { writer_sleeps_until_there_is_room(3600000); }
static void writer_without_a_busy_timeout_waits(void) { writer_sleeps_until_there_is_room(0); }

/* locking_mode=EXCLUSIVE: a commit has no lock to ask for, so it waits behind its end; it
 * cannot be refused there, and has its room whatever on_full and full_timeout_ms say. */
static void exclusive_is_held_back(const char *options) {
  const char *path = scratch_path("exclusive.db");
  sqlite3 *db = scenario_open_table(path, options);
  HANDLE thread;
  EXPECT(sql_exec(db, "PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t(b) VALUES(1)") == SQLITE_OK);
  EXPECT(sql_exec(db, "PRAGMA asyncvfs_flush") == SQLITE_OK);
  faulty_hold(CALL_FLUSH, NULL);
  thread = CreateThread(NULL, 0, release_when_stalled, (void *)(uintptr_t)sqlite3_db_filename(db, "main"),
                        0, NULL);
  for (int i = 0; i < 60; i++) {   /* more than three times the limit */
    EXPECT(sql_exec(db, "INSERT INTO t(b) VALUES(zeroblob(60000))") == SQLITE_OK);
    EXPECT(sql_status(db, "queue_bytes") < 2 << 20);
  }
  WaitForSingleObject(thread, INFINITE);
  CloseHandle(thread);
  EXPECT(sql_status(db, "stalls") > 0);
  end(db, path, 61);
}

static void exclusive_connection_is_held_back(void) { exclusive_is_held_back(LIMIT); }
static void exclusive_connection_with_on_full_busy_is_held_back(void) {
  exclusive_is_held_back(LIMIT "&on_full=busy");
}
static void exclusive_connection_without_a_timeout_is_held_back(void) {
  exclusive_is_held_back(LIMIT "&full_timeout_ms=0");
}

/* More databases on a device that hangs than the pool has threads at first. */
static void device_that_hangs_stops_its_own_databases_alone(void) {
  enum { HELD = 6 };
  const char *path = scratch_path("other.db");
  sqlite3 *held[HELD], *other;
  char name[40];
  for (int i = 0; i < HELD; i++) {
    snprintf(name, sizeof name, "held%d.db", i);
    held[i] = scenario_open_table(scratch_path(name), "max_lag_ms=0");
  }
  other = scenario_open_table(path, "");
  faulty_hold(CALL_FLUSH, "held");
  for (int i = 0; i < HELD; i++) EXPECT(sql_exec(held[i], "INSERT INTO t(b) VALUES(1)") == SQLITE_OK);
  for (int i = 0; i < 20; i++) {
    EXPECT(sql_exec(other, "INSERT INTO t(b) VALUES(1); PRAGMA asyncvfs_flush") == SQLITE_OK);
  }
  faulty_release();
  for (int i = 0; i < HELD; i++) EXPECT(sqlite3_close(held[i]) == SQLITE_OK);
  end(other, path, 20);
}

/* The disk takes its time: a wait ends when it is up, and says so. */
static void wait_for_a_slow_disk_says_busy(void) {
  const char *path = scratch_path("slow.db");
  sqlite3 *db = scenario_open_table(path, "");
  int64_t durable = -1;
  long long t;
  faulty_hold(CALL_FLUSH, NULL);
  EXPECT(sql_exec(db, "INSERT INTO t(b) VALUES(1)") == SQLITE_OK);
  EXPECT(asyncvfs_ticket(db, "main", &t) == SQLITE_OK);
  EXPECT(asyncvfs_wait(t, 0) == SQLITE_BUSY);
  EXPECT(asyncvfs_flush(sqlite3_db_filename(db, "main"), 1) == SQLITE_BUSY);
  EXPECT(asyncvfs_flush(NULL, 1) == SQLITE_BUSY);
  EXPECT(sql_try_int(db, "SELECT asyncvfs_wait(asyncvfs_ticket(), 1)", &durable) == SQLITE_OK);
  EXPECT(durable == 0);
  faulty_release();
  EXPECT(asyncvfs_wait(t, ASYNCVFS_FOREVER) == SQLITE_OK);
  end(db, path, 1);
}

/* One database's disk is held with most of the process's limit in its queue. Another one
 * goes on, a transaction at a time; the first is full, below its own limit. */
static void process_has_a_limit_too(void) {
  const char *path = scratch_path("one.db"), *other_path = scratch_path("other.db");
  sqlite3 *db = scenario_open_table(path, "on_full=busy");
  sqlite3 *other = scenario_open_table(other_path, "");
  int64_t rows, value = 0;
  int commits = 60, rc;
  EXPECT(sql_exec(db, "PRAGMA asyncvfs_max_process_bytes=1048576") == SQLITE_OK);
  EXPECT(sql_try_int(other, "PRAGMA asyncvfs_max_process_bytes", &value) == SQLITE_OK);
  EXPECT(value == 1048576);
  faulty_hold(CALL_FLUSH, "one.db");
  do {
    rc = sql_exec(db, "INSERT INTO t(b) VALUES(zeroblob(60000))");
  } while (rc == SQLITE_OK);
  EXPECT(rc == SQLITE_BUSY);
  EXPECT(sql_status(db, "queue_bytes") < 2 << 20);
  EXPECT(sql_status(db, "process_queue_bytes") >= sql_status(db, "queue_bytes"));
  rows = scenario_rows(db);
  for (int i = 0; i < commits; i++) {
    EXPECT(sql_exec(other, "INSERT INTO t(b) VALUES(zeroblob(60000))") == SQLITE_OK);
    EXPECT(sql_status(other, "queue_bytes") < 200000);   /* its last transaction alone */
  }
  faulty_release();
  EXPECT(asyncvfs_flush(NULL, ASYNCVFS_FOREVER) == SQLITE_OK);
  EXPECT(sql_status(db, "process_queue_bytes") == 0);
  EXPECT(sqlite3_close(other) == SQLITE_OK);
  scenario_check_stock(other_path, commits, commits);
  end(db, path, rows);
}

static uint64_t memory_of(sqlite3 *db) {
  sqlite3_file *f = NULL;
  EXPECT(sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &f) == SQLITE_OK);
  return store_peek_memory(f);
}

/* docs/DURABILITY.md, Memory: what one may expect who sets max_process_bytes. */
static void memory_of_many_databases_is_bounded(void) {
  enum { N = 8, PROCESS = 8 << 20 };
  sqlite3 *db[N];
  char name[40];
  uint64_t most = 0;
  for (int i = 0; i < N; i++) {
    snprintf(name, sizeof name, "many%d.db", i);
    db[i] = scenario_open_table(scratch_path(name), "max_process_bytes=8388608");
    EXPECT(sql_exec(db[i], "PRAGMA cache_size=10; WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c "
                           "WHERE n<1500) INSERT INTO t(b) SELECT zeroblob(3000) FROM c") == SQLITE_OK);
    EXPECT(sql_exec(db[i], "PRAGMA asyncvfs_flush") == SQLITE_OK);
  }
  for (int i = 0; i < N; i++) {
    uint64_t now = 0;
    EXPECT(sql_exec(db[i], "BEGIN IMMEDIATE; UPDATE t SET b=zeroblob(3001)") == SQLITE_OK);
    for (int k = 0; k < N; k++) now += memory_of(db[k]);
    if (now > most) most = now;
  }
  for (int i = 0; i < N; i++) EXPECT(sql_exec(db[i], i % 2 == 0 ? "ROLLBACK" : "COMMIT") == SQLITE_OK);
  harness_print("%d databases: %d KiB at most\n", N, (int)(most >> 10));
  EXPECT(most <= PROCESS + N * (PROCESS / 2));
  for (int i = 0; i < N; i++) EXPECT(sqlite3_close(db[i]) == SQLITE_OK);
}

/* A sleep on Windows takes longer than most writers do. So SQLite's busy handler does not
 * sleep for a writer of this process: xLock waits for it. Once for each refusal, and not
 * where a program sleeps for long, for reasons of its own. */
static void writer_waits_for_another_without_a_sleep(void) {
  const char *path = scratch_path("refused.db");
  sqlite3 *db = scenario_open_table(path, ""), *other = scenario_open(path, "");
  sqlite3_vfs *vfs = sqlite3_vfs_find("asyncvfs");
  LONG before = faulty_sleeps();
  EXPECT(sql_exec(db, "BEGIN IMMEDIATE; INSERT INTO t VALUES(1, 'x')") == SQLITE_OK);
  sqlite3_busy_timeout(other, 1);
  EXPECT(sql_exec(other, "BEGIN IMMEDIATE") == SQLITE_BUSY);   /* refused twice, slept once */
  EXPECT(faulty_sleeps() == before);
  EXPECT(vfs->xSleep(vfs, 1000) > 0);   /* for the second refusal */
  EXPECT(faulty_sleeps() == before);
  EXPECT(vfs->xSleep(vfs, 1000) > 0);
  EXPECT(faulty_sleeps() == before + 1);
  sqlite3_busy_timeout(other, 0);
  EXPECT(sql_exec(other, "BEGIN IMMEDIATE") == SQLITE_BUSY);
  EXPECT(vfs->xSleep(vfs, 100001) > 0);
  EXPECT(faulty_sleeps() == before + 2);
  /* It keeps SHARED, so it does not come to wait for its turn: each of its sleeps is one. */
  EXPECT(sql_exec(other, "PRAGMA locking_mode=EXCLUSIVE; SELECT * FROM t") == SQLITE_OK);
  sqlite3_busy_timeout(other, 4);
  before = faulty_sleeps();
  EXPECT(sql_exec(other, "BEGIN IMMEDIATE") == SQLITE_BUSY);
  EXPECT(faulty_sleeps() > before);
  EXPECT(sql_exec(other, "PRAGMA locking_mode=NORMAL; SELECT * FROM t") == SQLITE_OK);
  EXPECT(sql_exec(db, "COMMIT") == SQLITE_OK);
  EXPECT(sql_exec(other, "INSERT INTO t VALUES(2, 'x')") == SQLITE_OK);
  EXPECT(sqlite3_close(other) == SQLITE_OK);
  end(db, path, 2);
}

/* sqlite3_sleep is the default VFS's sleep: where that is asyncvfs, or stands over it, a program
 * that has given up with its statement and sleeps for a reason of its own is to sleep. */
static void sleep_of_a_program_is_not_spared(void) {
  const char *path = scratch_path("sleeper.db");
  sqlite3 *db = scenario_open_table(path, ""), *other = scenario_open(path, "");
  sqlite3_vfs *vfs = sqlite3_vfs_find("asyncvfs"), over = *vfs;
  LONG before = faulty_sleeps();
  over.zName = "over";
  EXPECT(sql_exec(db, "BEGIN IMMEDIATE; INSERT INTO t VALUES(1, 'x')") == SQLITE_OK);
  EXPECT(sqlite3_vfs_register(vfs, 1) == SQLITE_OK);
  EXPECT(sql_exec(other, "BEGIN IMMEDIATE") == SQLITE_BUSY);
  sqlite3_sleep(1);
  EXPECT(faulty_sleeps() == before + 1);
  EXPECT(sqlite3_vfs_register(&over, 1) == SQLITE_OK);
  EXPECT(sql_exec(other, "BEGIN IMMEDIATE") == SQLITE_BUSY);
  sqlite3_sleep(1);
  EXPECT(faulty_sleeps() == before + 2);
  EXPECT(sqlite3_vfs_unregister(&over) == SQLITE_OK);
  EXPECT(sqlite3_close(other) == SQLITE_OK);
  EXPECT(sql_exec(db, "COMMIT") == SQLITE_OK);
  end(db, path, 1);
}

static uint64_t turn_until(sqlite3 *db) {
  sqlite3_file *f = NULL;
  EXPECT(sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &f) == SQLITE_OK);
  return store_peek_turn_until_ns(f);
}

static volatile LONG done_reading;

static DWORD WINAPI read_all_the_time(void *arg) {
  while (!done_reading) EXPECT(sql_exec(arg, "SELECT * FROM t") == SQLITE_OK);
  return 0;
}

/* One that was refused, gave up, and reads now, has its turn to write. It is waited for a
 * little and not for as long as it reads, however many others read and leave meanwhile. */
static void reader_that_was_refused_holds_no_writer_up(void) {
  const char *path = scratch_path("turn.db");
  sqlite3 *db = scenario_open_table(path, ""), *refused = scenario_open(path, "");
  sqlite3 *reader = scenario_open(path, "");
  sqlite3_stmt *cursor = NULL;
  HANDLE thread;
  uint64_t until;
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(1, 'x')") == SQLITE_OK);
  EXPECT(sqlite3_prepare_v2(refused, "SELECT * FROM t", -1, &cursor, NULL) == SQLITE_OK);
  EXPECT(sql_exec(db, "BEGIN IMMEDIATE") == SQLITE_OK);
  EXPECT(sql_exec(refused, "BEGIN IMMEDIATE") == SQLITE_BUSY);
  EXPECT(sql_exec(db, "COMMIT") == SQLITE_OK);
  EXPECT(sqlite3_step(cursor) == SQLITE_ROW);   /* its turn, and SHARED until it ends */
  until = turn_until(db);
  EXPECT(sql_exec(reader, "SELECT * FROM t") == SQLITE_OK);
  EXPECT(turn_until(db) == until);
  thread = CreateThread(NULL, 0, read_all_the_time, reader, 0, NULL);
  EXPECT(sql_exec(db, "BEGIN IMMEDIATE") == SQLITE_OK);
  done_reading = 1;
  WaitForSingleObject(thread, INFINITE);
  CloseHandle(thread);
  sqlite3_finalize(cursor);
  EXPECT(sql_exec(db, "COMMIT") == SQLITE_OK);
  EXPECT(sqlite3_close(reader) == SQLITE_OK);
  EXPECT(sqlite3_close(refused) == SQLITE_OK);
  end(db, path, 1);
}

static const scenario scenarios[] = {
    SCENARIO(full_queue_is_busy_when_asked),
    SCENARIO(full_queue_is_waited_for_so_long),
    SCENARIO(busy_handler_ends_the_wait),
    SCENARIO(writer_goes_on_when_there_is_room),
    SCENARIO(writer_with_a_busy_timeout_waits),
    SCENARIO(writer_without_a_busy_timeout_waits),
    SCENARIO(exclusive_connection_is_held_back),
    SCENARIO(exclusive_connection_with_on_full_busy_is_held_back),
    SCENARIO(exclusive_connection_without_a_timeout_is_held_back),
    SCENARIO(wait_for_a_slow_disk_says_busy),
    SCENARIO(device_that_hangs_stops_its_own_databases_alone),
    SCENARIO(process_has_a_limit_too),
    SCENARIO(memory_of_many_databases_is_bounded),
    SCENARIO(writer_waits_for_another_without_a_sleep),
    SCENARIO(sleep_of_a_program_is_not_spared),
    SCENARIO(reader_that_was_refused_holds_no_writer_up),
    {NULL, NULL},
};

int role_limits(int argc, char **argv) { return scenario_run(scenarios, argc, argv); }

void suite_limits(void) {
  scenario_add_all(CU_add_suite("limits", NULL, NULL), scenarios);
}
