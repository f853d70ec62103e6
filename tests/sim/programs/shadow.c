/* shadow.c: see shadow.h. */
#include "programs/shadow.h"

#include <string.h>

#include "crash.h"
#include "programs/run.h"

/* sim_blob(seed, bytes) */
static void blob_function(sqlite3_context *c, int argc, sqlite3_value **argv) {
  sim_random r = {(uint64_t)sqlite3_value_int64(argv[0])};
  int n = sqlite3_value_int(argv[1]), i;
  unsigned char *p = sqlite3_malloc(n + 8);
  (void)argc;
  if (p == NULL) {
    sqlite3_result_error_nomem(c);
    return;
  }
  for (i = 0; i < n; i += 8) {
    uint64_t v = sim_draw(&r);
    memcpy(p + i, &v, 8);
  }
  sqlite3_result_blob(c, p, n, sqlite3_free);
}

void sim_add_functions(sqlite3 *db) {
  sqlite3_create_function(db, "sim_blob", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, blob_function, NULL, NULL);
}

void sim_shadow(const char *sql) {
  char *message = NULL;
  if (sqlite3_exec(sim_run.shadow, sql, NULL, NULL, &message) != SQLITE_OK) {
    sim_fail("%.100s succeeds in the database and fails in the shadow: %s", sql, message);
  }
}

uint64_t sim_shadow_content(int d) {
  uint64_t h;
  if (sim_content(sim_run.shadow, sim_schemas[d], &h) != SQLITE_OK) sim_fail("the shadow cannot be read");
  return h;
}

int sim_shadow_number(const char *sql) {
  sqlite3_stmt *s = NULL;
  int n = 0;
  if (sqlite3_prepare_v2(sim_run.shadow, sql, -1, &s, NULL) == SQLITE_OK &&
      sqlite3_step(s) == SQLITE_ROW) {
    n = sqlite3_column_int(s, 0);
  }
  sqlite3_finalize(s);
  return n;
}

void sim_shadow_open(void) {
  int d;
  sqlite3_open_v2(":memory:", &sim_run.shadow, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY, "win32");
  sim_add_functions(sim_run.shadow);
  for (d = 0; d < sim_databases; d++) {
    char sql[60];
    sqlite3_snprintf(sizeof sql, sql, "ATTACH ':memory:' AS %s", sim_schemas[d]);
    if (d > 0) sim_shadow(sql);
    sim_commits[d].state[0] = sim_shadow_content(d);
    sim_commits[d].count = 1;
  }
}
