/* test_tickets.c: a ticket stands for one commit, however many databases and commits there were.
 *
 * Scenarios, in child processes (scenario.h): the disk is held at a flush where a ticket must
 * not be taken for durable.
 */
#include "store/scenario.h"

#include <stdio.h>
#include <string.h>

#include "asyncvfs.h"

/* Of store/registry.h and store/tickets.h, which would send this file's own sqlite3_ calls through
 * the library's table. */
uint64_t avfs_registry_next_id(void);
void avfs_tickets_skip(uint64_t next);

enum { BLOCK = 65536 };

static long long ticket_of(sqlite3 *db) {
  long long t = -1;
  int64_t by_sql = -2;
  EXPECT(asyncvfs_ticket(db, "main", &t) == SQLITE_OK);
  EXPECT(sql_try_int(db, "SELECT asyncvfs_ticket()", &by_sql) == SQLITE_OK);
  EXPECT(t > 0 && t == by_sql);
  return t;
}

/* Its next commit is not durable, and its ticket says so, until the disk goes on. */
static void commit_is_awaited(sqlite3 *db) {
  long long before = ticket_of(db), t;
  faulty_hold(CALL_FLUSH, NULL);
  EXPECT(sql_exec(db, "INSERT INTO t(b) VALUES(1)") == SQLITE_OK);
  t = ticket_of(db);
  EXPECT(t > before);
  EXPECT(asyncvfs_wait(before, 0) == SQLITE_OK);
  EXPECT(asyncvfs_wait(t, 0) == SQLITE_BUSY);
  EXPECT(asyncvfs_wait(t + 1, 0) == SQLITE_MISUSE);
  faulty_release();
  EXPECT(asyncvfs_wait(t, ASYNCVFS_FOREVER) == SQLITE_OK);
}

static void number_of_databases_is_no_limit(void) {
  /* As if so many had been opened before, each with a block of tickets. */
  static const uint64_t opened[] = {1, 1 << 23, 1 << 24, 5 << 22};
  char name[40];
  uint64_t id = 0;
  for (int i = 0; i < 4; i++) {
    while (id < opened[i]) id = avfs_registry_next_id();
    avfs_tickets_skip((id + 10) * BLOCK);
    snprintf(name, sizeof name, "many%d.db", i);
    sqlite3 *db = scenario_open_table(scratch_path(name), "");
    commit_is_awaited(db);
    EXPECT(sqlite3_close(db) == SQLITE_OK);
  }
}

static volatile LONG called;

static void ASYNCVFS_CALL on_durable(void *arg, long long ticket, int rc) {
  (void)arg;
  (void)ticket;
  (void)rc;
  InterlockedIncrement(&called);
}

static void end_of_the_line_is_an_error(void) {
  sqlite3 *db = scenario_open_table(scratch_path("last.db"), "");
  sqlite3 *none = scenario_open_table(scratch_path("none.db"), "");
  long long t = -1, last;
  int64_t value;
  avfs_tickets_skip((uint64_t)INT64_MAX - BLOCK);
  commit_is_awaited(db);
  last = ticket_of(db);
  EXPECT(asyncvfs_ticket(none, "main", &t) == SQLITE_TOOBIG && t == 0);
  EXPECT(asyncvfs_on_durable(none, "main", on_durable, NULL) == SQLITE_TOOBIG);
  EXPECT(sql_try_int(none, "SELECT asyncvfs_ticket()", &value) == SQLITE_ERROR);
  EXPECT(strstr(sqlite3_errmsg(none), "all tickets") != NULL);
  EXPECT(sql_exec(none, "INSERT INTO t(b) VALUES(1); SELECT asyncvfs_flush()") == SQLITE_OK);
  commit_is_awaited(db);   /* its block goes on */
  EXPECT(asyncvfs_wait(INT64_MAX, 0) == SQLITE_MISUSE);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  EXPECT(sqlite3_close(none) == SQLITE_OK);
  EXPECT(asyncvfs_wait(last, 0) == SQLITE_OK);
  EXPECT(called == 0);
}

/* More commits than a block has tickets, while the disk is held: each is still waited for, and
 * another database's block stands between its two. */
static void commits_go_on_in_another_block(void) {
  sqlite3 *db = scenario_open_table(scratch_path("blocks.db"), "");
  sqlite3 *other = scenario_open_table(scratch_path("between.db"), "");
  sqlite3_stmt *insert = NULL;
  long long first, between, t;
  faulty_hold(CALL_FLUSH, NULL);
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(1, 0)") == SQLITE_OK);
  EXPECT(sql_exec(other, "INSERT INTO t VALUES(1, 0)") == SQLITE_OK);
  first = ticket_of(db);
  between = ticket_of(other);
  EXPECT(between == first + BLOCK);
  EXPECT(sqlite3_prepare_v2(db, "UPDATE t SET b=b+1", -1, &insert, NULL) == SQLITE_OK);
  for (int i = 0; i < BLOCK; i++) {
    if (!EXPECT(sqlite3_step(insert) == SQLITE_DONE && sqlite3_reset(insert) == SQLITE_OK)) break;
  }
  sqlite3_finalize(insert);
  t = ticket_of(db);
  EXPECT(t == first + 2 * BLOCK);
  EXPECT(asyncvfs_wait(first, 0) == SQLITE_BUSY);
  EXPECT(asyncvfs_wait(first + BLOCK - 1, 0) == SQLITE_BUSY);
  EXPECT(asyncvfs_wait(between, 0) == SQLITE_BUSY);
  EXPECT(asyncvfs_wait(t, 0) == SQLITE_BUSY);
  faulty_release();
  EXPECT(asyncvfs_wait(t, ASYNCVFS_FOREVER) == SQLITE_OK);
  EXPECT(asyncvfs_wait(first, 0) == SQLITE_OK);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  EXPECT(asyncvfs_wait(between, ASYNCVFS_FOREVER) == SQLITE_OK);
  EXPECT(sqlite3_close(other) == SQLITE_OK);
  EXPECT(asyncvfs_wait(first, 0) == SQLITE_OK && asyncvfs_wait(t, 0) == SQLITE_OK);
}

static void database_without_tickets_spends_none(void) {
  sqlite3 *db = scenario_open_table(scratch_path("one.db"), "");
  long long first = ticket_of(db);
  for (int i = 0; i < 3; i++) {
    EXPECT(sqlite3_close(scenario_open_table(scratch_path("silent.db"), "")) == SQLITE_OK);
    sql_delete_database(scratch_path("silent.db"));
  }
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  db = scenario_open(scratch_path("one.db"), "");
  EXPECT(ticket_of(db) == first + BLOCK);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
}

static const scenario scenarios[] = {
    SCENARIO(number_of_databases_is_no_limit),
    SCENARIO(end_of_the_line_is_an_error),
    SCENARIO(commits_go_on_in_another_block),
    SCENARIO(database_without_tickets_spends_none),
    {NULL, NULL},
};

int role_tickets(int argc, char **argv) { return scenario_run(scenarios, argc, argv); }

void suite_tickets(void) {
  scenario_add_all(CU_add_suite("tickets", NULL, NULL), scenarios);
}
