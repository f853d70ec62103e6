/* stock.c: see stock.h. Compiled twice: with the simulation, where SQLite is linked; and
 * for each version beside it, together with its amalgamation (SIM_AMALGAMATION). */
#ifdef SIM_AMALGAMATION
# define SQLITE_API static
# include SIM_AMALGAMATION
static sqlite3_vfs parent_vfs;   /* from outside */
int sqlite3_os_init(void) { return sqlite3_vfs_register(&parent_vfs, 1); }
int sqlite3_os_end(void) { return SQLITE_OK; }
#else
# include "disk.h"
# include "sqlite3.h"
#endif

#include <stdio.h>
#include <string.h>

#include "stock.h"

#ifdef SIM_AMALGAMATION
static sim_hasher sim_hash;
#endif

int sim_content(sqlite3 *db, const char *schema, uint64_t *hash_out) {
  sqlite3_stmt *list = NULL, *rows = NULL;
  uint64_t h = 1469598103934665603u;
  char tables[120];
  int rc;
  snprintf(tables, sizeof tables,
           "SELECT name, sql FROM %s.sqlite_master WHERE type='table' ORDER BY name", schema);
  rc = sqlite3_prepare_v2(db, tables, -1, &list, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(list)) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(list, 0);
    char *sql = sqlite3_mprintf("SELECT * FROM %s.\"%w\" ORDER BY rowid", schema, name);
    h = sim_hash(h, name, strlen(name));
    h = sim_hash(h, sqlite3_column_text(list, 1), (uint64_t)sqlite3_column_bytes(list, 1));
    rc = sqlite3_prepare_v2(db, sql, -1, &rows, NULL);
    sqlite3_free(sql);
    while (rc == SQLITE_OK && (rc = sqlite3_step(rows)) == SQLITE_ROW) {
      int i, n = sqlite3_column_count(rows);
      for (i = 0; i < n; i++) {
        const void *p = sqlite3_column_blob(rows, i);
        h = sim_hash(h, p, (uint64_t)sqlite3_column_bytes(rows, i));
      }
      rc = SQLITE_OK;
    }
    if (rc == SQLITE_DONE) rc = SQLITE_OK;
    sqlite3_finalize(rows);
    rows = NULL;
  }
  if (rc == SQLITE_DONE) rc = SQLITE_OK;
  sqlite3_finalize(list);
  *hash_out = h;
  return rc;
}

static const char *judge(const char *name, const char *vfs, uint64_t *content_out) {
  static char wrong[400];
  sqlite3 *db = NULL;
  sqlite3_stmt *check = NULL;
  const char *what = "opened";
  int rc = sqlite3_open_v2(name, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs);
  if (rc == SQLITE_OK) rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &check, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(check);
  if (rc != SQLITE_ROW) goto fail;
  if (strcmp((const char *)sqlite3_column_text(check, 0), "ok") != 0) {
    snprintf(wrong, sizeof wrong, "%s: integrity_check: %s", name,
             (const char *)sqlite3_column_text(check, 0));
    return wrong;
  }
  sqlite3_finalize(check);
  check = NULL;
  what = "read";
  rc = sim_content(db, "main", content_out);
  if (rc != SQLITE_OK) goto fail;
  sqlite3_close(db);
  return NULL;
fail:
  snprintf(wrong, sizeof wrong, "%s cannot be %s: %d: %s", name, what,
           sqlite3_extended_errcode(db), sqlite3_errmsg(db));
  return wrong;
}

static void lock_bytes_at(uint32_t at) { sqlite3_test_control(SQLITE_TESTCTRL_PENDING_BYTE, at); }

#ifdef SIM_AMALGAMATION

static const sim_stock stock = {SQLITE_VERSION, judge, lock_bytes_at};

__attribute__((visibility("default")))
const sim_stock *sim_stock_start(const sqlite3_vfs *parent, sim_hasher hash) {
  parent_vfs = *parent;
  sim_hash = hash;
  return sqlite3_initialize() == SQLITE_OK ? &stock : NULL;
}

#else

const sim_stock sim_stock_linked = {SQLITE_VERSION, judge, lock_bytes_at};

#endif
