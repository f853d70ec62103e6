/* files.c: hostile files at open.
 *
 *   byte 0, 1: how long the journal is, in units of 16 bytes; 2, 3: the WAL; the rest: the
 *   database. A length of 0: there is no such file.
 */
#include <stdio.h>

#include "fuzz.h"

static void put(const char *path, const char *tail, const uint8_t *data, size_t size) {
  char name[200];
  FILE *f;
  if (size == 0) return;
  snprintf(name, sizeof name, "%s%s", path, tail);
  f = fopen(name, "wb");
  if (f == NULL) return;
  fwrite(data, 1, size, f);
  fclose(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const statements[] = {
      "PRAGMA schema_version", "SELECT count(*) FROM t", "PRAGMA asyncvfs_status", "INSERT INTO t VALUES(1, 2)",
      "PRAGMA integrity_check", "BEGIN IMMEDIATE", "UPDATE t SET b=zeroblob(3000)", "PRAGMA incremental_vacuum(2)",
      "COMMIT", "CREATE TABLE IF NOT EXISTS u(a)", "INSERT INTO u VALUES(1)", "PRAGMA asyncvfs_drain",
      "PRAGMA journal_mode=WAL", "INSERT INTO u VALUES(2)", "PRAGMA journal_mode=DELETE", "INSERT INTO u VALUES(3)",
      "PRAGMA page_size=8192", "VACUUM"};
  const char *path = fuzz_fresh_database();
  size_t journal, wal, i;
  sqlite3 *db;
  if (size < 4 || size > 100000) return 0;
  journal = (size_t)(data[0] << 8 | data[1]) * 16;
  wal = (size_t)(data[2] << 8 | data[3]) * 16;
  data += 4;
  size -= 4;
  if (journal > size) journal = size;
  if (wal > size - journal) wal = size - journal;
  put(path, "-journal", data, journal);
  put(path, "-wal", data + journal, wal);
  put(path, "", data + journal + wal, size - journal - wal);
  db = fuzz_open(path, "asyncvfs");
  if (db == NULL) return 0;
  for (i = 0; i < sizeof statements / sizeof *statements; i++) {
    sqlite3_exec(db, statements[i], NULL, NULL, NULL);
  }
  if (!sqlite3_get_autocommit(db)) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
  fuzz_close(db);
  return 0;
}
