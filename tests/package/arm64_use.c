/* arm64_use.c: a program for Windows on ARM64 that commits through asyncvfs.dll, has it made durable,
 * and reads it back by SQLite's own VFS. Without a C runtime (cmake/mingw-w64-aarch64.cmake): it
 * prints by WriteFile, and begins at start().
 *
 * Prints "durable: COMMITS of COMMITS; rows: N; integrity: ok". Exit status 0, or 1 and what failed.
 */
#include <windows.h>

#include "asyncvfs.h"
#include "sqlite3.h"

enum { ROWS = 1000 };

static char answer[4000];   /* of the last query */

static void say(const char *text) {
  DWORD n;
  WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), text, (DWORD)lstrlenA(text), &n, NULL);
}

static void must(int rc, sqlite3 *db, const char *what) {
  if (rc == SQLITE_OK) return;
  say(what);
  say(": ");
  say(db != NULL ? sqlite3_errmsg(db) : "failed");
  ExitProcess(1);
}

static sqlite3 *open_by(const char *vfs) {
  sqlite3 *db = NULL;
  must(sqlite3_open_v2("file:arm64.db?max_lag_ms=60000", &db,
                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI, vfs), db, vfs);
  return db;
}

static int keep(void *unused, int n, char **values, char **names) {
  (void)unused;
  (void)n;
  (void)names;
  lstrcpynA(answer, values[0] != NULL ? values[0] : "", sizeof answer);
  return 0;
}

static const char *query(sqlite3 *db, const char *sql) {
  must(sqlite3_exec(db, sql, keep, NULL, NULL), db, sql);
  return answer;
}

static void commit_rows(sqlite3 *db) {
  int i;
  query(db, "CREATE TABLE t(x)");
  for (i = 0; i < ROWS; i++) query(db, "INSERT INTO t VALUES(randomblob(500))");
}

void start(void) {
  long long ticket;
  sqlite3 *db;
  DeleteFileA("arm64.db");
  must(asyncvfs_register(LoadLibraryA("e_sqlite3.dll"), 0, answer, sizeof answer), NULL, answer);
  db = open_by("asyncvfs");
  commit_rows(db);
  must(asyncvfs_ticket(db, "main", &ticket), db, "asyncvfs_ticket");
  must(asyncvfs_is_durable(ticket) == SQLITE_BUSY ? SQLITE_OK : SQLITE_ERROR, NULL, "in memory before the wait");
  must(asyncvfs_wait(ticket, ASYNCVFS_FOREVER), db, "asyncvfs_wait");
  say("durable: ");
  say(query(db, "SELECT json_extract(s, '$.durable_commits') || ' of ' || json_extract(s, '$.commits') "
                "FROM (SELECT asyncvfs_status() AS s)"));
  sqlite3_close(db);
  db = open_by("win32");
  say("; rows: ");
  say(query(db, "SELECT count(*) FROM t"));
  say("; integrity: ");
  say(query(db, "PRAGMA integrity_check"));
  say("\n");
  sqlite3_close(db);
  ExitProcess(0);
}
