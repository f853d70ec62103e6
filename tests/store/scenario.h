/* scenario.h: tests that need a process of their own, in which the disk fails or waits.
 *
 *   suite --> a child process (a role) --> faulty_begin() --> the scenario, by its name
 *
 * A scenario uses EXPECT instead of CHECK: the child says what was not so, and exits
 * with 11. All is for the child's main thread, but EXPECT.
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#include "../harness.h"

#include "store/faulty_io.h"
#include "vfs/sql_tools.h"

typedef struct scenario {
  const char *name;   /* NULL: the table's end */
  void (*run)(void);
} scenario;

#define SCENARIO(f) {#f, f}

/* Adds each as a test, which runs it in a child of the role that has the suite's name. */
void scenario_add_all(CU_pSuite suite, const scenario *table);
/* What of EXPECT was not so, as an exit status: 0 or 11. */
int scenario_problems(void);
/* The role: runs the one that argv names; the process's exit status. */
int scenario_run(const scenario *table, int argc, char **argv);

#define EXPECT(condition) scenario_expect((condition), #condition, __FILE__, __LINE__)
bool scenario_expect(bool held, const char *what, const char *file, int line);

/* Opens it through asyncvfs with these URI parameters ("a=1&b=2"). */
sqlite3 *scenario_open(const char *path, const char *options);
/* The same, with a table t(a INTEGER PRIMARY KEY, b), which is durable. */
sqlite3 *scenario_open_table(const char *path, const char *options);
/* SELECT count(*) FROM t. */
int64_t scenario_rows(sqlite3 *db);
/* Stock SQLite finds a whole database with least..most rows in t. */
void scenario_check_stock(const char *path, int64_t least, int64_t most);

#endif
