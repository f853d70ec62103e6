/* fuzz.c: see fuzz.h. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "seam.h"

enum { STEPS_OF_A_STATEMENT = 200 };   /* times 1000 of SQLite's machine */

static char directory[] = "/dev/shm/asyncvfs-fuzz-XXXXXX";
static char path[100];
static int steps;

static void remove_directory(void) {
  (void)fuzz_fresh_database();
  rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  native_flush_us = 0;
  fuzz_check(mkdtemp(directory) != NULL, "mkdtemp");
  atexit(remove_directory);
  sqlite3_config(SQLITE_CONFIG_LOG, NULL, NULL);
  fuzz_check(native_start() == SQLITE_OK, "registration");
  sqlite3_hard_heap_limit64(64 << 20);
  return 0;
}

void fuzz_check(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "not so: %s\n", what);
  abort();
}

const char *fuzz_fresh_database(void) {
  static const char *const tails[] = {"", "-journal", "-wal", "-shm"};
  char name[140];
  int i;
  snprintf(path, sizeof path, "%s/f.db", directory);
  for (i = 0; i < 4; i++) {
    snprintf(name, sizeof name, "%s%s", path, tails[i]);
    unlink(name);
  }
  return path;
}

static int out_of_steps(void *arg) {
  (void)arg;
  return ++steps > STEPS_OF_A_STATEMENT;
}

/* No other file, and no wait without end. */
static int authorize(void *arg, int action, const char *a, const char *b, const char *c, const char *d) {
  (void)arg;
  (void)b;
  (void)c;
  (void)d;
  if (action == SQLITE_ATTACH) return SQLITE_DENY;
  if (action != SQLITE_PRAGMA) return SQLITE_OK;
  return sqlite3_stricmp(a, "busy_timeout") == 0 || sqlite3_stricmp(a, "temp_store_directory") == 0 ||
                 sqlite3_stricmp(a, "hard_heap_limit") == 0 || sqlite3_stricmp(a, "data_store_directory") == 0
             ? SQLITE_DENY : SQLITE_OK;
}

sqlite3 *fuzz_open(const char *name, const char *vfs) {
  sqlite3 *db = NULL;
  int rc = sqlite3_open_v2(name, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI, vfs);
  if (rc != SQLITE_OK) {
    sqlite3_close(db);
    return NULL;
  }
  steps = 0;
  sqlite3_progress_handler(db, 1000, out_of_steps, NULL);
  sqlite3_set_authorizer(db, authorize, NULL);
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1 << 20);
  return db;
}

void fuzz_close(sqlite3 *db) {
  fuzz_check(sqlite3_close(db) == SQLITE_OK, "it can be closed");
  fuzz_check(native_heap_blocks() == 0, "all memory is given back");
}
