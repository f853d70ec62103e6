/* quickstart.c: the least a program does to use AsyncVfs.
 *
 * Link SQLite as ever; asyncvfs.dll lies beside the program.
 */
#include <sqlite3.h>
#include <stdio.h>

static int show_row(void *unused, int columns, char **values, char **names) {
  (void)unused;
  (void)columns;
  printf("%s: %s\n", names[0], values[0]);
  return 0;
}

int main(void) {
  sqlite3 *db;
  char *error = NULL;

  /* Once in a process, through any connection: load the DLL. */
  sqlite3_open(":memory:", &db);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
  int rc = sqlite3_load_extension(db, "asyncvfs", NULL, &error);
  sqlite3_close(db);
  if (rc != SQLITE_OK) {
    fprintf(stderr, "asyncvfs: %s\n", error);
    return 1;
  }

  /* From then on: the VFS by its name, all else as ever. */
  sqlite3_open_v2("quickstart.db", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "asyncvfs");
  rc = sqlite3_exec(db,
                    "CREATE TABLE IF NOT EXISTS note(text);"
                    "INSERT INTO note VALUES('returns at memory speed')",
                    NULL, NULL, &error);
  if (rc == SQLITE_OK) /* returns when all of that is on disk, flushed */
    rc = sqlite3_exec(db, "PRAGMA asyncvfs_flush", NULL, NULL, &error);
  if (rc == SQLITE_OK)
    rc = sqlite3_exec(db, "SELECT count(*) AS notes FROM note", show_row, NULL, &error);
  if (rc != SQLITE_OK) fprintf(stderr, "quickstart.db: %s\n", error);
  sqlite3_close(db); /* whatever is not on disk yet is now */
  return rc != SQLITE_OK;
}
