/* served.c: see served.h. */
#include "programs/served.h"

#include <string.h>

#include "crash.h"
#include "pages/lock_bytes.h"
#include "programs/run.h"
#include "vfs/vfs.h"

const sqlite3_api_routines *sqlite3_api;

static int take_table(sqlite3 *db, char **message, const sqlite3_api_routines *table) {
  (void)db;
  (void)message;
  sqlite3_api = table;
  return SQLITE_OK;
}

/* A transaction that could not be undone leaves its journal hot, as stock SQLite's does. */
static void note_undo(const char *text) {
  int d;
  for (d = 0; d < SIM_DATABASES; d++) {
    if (strstr(text, sim_names[d]) == NULL) continue;
    if (strstr(text, ": cannot undo a transaction of ") != NULL) sim_run.not_undone[d] = 1;
    if (strstr(text, ": rolled back the hot journal of ") != NULL) sim_run.not_undone[d] = 0, sim_run.rolled_back[d] = 1;
  }
}

static void note_ring(const char *text) {
  if (strstr(text, " are taken up in ") != NULL) sim_stats.async_taken_up++;
  if (strstr(text, " not taken up in ") != NULL) sim_stats.async_refused++;
}

static void log_line(void *arg, int code, const char *text) {
  (void)arg;
  if (sim_frozen == 0) note_ring(text);
  if (sim_frozen == 0) note_undo(text);
  if (sim_frozen == 0 || sim_verbose) sim_note("log    (%d) %s", code, text);
}

#undef sqlite3_config
#undef sqlite3_initialize
#undef sqlite3_auto_extension
#undef sqlite3_reset_auto_extension
#undef sqlite3_open
#undef sqlite3_close
void sim_bind_sqlite(void) {
  sqlite3 *db = NULL;
  uint32_t i;
  for (i = 0; i < sim_stock_count; i++) sim_stocks[i]->lock_bytes_at(AVFS_LOCK_BYTES_AT);
  sqlite3_config(SQLITE_CONFIG_LOG, log_line, NULL);
  sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
  sqlite3_initialize();
  sqlite3_auto_extension((void (*)(void))take_table);
  sqlite3_open(":memory:", &db);
  sqlite3_close(db);
  sqlite3_reset_auto_extension();
  if (sqlite3_api == NULL) sim_fail("SQLite handed no table over");
}
