/* writer_thread.c: a program that was written for SQLite's module for asynchronous I/O
 * (ext/async), with the writer thread that the module asks for.
 *
 *   1. sqlite3async_initialize
 *   2. a thread of the program's calls sqlite3async_run
 *   3. SQLite is used as ever
 *   4. HALT_IDLE, and the thread is joined; sqlite3async_shutdown
 *
 * It is compiled twice, without a difference: writer_thread.exe with asyncvfs,
 * writer_thread_original.exe with the module itself. tests/sqlite3async/run_sqlite3async.sh
 * runs both and compares what they say, and the databases that they leave.
 *
 *   writer_thread.exe app.db
 */
#include <stdio.h>
#include <stdlib.h>

#include <windows.h>

#include <sqlite3.h>
#include "sqlite3async.h"

static int show_row(void *what, int columns, char **values, char **names) {
  int i;
  (void)names;
  printf("%s:", (const char *)what);
  for (i = 0; i < columns; i++) printf(" %s", values[i] == NULL ? "NULL" : values[i]);
  printf("\n");
  return 0;
}

static void run(sqlite3 *db, char *what, const char *sql) {
  char *message = NULL;
  int rc = sqlite3_exec(db, sql, show_row, what, &message);
  if (rc != SQLITE_OK) printf("%s: error %d, %s\n", what, rc, message);
  sqlite3_free(message);
}

static sqlite3 *open_database(const char *path, const char *vfs) {
  sqlite3 *db = NULL;
  if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs) != SQLITE_OK) {
    printf("%s: %s\n", path, sqlite3_errmsg(db));
    exit(1);
  }
  return db;
}

static void insert_notes(sqlite3 *db, int n) {
  sqlite3_stmt *insert = NULL;
  int i, done = 0;
  sqlite3_prepare_v2(db, "INSERT INTO note(number, text) VALUES(?, 'note ' || ?)", -1, &insert, NULL);
  for (i = 0; i < n; i++) {
    sqlite3_bind_int(insert, 1, i);
    sqlite3_bind_int(insert, 2, i);
    if (sqlite3_step(insert) == SQLITE_DONE) done++;   /* each a transaction of its own */
    sqlite3_reset(insert);
  }
  sqlite3_finalize(insert);
  printf("inserted: %d\n", done);
}

static DWORD WINAPI writer_thread(void *unused) {
  (void)unused;
  sqlite3async_run();
  return 0;
}

static void show_control(void) {
  int halt = -1, delay = -1, lock_files = -1;
  sqlite3async_control(SQLITEASYNC_GET_HALT, &halt);
  sqlite3async_control(SQLITEASYNC_GET_DELAY, &delay);
  sqlite3async_control(SQLITEASYNC_GET_LOCKFILES, &lock_files);
  printf("halt %d, delay %d, lockfiles %d\n", halt, delay, lock_files);
}

static void finish(HANDLE thread) {
  sqlite3async_control(SQLITEASYNC_HALT, SQLITEASYNC_HALT_IDLE);
  WaitForSingleObject(thread, INFINITE);
  CloseHandle(thread);
  sqlite3async_control(SQLITEASYNC_HALT, SQLITEASYNC_HALT_NEVER);
}

int main(int argc, char **argv) {
  sqlite3 *db, *other;
  HANDLE thread;
  if (argc != 2) return 2;

  printf("a parent that is not there: %d\n", sqlite3async_initialize("nobody", 0));
  printf("initialize: %d\n", sqlite3async_initialize(NULL, 1));
  printf("again: %d\n", sqlite3async_initialize(NULL, 1));
  printf("the default VFS: %s\n", sqlite3_vfs_find(NULL)->zName);
  show_control();
  printf("halt 7: %d, delay -1: %d, op 7: %d\n", sqlite3async_control(SQLITEASYNC_HALT, 7),
         sqlite3async_control(SQLITEASYNC_DELAY, -1), sqlite3async_control(7, 0));
  thread = CreateThread(NULL, 0, writer_thread, NULL, 0, NULL);

  db = open_database(argv[1], NULL);
  run(db, "create", "CREATE TABLE note(id INTEGER PRIMARY KEY, number, text); CREATE INDEX i ON note(number)");
  printf("lockfiles while open: %d\n", sqlite3async_control(SQLITEASYNC_LOCKFILES, 0));
  insert_notes(db, 300);
  other = open_database(argv[1], SQLITEASYNC_VFSNAME);
  run(other, "seen by another connection", "SELECT count(*), sum(number), max(text) FROM note");
  run(db, "begin", "BEGIN IMMEDIATE; UPDATE note SET number = -1");
  run(other, "before the commit", "SELECT count(*) FROM note WHERE number = -1");
  run(other, "while another writes", "INSERT INTO note(number) VALUES(0)");
  run(db, "rollback", "ROLLBACK");
  run(other, "after the rollback", "SELECT count(*) FROM note WHERE number = -1");
  run(db, "update", "BEGIN; UPDATE note SET text = text || '!' WHERE number % 3 = 0; COMMIT");
  run(other, "delete", "DELETE FROM note WHERE number >= 200");
  run(db, "now", "SELECT count(*), sum(number), max(text) FROM note");
  sqlite3_close(other);
  sqlite3_close(db);

  finish(thread);
  show_control();
  sqlite3async_shutdown();
  printf("found: %s\n", sqlite3_vfs_find(SQLITEASYNC_VFSNAME) == NULL ? "no" : "yes");

  db = open_database(argv[1], "win32");
  run(db, "in the file", "SELECT count(*), sum(number), max(text) FROM note");
  run(db, "integrity_check", "PRAGMA integrity_check");
  sqlite3_close(db);
  return 0;
}
