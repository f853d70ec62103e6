/* test_errors.c: what an application hears of a disk that fails, and what it still has.
 *
 * Scenarios, in child processes (scenario.h). What the disk does is up to faulty_io.h.
 */
#include "store/scenario.h"

#include <stdio.h>
#include <string.h>

#include <windows.h>

#include "asyncvfs.h"

/* ---- listening ------------------------------------------------------------------------ */

enum { HEARD = 64, TEXT = 400 };

/* What asyncvfs_on_error and sqlite3_log said. */
static struct {
  HANDLE more;   /* a semaphore: one for each error */
  volatile LONG errors;
  asyncvfs_error error[HEARD];
  char message[HEARD][TEXT], path[HEARD][TEXT];
  DWORD thread[HEARD];
  volatile LONG logged;
  char log[HEARD][TEXT];
} heard;

/* A loss is told by the closing thread, maybe while the notifier's tells of a retry. */
static void ASYNCVFS_CALL hear(void *arg, const asyncvfs_error *e) {
  LONG n = InterlockedIncrement(&heard.errors) - 1;
  (void)arg;
  if (n < HEARD) {
    heard.error[n] = *e;
    heard.thread[n] = GetCurrentThreadId();
    snprintf(heard.message[n], TEXT, "%s", e->message);
    snprintf(heard.path[n], TEXT, "%s", e->path);
  }
  ReleaseSemaphore(heard.more, 1, NULL);
}

static void log_heard(void *arg, int code, const char *text) {
  LONG n;
  (void)arg;
  (void)code;
  if (strncmp(text, "asyncvfs: (", 11) != 0) return;
  n = InterlockedIncrement(&heard.logged) - 1;
  if (n < HEARD) snprintf(heard.log[n], TEXT, "%s", text);
}

static void wait_for_errors(int n) {
  while (n-- > 0) WaitForSingleObject(heard.more, INFINITE);
}

static void disk_is_full(const char *only, LONG times) {
  faulty_fail_by(CALL_WRITE, 1, times, only, SQLITE_FULL, ERROR_DISK_FULL);
}

static bool sql_int_is(sqlite3 *db, const char *sql, int64_t expected) {
  int64_t value = -1;
  return sql_try_int(db, sql, &value) == SQLITE_OK && value == expected;
}

/* ---- scenarios --------------------------------------------------------------------------- */

static void each_failure_is_told_three_ways(void) {
  static const unsigned retry_ms[] = {10, 20, 40};
  const char *path = scratch_path("errors.db"), *log_path = scratch_path("asyncvfs.log");
  char file[4000] = "", status[4000] = "";
  sqlite3 *db;
  SetEnvironmentVariableA("ASYNCVFS_LOG", log_path);
  db = scenario_open_table(path, "");
  disk_is_full("errors.db", 3);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(1, 'x')") == SQLITE_OK);
  wait_for_errors(3);
  EXPECT(sql_exec(db, "PRAGMA asyncvfs_flush") == SQLITE_OK);
  EXPECT(heard.errors == 3 && heard.logged == 3);
  sql_file_read(log_path, 0, file, sizeof file - 1);
  for (int i = 0; i < 3; i++) {
    const asyncvfs_error *e = &heard.error[i];
    char expected[TEXT];
    snprintf(expected, sizeof expected, "asyncvfs: (SQLITE_FULL/112) batch 2 of errors.db: cannot write "
             "errors.db-journal: disk full; 1 commits wait, retry in %u ms", retry_ms[i]);
    EXPECT(strcmp(heard.log[i], expected) == 0);
    EXPECT(strcmp(heard.message[i], expected) == 0);
    EXPECT(strstr(file, expected) != NULL);
    EXPECT(e->bytes == (int)sizeof *e && e->code == SQLITE_FULL && e->os_error == ERROR_DISK_FULL);
    EXPECT(e->batch == 2 && e->waiting == 1 && e->lost == 0 && e->retry_ms == retry_ms[i]);
    EXPECT(strcmp(heard.path[i], sqlite3_db_filename(db, "main")) == 0);
    EXPECT(heard.thread[i] != GetCurrentThreadId());
  }
  EXPECT(sql_try_text(db, "PRAGMA asyncvfs_status", status, sizeof status) == SQLITE_OK);
  EXPECT(strstr(status, "\"last_error\":{\"code\":13,\"os_error\":112,\"text\":\"disk full\"") != NULL);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  scenario_check_stock(path, 1, 1);
}

/* A failed flush and a failed write are told apart, and so are journal and database. */
static void the_call_and_the_file_are_named(void) {
  static const struct {
    faulty_call call;
    LONG from;   /* of a batch's calls of this kind */
    const char *text;
  } cases[] = {
      {CALL_WRITE, 1, "cannot write named.db-journal: "},
      {CALL_WRITE, 3, "cannot write named.db: "},   /* records, header, pages */
      {CALL_FLUSH, 1, "cannot flush named.db-journal: "},
      {CALL_FLUSH, 3, "cannot flush named.db: "},
      {CALL_READ, 1, "cannot read named.db: "},
  };
  const char *path = scratch_path("named.db");
  sqlite3 *db = scenario_open_table(path, "");
  for (int i = 0; i < (int)(sizeof cases / sizeof cases[0]); i++) {
    int before = (int)heard.errors;
    faulty_fail(cases[i].call, cases[i].from, 1, "named.db");
    EXPECT(sql_execf(db, "INSERT INTO t VALUES(%d, 'x')", i + 1) == SQLITE_OK);
    wait_for_errors(1);
    if (!EXPECT(strstr(heard.message[before], cases[i].text) != NULL)) harness_print("%s\n", heard.message[before]);
    EXPECT(sql_exec(db, "PRAGMA asyncvfs_flush") == SQLITE_OK);
  }
  faulty_fail(CALL_READ, 0, 0, NULL);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  scenario_check_stock(path, 5, 5);
}

static void writers_are_refused_when_a_failure_lasts(const char *locking_mode) {
  const char *path = scratch_path("lasting.db"), *well_path = scratch_path("well.db");
  sqlite3 *db = scenario_open_table(path, ""), *well = scenario_open_table(well_path, "");
  EXPECT(sql_execf(db, "PRAGMA locking_mode=%s", locking_mode) == SQLITE_OK);
  disk_is_full("lasting.db", FAULTY_ALWAYS);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(1, 'x')") == SQLITE_OK);
  wait_for_errors(1);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(2, 'not judged lasting yet')") == SQLITE_OK);
  wait_for_errors(7);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(3, 'too late')") == SQLITE_FULL);
  if (strcmp(locking_mode, "NORMAL") == 0) EXPECT(sql_exec(db, "BEGIN IMMEDIATE") == SQLITE_FULL);
  EXPECT(scenario_rows(db) == 2);
  EXPECT(sql_exec(well, "INSERT INTO t VALUES(1, 'x'); PRAGMA asyncvfs_flush") == SQLITE_OK);
  faulty_fail(CALL_WRITE, 0, 0, NULL);
  EXPECT(asyncvfs_flush(NULL, 60000) == SQLITE_OK);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(3, 'well again')") == SQLITE_OK);
  EXPECT(heard.errors >= 8);
  EXPECT(sqlite3_close(db) == SQLITE_OK && sqlite3_close(well) == SQLITE_OK);
  scenario_check_stock(path, 3, 3);
  scenario_check_stock(well_path, 1, 1);
}

static void writers_are_refused_while_a_failure_lasts(void) {
  writers_are_refused_when_a_failure_lasts("NORMAL");
}
static void commits_of_an_exclusive_connection_are_refused_while_a_failure_lasts(void) {
  writers_are_refused_when_a_failure_lasts("EXCLUSIVE");
}

/* Commits until one is refused; returns how many were not. */
static int fill_queue(sqlite3 *db, int *rc_out) {
  int n = 0;
  do {
    *rc_out = sql_execf(db, "INSERT INTO t(b) VALUES(zeroblob(50000))");
    if (*rc_out == SQLITE_OK) n++;
  } while (*rc_out == SQLITE_OK && n < 1000);
  return n;
}

static void full_queue_refuses_writers_at_once(const char *locking_mode) {
  const char *path = scratch_path("full.db");
  sqlite3 *db = scenario_open_table(path, "max_queue_bytes=1048576");
  int rc, n;
  EXPECT(sql_execf(db, "PRAGMA locking_mode=%s", locking_mode) == SQLITE_OK);
  disk_is_full("full.db", FAULTY_ALWAYS);
  EXPECT(sql_exec(db, "INSERT INTO t(b) VALUES('first')") == SQLITE_OK);
  wait_for_errors(1);
  n = 1 + fill_queue(db, &rc);
  EXPECT(rc == SQLITE_FULL);
  EXPECT(n > 10 && n < 40);
  EXPECT(sql_status(db, "queue_bytes") < (2 << 20));
  EXPECT(scenario_rows(db) == n);
  EXPECT(sqlite3_get_autocommit(db));
  faulty_fail(CALL_WRITE, 0, 0, NULL);
  EXPECT(asyncvfs_flush(NULL, 60000) == SQLITE_OK);
  EXPECT(sql_exec(db, "INSERT INTO t(b) VALUES('the last')") == SQLITE_OK);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  scenario_check_stock(path, n + 1, n + 1);
}

static void full_queue_refuses_writers(void) { full_queue_refuses_writers_at_once("NORMAL"); }
static void full_queue_refuses_commits_of_an_exclusive_connection(void) {
  full_queue_refuses_writers_at_once("EXCLUSIVE");
}

/* COMMIT says the error, and yet it is a commit: visible, and written in the end. */
static void disk_commit_says_the_error(void) {
  static const char *const mode[] = {"NORMAL", "EXCLUSIVE"};
  const char *path = scratch_path("disk.db");
  sqlite3 *db = scenario_open_table(path, "durability=disk");
  for (int i = 0; i < 2; i++) {
    EXPECT(sql_execf(db, "PRAGMA locking_mode=%s; SELECT * FROM t", mode[i]) == SQLITE_OK);
    disk_is_full("disk.db", FAULTY_ALWAYS);
    EXPECT(sql_execf(db, "INSERT INTO t VALUES(%d, 'x')", i) == SQLITE_FULL);
    EXPECT(sqlite3_get_autocommit(db));
    EXPECT(scenario_rows(db) == i + 1);
    EXPECT(sql_status(db, "durable_commits") == sql_status(db, "commits") - 1);
    faulty_fail(CALL_WRITE, 0, 0, NULL);
    EXPECT(asyncvfs_flush(NULL, 60000) == SQLITE_OK);
  }
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(2, 'well')") == SQLITE_OK);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  scenario_check_stock(path, 3, 3);
}

static struct {
  HANDLE called;
  volatile LONG calls;
  int rc;
  long long ticket;
} durable;

static void ASYNCVFS_CALL on_durable(void *arg, long long ticket, int rc) {
  (void)arg;
  durable.rc = rc;
  durable.ticket = ticket;
  InterlockedIncrement(&durable.calls);
  SetEvent(durable.called);
}

/* The last that was heard of a loss; maybe not the last of all, since the notifier still tells
 * of a failure before it. */
static LONG heard_of_loss(void) {
  LONG last = HEARD - 1;
  while (last > 0 && heard.error[last].lost + heard.error[last].kept == 0) last--;
  return last;
}

/* outlive: 1 when the ring has the commits (redo_ring.h), so that they are back at the next open. */
static void close_tells_what_is_lost(const char *options, int outlive) {
  const char *path = scratch_path("lost.db");
  sqlite3 *db = scenario_open_table(path, options);
  long long kept = 0, lost = 0;
  LONG last;
  durable.called = CreateEventA(NULL, FALSE, FALSE, NULL);
  durable.calls = 0;
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(1, 'kept'); PRAGMA asyncvfs_flush") == SQLITE_OK);
  EXPECT(asyncvfs_ticket(db, "main", &kept) == SQLITE_OK);
  disk_is_full("lost.db", FAULTY_ALWAYS);
  for (int i = 2; i < 5; i++) EXPECT(sql_execf(db, "INSERT INTO t VALUES(%d, 'lost')", i) == SQLITE_OK);
  EXPECT(asyncvfs_ticket(db, "main", &lost) == SQLITE_OK);
  EXPECT(asyncvfs_on_durable(db, "main", on_durable, NULL) == SQLITE_OK);
  wait_for_errors(1);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  last = heard_of_loss();
  EXPECT(heard.error[last].lost == (outlive ? 0 : 3) && heard.error[last].kept == (outlive ? 3 : 0));
  EXPECT(heard.error[last].code == SQLITE_FULL && heard.error[last].retry_ms == 0);
  EXPECT(heard.thread[last] == GetCurrentThreadId());
  EXPECT(strstr(heard.message[last], "of lost.db, which is closed: cannot write lost.db-journal: disk full; 3 commits "
                "are not on disk") != NULL);
  EXPECT(strstr(heard.message[last], outlive ? "; who opens it next through asyncvfs has them" : " and are lost") != NULL);
  WaitForSingleObject(durable.called, INFINITE);
  EXPECT(durable.calls == 1 && durable.rc == SQLITE_FULL && durable.ticket == lost);
  EXPECT(asyncvfs_wait(kept, ASYNCVFS_FOREVER) == SQLITE_OK);
  EXPECT(asyncvfs_wait(lost, ASYNCVFS_FOREVER) == SQLITE_FULL);
  faulty_fail(CALL_WRITE, 0, 0, NULL);
  if (!outlive) scenario_check_stock(path, 1, 1);
  db = scenario_open(path, "");
  EXPECT(scenario_rows(db) == (outlive ? 4 : 1));
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(5, 'again'); PRAGMA asyncvfs_flush") == SQLITE_OK);
  EXPECT(asyncvfs_wait(lost, 0) == SQLITE_FULL);   /* another store's commits are not those */
  EXPECT(sqlite3_close(db) == SQLITE_OK);
}

static void close_that_gives_up_tells_what_is_lost(void) {
  close_tells_what_is_lost("close_timeout_ms=0&durability=memory", 0);
}
static void close_that_abandons_tells_what_is_lost(void) {
  close_tells_what_is_lost("close=abandon&durability=memory", 0);
}
static void close_that_gives_up_leaves_it_in_the_ring(void) {
  close_tells_what_is_lost("close_timeout_ms=0&durability=os", 1);
}

/* The process ends while the disk refuses: a close waits for it until that end, and not for its own
 * close_timeout_ms, which is an hour here. */
static void close_at_the_end_waits_until_the_end(void) {
  const char *path = scratch_path("end.db"), *well_path = scratch_path("well.db");
  sqlite3 *db = scenario_open_table(path, "close_timeout_ms=3600000&max_lag_ms=60000");
  sqlite3 *well = scenario_open_table(well_path, "max_lag_ms=60000");
  long long ticket = 0;
  int rc;
  EXPECT(asyncvfs_end(-2) == SQLITE_MISUSE);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(1, 'kept')") == SQLITE_OK);
  EXPECT(asyncvfs_ticket(db, "main", &ticket) == SQLITE_OK);
  EXPECT(asyncvfs_is_durable(ticket) == SQLITE_BUSY);
  EXPECT(asyncvfs_end(ASYNCVFS_FOREVER) == SQLITE_OK);   /* no end: it flushes */
  EXPECT(asyncvfs_is_durable(ticket) == SQLITE_OK);
  disk_is_full("end.db", FAULTY_ALWAYS);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(2, 'lost')") == SQLITE_OK);
  EXPECT(sql_exec(well, "INSERT INTO t VALUES(1, 'kept')") == SQLITE_OK);
  EXPECT(asyncvfs_ticket(well, "main", &ticket) == SQLITE_OK);
  rc = asyncvfs_end(0);
  EXPECT(rc == SQLITE_BUSY || rc == SQLITE_FULL);   /* not yet, or already refused */
  EXPECT(sqlite3_close(db) == SQLITE_OK);   /* else the scenario's time is up */
  EXPECT(heard.error[heard_of_loss()].lost == 1);
  EXPECT(sqlite3_close(well) == SQLITE_OK);   /* whose disk works */
  EXPECT(asyncvfs_wait(ticket, 0) == SQLITE_OK);
  faulty_fail(CALL_WRITE, 0, 0, NULL);
  EXPECT(asyncvfs_end(ASYNCVFS_FOREVER) == SQLITE_OK);   /* again no end in sight */
  scenario_check_stock(path, 1, 1);
  scenario_check_stock(well_path, 1, 1);
}

typedef struct waiter {
  long long ticket;
  int timeout_ms, rc;
} waiter;

static DWORD WINAPI wait_for_ticket(void *arg) {
  waiter *w = arg;
  w->rc = asyncvfs_wait(w->ticket, w->timeout_ms);
  return 0;
}

/* The last connection closes while another thread waits for its commits: that thread's hold
 * on the database is not the connection's. */
static void close_takes_the_database_down_under_a_waiting_thread(void) {
  const char *path = scratch_path("waited.db");
  sqlite3 *db = scenario_open_table(path, "close_timeout_ms=0&max_lag_ms=60000");
  waiter w = {0, 3600000, SQLITE_OK};
  HANDLE thread;
  disk_is_full("waited.db", FAULTY_ALWAYS);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(1, 'lost')") == SQLITE_OK);
  EXPECT(asyncvfs_ticket(db, "main", &w.ticket) == SQLITE_OK);
  thread = CreateThread(NULL, 0, wait_for_ticket, &w, 0, NULL);
  wait_for_errors(1);   /* nobody but that thread has asked for a batch */
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  EXPECT(heard.error[heard_of_loss()].lost == 1);
  EXPECT(heard.thread[heard_of_loss()] == GetCurrentThreadId());
  WaitForSingleObject(thread, INFINITE);
  CloseHandle(thread);
  EXPECT(w.rc == SQLITE_FULL);
  EXPECT(asyncvfs_wait(w.ticket, 0) == SQLITE_FULL);
  faulty_fail(CALL_WRITE, 0, 0, NULL);
  EXPECT(sql_delete_database(path));   /* no file is open */
}

/* A COMMIT over two databases is refused because what was committed before cannot be
 * written. SQLite deletes its super-journal: no later journal may name that. */
static void refused_super_journal_is_forgotten(void) {
  const char *path = scratch_path("a.db"), *other_path = scratch_path("b.db");
  sqlite3 *db = scenario_open_table(other_path, "");
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  db = scenario_open_table(path, "max_queue_bytes=1048576");
  EXPECT(sql_execf(db, "ATTACH '%s' AS b", other_path) == SQLITE_OK);
  disk_is_full("a.db", FAULTY_ALWAYS);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(1, 'before')") == SQLITE_OK);
  EXPECT(sql_exec(db, "BEGIN; INSERT INTO t VALUES(2, 'x'); INSERT INTO b.t VALUES(2, 'x')") == SQLITE_OK);
  EXPECT(sql_exec(db, "COMMIT") == SQLITE_FULL);
  if (!sqlite3_get_autocommit(db)) EXPECT(sql_exec(db, "ROLLBACK") == SQLITE_OK);
  faulty_fail(CALL_WRITE, 0, 0, NULL);
  EXPECT(asyncvfs_flush(NULL, 60000) == SQLITE_OK);
  /* Written through, under a journal on the disk. */
  EXPECT(sql_exec(db, "BEGIN; INSERT INTO t VALUES(3, zeroblob(2000000))") == SQLITE_OK);
  EXPECT(sql_exec(db, "COMMIT; PRAGMA asyncvfs_flush") == SQLITE_OK);
  EXPECT(scenario_rows(db) == 2);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  scenario_check_stock(path, 2, 2);
  scenario_check_stock(other_path, 0, 0);
}

/* A COMMIT over two databases that the second one refuses is rolled back in both, on the disk
 * and in SQLite's caches: with a lock that is given up or kept, with something to be
 * written before it or not. */
static void second_database_refuses(const char *locking_mode, bool queued) {
  const char *path = scratch_path("a.db"), *other_path = scratch_path("b.db");
  sqlite3 *db = scenario_open_table(other_path, ""), *other;
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(1, 1)") == SQLITE_OK);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  db = scenario_open_table(path, "");
  EXPECT(sql_execf(db, "ATTACH '%s' AS b; PRAGMA locking_mode=%s", other_path, locking_mode) == SQLITE_OK);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(1, zeroblob(9000)); UPDATE b.t SET b=2") == SQLITE_OK);
  EXPECT(asyncvfs_flush(NULL, 60000) == SQLITE_OK);
  disk_is_full("b.db", FAULTY_ALWAYS);
  if (queued) EXPECT(sql_exec(db, "UPDATE b.t SET b=3") == SQLITE_OK);
  EXPECT(sql_exec(db, "BEGIN; UPDATE t SET b=zeroblob(9001); UPDATE b.t SET b=99") == SQLITE_OK);
  EXPECT(sql_exec(db, "INSERT INTO b.t VALUES(2, 'refused')") == SQLITE_OK);
  EXPECT(sql_exec(db, "COMMIT") == SQLITE_FULL);
  if (!sqlite3_get_autocommit(db)) EXPECT(sql_exec(db, "ROLLBACK") == SQLITE_OK);
  EXPECT(!sql_journal_is_hot(path));
  faulty_fail(CALL_WRITE, 0, 0, NULL);
  EXPECT(asyncvfs_flush(NULL, 60000) == SQLITE_OK);
  if (strcmp(locking_mode, "NORMAL") == 0) {   /* the counter becomes what the refused one had made it */
    other = scenario_open(other_path, "");
    EXPECT(sql_exec(other, "UPDATE t SET b=b+10") == SQLITE_OK);
    EXPECT(sqlite3_close(other) == SQLITE_OK);
  } else {
    EXPECT(sql_exec(db, "UPDATE b.t SET b=b+10") == SQLITE_OK);
  }
  EXPECT(sql_int_is(db, "SELECT count(*) FROM b.t", 1));
  EXPECT(sql_int_is(db, "SELECT b FROM b.t", queued ? 13 : 12));
  EXPECT(sql_int_is(db, "SELECT length(b) FROM t", 9000));
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(2, 'x'); INSERT INTO b.t VALUES(2, 'x')") == SQLITE_OK);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  EXPECT(!sql_file_exists(sql_beside(path, "-journal")) && !sql_file_exists(sql_beside(other_path, "-journal")));
  scenario_check_stock(path, 2, 2);
  scenario_check_stock(other_path, 2, 2);
}

static void second_database_refuses_at_once(void) { second_database_refuses("NORMAL", true); }
static void second_database_refuses_in_a_segment(void) { second_database_refuses("NORMAL", false); }
static void second_database_refuses_at_once_under_a_kept_lock(void) { second_database_refuses("EXCLUSIVE", true); }
static void second_database_refuses_in_a_segment_under_a_kept_lock(void) {
  second_database_refuses("EXCLUSIVE", false);
}

/* The pages were being written: the journal that was valid stays, for stock SQLite. */
static void abandoned_batch_leaves_a_hot_journal(void) {
  const char *path = scratch_path("hot.db");
  sqlite3 *db = scenario_open_table(path, "close=abandon");
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(1, zeroblob(9000)); PRAGMA asyncvfs_flush") == SQLITE_OK);
  faulty_fail(CALL_FLUSH, 3, FAULTY_ALWAYS, NULL);   /* journal, header, then the pages' */
  EXPECT(sql_exec(db, "UPDATE t SET b=zeroblob(9001)") == SQLITE_OK);
  wait_for_errors(2);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  EXPECT(sql_journal_is_hot(path));
  scenario_check_stock(path, 1, 1);
}

/* A journal that was left hot and cannot be read is an error: were it taken for void, the
 * next writer would cut it, and nothing could take the database back. */
static void unreadable_hot_journal_is_not_taken_for_void(void) {
  const char *path = scratch_path("unreadable.db");
  sqlite3 *db = scenario_open_table(path, "close=abandon");
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(1, zeroblob(9000)); PRAGMA asyncvfs_flush") == SQLITE_OK);
  faulty_fail(CALL_FLUSH, 3, FAULTY_ALWAYS, NULL);   /* as above */
  EXPECT(sql_exec(db, "UPDATE t SET b='torn'") == SQLITE_OK);
  wait_for_errors(2);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  faulty_fail(CALL_FLUSH, 0, 0, NULL);
  EXPECT(sql_journal_is_hot(path));
  db = scenario_open(path, "");
  faulty_fail_journal_reads(true);
  EXPECT(sql_exec(db, "SELECT b FROM t") == SQLITE_IOERR_READ);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(2, 'x')") == SQLITE_IOERR_READ);
  EXPECT(sql_journal_is_hot(path));
  faulty_fail_journal_reads(false);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(2, 'x')") == SQLITE_OK);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  scenario_check_stock(path, 2, 2);
}

static volatile LONG hook_calls;

static void ASYNCVFS_CALL unhook(void *arg, const asyncvfs_error *e) {
  (void)arg;
  (void)e;
  InterlockedIncrement(&hook_calls);
  EXPECT(asyncvfs_on_error(NULL, NULL) == SQLITE_OK);   /* does not wait for itself */
  ReleaseSemaphore(heard.more, 1, NULL);
}

static void hook_can_take_itself_away(void) {
  const char *path = scratch_path("hook.db");
  sqlite3 *db = scenario_open_table(path, "");
  EXPECT(asyncvfs_on_error(unhook, NULL) == SQLITE_OK);
  disk_is_full("hook.db", 4);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(1, 'x')") == SQLITE_OK);
  wait_for_errors(1);
  EXPECT(asyncvfs_flush(NULL, 60000) == SQLITE_OK);
  EXPECT(hook_calls == 1 && faulty_failed() == 4);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
}

static HANDLE one_is_called, other_is_called;

static void ASYNCVFS_CALL unhook_together(void *arg, const asyncvfs_error *e) {
  (void)arg;
  if (e->lost > 0) {
    SetEvent(other_is_called);
  } else if (InterlockedIncrement(&hook_calls) == 1) {
    SetEvent(one_is_called);
    WaitForSingleObject(other_is_called, INFINITE);
  }
  EXPECT(asyncvfs_on_error(NULL, NULL) == SQLITE_OK);
}

/* Of a loss the closing thread hears while the notifier's still tells of a failure. */
static void two_hooks_can_take_themselves_away(void) {
  sqlite3 *db = scenario_open_table(scratch_path("hooks.db"), "close_timeout_ms=0");
  one_is_called = CreateEventA(NULL, FALSE, FALSE, NULL);
  other_is_called = CreateEventA(NULL, FALSE, FALSE, NULL);
  EXPECT(asyncvfs_on_error(unhook_together, NULL) == SQLITE_OK);
  disk_is_full("hooks.db", FAULTY_ALWAYS);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(1, 'x')") == SQLITE_OK);
  WaitForSingleObject(one_is_called, INFINITE);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  EXPECT(asyncvfs_on_error(NULL, NULL) == SQLITE_OK);   /* no call is left */
}

/* ---- running them ----------------------------------------------------------------------- */

/* A scanner holds the journal's name for longer than it is waited for: the writer is refused, and
 * nobody else is, though it still reads. */
static void who_is_refused_keeps_no_os_lock(void) {
  const char *path = scratch_path("refused.db");
  sqlite3 *db = scenario_open_table(path, ""), *stock = NULL;
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(1, 1); PRAGMA asyncvfs_drain") == SQLITE_OK);
  EXPECT(sql_try_open(path, SQL_STOCK_VFS, &stock) == SQLITE_OK);
  sqlite3_busy_timeout(db, 0);
  sqlite3_busy_timeout(stock, 0);
  EXPECT(sql_exec(db, "BEGIN; SELECT * FROM t") == SQLITE_OK);
  faulty_fail_by(CALL_OPEN, 1, 1, "-journal", SQLITE_BUSY, ERROR_SHARING_VIOLATION);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(2, 2)") == SQLITE_BUSY);
  EXPECT(faulty_failed() == 1);
  EXPECT(sql_exec(stock, "BEGIN IMMEDIATE; ROLLBACK") == SQLITE_OK);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(2, 2); COMMIT") == SQLITE_OK);
  EXPECT(scenario_rows(db) == 2);
  sqlite3_close(stock);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  scenario_check_stock(path, 2, 2);
}

/* Whether a database is ours does not depend on who holds it at the moment. */
static void what_is_held_at_open_is_not_passed_through(void) {
  const char *path = scratch_path("held.db");
  sqlite3 *db = scenario_open_table(path, "");
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  faulty_fail_by(CALL_OPEN, 1, 1, "held.db", SQLITE_BUSY, ERROR_SHARING_VIOLATION);
  EXPECT(sql_try_open(path, "asyncvfs", &db) == SQLITE_BUSY);
  EXPECT(faulty_failed() == 1);
  EXPECT(sql_try_open(path, "asyncvfs", &db) == SQLITE_OK);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(1, 1)") == SQLITE_OK);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
}

/* FAT, exFAT, ReFS, a Dev Drive: the order of deletions and cuts is not known. */
static void what_is_not_on_ntfs_is_passed_through(void) {
  const char *path = scratch_path("usb.db");
  char status[4000] = "";
  faulty_be_unordered(true);
  sqlite3 *db = scenario_open(path, "");
  EXPECT(sql_exec(db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES(1, 1)") == SQLITE_OK);
  EXPECT(sql_try_text(db, "PRAGMA asyncvfs_status", status, sizeof status) == SQLITE_OK);
  EXPECT(strstr(status, "not NTFS") != NULL);
  scenario_check_stock(path, 1, 1);   /* at once */
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  faulty_be_unordered(false);
}

static const scenario scenarios[] = {
    SCENARIO(who_is_refused_keeps_no_os_lock),
    SCENARIO(what_is_held_at_open_is_not_passed_through),
    SCENARIO(what_is_not_on_ntfs_is_passed_through),
    SCENARIO(each_failure_is_told_three_ways),
    SCENARIO(the_call_and_the_file_are_named),
    SCENARIO(writers_are_refused_while_a_failure_lasts),
    SCENARIO(commits_of_an_exclusive_connection_are_refused_while_a_failure_lasts),
    SCENARIO(full_queue_refuses_writers),
    SCENARIO(full_queue_refuses_commits_of_an_exclusive_connection),
    SCENARIO(disk_commit_says_the_error),
    SCENARIO(close_that_gives_up_tells_what_is_lost),
    SCENARIO(close_that_abandons_tells_what_is_lost),
    SCENARIO(close_that_gives_up_leaves_it_in_the_ring),
    SCENARIO(close_at_the_end_waits_until_the_end),
    SCENARIO(close_takes_the_database_down_under_a_waiting_thread),
    SCENARIO(refused_super_journal_is_forgotten),
    SCENARIO(second_database_refuses_at_once),
    SCENARIO(second_database_refuses_in_a_segment),
    SCENARIO(second_database_refuses_at_once_under_a_kept_lock),
    SCENARIO(second_database_refuses_in_a_segment_under_a_kept_lock),
    SCENARIO(abandoned_batch_leaves_a_hot_journal),
    SCENARIO(unreadable_hot_journal_is_not_taken_for_void),
    SCENARIO(hook_can_take_itself_away),
    SCENARIO(two_hooks_can_take_themselves_away),
    {NULL, NULL},
};

int role_errors(int argc, char **argv) {
  heard.more = CreateSemaphoreA(NULL, 0, 100000, NULL);
  sqlite3_config(SQLITE_CONFIG_LOG, log_heard, NULL);
  EXPECT(asyncvfs_on_error(hear, NULL) == SQLITE_OK);
  return scenario_run(scenarios, argc, argv);
}

void suite_errors(void) {
  scenario_add_all(CU_add_suite("errors", NULL, NULL), scenarios);
}
