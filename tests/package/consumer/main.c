/* consumer.exe DATABASE [leave]: what somebody's program does with an installed asyncvfs.
 *
 * Commits a row through the VFS, flushes, and reads it again by SQLite's own VFS, and writes it
 * by the interface of the retired module.
 * leave: commits another and returns from main without closing the database.
 */
#include <asyncvfs.h>
#include <sqlite3.h>
#include <sqlite3async.h>
#include <stdio.h>
#include <string.h>

static int show(void *unused, int columns, char **values, char **names) {
  (void)unused;
  (void)columns;
  printf("%s: %s\n", names[0], values[0]);
  return 0;
}

static int run(const char *path, const char *vfs, const char *sql) {
  sqlite3 *db = NULL;
  char *error = NULL;
  int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs);
  if (rc == SQLITE_OK) rc = sqlite3_exec(db, sql, show, NULL, &error);
  if (rc != SQLITE_OK) fprintf(stderr, "consumer: %s: %s\n", vfs, error ? error : sqlite3_errmsg(db));
  sqlite3_free(error);
  sqlite3_close(db);
  return rc;
}

int main(int argc, char **argv) {
  char message[256];
  sqlite3 *db;
  if (argc < 2) return 2;
  if (asyncvfs_register(NULL, 0, message, sizeof message) != SQLITE_OK) {
    fprintf(stderr, "consumer: %s\n", message);
    return 1;
  }
  printf("version: %s\n", asyncvfs_version());
  if (strcmp(asyncvfs_version(), ASYNCVFS_VERSION) != 0) printf("the header's: %s\n", ASYNCVFS_VERSION);
  if (argc > 2 && strcmp(argv[2], "leave") == 0)
    return sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE, "asyncvfs") ||
           sqlite3_exec(db, "INSERT INTO note VALUES('left behind')", NULL, NULL, NULL);
  if (run(argv[1], "asyncvfs",
          "CREATE TABLE note(text); INSERT INTO note VALUES('by asyncvfs');"
          "SELECT json_extract(asyncvfs_status(), '$.mode') AS mode; PRAGMA asyncvfs_flush") ||
      run(argv[1], "win32", "SELECT text AS note FROM note; PRAGMA integrity_check"))
    return 1;
  if (sqlite3async_initialize(NULL, 0) != SQLITE_OK ||
      run(argv[1], SQLITEASYNC_VFSNAME, "UPDATE note SET text = text"))
    return 1;
  sqlite3async_shutdown();
  return 0;
}
