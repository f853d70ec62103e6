/* sql_tools.h: what the SQL-level and process-level tests share: opening a
 * database on the VFS under test or on stock win32, running SQL, hashing a
 * whole database, and handling the files beside it.
 *
 * The VFS under test is named by the environment variable TEST_VFS, asyncvfs
 * by default; sqlite3async is the same engine under its other name. With TEST_VFS=win32 the same tests run against stock SQLite: a
 * test that fails there claims something that SQLite does not promise.
 *
 * Every result code is an extended one. Paths are UTF-8, as SQLite's are.
 * Nothing here asserts unless its comment says so, so that threads and child
 * processes can use it; what asserts is for the main thread of a test.
 */
#ifndef SQL_TOOLS_H
#define SQL_TOOLS_H

#include <stdbool.h>
#include <stdint.h>

#include "sqlite3.h"

#define SQL_STOCK_VFS "win32"

/* The VFS under test, registered at the first call. */
const char *sql_vfs(void);

/* Does the VFS under test answer the asyncvfs_ names? */
bool sql_vfs_is_asyncvfs(void);

/* "file:/C:/folder/name?parameters". The string lives until the next call; for the main
 * thread. */
const char *sql_uri(const char *path, const char *parameters);

/* Opens path; *db_out is NULL unless SQLITE_OK comes back. Connections have
 * extended result codes, no busy handler, and the SQL function
 * noise(seed, bytes), a blob that only its arguments determine. */
int sql_try_open(const char *path, const char *vfs, sqlite3 **db_out);
int sql_try_open_flags(const char *path, const char *vfs, int flags, sqlite3 **db_out);

/* Asserts that the open succeeds. */
sqlite3 *sql_open(const char *path, const char *vfs);

/* A new database app.db on the VFS under test with the table that SQL_CREATE_T makes;
 * asserts that it opens. */
#define SQL_CREATE_T "CREATE TABLE t(id INTEGER PRIMARY KEY, b)"
sqlite3 *sql_open_table(const char **path_out);

/* Asserts that nothing of the connection is left behind. NULL is fine. */
void sql_close(sqlite3 *db);

/* Runs all statements of sql and drops their rows. */
int sql_exec(sqlite3 *db, const char *sql);
int sql_execf(sqlite3 *db, const char *format, ...);

/* sql_exec, which asserts SQLITE_OK and prints the statement if not. */
void sql_must(sqlite3 *db, const char *sql);
void sql_mustf(sqlite3 *db, const char *format, ...);

/* The first column of the first row; SQLITE_DONE if there is no row. */
int sql_try_int(sqlite3 *db, const char *sql, int64_t *value_out);
int sql_try_text(sqlite3 *db, const char *sql, char *text, int text_bytes);

/* The same, asserted. */
int64_t sql_int(sqlite3 *db, const char *sql);

/* Hash of everything a SELECT could tell: schema, rows with their types,
 * user_version, encoding. Two databases of equal content hash equally,
 * wherever their pages lie. */
int sql_dump_hash(sqlite3 *db, uint64_t *hash_out);

/* Hash of the rows that one statement returns, chained onto *hash. */
int sql_hash_rows(sqlite3 *db, const char *sql, uint64_t *hash, int64_t *rows_out);

/* Asserts that PRAGMA integrity_check answers ok. */
void sql_check_integrity(sqlite3 *db, const char *what);

/* One integer of PRAGMA asyncvfs_status; -1 if it is not there. */
int64_t sql_status(sqlite3 *db, const char *key);
int64_t sql_status_of(sqlite3 *db, const char *schema, const char *key);

/* True if PRAGMA asyncvfs_status says that the database is managed. */
bool sql_is_ours(sqlite3 *db);

/* A deterministic stream of bits, for programs that two sides must share. */
uint64_t sql_mix(uint64_t x);
void sql_noise(uint64_t seed, void *bytes, size_t n);

/* Files */
bool sql_file_exists(const char *path);
int64_t sql_file_size(const char *path); /* -1 if there is none */
bool sql_file_copy(const char *from, const char *to);
bool sql_file_delete(const char *path); /* false if it exists and stays */
bool sql_file_write(const char *path, const void *bytes, size_t n);
int64_t sql_file_read(const char *path, int64_t offset, void *bytes, size_t n);

/* Beside a database: "-journal", "-wal", "-shm". The answer lives in one of
 * four buffers that are used in turn. */
const char *sql_beside(const char *path, const char *suffix);

/* Copies a database and its -journal, or takes both away, and what else lies beside it. */
bool sql_copy_database(const char *from, const char *to);
bool sql_delete_database(const char *path);

/* Asserts that neither -journal nor -wal nor -shm lies beside path. */
void sql_check_nothing_beside(const char *path);

/* A -journal that SQLite would roll back: it has a byte that is not zero. */
bool sql_journal_is_hot(const char *path);

#endif
