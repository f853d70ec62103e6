/* contestant.c: see contestant.h. */
#include "contestant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "floor_vfs.h"

const contestant contestants[] = {
    {"floor", "floor", "DELETE", "FULL", DURABLE_NEVER, 1, NULL},
    {"asyncvfs memory", "asyncvfs", "DELETE", "FULL", DURABLE_BY_FLUSH, 1, "memory"},
    {"asyncvfs os", "asyncvfs", "DELETE", "FULL", DURABLE_BY_FLUSH, 1, "os"},
    {"asyncvfs disk", "asyncvfs", "DELETE", "FULL", DURABLE_AT_COMMIT, 0, "disk"},
    {"win32 DELETE/FULL", "win32", "DELETE", "FULL", DURABLE_AT_COMMIT, 0, NULL},
    {"win32 PERSIST/FULL", "win32", "PERSIST", "FULL", DURABLE_AT_COMMIT, 0, NULL},
    {"win32 WAL/NORMAL", "win32", "WAL", "NORMAL", DURABLE_BY_CHECKPOINT, 0, NULL},
    {"win32 MEMORY/OFF", "win32", "MEMORY", "OFF", DURABLE_NEVER, 0, NULL},
};
const size_t contestant_count = sizeof contestants / sizeof contestants[0];

const contestant *contestant_by_vfs(const char *vfs) {
  size_t i;
  for (i = 0; i < contestant_count; i++) {
    if (strcmp(contestants[i].vfs, vfs) == 0) return &contestants[i];
  }
  fprintf(stderr, "bench: no contestant uses the VFS %s\n", vfs);
  exit(1);
}

void check(sqlite3 *db, int rc, int expected, const char *doing) {
  if (rc == expected) return;
  fprintf(stderr, "\nbench: %s: %s (%d)\n", doing,
          db == NULL ? sqlite3_errstr(rc) : sqlite3_errmsg(db), rc);
  exit(1);
}

void run_sql(sqlite3 *db, const char *sql) {
  check(db, sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, sql);
}

sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
  sqlite3_stmt *stmt;
  check(db, sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK, sql);
  return stmt;
}

uint32_t run_statement(sqlite3 *db, sqlite3_stmt *stmt) {
  uint32_t busy = 0;
  int rc;
  for (;;) {
    sqlite3_step(stmt);
    rc = sqlite3_reset(stmt);
    if (rc != SQLITE_BUSY) break;
    busy++;
  }
  if (rc != SQLITE_OK) check(db, rc, SQLITE_OK, sqlite3_sql(stmt));
  return busy;
}

sqlite3_int64 query_int64(sqlite3 *db, const char *sql) {
  sqlite3_stmt *stmt = prepare(db, sql);
  sqlite3_int64 value;
  check(db, sqlite3_step(stmt), SQLITE_ROW, sql);
  value = sqlite3_column_int64(stmt, 0);
  sqlite3_finalize(stmt);
  return value;
}

int contestants_register(void) {
  sqlite3 *db;
  char *message = NULL;
  int rc;
  check(NULL, floor_vfs_register(), SQLITE_OK, "register the floor");
  check(NULL, sqlite3_open(":memory:", &db), SQLITE_OK, "open");
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
  rc = sqlite3_load_extension(db, "asyncvfs", NULL, &message);
  if (rc != SQLITE_OK) fprintf(stderr, "bench: without asyncvfs: %s\n", message);
  sqlite3_free(message);
  sqlite3_close(db);
  return rc == SQLITE_OK;
}

void database_remove(const contestant *c, const char *path) {
  static const char *const suffixes[] = {"", "-journal", "-wal", "-shm", "-avfsredo"};
  sqlite3_vfs *vfs = sqlite3_vfs_find(c->vfs);
  char *full;
  size_t i;
  if (vfs == NULL) return;
  /* A VFS may keep its files by their full names. */
  full = malloc((size_t)vfs->mxPathname + 16);
  if (full == NULL) exit(1);
  for (i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
    check(NULL, vfs->xFullPathname(vfs, path, vfs->mxPathname, full), SQLITE_OK, path);
    strcat(full, suffixes[i]);
    vfs->xDelete(vfs, full, 0);
  }
  free(full);
}

sqlite3 *database_open(const contestant *c, const char *path, int page_size) {
  sqlite3 *db;
  char sql[200];
  check(NULL, sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, c->vfs),
        SQLITE_OK, path);
  snprintf(sql, sizeof sql,
           "PRAGMA page_size=%d; PRAGMA journal_mode=%s; PRAGMA synchronous=%s; "
           "PRAGMA cache_size=-16000",
           page_size, c->journal_mode, c->synchronous);
  run_sql(db, sql);
  if (c->durability != NULL) {
    snprintf(sql, sizeof sql, "PRAGMA asyncvfs_durability=%s", c->durability);
    run_sql(db, sql);
  }
  return db;
}

/* A figure of `disk` under the name of `os` would be a lie. */
static void check_in_force(const contestant *c, sqlite3 *db) {
  sqlite3_stmt *pragma = prepare(db, "PRAGMA asyncvfs_durability");
  check(db, sqlite3_step(pragma), SQLITE_ROW, "PRAGMA asyncvfs_durability");
  if (strcmp((const char *)sqlite3_column_text(pragma, 0), c->durability) != 0) {
    fprintf(stderr, "\nbench: %s: %s is in force here; the status says why\n", c->name,
            (const char *)sqlite3_column_text(pragma, 0));
    exit(1);
  }
  sqlite3_finalize(pragma);
}

void database_make_durable(const contestant *c, sqlite3 *db) {
  if (c->durable == DURABLE_BY_FLUSH) run_sql(db, "PRAGMA asyncvfs_flush");
  if (c->durable == DURABLE_BY_CHECKPOINT) run_sql(db, "PRAGMA wal_checkpoint(TRUNCATE)");
}

/* ---- PRAGMA asyncvfs_status ------------------------------------------- */

engine_status status_read(const contestant *c, sqlite3 *db) {
  static const struct {
    const char *key;
    size_t offset;
  } fields[] = {
      {"batches", offsetof(engine_status, batches)},
      {"flushes", offsetof(engine_status, flushes)},
      {"journal_bytes", offsetof(engine_status, journal_bytes)},
      {"database_bytes", offsetof(engine_status, database_bytes)},
      {"pages_written", offsetof(engine_status, pages_written)},
      {"coalesced_pages", offsetof(engine_status, coalesced_pages)},
      {"stalls", offsetof(engine_status, stalls)},
      {"max_queue_bytes", offsetof(engine_status, max_queue_bytes)},
      {"queue_pages", offsetof(engine_status, queue_pages)},
      {"queue_bytes", offsetof(engine_status, queue_bytes)},
  };
  static sqlite3 *json; /* SQLite itself takes the JSON apart */
  engine_status status;
  sqlite3_stmt *pragma, *mode, *tree;
  memset(&status, 0, sizeof status);
  if (strcmp(c->vfs, "asyncvfs") != 0) return status;
  if (c->durability != NULL) check_in_force(c, db);
  if (json == NULL) check(NULL, sqlite3_open(":memory:", &json), SQLITE_OK, "open");
  pragma = prepare(db, "PRAGMA asyncvfs_status");
  check(db, sqlite3_step(pragma), SQLITE_ROW, "PRAGMA asyncvfs_status");
  mode = prepare(json, "SELECT ?1 ->> 'mode'");
  sqlite3_bind_value(mode, 1, sqlite3_column_value(pragma, 0));
  check(json, sqlite3_step(mode), SQLITE_ROW, "the status's mode");
  if (sqlite3_stricmp((const char *)sqlite3_column_text(mode, 0), "managed") != 0) {
    fprintf(stderr, "\nbench: asyncvfs passes this database through: %s\n",
            (const char *)sqlite3_column_text(pragma, 0));
    exit(1);
  }
  sqlite3_finalize(mode);
  tree =
      prepare(json, "SELECT key, atom, 0 FROM json_each(?1) WHERE type IN ('integer', 'real') "
                    "UNION ALL SELECT key, atom, 1 FROM json_tree(?1, '$.os_calls') "
                    "WHERE type IN ('integer', 'real')");
  sqlite3_bind_value(tree, 1, sqlite3_column_value(pragma, 0));
  while (sqlite3_step(tree) == SQLITE_ROW) {
    const char *key = (const char *)sqlite3_column_text(tree, 0);
    double value = sqlite3_column_double(tree, 1);
    if (sqlite3_column_int(tree, 2)) {
      if (status.os_call_count == MAX_OS_CALLS) continue;
      snprintf(status.os_calls[status.os_call_count].name, sizeof status.os_calls[0].name, "%s",
               key);
      status.os_calls[status.os_call_count++].count = value;
    } else {
      size_t i;
      for (i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(key, fields[i].key) == 0)
          *(double *)((char *)&status + fields[i].offset) = value;
      }
    }
  }
  sqlite3_finalize(tree);
  sqlite3_finalize(pragma);
  return status;
}

engine_status status_difference(const engine_status *later, const engine_status *earlier) {
  engine_status d = *later;
  size_t i;
  d.batches -= earlier->batches;
  d.flushes -= earlier->flushes;
  d.journal_bytes -= earlier->journal_bytes;
  d.database_bytes -= earlier->database_bytes;
  d.pages_written -= earlier->pages_written;
  d.coalesced_pages -= earlier->coalesced_pages;
  d.stalls -= earlier->stalls;
  /* the same program printed both: the calls stand in the same order */
  for (i = 0; i < d.os_call_count && i < earlier->os_call_count; i++)
    d.os_calls[i].count -= earlier->os_calls[i].count;
  return d;
}
