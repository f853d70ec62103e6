/* test_callbacks.c: asyncvfs_on_durable and asyncvfs_default, on a disk that works. What
 * they do on one that fails is in store/test_errors.c. */
#include <stdio.h>
#include <string.h>

#include <windows.h>

#include "asyncvfs.h"
#include "harness.h"
#include "store/settings.h"
#include "vfs/sql_tools.h"


/* ---- on_durable ------------------------------------------------------------------------- */

enum { CALLS = 3000 };

static struct {
  HANDLE last;             /* set at the call number `awaited` */
  LONG awaited;
  volatile LONG calls;
  LONG order[CALLS];       /* the argument of each call, as it came */
  long long ticket[CALLS];
  volatile LONG not_durable, errors, inside;
  DWORD thread;
} seen;

static void expect_calls(LONG n) {
  if (seen.last == NULL) seen.last = CreateEventA(NULL, TRUE, FALSE, NULL);
  ResetEvent(seen.last);
  seen.calls = seen.not_durable = seen.errors = seen.inside = 0;
  seen.awaited = n;
}

static void ASYNCVFS_CALL on_durable(void *arg, long long ticket, int rc) {
  LONG n = seen.calls;
  if (InterlockedIncrement(&seen.inside) != 1) InterlockedIncrement(&seen.errors);
  if (rc != SQLITE_OK) InterlockedIncrement(&seen.errors);
  if (asyncvfs_wait(ticket, 0) != SQLITE_OK) InterlockedIncrement(&seen.not_durable);
  if (n < CALLS) {
    seen.order[n] = (LONG)(intptr_t)arg;
    seen.ticket[n] = ticket;
  }
  seen.thread = GetCurrentThreadId();
  InterlockedDecrement(&seen.inside);
  if (InterlockedIncrement(&seen.calls) == seen.awaited) SetEvent(seen.last);
}

static void durable_calls_come_once_in_the_order_of_commits(void) {
  enum { N = 1000 };
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  long long ticket = 0;
  int i, wrong = 0;
  if (db == NULL) return;
  expect_calls(N);
  sql_must(db, "PRAGMA asyncvfs_max_lag_ms=2");
  for (i = 0; i < N; i++) {
    sql_must(db, "INSERT INTO t(b) VALUES(1)");
    CHECK_EQ(asyncvfs_on_durable(db, "main", on_durable, (void *)(intptr_t)i), SQLITE_OK);
  }
  CHECK_EQ(asyncvfs_ticket(db, "main", &ticket), SQLITE_OK);
  WaitForSingleObject(seen.last, INFINITE);
  sql_close(db);
  CHECK_EQ(seen.calls, N);
  for (i = 0; i < N; i++) wrong += seen.order[i] != i;
  for (i = 1; i < N; i++) wrong += seen.ticket[i] != seen.ticket[i - 1] + 1;
  CHECK_EQ(wrong, 0);
  CHECK_EQ(seen.ticket[N - 1], ticket);
  CHECK_EQ(seen.not_durable, 0);
  CHECK_EQ(seen.errors, 0);
  CHECK(seen.thread != GetCurrentThreadId());
}

/* What can never be ours is durable by SQLite's own rules. */
static void durable_call_for_a_database_that_is_not_ours_comes_too(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  if (db == NULL) return;
  sql_close(db);
  if (!CHECK_EQ(sql_try_open(sql_uri(path, "immutable=1"), sql_vfs(), &db), SQLITE_OK)) return;
  expect_calls(1);
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), 0);
  CHECK_EQ(asyncvfs_on_durable(db, "main", on_durable, (void *)(intptr_t)7), SQLITE_OK);
  WaitForSingleObject(seen.last, INFINITE);
  CHECK_EQ(seen.order[0], 7);
  CHECK_EQ(seen.ticket[0], 0);
  CHECK_EQ(seen.errors, 0);
  sql_close(db);
}

typedef struct committer {
  const char *path;
  int failed;
} committer;

static DWORD WINAPI commit_and_ask(void *arg) {
  committer *w = arg;
  sqlite3 *db = NULL;
  int i;
  if (sql_try_open(w->path, sql_vfs(), &db) != SQLITE_OK) w->failed = 1;
  sqlite3_busy_timeout(db, 60000);
  for (i = 0; i < 200 && !w->failed; i++) {
    if (sql_exec(db, "INSERT INTO t(b) VALUES(2)") != SQLITE_OK) w->failed = 1;
    if (asyncvfs_on_durable(db, "main", on_durable, NULL) != SQLITE_OK) w->failed = 2;
  }
  sqlite3_close(db);
  return 0;
}

/* Connections of several threads, which close at once: the calls still come. */
static void durable_calls_of_several_connections_are_in_order(void) {
  enum { THREADS = 4 };
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  committer w[THREADS];
  HANDLE thread[THREADS];
  int i, wrong = 0;
  if (db == NULL) return;
  expect_calls(THREADS * 200);
  for (i = 0; i < THREADS; i++) {
    w[i].path = path;
    w[i].failed = 0;
    thread[i] = CreateThread(NULL, 0, commit_and_ask, &w[i], 0, NULL);
  }
  for (i = 0; i < THREADS; i++) {
    WaitForSingleObject(thread[i], INFINITE);
    CloseHandle(thread[i]);
    CHECK_EQ(w[i].failed, 0);
  }
  sql_close(db);
  WaitForSingleObject(seen.last, INFINITE);
  CHECK_EQ(seen.calls, THREADS * 200);
  for (i = 1; i < THREADS * 200; i++) wrong += seen.ticket[i] < seen.ticket[i - 1];
  CHECK_EQ(wrong, 0);
  CHECK_EQ(seen.not_durable + seen.errors, 0);
}

static void durable_call_comes_for_what_is_durable_already(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path), *wal;
  if (db == NULL) return;
  sql_must(db, "PRAGMA asyncvfs_flush");
  expect_calls(2);
  CHECK_EQ(asyncvfs_on_durable(db, "main", on_durable, NULL), SQLITE_OK);
  wal = sql_open(scratch_path("wal.db"), sql_vfs());
  sql_must(wal, "PRAGMA journal_mode=WAL; " SQL_CREATE_T);   /* passed through */
  CHECK_EQ(asyncvfs_on_durable(wal, "main", on_durable, NULL), SQLITE_OK);
  WaitForSingleObject(seen.last, INFINITE);
  CHECK_EQ(seen.errors + seen.not_durable, 0);
  sql_close(wal);
  sql_close(db);
}

static HANDLE worked;

static void ASYNCVFS_CALL use_sqlite(void *arg, long long ticket, int rc) {
  sqlite3 *db = NULL;
  (void)ticket;
  (void)rc;
  if (sql_try_open(arg, sql_vfs(), &db) != SQLITE_OK ||
      sql_exec(db, "INSERT INTO t(b) VALUES('from the callback'); PRAGMA asyncvfs_flush") != SQLITE_OK) {
    InterlockedIncrement(&seen.errors);
  }
  sqlite3_close(db);
  SetEvent(worked);
}

static void callback_may_use_sqlite(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  if (db == NULL) return;
  seen.errors = 0;
  worked = CreateEventA(NULL, TRUE, FALSE, NULL);
  CHECK_EQ(asyncvfs_on_durable(db, NULL, use_sqlite, (void *)(uintptr_t)path), SQLITE_OK);
  WaitForSingleObject(worked, INFINITE);
  CloseHandle(worked);
  CHECK_EQ(seen.errors, 0);
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), 1);
  sql_close(db);
}

static void on_durable_refuses_what_it_cannot_do(void) {
  sqlite3 *db = sql_open(scratch_path("stock.db"), SQL_STOCK_VFS);
  expect_calls(1);
  CHECK_EQ(asyncvfs_on_durable(db, "main", on_durable, NULL), SQLITE_NOTFOUND);
  CHECK_EQ(asyncvfs_on_durable(NULL, "main", on_durable, NULL), SQLITE_MISUSE);
  sql_close(db);
  db = sql_open(scratch_path("app.db"), sql_vfs());
  CHECK_EQ(asyncvfs_on_durable(db, "nowhere", on_durable, NULL), SQLITE_NOTFOUND);
  CHECK_EQ(asyncvfs_on_durable(db, "main", NULL, NULL), SQLITE_MISUSE);
  CHECK_EQ(seen.calls, 0);
  sql_close(db);
}

/* ---- defaults ------------------------------------------------------------------------------ */

static void defaults_are_what_the_next_database_begins_with(void) {
  char message[400] = "", text[40] = "";
  const char *path;
  uint64_t before = avfs_setting_default(AVFS_DURABILITY);   /* of the suites that come next, too */
  sqlite3 *db = sql_open_table(&path), *next;
  if (db == NULL) return;
  CHECK_EQ(asyncvfs_default("durability", "disk", message, sizeof message), SQLITE_OK);
  CHECK_STR_EQ(message, "");
  CHECK_EQ(sql_exec(db, "SELECT asyncvfs_default('Max_Lag_Ms', '7')"), SQLITE_OK);
  next = sql_open(scratch_path("next.db"), sql_vfs());
  CHECK_EQ(sql_try_text(next, "PRAGMA asyncvfs_durability", text, sizeof text), SQLITE_OK);
  CHECK_STR_EQ(text, "disk");
  CHECK_EQ(sql_int(next, "PRAGMA asyncvfs_max_lag_ms"), 7);
  CHECK_EQ(sql_try_text(db, "PRAGMA asyncvfs_durability", text, sizeof text), SQLITE_OK);
  CHECK_STR_EQ(text, "memory");
  CHECK_EQ(sql_int(db, "PRAGMA asyncvfs_max_lag_ms"), 100);
  sql_must(next, SQL_CREATE_T);
  CHECK_EQ(sql_status(next, "durable_commits"), sql_status(next, "commits"));
  CHECK_EQ(sql_int(next, "PRAGMA asyncvfs_exit_timeout_ms"), 5000);
  CHECK_EQ(asyncvfs_default("exit_timeout_ms", "6000", NULL, 0), SQLITE_OK);   /* the process's */
  CHECK_EQ(sql_int(next, "PRAGMA asyncvfs_exit_timeout_ms"), 6000);
  sql_close(next);
  sql_close(db);
  avfs_setting_set_default(AVFS_DURABILITY, before);
  CHECK_EQ(asyncvfs_default("max_lag_ms", "100", NULL, 0), SQLITE_OK);
  CHECK_EQ(asyncvfs_default("exit_timeout_ms", "5000", NULL, 0), SQLITE_OK);
}

/* A database whose URI has one bad setting is not opened, and its good ones set nothing. */
static void refused_uri_sets_nothing_for_the_process(void) {
  sqlite3 *db = NULL;
  const char *path;
  CHECK_RC(NULL, sql_try_open(sql_uri(scratch_path("bad.db"), "max_process_bytes=2097152&exit_timeout_ms=soon"),
                              sql_vfs(), &db), SQLITE_ERROR);
  db = sql_open_table(&path);
  if (db == NULL) return;
  CHECK_EQ(sql_int(db, "PRAGMA asyncvfs_max_process_bytes"), 268435456);
  sql_close(db);
}

static void defaults_refuse_by_name_and_range(void) {
  char message[600] = "";
  sql_vfs();
  CHECK_EQ(asyncvfs_default("max_lag_ms", "1s", message, sizeof message), SQLITE_ERROR);
  CHECK_STR_EQ(message, "asyncvfs: max_lag_ms=1s: must be a number from 0 to 60000");
  CHECK_EQ(asyncvfs_default("speed", "1", message, sizeof message), SQLITE_ERROR);
  CHECK(strstr(message, "no such setting: speed; there are durability, max_lag_ms, ") != NULL);
  CHECK_EQ(asyncvfs_default("close", "never", message, sizeof message), SQLITE_ERROR);
  CHECK_STR_EQ(message, "asyncvfs: close=never: must be drain or abandon");
  CHECK_EQ(asyncvfs_default(NULL, "1", message, sizeof message), SQLITE_MISUSE);
  CHECK_EQ(asyncvfs_default("close", NULL, NULL, 0), SQLITE_MISUSE);
}

static void overwrite(const char *path, const char *text) {
  FILE *f = fopen(path, "r+b");
  if (!CHECK(f != NULL)) return;
  fputs(text, f);
  fclose(f);
}

/* ---- passed through ------------------------------------------------------------------------ */

static struct {
  int now, calls;          /* connections that are passed through */
  char path[600], reason[200];
} passed;

static void ASYNCVFS_CALL on_passed(void *arg, const char *path, const char *reason) {
  passed.calls++;
  passed.now += reason == NULL ? -1 : 1;
  if (arg == &passed) snprintf(passed.path, sizeof passed.path, "%s", path);
  if (reason != NULL) snprintf(passed.reason, sizeof passed.reason, "%s", reason);
}

static void who_is_passed_through_is_told_of_until_it_is_closed(void) {
  const char *path, *reason = "";
  sqlite3 *db = sql_open_table(&path), *other;
  char own_path[600];
  if (db == NULL) return;
  snprintf(own_path, sizeof own_path, "%s", sqlite3_db_filename(db, "main"));
  memset(&passed, 0, sizeof passed);
  asyncvfs_on_passed(on_passed, &passed);
  CHECK_EQ(asyncvfs_mode(db, "main", &reason), SQLITE_OK);
  CHECK(reason == NULL);
  sql_close(db);
  CHECK_EQ(passed.calls, 0);
  CHECK_EQ(sql_try_open(sql_uri(path, "psow=0"), sql_vfs(), &db), SQLITE_OK);
  CHECK_EQ(passed.now, 1);
  CHECK_STR_EQ(passed.path, own_path);
  CHECK_STR_EQ(passed.reason, "psow=0");
  CHECK_EQ(asyncvfs_mode(db, NULL, &reason), SQLITE_OK);
  CHECK_STR_EQ(reason, "psow=0");
  other = sql_open(path, sql_vfs());
  CHECK_EQ(passed.now, 1);
  sql_close(other);
  sql_close(db);
  CHECK_EQ(passed.now, 0);
  CHECK_EQ(passed.calls, 2);
  asyncvfs_on_passed(NULL, NULL);
  db = sql_open(scratch_path("stock.db"), SQL_STOCK_VFS);
  CHECK_EQ(asyncvfs_mode(db, "main", &reason), SQLITE_NOTFOUND);
  CHECK_EQ(asyncvfs_mode(NULL, "main", &reason), SQLITE_MISUSE);
  sql_close(db);
}

static void the_open_databases_are_gone_through(void) {
  const char *path;
  char name[600], small[2];
  long long cursor = 0;
  sqlite3 *db = sql_open_table(&path);
  int n = 0;
  if (db == NULL) return;
  sql_mustf(db, "ATTACH '%s' AS b; CREATE TABLE b.u(x)", scratch_path("attached.db"));
  CHECK_EQ(asyncvfs_next_database(&cursor, small, sizeof small), SQLITE_TOOBIG);
  while (asyncvfs_next_database(&cursor, name, sizeof name) == SQLITE_OK) {
    CHECK_STR_EQ(name, sqlite3_db_filename(db, n == 0 ? "main" : "b"));
    n++;
  }
  CHECK_EQ(n, 2);
  sql_close(db);
  cursor = 0;
  CHECK_EQ(asyncvfs_next_database(&cursor, name, sizeof name), SQLITE_NOTFOUND);
  CHECK_EQ(asyncvfs_next_database(NULL, name, sizeof name), SQLITE_MISUSE);
}

/* sqlite3_open_v2 itself says this part of a sentence. */
static void check_open_refuses(const char *path, const char *parameters, const char *part) {
  sqlite3 *db = NULL;
  CHECK_EQ(sqlite3_open_v2(sql_uri(path, parameters), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, sql_vfs()),
           SQLITE_ERROR);
  if (strstr(sqlite3_errmsg(db), part) == NULL) FAIL("%s: \"%s\"", part, sqlite3_errmsg(db));
  sqlite3_close(db);
  CHECK_EQ(asyncvfs_status(path, (char[4000]){0}, 4000), SQLITE_NOTFOUND);   /* nothing is left open */
}

static void journal_mode_by_stock_sqlite(const char *path, const char *mode) {
  sqlite3 *stock = sql_open(path, SQL_STOCK_VFS);
  sql_mustf(stock, "PRAGMA journal_mode=%s; INSERT INTO t(b) VALUES(2)", mode);
  sql_close(stock);
}

static void what_has_to_be_managed_is_refused_else(void) {
  const char *path, *reason = NULL;
  sqlite3 *db = sql_open_table(&path);
  if (db == NULL) return;
  sql_close(db);
  check_open_refuses(path, "require_managed=yes&psow=0",
                     "(require_managed=yes): psow=0; remove the cause, or open it without require_managed");
  CHECK_EQ(sql_try_open(sql_uri(path, "require_managed=yes"), sql_vfs(), &db), SQLITE_OK);
  sql_must(db, "INSERT INTO t(b) VALUES(1)");
  CHECK_EQ(asyncvfs_mode(db, "main", &reason), SQLITE_OK);
  CHECK(reason == NULL);
  sql_close(db);
  journal_mode_by_stock_sqlite(path, "wal");
  check_open_refuses(path, "require_managed=yes", "(require_managed=yes): the database is in WAL mode; take it out "
                     "of that once (PRAGMA journal_mode=delete, with no other connection to it), or open it without");
  journal_mode_by_stock_sqlite(path, "delete");
  CHECK_EQ(sql_try_open(sql_uri(path, "require_managed=yes"), sql_vfs(), &db), SQLITE_OK);
  sql_close(db);
  overwrite(path, "This is no SQLite database");   /* encrypted, say */
  check_open_refuses(path, "require_managed=yes", "the file is no plain SQLite database: it is encrypted");
  CHECK_EQ(sql_try_open(path, sql_vfs(), &db), SQLITE_OK);   /* without */
  sql_close(db);
}

/* The commit would succeed, and every use after it fail. */
static void what_has_to_be_managed_is_not_turned_into_a_wal_database(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path);
  if (db == NULL) return;
  sql_must(db, "PRAGMA asyncvfs_require_managed=yes");
  CHECK_RC(db, sql_exec(db, "PRAGMA journal_mode='WAL'"), SQLITE_ERROR);
  CHECK(strstr(sqlite3_errmsg(db), "leave it in rollback mode, or open it without require_managed") != NULL);
  sql_must(db, "PRAGMA journal_mode; PRAGMA journal_mode=persist; INSERT INTO t(b) VALUES(1)");
  CHECK_EQ(sql_status(db, "commits"), 2);
  sql_must(db, "PRAGMA asyncvfs_require_managed=no; PRAGMA journal_mode=wal");
  sql_close(db);
}

/* A statement has no words for it; the connection's status has. */
static void what_cannot_be_managed_later_is_told_by_the_status(void) {
  char status[4000] = "";
  const char *path, *reason = NULL;
  sqlite3 *db = sql_open_table(&path);
  if (db == NULL) return;
  sql_must(db, "PRAGMA asyncvfs_require_managed=yes; PRAGMA asyncvfs_drain");
  journal_mode_by_stock_sqlite(path, "wal");
  CHECK_RC(db, sql_exec(db, "INSERT INTO t(b) VALUES(3)"), SQLITE_CANTOPEN);
  CHECK_EQ(asyncvfs_mode(db, "main", &reason), SQLITE_OK);
  CHECK_STR_EQ(reason, "the database is in WAL mode");
  CHECK_EQ(sql_try_text(db, "PRAGMA asyncvfs_status", status, sizeof status), SQLITE_OK);
  CHECK(strstr(status, "\"mode\":\"passed\",\"reason\":\"the database is in WAL mode\"") != NULL);
  journal_mode_by_stock_sqlite(path, "delete");
  sql_must(db, "INSERT INTO t(b) VALUES(3)");
  sql_close(db);
}

/* ---- closed, durable, default ------------------------------------------------------------- */

static struct {
  int calls, commits, durable;
  char path[600];
} ended;

static void ASYNCVFS_CALL on_closed(void *arg, const char *path, const char *json) {
  const char *p = strstr(json, "\"commits\":");
  (void)arg;
  ended.calls++;
  snprintf(ended.path, sizeof ended.path, "%s", path);
  if (p != NULL) sscanf(p, "\"commits\":%d,\"durable_commits\":%d", &ended.commits, &ended.durable);
}

static void the_last_close_tells_the_status_at_the_end(void) {
  const char *path;
  sqlite3 *db = sql_open_table(&path), *other = sql_open(path, sql_vfs());
  char own_path[600];
  if (db == NULL) return;
  snprintf(own_path, sizeof own_path, "%s", sqlite3_db_filename(db, "main"));
  memset(&ended, 0, sizeof ended);
  asyncvfs_on_closed(on_closed, NULL);
  sql_must(db, "INSERT INTO t(b) VALUES(1)");
  sql_close(db);
  CHECK_EQ(ended.calls, 0);
  sql_close(other);
  CHECK_EQ(ended.calls, 1);
  CHECK_STR_EQ(ended.path, own_path);
  CHECK_EQ(ended.commits, 2);
  CHECK_EQ(ended.durable, 2);
  asyncvfs_on_closed(NULL, NULL);
}

static void whether_a_ticket_is_durable_can_be_asked_without_a_write(void) {
  const char *path;
  long long ticket = 0;
  sqlite3 *db = sql_open_table(&path);
  if (db == NULL) return;
  sql_must(db, "PRAGMA asyncvfs_max_lag_ms=60000; PRAGMA asyncvfs_flush; INSERT INTO t(b) VALUES(1)");
  CHECK_EQ(asyncvfs_ticket(db, "main", &ticket), SQLITE_OK);
  CHECK_EQ(asyncvfs_is_durable(ticket), SQLITE_BUSY);
  CHECK_EQ(sql_status(db, "batches"), 1);
  CHECK_EQ(asyncvfs_is_durable(-1), SQLITE_MISUSE);
  CHECK_EQ(asyncvfs_is_durable(ticket + 1), SQLITE_MISUSE);
  sql_must(db, "PRAGMA asyncvfs_flush");
  CHECK_EQ(asyncvfs_is_durable(ticket), SQLITE_OK);
  sql_close(db);
  CHECK_EQ(asyncvfs_is_durable(ticket), SQLITE_OK);
}

static void registering_again_leaves_the_default(void) {
  sqlite3_vfs *before = sqlite3_vfs_find(NULL);
  sql_vfs();
  CHECK_EQ(asyncvfs_register(NULL, ASYNCVFS_MAKE_DEFAULT, NULL, 0), SQLITE_OK);
  CHECK_STR_EQ(sqlite3_vfs_find(NULL)->zName, "asyncvfs");
  CHECK_EQ(asyncvfs_register(NULL, 0, NULL, 0), SQLITE_OK);
  CHECK_STR_EQ(sqlite3_vfs_find(NULL)->zName, "asyncvfs");
  sqlite3_vfs_register(before, 1);
}

/* ---- lag --------------------------------------------------------------------------------- */

/* Each batch is in one class, and the longest lag in the last one that has any. */
static void status_has_the_lag_of_each_batch(void) {
  char status[4000] = "";
  const char *path, *p;
  sqlite3 *db = sql_open_table(&path);
  int64_t batches = 0, longest = -1;
  int i, last = 0;
  if (db == NULL) return;
  for (i = 0; i < 20; i++) sql_must(db, "INSERT INTO t(b) VALUES(1); PRAGMA asyncvfs_flush");
  CHECK_EQ(sql_try_text(db, "PRAGMA asyncvfs_status", status, sizeof status), SQLITE_OK);
  p = strstr(status, "\"lag\":{\"now_ms\":0,\"max_ms\":");
  if (!CHECK(p != NULL)) return;
  sscanf(p, "\"lag\":{\"now_ms\":0,\"max_ms\":%lld", &longest);
  p = strstr(p, "[");
  for (i = 0; *p != ']'; i++) {
    long long n = 0;
    sscanf(++p, "%lld", &n);
    batches += n;
    if (n > 0) last = i;
    p += strcspn(p, ",]");
  }
  CHECK_EQ(i, 17);
  CHECK_EQ(batches, sql_status(db, "batches"));
  CHECK(batches >= 20);
  CHECK(longest < (int64_t)1 << last || last == 16);
  CHECK(last == 0 || longest >= (int64_t)1 << (last - 1));
  sql_close(db);
}

void suite_callbacks(void) {
  CU_pSuite suite = CU_add_suite("callbacks", NULL, NULL);
  ADD_TEST(suite, durable_calls_come_once_in_the_order_of_commits);
  ADD_TEST(suite, durable_call_for_a_database_that_is_not_ours_comes_too);
  ADD_TEST(suite, durable_calls_of_several_connections_are_in_order);
  ADD_TEST(suite, durable_call_comes_for_what_is_durable_already);
  ADD_TEST(suite, callback_may_use_sqlite);
  ADD_TEST(suite, on_durable_refuses_what_it_cannot_do);
  ADD_TEST(suite, defaults_are_what_the_next_database_begins_with);
  ADD_TEST(suite, refused_uri_sets_nothing_for_the_process);
  ADD_TEST(suite, defaults_refuse_by_name_and_range);
  ADD_TEST(suite, who_is_passed_through_is_told_of_until_it_is_closed);
  ADD_TEST(suite, the_open_databases_are_gone_through);
  ADD_TEST(suite, what_has_to_be_managed_is_refused_else);
  ADD_TEST(suite, what_has_to_be_managed_is_not_turned_into_a_wal_database);
  ADD_TEST(suite, what_cannot_be_managed_later_is_told_by_the_status);
  ADD_TEST(suite, the_last_close_tells_the_status_at_the_end);
  ADD_TEST(suite, whether_a_ticket_is_durable_can_be_asked_without_a_write);
  ADD_TEST(suite, registering_again_leaves_the_default);
  ADD_TEST(suite, status_has_the_lag_of_each_batch);
}
