/* test_presence.c: how long the OS lock and the journal are kept after the last batch.
 *
 * As long as nobody else has the file open (the answer of `others`, here the test's), ten
 * seconds; else 20 ms. Scenarios, in child processes (scenario.h), in which time stands still
 * until the test moves it: so what has not been given up is kept. A stock connection of this process
 * plays the other one; its answer is the test's too.
 */
#include "store/scenario.h"

#include <stdio.h>
#include <string.h>

#include <windows.h>

#include "asyncvfs.h"

/* A stock connection that waits until it gets in, and says so by doing so. */
static sqlite3 *open_stock(const char *path) {
  sqlite3 *db = NULL;
  EXPECT(sql_try_open(path, SQL_STOCK_VFS, &db) == SQLITE_OK);
  return db;
}

/* Tries once: is the lock free? */
static bool is_shut_out(sqlite3 *stock) {
  sqlite3_busy_timeout(stock, 0);
  int rc = sql_exec(stock, "BEGIN IMMEDIATE; ROLLBACK");
  EXPECT(rc == SQLITE_OK || rc == SQLITE_BUSY);
  return rc == SQLITE_BUSY;
}

/* It comes in without that time moves. */
static void expect_it_gets_in(sqlite3 *stock) {
  sqlite3_busy_timeout(stock, 30000);
  EXPECT(sql_exec(stock, "BEGIN IMMEDIATE; UPDATE t SET b = 'stock'; COMMIT") == SQLITE_OK);
}

static int64_t wakes(sqlite3 *db) { return sql_status(db, "wake"); }
static int64_t lock_calls(sqlite3 *db) { return sql_status(db, "lock"); }

/* The lock's last batch is 20 ms old, and the task has asked. */
static void rest_until_asked(HANDLE asked, uint32_t ms) {
  faulty_advance(ms);
  EXPECT(WaitForSingleObject(asked, 60000) == WAIT_OBJECT_0);
}

static sqlite3 *begin(const char *name, int answer, const char **path_out, HANDLE *asked_out) {
  *path_out = scratch_path(name);
  *asked_out = faulty_presence(answer);
  faulty_advance(0);
  return scenario_open_table(*path_out, "max_lag_ms=100");
}

/* A program that saves twice a second: the journal is made once, the OS lock taken once, and a
 * commit wakes the engine at most, which is its one call of Windows. */
static void a_commit_after_a_rest_costs_one_call_at_most(void) {
  const char *path;
  HANDLE asked;
  sqlite3 *db = begin("alone.db", 0, &path, &asked);
  int64_t locks = lock_calls(db), woken, reads = sql_status(db, "read");
  faulty_fail(CALL_OPEN, 0, 0, NULL);
  rest_until_asked(asked, 20);
  for (int i = 0; i < 20; i++) {
    for (int k = 0; k < 5; k++) rest_until_asked(asked, 100);
    woken = wakes(db);
    EXPECT(sql_exec(db, "INSERT INTO t(b) VALUES('x')") == SQLITE_OK);
    EXPECT(wakes(db) - woken <= 1);
    EXPECT(faulty_calls(CALL_OPEN) == 0 && faulty_calls(CALL_REMOVE) == 0);
    EXPECT(sql_exec(db, "PRAGMA asyncvfs_flush") == SQLITE_OK);
    rest_until_asked(asked, 20);
  }
  EXPECT(lock_calls(db) == locks && sql_status(db, "read") == reads);
  EXPECT(scenario_rows(db) == 20);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  EXPECT(!sql_file_exists(sql_beside(path, "-journal")));
  scenario_check_stock(path, 20, 20);
}

/* Both kinds of answer that are not "nobody": the lock goes as soon as the task has asked. */
static void it_is_given_up_after_20_ms(int answer) {
  const char *path;
  HANDLE asked;
  sqlite3 *db = begin("others.db", answer, &path, &asked), *stock;
  EXPECT(sql_exec(db, "INSERT INTO t(b) VALUES('x'); PRAGMA asyncvfs_flush") == SQLITE_OK);
  stock = open_stock(path);
  faulty_advance(19);
  EXPECT(is_shut_out(stock));
  rest_until_asked(asked, 1);
  expect_it_gets_in(stock);
  EXPECT(!sql_file_exists(sql_beside(path, "-journal")));
  EXPECT(sqlite3_close(stock) == SQLITE_OK && sqlite3_close(db) == SQLITE_OK);
}

static void with_others_it_is_given_up_after_20_ms(void) { it_is_given_up_after_20_ms(1); }
static void without_an_answer_it_is_given_up_after_20_ms(void) { it_is_given_up_after_20_ms(-1); }

static void who_opens_it_gets_in_after_100_ms(void) {
  const char *path;
  HANDLE asked;
  sqlite3 *db = begin("visited.db", 0, &path, &asked), *stock;
  EXPECT(sql_exec(db, "INSERT INTO t(b) VALUES('x'); PRAGMA asyncvfs_flush") == SQLITE_OK);
  rest_until_asked(asked, 20);
  for (int i = 0; i < 10; i++) rest_until_asked(asked, 100);
  EXPECT(sql_file_exists(sql_beside(path, "-journal")));
  stock = open_stock(path);
  EXPECT(is_shut_out(stock));
  faulty_presence(1);
  rest_until_asked(asked, 100);
  expect_it_gets_in(stock);
  /* And it stays so while the answer does: each time after 20 ms. */
  EXPECT(sql_exec(db, "PRAGMA busy_timeout=30000; INSERT INTO t(b) VALUES('y'); PRAGMA asyncvfs_flush") == SQLITE_OK);
  rest_until_asked(asked, 20);
  expect_it_gets_in(stock);
  EXPECT(sqlite3_close(stock) == SQLITE_OK);
  EXPECT(scenario_rows(db) == 2);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
}

/* Then nothing is held, and nobody asks any more. */
static void it_is_given_up_two_seconds_after_the_last_commit(void) {
  const char *path;
  HANDLE asked;
  sqlite3 *db = begin("rested.db", 0, &path, &asked), *stock;
  EXPECT(sql_exec(db, "INSERT INTO t(b) VALUES('x'); PRAGMA asyncvfs_flush") == SQLITE_OK);
  stock = open_stock(path);
  rest_until_asked(asked, 20);
  for (int i = 0; i < 19; i++) rest_until_asked(asked, 100);
  EXPECT(is_shut_out(stock));
  faulty_advance(100);
  expect_it_gets_in(stock);
  faulty_advance(60000);
  EXPECT(sql_exec(db, "SELECT * FROM t") == SQLITE_OK);
  expect_it_gets_in(stock);
  EXPECT(WaitForSingleObject(asked, 0) == WAIT_TIMEOUT);
  EXPECT(sqlite3_close(stock) == SQLITE_OK && sqlite3_close(db) == SQLITE_OK);
  EXPECT(!sql_file_exists(sql_beside(path, "-journal")));
}

/* asyncvfs_drain is for who knows that somebody comes. */
static void a_drain_gives_it_up_at_once(void) {
  const char *path;
  HANDLE asked;
  sqlite3 *db = begin("drained.db", 0, &path, &asked), *stock;
  EXPECT(sql_exec(db, "INSERT INTO t(b) VALUES('x'); PRAGMA asyncvfs_flush") == SQLITE_OK);
  rest_until_asked(asked, 20);
  EXPECT(sql_exec(db, "PRAGMA asyncvfs_drain") == SQLITE_OK);
  stock = open_stock(path);
  EXPECT(!is_shut_out(stock));
  EXPECT(!sql_file_exists(sql_beside(path, "-journal")));
  EXPECT(sqlite3_close(stock) == SQLITE_OK && sqlite3_close(db) == SQLITE_OK);
}

static const scenario scenarios[] = {
    SCENARIO(a_commit_after_a_rest_costs_one_call_at_most),
    SCENARIO(with_others_it_is_given_up_after_20_ms),
    SCENARIO(without_an_answer_it_is_given_up_after_20_ms),
    SCENARIO(who_opens_it_gets_in_after_100_ms),
    SCENARIO(it_is_given_up_two_seconds_after_the_last_commit),
    SCENARIO(a_drain_gives_it_up_at_once),
    {NULL, NULL},
};

int role_presence(int argc, char **argv) { return scenario_run(scenarios, argc, argv); }

void suite_presence(void) {
  scenario_add_all(CU_add_suite("presence", NULL, NULL), scenarios);
}
