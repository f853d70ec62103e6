/* verify.c: see verify.h.
 *
 * What "equal" means: the same hash over the schema, over every row of every
 * table in order of its rowid, and over every word in the full-text index
 * with its places. The index's own tables are left out: how its words are
 * spread over their rows depends on how many transactions wrote them.
 */
#include "verify.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

/* FNV-1a, 64 bits */
#define HASH_START UINT64_C(14695981039346656037)

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n) {
  const unsigned char *at = bytes;
  while (n-- > 0) hash = (hash ^ *at++) * UINT64_C(1099511628211);
  return hash;
}

/* Type and length are hashed too, or 'a','bc' would equal 'ab','c'. */
static uint64_t hash_column(uint64_t hash, sqlite3_stmt *stmt, int column) {
  int type = sqlite3_column_type(stmt, column);
  const void *bytes = sqlite3_column_blob(stmt, column); /* numbers: as text */
  int n = sqlite3_column_bytes(stmt, column);
  hash = hash_bytes(hash, &type, sizeof type);
  hash = hash_bytes(hash, &n, sizeof n);
  return hash_bytes(hash, bytes, (size_t)n);
}

/* Adds all rows of a query to the hash. Returns an SQLite code. */
static int hash_query(sqlite3 *db, const char *sql, uint64_t *hash, sqlite3_int64 *rows) {
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
  if (rc != SQLITE_OK) return rc;
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    int column;
    for (column = 0; column < sqlite3_column_count(stmt); column++)
      *hash = hash_column(*hash, stmt, column);
    ++*rows;
  }
  sqlite3_finalize(stmt);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

typedef struct content {
  uint64_t hash;
  sqlite3_int64 rows;  /* of the tables */
  sqlite3_int64 words; /* in the full-text index, each place counted */
} content;

static int hash_content(sqlite3 *db, content *content_out) {
  sqlite3_stmt *tables = NULL;
  content c = {HASH_START, 0, 0};
  sqlite3_int64 ignored = 0;
  int rc;
  rc = hash_query(db, "SELECT type, name, sql FROM sqlite_schema ORDER BY name", &c.hash,
                  &ignored);
  if (rc == SQLITE_OK)
    rc = sqlite3_prepare_v2(db,
                            "SELECT format('SELECT * FROM \"%w\" ORDER BY rowid', name) "
                            "FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
                            "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
                            -1, &tables, NULL);
  while (rc == SQLITE_OK && sqlite3_step(tables) == SQLITE_ROW)
    rc = hash_query(db, (const char *)sqlite3_column_text(tables, 0), &c.hash, &c.rows);
  sqlite3_finalize(tables);
  if (rc == SQLITE_OK)
    rc = sqlite3_exec(db,
                      "CREATE VIRTUAL TABLE temp.word USING "
                      "fts5vocab('main', 'package_text', 'instance')",
                      NULL, NULL, NULL);
  if (rc == SQLITE_OK)
    rc = hash_query(db, "SELECT term, doc, col, offset FROM temp.word", &c.hash, &c.words);
  *content_out = c;
  return rc;
}

/* "ok", or the first thing that is wrong */
static int integrity(sqlite3 *db, char *answer, size_t n) {
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL);
  if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
    snprintf(answer, n, "%s", (const char *)sqlite3_column_text(stmt, 0));
  else
    snprintf(answer, n, "%s", sqlite3_errmsg(db));
  sqlite3_finalize(stmt);
  if (strcmp(answer, "ok") != 0) return 0;
  /* the full-text index against the table that it indexes */
  rc = sqlite3_exec(db,
                    "INSERT INTO package_text(package_text, rank) VALUES('integrity-check', 1)",
                    NULL, NULL, NULL);
  if (rc != SQLITE_OK) snprintf(answer, n, "full-text index: %s", sqlite3_errmsg(db));
  return rc == SQLITE_OK;
}

static int file_exists(const char *path, const char *suffix) {
  char name[MAX_PATH + 16];
  snprintf(name, sizeof name, "%s%s", path, suffix);
  return GetFileAttributesA(name) != INVALID_FILE_ATTRIBUTES;
}

static int verify_one(const char *path, content *content_out) {
  sqlite3 *db = NULL;
  char answer[300] = "";
  int sound = 0, rc;
  const char *left = file_exists(path, "-journal") ? "-journal"
                     : file_exists(path, "-wal")   ? "-wal"
                     : file_exists(path, "-shm")   ? "-shm"
                                                   : NULL;
  printf("  %-12s ", path);
  fflush(stdout);
  rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
  if (rc != SQLITE_OK) {
    printf("cannot be opened: %s\n", sqlite3_errmsg(db));
  } else if (!integrity(db, answer, sizeof answer)) {
    printf("integrity_check: %s\n", answer);
  } else if ((rc = hash_content(db, content_out)) != SQLITE_OK) {
    printf("cannot be read: %s\n", sqlite3_errmsg(db));
  } else {
    printf("integrity_check ok, %" PRId64 " rows, %" PRId64
           " indexed words, content %016" PRIx64,
           (int64_t)content_out->rows, (int64_t)content_out->words, content_out->hash);
    sound = left == NULL;
    if (left != NULL) printf(", but %s%s was left behind", path, left);
    printf("\n");
  }
  sqlite3_close(db);
  return sound;
}

int verify_databases(const char *const *paths, int count) {
  content first = {0, 0, 0}, other;
  int i, failed = 0;
  if (sqlite3_vfs_find("asyncvfs") != NULL || GetModuleHandleA("asyncvfs.dll") != NULL) {
    printf("FAILED: the DLL is loaded; this was to be stock SQLite alone\n");
    return 1;
  }
  for (i = 0; i < count; i++) {
    memset(&other, 0, sizeof other);
    if (!verify_one(paths[i], &other)) failed = 1;
    if (i == 0) first = other;
    if (memcmp(&first, &other, sizeof first) != 0) {
      printf("FAILED: the content of %s is not that of %s\n", paths[i], paths[0]);
      failed = 1;
    }
  }
  if (!failed) printf("  all %d sound, and their contents equal\n", count);
  return failed;
}
