/* test_loading.c: the doors into the DLL, each in a process of its own.
 *
 * A child plays each part and prints what it got, line by line; the test says
 * what the lines must be. The DLL that is loaded by name is a second instance
 * beside the one in tests.exe, so these children never register the latter.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include <sqlite3.h>

#include "asyncvfs.h"
#include "harness.h"

#define LINE_MS 60000

static void say(const char *what, int rc) {
  printf("%s %d\n", what, rc);
  fflush(stdout);
}

static void say_text(const char *what, const char *text) {
  printf("%s %s\n", what, text == NULL ? "(null)" : text);
  fflush(stdout);
}

/* ---- the children's parts ---------------------------------------------------------- */

static sqlite3 *open_on(const char *path, const char *vfs) {
  sqlite3 *db = NULL;
  int rc = sqlite3_open_v2(path, &db,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI, vfs);
  say("open", rc);
  if (rc == SQLITE_OK) return db;
  say_text("message", sqlite3_errmsg(db));
  sqlite3_close(db);
  return NULL;
}

static void say_vfs_of(sqlite3 *db) {
  char *name = NULL;
  sqlite3_file_control(db, "main", SQLITE_FCNTL_VFSNAME, &name);
  say_text("vfsname", name);
  sqlite3_free(name);
}

static int say_mode(void *unused, int n, char **values, char **names) {
  (void)unused;
  (void)n;
  (void)names;
  bool managed = strstr(values[0], "\"managed\"") != NULL;
  bool passed = strstr(values[0], "\"passed\"") != NULL;
  say_text("mode", managed && !passed ? "managed" : passed && !managed ? "passed" : values[0]);
  return 0;
}

/* Writes through the VFS and says what it is. */
static void use(const char *path, const char *vfs) {
  sqlite3 *db = open_on(path, vfs);
  if (db == NULL) return;
  say("write",
      sqlite3_exec(db, "CREATE TABLE t(n); INSERT INTO t VALUES(1)", NULL, NULL, NULL));
  say_vfs_of(db);
  sqlite3_exec(db, "PRAGMA asyncvfs_status", say_mode, NULL, NULL);
  say("close", sqlite3_close(db));
}

/* argv: what to load, a database. As the shell's .load does it. */
int role_load_extension(int argc, char **argv) {
  char *message = NULL;
  sqlite3 *first = NULL;
  if (argc != 2) return 2;
  const char *default_before =
      sqlite3_vfs_find(NULL) == NULL ? "" : sqlite3_vfs_find(NULL)->zName;
  sqlite3_open(":memory:", &first);
  sqlite3_enable_load_extension(first, 1);
  int rc = sqlite3_load_extension(first, argv[0], NULL, &message);
  say("load", rc);
  if (rc != SQLITE_OK) { /* Windows' own words may end with a line's end */
    if (message != NULL) message[strcspn(message, "\r\n")] = 0;
    say_text("message", message);
  }
  sqlite3_free(message);
  say("load again", sqlite3_load_extension(first, argv[0], NULL, NULL));
  say("close", sqlite3_close(first)); /* the extension stays loaded */
  say_text("found", sqlite3_vfs_find("asyncvfs") == NULL ? "no" : "yes");
  say_text("default",
           strcmp(sqlite3_vfs_find(NULL)->zName, default_before) == 0 ? "same" : "other");
  use(argv[1], "asyncvfs");
  return 0;
}

/* argv: a database. */
int role_register(int argc, char **argv) {
  char message[300] = "untouched";
  if (argc != 1) return 2;
  use(argv[0], "asyncvfs"); /* before it is there */
  say("register", asyncvfs_register(NULL, 0, message, sizeof message));
  say_text("message", message);
  say("register again", asyncvfs_register(NULL, 0, NULL, 0));
  say_text("default", sqlite3_vfs_find(NULL)->zName);
  use(argv[0], "asyncvfs");
  say("as default", asyncvfs_register(NULL, ASYNCVFS_MAKE_DEFAULT, NULL, 0));
  say_text("default", sqlite3_vfs_find(NULL)->zName);
  return 0;
}

/* argv: a database. */
int role_unregister(int argc, char **argv) {
  if (argc != 1) return 2;
  say("register", asyncvfs_register(NULL, 0, NULL, 0));
  sqlite3 *db = open_on(argv[0], "asyncvfs");
  say("unregister", asyncvfs_unregister());
  say("write",
      sqlite3_exec(db, "CREATE TABLE t(n); INSERT INTO t VALUES(1)", NULL, NULL, NULL));
  say("close", sqlite3_close(db));
  say("unregister", asyncvfs_unregister());
  say_text("found", sqlite3_vfs_find("asyncvfs") == NULL ? "no" : "yes");
  return 0;
}

/* argv: a module's name, whose handle is handed over as SQLite's. */
int role_register_module(int argc, char **argv) {
  char message[300] = "untouched";
  if (argc != 1) return 2;
  HMODULE module = LoadLibraryA(argv[0]);
  say("register", asyncvfs_register((void *)module, 0, message, sizeof message));
  say_text("message", message);
  return 0;
}

/* argv: a database. */
int role_shutdown_again(int argc, char **argv) {
  if (argc != 1) return 2;
  say("register", asyncvfs_register(NULL, 0, NULL, 0));
  use(argv[0], "asyncvfs");
  say("shutdown", sqlite3_shutdown());
  sqlite3 *db = open_on(argv[0], "asyncvfs");
  say("flush", sqlite3_exec(db, "SELECT asyncvfs_flush(), asyncvfs_ticket()", NULL, NULL, NULL));
  sqlite3_reset_auto_extension();
  sqlite3 *other = open_on(argv[0], "asyncvfs");
  say("flush", sqlite3_exec(other, "SELECT asyncvfs_flush(), asyncvfs_ticket()", NULL, NULL, NULL));
  say("close", sqlite3_close(other));
  say("close", sqlite3_close(db));
  return 0;
}

static const char *opened_by_extension;   /* NULL: nothing */

static int open_the_same(sqlite3 *db, char **message, const struct sqlite3_api_routines *table) {
  const char *path = opened_by_extension;
  (void)db;
  (void)message;
  (void)table;
  if (path == NULL) return SQLITE_OK;
  opened_by_extension = NULL;
  sqlite3 *same = open_on(path, "asyncvfs");
  say("read", sqlite3_exec(same, "SELECT * FROM t", NULL, NULL, NULL));
  say("write", sqlite3_exec(same, "INSERT INTO t VALUES(2)", NULL, NULL, NULL));
  say("drain", sqlite3_exec(same, "PRAGMA asyncvfs_drain", NULL, NULL, NULL));
  say("close", sqlite3_close(same));
  return SQLITE_OK;
}

/* argv: a database. An automatic extension opens it while it is recovered, on the connection that
 * does so. */
int role_open_in_recovery(int argc, char **argv) {
  char path[MAX_PATH];
  if (argc != 1) return 2;
  say("register", asyncvfs_register(NULL, 0, NULL, 0));
  use(argv[0], "asyncvfs");
  snprintf(path, sizeof path, "%s-journal", argv[0]);
  FILE *f = fopen(path, "wb");
  fputs("not SQLite's", f);   /* rolls nothing back, but that has to be found out */
  fclose(f);
  sqlite3_auto_extension((void (*)(void))open_the_same);
  sqlite3 *db = open_on(argv[0], "asyncvfs");
  opened_by_extension = argv[0];
  say("read", sqlite3_exec(db, "SELECT * FROM t", NULL, NULL, NULL));
  say_text("recovered", opened_by_extension == NULL ? "yes" : "no");
  say("write", sqlite3_exec(db, "INSERT INTO t VALUES(2)", NULL, NULL, NULL));
  say("close", sqlite3_close(db));
  return 0;
}

static DWORD WINAPI ask_the_time(void *db) {
  for (int i = 0; i < 3000; i++) {
    int rc = sqlite3_exec(db, "SELECT datetime('now')", NULL, NULL, NULL);
    if (rc != SQLITE_OK) return (DWORD)rc;
  }
  return 0;
}

/* argv: a database. A connection that is passed through uses the VFS while it comes and goes. */
int role_register_meanwhile(int argc, char **argv) {
  char uri[MAX_PATH];
  DWORD rc = 1;
  if (argc != 1) return 2;
  say("register", asyncvfs_register(NULL, 0, NULL, 0));
  snprintf(uri, sizeof uri, "file:%s?psow=0", argv[0]);
  sqlite3 *db = open_on(uri, "asyncvfs");
  sqlite3_exec(db, "PRAGMA asyncvfs_status", say_mode, NULL, NULL);
  HANDLE thread = CreateThread(NULL, 0, ask_the_time, db, 0, NULL);
  while (WaitForSingleObject(thread, 0) == WAIT_TIMEOUT) {
    for (int i = 0; i < 100; i++) {
      asyncvfs_unregister();
      asyncvfs_register(NULL, 0, NULL, 0);
    }
  }
  GetExitCodeThread(thread, &rc);
  say("time", (int)rc);
  say("unregister", asyncvfs_unregister());
  say("write",
      sqlite3_exec(db, "CREATE TABLE t(n); INSERT INTO t VALUES(1)", NULL, NULL, NULL));
  say("close", sqlite3_close(db));
  return 0;
}

/* ---- the tests --------------------------------------------------------------------- */

/* Every expected line, in order; "message*" stands for any message line, which
 * must contain something and is kept. */
static char last_message[400];

static void expect(harness_child *child, const char *const *lines) {
  char line[600];
  if (child == NULL) return;
  last_message[0] = 0;
  for (int i = 0; lines[i] != NULL; i++) {
    if (!harness_child_read_line(child, line, sizeof line, LINE_MS)) {
      FAIL("the child ended before it said \"%s\"", lines[i]);
      break;
    }
    if (strcmp(lines[i], "message*") == 0) {
      if (strncmp(line, "message ", 8) != 0 || line[8] == 0)
        FAIL("no message: \"%s\"", line);
      else
        snprintf(last_message, sizeof last_message, "%s", line + 8);
      continue;
    }
    CHECK_STR_EQ(line, lines[i]);
  }
  int status = -1;
  CHECK(harness_child_wait(child, LINE_MS, &status));
  CHECK_EQ(status, 0);
  harness_child_free(child);
}

#define EXPECT(child, ...) expect(child, (const char *const[]){__VA_ARGS__, NULL})

static bool has_dll(void) {
  char path[MAX_PATH];
  GetModuleFileNameA(NULL, path, sizeof path);
  snprintf(strrchr(path, '\\') + 1, 16, "asyncvfs.dll");
  return CHECK(GetFileAttributesA(path) != INVALID_FILE_ATTRIBUTES);
}

static void load_extension_registers_and_leaves_the_default(void) {
  if (!has_dll()) return;
  EXPECT(harness_spawn("load_extension", "asyncvfs", scratch_path("loaded.db"), NULL), "load 0",
         "load again 0", "close 0", "found yes", "default same", "open 0", "write 0",
         "vfsname asyncvfs/win32", "mode managed", "close 0");
}

static void load_extension_of_a_missing_file_says_so(void) {
  harness_child *child =
      harness_spawn("load_extension", "nosuchvfs", scratch_path("loaded.db"), NULL);
  EXPECT(child, "load 1", "message*", "load again 1", "close 0", "found no", "default same",
         "open 1", "message no such vfs: asyncvfs");
}

static void register_twice_is_fine(void) {
  EXPECT(harness_spawn("register", scratch_path("registered.db"), NULL), "open 1",
         "message no such vfs: asyncvfs", "register 0", "message ", "register again 0",
         "default win32", "open 0", "write 0", "vfsname asyncvfs/win32", "mode managed", "close 0",
         "as default 0", "default asyncvfs");
}

static void unregister_waits_for_the_last_close(void) {
  EXPECT(harness_spawn("unregister", scratch_path("unregistered.db"), NULL), "register 0",
         "open 0", "unregister 5", "write 0", "close 0", "unregister 0", "found no");
}

static void functions_come_back_after_a_shutdown(void) {
  EXPECT(harness_spawn("shutdown_again", scratch_path("again.db"), NULL), "register 0", "open 0",
         "write 0", "vfsname asyncvfs/win32", "mode managed", "close 0", "shutdown 0", "open 0",
         "flush 0", "open 0", "flush 0", "close 0", "close 0");
}

static void extension_that_opens_a_database_in_recovery_is_told_busy(void) {
  EXPECT(harness_spawn("open_in_recovery", scratch_path("recovered.db"), NULL), "register 0",
         "open 0", "write 0", "vfsname asyncvfs/win32", "mode managed", "close 0", "open 0", "open 0",
         "read 5", "write 5", "drain 5", "close 0", "read 0", "recovered yes", "write 0", "close 0");
}

static void passed_connection_outlives_the_registration(void) {
  EXPECT(harness_spawn("register_meanwhile", scratch_path("passed.db"), NULL), "register 0",
         "open 0", "mode passed", "time 0", "unregister 0", "write 0", "close 0");
}

static void module_of_a_bound_sqlite_stays(void) {
  if (!has_dll()) return;
  EXPECT(harness_spawn_program("no_sqlite.exe", "unload", NULL), "loaded", "sqlite3.dll no",
         "register 0", "sqlite3.dll yes", "the same yes", "register 0", "unregister 0");
}

static void refused_sqlite_leaves_nothing_behind(void) {
  EXPECT(harness_spawn("bind", scratch_path("bound.db"), NULL), "too old 1", "message*",
         "good 0", "register 0", "open 0", "write 0", "close 0", "too old 1", "another 21");
  CHECK(strstr(last_message, "3.34.0") != NULL);
}

static void module_without_sqlite_is_refused_with_a_message(void) {
  EXPECT(harness_spawn("register_module", "ntdll.dll", NULL), "register 12", "message*");
  CHECK(strstr(last_message, "SQLite") != NULL);
}

static void disabled_by_environment_passes_everything_through(void) {
  SetEnvironmentVariableA("ASYNCVFS_DISABLE", "1");
  harness_child *child = harness_spawn("register", scratch_path("disabled.db"), NULL);
  SetEnvironmentVariableA("ASYNCVFS_DISABLE", NULL);
  EXPECT(child, "open 1", "message no such vfs: asyncvfs", "register 0", "message ",
         "register again 0", "default win32", "open 0", "write 0", "vfsname asyncvfs/win32",
         "mode passed", "close 0", "as default 0", "default asyncvfs");
}

static void process_without_sqlite_gets_a_clear_error(void) {
  if (!has_dll()) return;
  EXPECT(harness_spawn_program("no_sqlite.exe", NULL), "loaded", "sqlite3.dll no",
         "register 12", "message*");
  CHECK(strstr(last_message, "SQLite") != NULL);
}

void suite_loading(void) {
  CU_pSuite suite = CU_add_suite("loading", NULL, NULL);
  ADD_TEST(suite, load_extension_registers_and_leaves_the_default);
  ADD_TEST(suite, load_extension_of_a_missing_file_says_so);
  ADD_TEST(suite, register_twice_is_fine);
  ADD_TEST(suite, unregister_waits_for_the_last_close);
  ADD_TEST(suite, functions_come_back_after_a_shutdown);
  ADD_TEST(suite, extension_that_opens_a_database_in_recovery_is_told_busy);
  ADD_TEST(suite, passed_connection_outlives_the_registration);
  ADD_TEST(suite, module_of_a_bound_sqlite_stays);
  ADD_TEST(suite, refused_sqlite_leaves_nothing_behind);
  ADD_TEST(suite, module_without_sqlite_is_refused_with_a_message);
  ADD_TEST(suite, disabled_by_environment_passes_everything_through);
  ADD_TEST(suite, process_without_sqlite_gets_a_clear_error);
}
