/* scenario.c: see scenario.h. */
#include "store/scenario.h"

#include <stdio.h>
#include <string.h>

static volatile LONG problems;

bool scenario_expect(bool held, const char *what, const char *file, int line) {
  if (!held) {
    InterlockedIncrement(&problems);
    harness_print("%s:%d: not so: %s\n", file, line, what);
  }
  return held;
}

int scenario_problems(void) { return problems > 0 ? 11 : 0; }

int scenario_run(const scenario *table, int argc, char **argv) {
  if (argc < 1) return 10;
  while (table->name != NULL && strcmp(table->name, argv[0]) != 0) table++;
  if (table->name == NULL || !faulty_begin()) return 10;
  table->run();
  return scenario_problems();
}

static void run_in_child(void) {
  harness_run_role(CU_get_current_suite()->pName, CU_get_current_test()->pName);
}

void scenario_add_all(CU_pSuite suite, const scenario *table) {
  for (; table->name != NULL; table++) CU_add_test(suite, table->name, run_in_child);
}

sqlite3 *scenario_open(const char *path, const char *options) {
  char parameters[200];
  sqlite3 *db = NULL;
  snprintf(parameters, sizeof parameters, "max_lag_ms=5&%s", options);
  EXPECT(sql_try_open(sql_uri(path, parameters), "asyncvfs", &db) == SQLITE_OK);
  return db;
}

sqlite3 *scenario_open_table(const char *path, const char *options) {
  sqlite3 *db = scenario_open(path, options);
  EXPECT(sql_exec(db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)") == SQLITE_OK);
  EXPECT(sql_exec(db, "PRAGMA asyncvfs_flush") == SQLITE_OK);
  return db;
}

int64_t scenario_rows(sqlite3 *db) {
  int64_t n = -1;
  int rc = sql_try_int(db, "SELECT count(*) FROM t", &n);
  if (!EXPECT(rc == SQLITE_OK)) harness_print("reading answers %d: %s\n", rc, sqlite3_errmsg(db));
  return n;
}

void scenario_check_stock(const char *path, int64_t least, int64_t most) {
  char text[100] = "";
  sqlite3 *db = NULL;
  int64_t rows;
  EXPECT(sql_try_open(path, SQL_STOCK_VFS, &db) == SQLITE_OK);
  EXPECT(sql_try_text(db, "PRAGMA integrity_check", text, sizeof text) == SQLITE_OK &&
         strcmp(text, "ok") == 0);
  rows = scenario_rows(db);
  if (!EXPECT(rows >= least && rows <= most)) harness_print("there are %d rows\n", (int)rows);
  sqlite3_close(db);
}
