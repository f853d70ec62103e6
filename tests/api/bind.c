/* bind.c: a child of test_loading.c: tables of SQLite's functions that are refused, or do not
 * live long. A file of its own, since api/bind.h sends all sqlite3_ calls of its includer
 * through the table that the library has copied: that it has one is what is tested. */
#include "api/bind.h"

#include <stdio.h>
#include <string.h>

#include "../harness.h"

/* These are called before there is one. */
#undef sqlite3_auto_extension
#undef sqlite3_reset_auto_extension
#undef sqlite3_open
#undef sqlite3_close

static const sqlite3_api_routines *of_sqlite;

static int take_table(sqlite3 *db, char **message, const sqlite3_api_routines *table) {
  (void)db;
  (void)message;
  of_sqlite = table;
  return SQLITE_OK;
}

static int version_number(void) { return 3034000; }
static const char *version(void) { return "3.34.0"; }
static int other_register(sqlite3_vfs *vfs, int make_default) {
  (void)vfs;
  return make_default;
}

static void say(const char *what, int rc) {
  printf("%s %d\n", what, rc);
  fflush(stdout);
}

static int bind_old(char *message, int bytes) {
  sqlite3_api_routines table = *of_sqlite;
  table.libversion_number = version_number;
  table.libversion = version;
  int rc = avfs_bind_table(&table, message, bytes);
  memset(&table, 0x41, sizeof table);
  return rc;
}

static int bind_good(void) {
  sqlite3_api_routines table = *of_sqlite;
  int rc = avfs_bind_table(&table, NULL, 0);
  memset(&table, 0x41, sizeof table);
  return rc;
}

/* argv: a database. */
int role_bind(int argc, char **argv) {
  char message[300] = "";
  sqlite3 *db = NULL;
  if (argc != 1) return 2;
  sqlite3_auto_extension((void (*)(void))take_table);
  sqlite3_open(":memory:", &db);
  sqlite3_close(db);
  sqlite3_reset_auto_extension();
  say("too old", bind_old(message, sizeof message));
  printf("message %s\n", message);
  say("good", bind_good());
  say("register", avfs_bind_register(0, NULL, 0));
  say("open", sqlite3_open_v2(argv[0], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "asyncvfs"));
  say("write", sqlite3_exec(db, "CREATE TABLE t(n); INSERT INTO t VALUES(1)", NULL, NULL, NULL));
  say("close", sqlite3_close(db));
  say("too old", bind_old(NULL, 0));
  sqlite3_api_routines other = *of_sqlite;
  other.vfs_register = other_register;
  say("another", avfs_bind_table(&other, NULL, 0));
  return 0;
}
