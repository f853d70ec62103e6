/* sql.c: SQL programs, statement by statement on asyncvfs and on a database in memory.
 *
 * The first byte chooses settings; the rest is SQL. Both answer the same rows and the same
 * success, and in the end stock SQLite finds the same content in the file. A statement
 * whose answer depends on where it runs (a PRAGMA, a clock, chance) is not compared, and if
 * it might change something, nothing after it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static uint64_t rows_of(sqlite3_stmt *s, int *rc_out) {
  uint64_t h = 1469598103934665603u;
  int rc, i, k;
  while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
    for (i = 0; i < sqlite3_column_count(s); i++) {
      int type = sqlite3_column_type(s, i);
      const unsigned char *p = sqlite3_column_blob(s, i);
      int n = sqlite3_column_bytes(s, i);
      h = (h ^ (uint64_t)type) * 1099511628211u;
      for (k = 0; k < n; k++) h = (h ^ p[k]) * 1099511628211u;
    }
  }
  *rc_out = rc;
  return h;
}

static int is_deterministic(const char *sql) {
  static const char *const words[] = {"pragma", "random", "date", "time", "now", "vacuum", "changes", "rowid",
                                      "sqlite_", "julian", "unix", "strf", "explain", "temp", "current", "limit",
                                      "analyze", "reindex", "without", "virtual", "attach", "detach", "pages"};
  char lower[4096];
  size_t i, n = strlen(sql);
  if (n >= sizeof lower) return 0;
  for (i = 0; i <= n; i++) lower[i] = (char)(sql[i] >= 'A' && sql[i] <= 'Z' ? sql[i] + 32 : sql[i]);
  for (i = 0; i < sizeof words / sizeof *words; i++) {
    if (strstr(lower, words[i]) != NULL) return 0;
  }
  return 1;
}

/* Of what asyncvfs alone understands: it changes no content. */
static int is_harmless(const char *sql) { return strncmp(sql, "PRAGMA asyncvfs_", 16) == 0; }

static uint64_t content_of(sqlite3 *db) {
  sqlite3_stmt *list = NULL, *rows = NULL;
  uint64_t h = 7;
  int rc;
  if (sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type='table' ORDER BY name", -1, &list, NULL) != SQLITE_OK) return 1;
  while (sqlite3_step(list) == SQLITE_ROW) {
    char *sql = sqlite3_mprintf("SELECT * FROM \"%w\" ORDER BY rowid", sqlite3_column_text(list, 0));
    rc = sqlite3_prepare_v2(db, sql, -1, &rows, NULL);
    sqlite3_free(sql);
    if (rc == SQLITE_OK) h = h * 31 + rows_of(rows, &rc);
    sqlite3_finalize(rows);
  }
  sqlite3_finalize(list);
  return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const modes[] = {"DELETE", "TRUNCATE", "PERSIST", "MEMORY", "OFF"};
  char setup[300], *program, *rest;
  const char *path = fuzz_fresh_database();
  sqlite3 *db, *shadow, *stock;
  sqlite3_stmt *s = NULL, *t = NULL;
  int same = 1;
  if (size < 2 || size > 4000) return 0;
  snprintf(setup, sizeof setup, "file:%s?max_lag_ms=%d&max_queue_bytes=1048576", path, data[0] & 8 ? 0 : 50);
  db = fuzz_open(setup, "asyncvfs");
  shadow = fuzz_open(":memory:", NULL);
  program = malloc(size);
  if (db == NULL || shadow == NULL || program == NULL) abort();
  memcpy(program, data + 1, size - 1);
  program[size - 1] = 0;
  snprintf(setup, sizeof setup, "PRAGMA page_size=%d; PRAGMA journal_mode=%s; PRAGMA cache_size=%d; PRAGMA auto_vacuum=%d",
           512 << (data[0] >> 6), modes[(data[0] & 7) % 4], data[0] & 16 ? 5 : 500, data[0] & 32 ? 1 : 0);
  sqlite3_exec(db, setup, NULL, NULL, NULL);
  for (rest = program; rest != NULL;) {
    const char *at = strsep(&rest, ";");
    int rc, rc2, fair = same && is_deterministic(at);
    int ok = sqlite3_prepare_v2(db, at, -1, &s, NULL), ok2 = sqlite3_prepare_v2(shadow, at, -1, &t, NULL);
    if (fair) fuzz_check((ok == SQLITE_OK) == (ok2 == SQLITE_OK), "a statement compiles in both or in none");
    if (s != NULL) {
      uint64_t h = rows_of(s, &rc), h2;
      if (!fair) {
        same &= is_harmless(at) || (sqlite3_stmt_readonly(s) && sqlite3_strlike("%pragma%", at, 0) != 0 &&
                                    sqlite3_get_autocommit(db) == sqlite3_get_autocommit(shadow));
      } else if (t != NULL) {
        h2 = rows_of(t, &rc2);
        if (rc == SQLITE_INTERRUPT || rc2 == SQLITE_INTERRUPT || rc == SQLITE_NOMEM || rc2 == SQLITE_NOMEM ||
            (rc & 0xff) == SQLITE_IOERR || rc == SQLITE_TOOBIG) {
          same = 0;
        } else {
          fuzz_check((rc == SQLITE_DONE) == (rc2 == SQLITE_DONE), "a statement succeeds in both or in none");
          fuzz_check(h == h2, "a statement answers the same rows");
        }
      }
    }
    sqlite3_finalize(s);
    sqlite3_finalize(t);
    s = t = NULL;
  }
  if (!sqlite3_get_autocommit(db)) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
  if (!sqlite3_get_autocommit(shadow)) sqlite3_exec(shadow, "ROLLBACK", NULL, NULL, NULL);
  fuzz_close(db);
  stock = fuzz_open(path, "unix");
  if (stock != NULL) {
    if (sqlite3_prepare_v2(stock, "PRAGMA integrity_check", -1, &s, NULL) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW && same) {
      fuzz_check(strcmp((const char *)sqlite3_column_text(s, 0), "ok") == 0, "integrity_check");
    }
    sqlite3_finalize(s);
    if (same) fuzz_check(content_of(stock) == content_of(shadow), "stock SQLite finds the same content");
    sqlite3_close(stock);
  }
  sqlite3_close(shadow);
  free(program);
  return 0;
}
