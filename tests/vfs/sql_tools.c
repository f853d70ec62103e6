/* sql_tools.c: see sql_tools.h. */
#include "sql_tools.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "asyncvfs.h"
#include "harness.h"
#include "sqlite3async.h"
#include "win32/machine.h"

#define PATH_CHARS 2048

/* ------------------------------------------------------------ connections */

static INIT_ONCE register_once = INIT_ONCE_STATIC_INIT;
static char vfs_name[64];

static bool is_asyncvfs_name(const char *name) {
  return strcmp(name, "asyncvfs") == 0 || strcmp(name, SQLITEASYNC_VFSNAME) == 0;
}

static BOOL CALLBACK register_vfs(PINIT_ONCE once, PVOID parameter, PVOID *context) {
  (void)once;
  (void)parameter;
  (void)context;
  const char *name = getenv("TEST_VFS");
  if (name == NULL || *name == 0) name = "asyncvfs";
  snprintf(vfs_name, sizeof vfs_name, "%s", name);
  if (strcmp(vfs_name, SQLITEASYNC_VFSNAME) == 0) {
    int rc = sqlite3async_initialize(NULL, 0);
    if (rc != SQLITE_OK) harness_print("sqlite3async_initialize: %d\n", rc);
  }
  if (is_asyncvfs_name(vfs_name)) {
    char message[256] = "";
    int rc = asyncvfs_register(NULL, 0, message, sizeof message);
    machine_guards_sqlite();
    if (rc != SQLITE_OK) harness_print("asyncvfs_register: %d: %s\n", rc, message);
  }
  return TRUE;
}

const char *sql_vfs(void) {
  InitOnceExecuteOnce(&register_once, register_vfs, NULL, NULL);
  return vfs_name;
}

bool sql_vfs_is_asyncvfs(void) {
  return is_asyncvfs_name(sql_vfs());
}

static void noise_function(sqlite3_context *context, int n_args, sqlite3_value **args) {
  (void)n_args;
  int64_t bytes = sqlite3_value_int64(args[1]);
  if (bytes < 0 || bytes > (1 << 26)) {
    sqlite3_result_error(context, "noise: 0..64 MiB", -1);
    return;
  }
  uint8_t *blob = sqlite3_malloc64((sqlite3_uint64)bytes + 1);
  if (blob == NULL) {
    sqlite3_result_error_nomem(context);
    return;
  }
  sql_noise((uint64_t)sqlite3_value_int64(args[0]), blob, (size_t)bytes);
  sqlite3_result_blob64(context, blob, (sqlite3_uint64)bytes, sqlite3_free);
}

int sql_try_open_flags(const char *path, const char *vfs, int flags, sqlite3 **db_out) {
  sqlite3 *db = NULL;
  *db_out = NULL;
  (void)sql_vfs();
  int rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_URI | SQLITE_OPEN_EXRESCODE, vfs);
  if (rc == SQLITE_OK) {
    rc = sqlite3_create_function(db, "noise", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                 noise_function, NULL, NULL);
  }
  if (rc != SQLITE_OK) {
    sqlite3_close(db);
    return rc;
  }
  *db_out = db;
  return SQLITE_OK;
}

int sql_try_open(const char *path, const char *vfs, sqlite3 **db_out) {
  return sql_try_open_flags(path, vfs, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, db_out);
}

sqlite3 *sql_open(const char *path, const char *vfs) {
  sqlite3 *db = NULL;
  CHECK_RC(NULL, sql_try_open(path, vfs, &db), SQLITE_OK);
  return db;
}

sqlite3 *sql_open_table(const char **path_out) {
  sqlite3 *db;
  *path_out = scratch_path("app.db");
  db = sql_open(*path_out, sql_vfs());
  if (db != NULL) sql_must(db, SQL_CREATE_T);
  return db;
}

const char *sql_uri(const char *path, const char *parameters) {
  static char uri[1400];
  snprintf(uri, sizeof uri, "file:/%s?%s", path, parameters);
  for (char *c = uri; *c != 0 && *c != '?'; c++) {
    if (*c == '\\') *c = '/';
  }
  return uri;
}

void sql_close(sqlite3 *db) {
  CHECK_RC(NULL, sqlite3_close(db), SQLITE_OK);
}

/* -------------------------------------------------------------- statements */

int sql_exec(sqlite3 *db, const char *sql) {
  return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int exec_va(sqlite3 *db, const char *format, va_list args, char **sql_out) {
  *sql_out = sqlite3_vmprintf(format, args);
  if (*sql_out == NULL) return SQLITE_NOMEM;
  return sql_exec(db, *sql_out);
}

int sql_execf(sqlite3 *db, const char *format, ...) {
  char *sql = NULL;
  va_list args;
  va_start(args, format);
  int rc = exec_va(db, format, args, &sql);
  va_end(args);
  sqlite3_free(sql);
  return rc;
}

static void must(sqlite3 *db, int rc, const char *sql) {
  if (rc != SQLITE_OK) harness_print("  %d %s: %.200s\n", rc, sqlite3_errmsg(db), sql);
  CHECK_RC(db, rc, SQLITE_OK);
}

void sql_must(sqlite3 *db, const char *sql) {
  must(db, sql_exec(db, sql), sql);
}

void sql_mustf(sqlite3 *db, const char *format, ...) {
  char *sql = NULL;
  va_list args;
  va_start(args, format);
  int rc = exec_va(db, format, args, &sql);
  va_end(args);
  must(db, rc, sql == NULL ? "" : sql);
  sqlite3_free(sql);
}

/* Steps the first statement of sql once. *statement_out is NULL if it could
 * not be prepared. */
static int first_row(sqlite3 *db, const char *sql, sqlite3_stmt **statement_out) {
  int rc = sqlite3_prepare_v2(db, sql, -1, statement_out, NULL);
  if (rc != SQLITE_OK) return rc;
  return sqlite3_step(*statement_out);
}

int sql_try_int(sqlite3 *db, const char *sql, int64_t *value_out) {
  sqlite3_stmt *statement = NULL;
  int rc = first_row(db, sql, &statement);
  if (rc == SQLITE_ROW) *value_out = sqlite3_column_int64(statement, 0);
  int end = sqlite3_finalize(statement);
  return rc == SQLITE_ROW ? end : rc;
}

int sql_try_text(sqlite3 *db, const char *sql, char *text, int text_bytes) {
  sqlite3_stmt *statement = NULL;
  text[0] = 0;
  int rc = first_row(db, sql, &statement);
  if (rc == SQLITE_ROW) {
    const char *value = (const char *)sqlite3_column_text(statement, 0);
    snprintf(text, (size_t)text_bytes, "%s", value == NULL ? "" : value);
  }
  int end = sqlite3_finalize(statement);
  return rc == SQLITE_ROW ? end : rc;
}

int64_t sql_int(sqlite3 *db, const char *sql) {
  int64_t value = -1;
  must(db, sql_try_int(db, sql, &value), sql);
  return value;
}

void sql_check_integrity(sqlite3 *db, const char *what) {
  char text[400];
  int rc = sql_try_text(db, "PRAGMA integrity_check", text, sizeof text);
  if (rc != SQLITE_OK || strcmp(text, "ok") != 0) {
    harness_print("  integrity_check of %s: %d %s\n", what, rc, text);
  }
  CHECK_RC(db, rc, SQLITE_OK);
  CHECK_STR_EQ(text, "ok");
}

/* ------------------------------------------------------------------ hashes */

uint64_t sql_mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

void sql_noise(uint64_t seed, void *bytes, size_t n) {
  uint8_t *out = bytes;
  uint64_t word = 0;
  for (size_t i = 0; i < n; i++) {
    if (i % 8 == 0) word = sql_mix(seed * 0x9e3779b97f4a7c15u + i);
    out[i] = (uint8_t)(word >> (8 * (i % 8)));
  }
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n) {
  const uint8_t *p = bytes;
  size_t i = 0;
  hash = sql_mix(hash ^ n);
  for (; i + 8 <= n; i += 8) {
    uint64_t word;
    memcpy(&word, p + i, 8);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 29;
  }
  for (; i < n; i++) hash = (hash ^ p[i]) * 0x100000001b3u;
  return sql_mix(hash);
}

static uint64_t hash_value(uint64_t hash, sqlite3_stmt *statement, int column) {
  int type = sqlite3_column_type(statement, column);
  hash = hash_bytes(hash, &type, sizeof type);
  switch (type) {
  case SQLITE_INTEGER: {
    int64_t value = sqlite3_column_int64(statement, column);
    return hash_bytes(hash, &value, sizeof value);
  }
  case SQLITE_FLOAT: {
    double value = sqlite3_column_double(statement, column);
    return hash_bytes(hash, &value, sizeof value);
  }
  case SQLITE_NULL: return hash;
  default: {
    const void *bytes = sqlite3_column_blob(statement, column);
    return hash_bytes(hash, bytes, (size_t)sqlite3_column_bytes(statement, column));
  }
  }
}

int sql_hash_rows(sqlite3 *db, const char *sql, uint64_t *hash, int64_t *rows_out) {
  int64_t rows = 0;
  int rc = SQLITE_OK;
  while (rc == SQLITE_OK && *sql != 0) {
    sqlite3_stmt *statement = NULL;
    rc = sqlite3_prepare_v2(db, sql, -1, &statement, &sql);
    if (rc != SQLITE_OK || statement == NULL) break;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
      rows++;
      for (int i = 0; i < sqlite3_column_count(statement); i++) {
        *hash = hash_value(*hash, statement, i);
      }
    }
    rc = sqlite3_finalize(statement);
  }
  if (rows_out != NULL) *rows_out = rows;
  return rc;
}

int sql_dump_hash(sqlite3 *db, uint64_t *hash_out) {
  uint64_t hash = 0;
  sqlite3_stmt *tables = NULL;
  /* One read transaction, so that the tables belong together. */
  bool own = sqlite3_get_autocommit(db) != 0;
  int rc = own ? sql_exec(db, "BEGIN") : SQLITE_OK;
  if (rc != SQLITE_OK) return rc;
  rc = sql_hash_rows(db,
                     "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name;"
                     "PRAGMA user_version; PRAGMA encoding",
                     &hash, NULL);
  if (rc == SQLITE_OK) {
    rc = sqlite3_prepare_v2(db,
                            "SELECT name FROM sqlite_schema WHERE type='table'"
                            " AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name",
                            -1, &tables, NULL);
  }
  while (rc == SQLITE_OK && sqlite3_step(tables) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(tables, 0);
    char *sql = sqlite3_mprintf("SELECT rowid, * FROM \"%w\" ORDER BY rowid", name);
    hash = hash_bytes(hash, name, strlen(name));
    rc = sql_hash_rows(db, sql, &hash, NULL);
    sqlite3_free(sql);
    if (rc == SQLITE_ERROR) { /* WITHOUT ROWID: its own order is the key's */
      sql = sqlite3_mprintf("SELECT * FROM \"%w\"", name);
      rc = sql_hash_rows(db, sql, &hash, NULL);
      sqlite3_free(sql);
    }
  }
  int end = sqlite3_finalize(tables);
  if (rc == SQLITE_OK) rc = end;
  if (own) sql_exec(db, "COMMIT");
  *hash_out = hash;
  return rc;
}

/* ------------------------------------------------------------------ status */

int64_t sql_status(sqlite3 *db, const char *key) { return sql_status_of(db, "main", key); }

int64_t sql_status_of(sqlite3 *db, const char *schema, const char *key) {
  char json[4096];
  char quoted[80];
  snprintf(quoted, sizeof quoted, "PRAGMA %s.asyncvfs_status", schema);
  if (sql_try_text(db, quoted, json, sizeof json) != SQLITE_OK) return -1;
  snprintf(quoted, sizeof quoted, "\"%s\"", key);
  const char *at = strstr(json, quoted);
  if (at == NULL) return -1;
  at += strlen(quoted);
  at += strspn(at, " \t\r\n:");
  char *end = NULL;
  int64_t value = strtoll(at, &end, 10);
  return end == at ? -1 : value;
}

bool sql_is_ours(sqlite3 *db) {
  char json[4096];
  if (sql_try_text(db, "PRAGMA asyncvfs_status", json, sizeof json) != SQLITE_OK) return false;
  const char *mode = strstr(json, "\"mode\"");
  return mode != NULL && strncmp(mode + 6 + strspn(mode + 6, " :"), "\"managed\"", 9) == 0;
}

/* ------------------------------------------------------------------- files */

static const wchar_t *wide(const char *path, wchar_t *buffer) {
  if (MultiByteToWideChar(CP_UTF8, 0, path, -1, buffer, PATH_CHARS) == 0) buffer[0] = 0;
  return buffer;
}

bool sql_file_exists(const char *path) {
  wchar_t w[PATH_CHARS];
  return GetFileAttributesW(wide(path, w)) != INVALID_FILE_ATTRIBUTES;
}

int64_t sql_file_size(const char *path) {
  wchar_t w[PATH_CHARS];
  WIN32_FILE_ATTRIBUTE_DATA data;
  if (!GetFileAttributesExW(wide(path, w), GetFileExInfoStandard, &data)) return -1;
  return (int64_t)(((uint64_t)data.nFileSizeHigh << 32) | data.nFileSizeLow);
}

bool sql_file_copy(const char *from, const char *to) {
  wchar_t w_from[PATH_CHARS];
  wchar_t w_to[PATH_CHARS];
  return CopyFileW(wide(from, w_from), wide(to, w_to), FALSE) != 0;
}

bool sql_file_delete(const char *path) {
  wchar_t w[PATH_CHARS];
  if (DeleteFileW(wide(path, w))) return true;
  return GetLastError() == ERROR_FILE_NOT_FOUND;
}

static HANDLE open_file(const char *path, DWORD access, DWORD disposition) {
  wchar_t w[PATH_CHARS];
  return CreateFileW(wide(path, w), access,
                     FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, disposition,
                     FILE_ATTRIBUTE_NORMAL, NULL);
}

bool sql_file_write(const char *path, const void *bytes, size_t n) {
  HANDLE file = open_file(path, GENERIC_WRITE, CREATE_ALWAYS);
  DWORD done = 0;
  if (file == INVALID_HANDLE_VALUE) return false;
  BOOL ok = WriteFile(file, bytes, (DWORD)n, &done, NULL);
  CloseHandle(file);
  return ok && done == n;
}

int64_t sql_file_read(const char *path, int64_t offset, void *bytes, size_t n) {
  HANDLE file = open_file(path, GENERIC_READ, OPEN_EXISTING);
  DWORD done = 0;
  LARGE_INTEGER at;
  if (file == INVALID_HANDLE_VALUE) return -1;
  at.QuadPart = offset;
  BOOL ok = SetFilePointerEx(file, at, NULL, FILE_BEGIN) &&
            ReadFile(file, bytes, (DWORD)n, &done, NULL);
  CloseHandle(file);
  return ok ? (int64_t)done : -1;
}

const char *sql_beside(const char *path, const char *suffix) {
  static char buffers[4][PATH_CHARS];
  static unsigned next;
  char *buffer = buffers[next++ % 4];
  snprintf(buffer, PATH_CHARS, "%s%s", path, suffix);
  return buffer;
}

bool sql_copy_database(const char *from, const char *to) {
  if (!sql_delete_database(to) || !sql_file_copy(from, to)) return false;
  if (!sql_file_exists(sql_beside(from, "-journal"))) return true;
  return sql_file_copy(sql_beside(from, "-journal"), sql_beside(to, "-journal"));
}

bool sql_delete_database(const char *path) {
  bool journal = sql_file_delete(sql_beside(path, "-journal"));
  bool wal = sql_file_delete(sql_beside(path, "-wal"));
  bool shm = sql_file_delete(sql_beside(path, "-shm"));
  bool ring = sql_file_delete(sql_beside(path, "-avfsredo"));
  bool refused = sql_file_delete(sql_beside(path, "-avfsredo-refused"));
  return sql_file_delete(path) && journal && wal && shm && ring && refused;
}

void sql_check_nothing_beside(const char *path) {
  static const char *const suffixes[] = {"-journal", "-wal", "-shm"};
  for (int i = 0; i < 3; i++) {
    const char *beside = sql_beside(path, suffixes[i]);
    if (sql_file_exists(beside)) harness_print("  left behind: %s\n", beside);
    CHECK(!sql_file_exists(beside));
  }
}

bool sql_journal_is_hot(const char *path) {
  uint8_t first = 0;
  return sql_file_read(sql_beside(path, "-journal"), 0, &first, 1) == 1 && first != 0;
}
