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
  bool ours = strstr(values[0], "\"ours\"") != NULL;
  bool passed = strstr(values[0], "\"passed\"") != NULL;
  say_text("mode", ours && !passed ? "ours" : passed && !ours ? "passed" : values[0]);
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
         "vfsname asyncvfs/win32", "mode ours", "close 0");
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
         "default win32", "open 0", "write 0", "vfsname asyncvfs/win32", "mode ours", "close 0",
         "as default 0", "default asyncvfs");
}

static void unregister_waits_for_the_last_close(void) {
  EXPECT(harness_spawn("unregister", scratch_path("unregistered.db"), NULL), "register 0",
         "open 0", "unregister 5", "write 0", "close 0", "unregister 0", "found no");
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
  ADD_TEST(suite, module_without_sqlite_is_refused_with_a_message);
  ADD_TEST(suite, disabled_by_environment_passes_everything_through);
  ADD_TEST(suite, process_without_sqlite_gets_a_clear_error);
}
