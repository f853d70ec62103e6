/* text.c: the text that an application hands over: the parameters of a URI in the first
 * line, then a PRAGMA in each. */
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char text[2048], sql[2200], *line, *rest;
  sqlite3 *db;
  if (size >= sizeof text) return 0;
  memcpy(text, data, size);
  text[size] = 0;
  rest = text;
  line = strsep(&rest, "\n");
  snprintf(sql, sizeof sql, "file:%s?%s", fuzz_fresh_database(), line);
  db = fuzz_open(sql, "asyncvfs");
  if (db == NULL) return 0;
  sqlite3_exec(db, "CREATE TABLE t(a); INSERT INTO t VALUES(1)", NULL, NULL, NULL);
  while (rest != NULL) {
    line = strsep(&rest, "\n");
    snprintf(sql, sizeof sql, "PRAGMA asyncvfs_%s", line);
    sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_exec(db, "INSERT INTO t VALUES(2)", NULL, NULL, NULL);
  }
  if (!sqlite3_get_autocommit(db)) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
  fuzz_close(db);
  return 0;
}
