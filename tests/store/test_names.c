/* test_names.c: when two names are one database, and what has no store for the sake of its name.
 *
 * Scenarios, in child processes (scenario.h). What the file system tells of a file is up to
 * faulty_io.h: so it is here as on volumes that nobody has at hand.
 */
#include "store/scenario.h"

#include <stdio.h>
#include <string.h>

#include "asyncvfs.h"
#include "store/one_file.h"
#include "seam/heap.h"
#include "seam/log.h"

/* ---- tools ------------------------------------------------------------------------- */

static bool is_mode(sqlite3 *db, const char *mode, const char *reason) {
  char status[4000] = "", expected[100];
  if (sql_try_text(db, "PRAGMA asyncvfs_status", status, sizeof status) != SQLITE_OK) return false;
  snprintf(expected, sizeof expected, "\"mode\":\"%s\"", mode);
  if (strstr(status, expected) != NULL && strstr(status, reason) != NULL) return true;
  harness_print("the status is %.200s\n", status);
  return false;
}

static bool is_passed(sqlite3 *db, const char *reason) { return is_mode(db, "passed", reason); }
static bool is_ours(sqlite3 *db) { return sql_is_ours(db); }

static bool tables_are(sqlite3 *db, const char *expected) {
  char names[200] = "";
  int rc = sql_try_text(db, "SELECT group_concat(name) FROM sqlite_master", names, sizeof names);
  if (rc == SQLITE_OK && strcmp(names, expected) == 0) return true;
  harness_print("%d: tables %s\n", rc, names);
  return false;
}

static char *copy(const char *text) {
  char *to = avfs_alloc(strlen(text) + 1);
  return to == NULL ? NULL : strcpy(to, text);
}

/* ---- the decision -------------------------------------------------------------------- */

static void whose_name_is_certain(void) {
  static char place[] = "\\DEVICE\\X\\A.DB";
  static const struct {
    const char *name;
    avfs_identity id;
    const char *reason;   /* NULL: none */
  } cases[] = {
      {"C:\\x\\a.db", {1, 0, 5, 1, 1, place}, NULL},
      {"\\\\?\\C:\\x\\a.db", {1, 0, 5, 1, 1, place}, NULL},
      {"C:/x/a.db", {1, 7, 0, 1, 1, place}, NULL},
      {"C:\\x\\a.db", {1, 0, 0, 1, 1, place}, "no identity"},
      {"C:\\x\\a.db", {1, 0, UINT64_MAX, 1, 1, place}, "no identity"},
      {"C:\\x\\a.db", {1, UINT64_MAX, UINT64_MAX, 1, 1, place}, "no identity"},
      {"C:\\x\\a.db", {1, 0, 5, 2, 1, place}, "hard links"},
      {"C:\\x\\a.db", {1, 0, 5, 0, 1, place}, "how many names"},
      {"C:\\x\\a.db", {1, 0, 5, 1, 0, place}, "symbolic link"},
      {"C:\\x\\a.db", {1, 0, 5, 1, 1, NULL}, "final path"},
      {"C:\\x\\a.db:x", {1, 0, 5, 1, 1, place}, "stream"},
      {"C:\\x\\a.db::$DATA", {1, 0, 5, 1, 1, place}, "stream"},
      {"C:/x/a.db:x", {1, 0, 5, 1, 1, place}, "stream"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const char *reason = avfs_one_file_doubt(cases[i].name, &cases[i].id);
    bool as_expected = cases[i].reason == NULL ? reason == NULL
                                               : reason != NULL && strstr(reason, cases[i].reason) != NULL;
    if (!as_expected) FAIL("case %d: %s", (int)i, reason == NULL ? "no doubt" : reason);
  }
}

static void files_are_one_if_all_says_so(void) {
  static char here[] = "\\X\\A", there[] = "\\X\\B";
  const avfs_identity a = {1, 2, 3, 1, 1, here};
  avfs_identity b = a;
  CHECK_EQ(avfs_same_file(&a, &b), AVFS_SAME_FILE);
  b.place = there;
  CHECK_EQ(avfs_same_file(&a, &b), AVFS_PERHAPS_SAME_FILE);
  b.index_low++;
  CHECK_EQ(avfs_same_file(&a, &b), AVFS_OTHER_FILE);
  b.place = here;
  CHECK_EQ(avfs_same_file(&a, &b), AVFS_PERHAPS_SAME_FILE);
  b = a;
  b.index_high++;
  CHECK_EQ(avfs_same_file(&a, &b), AVFS_PERHAPS_SAME_FILE);
  b = a;
  b.volume++;
  CHECK_EQ(avfs_same_file(&a, &b), AVFS_PERHAPS_SAME_FILE);
}

/* ---- what file systems tell ------------------------------------------------------------ */

static void be_zero(const char *path, avfs_identity *id) {
  (void)path;
  id->index_low = id->index_high = 0;
}

static void be_ones(const char *path, avfs_identity *id) {
  (void)path;
  id->index_low = id->index_high = UINT64_MAX;
}

static void be_seven(const char *path, avfs_identity *id) {
  (void)path;
  id->index_low = 7;
  id->index_high = 0;
}

static void be_nowhere(const char *path, avfs_identity *id) {
  (void)path;
  avfs_free(id->place);
  id->place = NULL;
}

static void be_in_one_place(const char *path, avfs_identity *id) {
  (void)path;
  avfs_free(id->place);
  id->place = copy("\\ONE\\PLACE");
}

static void be_an_alias(const char *path, avfs_identity *id) {
  if (strstr(path, "alias") != NULL) id->is_own_name = 0;
}

static void have_two_names(const char *path, avfs_identity *id) {
  (void)path;
  id->links = 2;
}

static void have_one_name(const char *path, avfs_identity *id) {
  (void)path;
  id->links = 1;
}

/* Passed through for `reason`, both stay databases of their own. */
static void check_passed(void (*change)(const char *path, avfs_identity *id), const char *reason) {
  const char *path_a = scratch_path("a.db"), *path_b = scratch_path("b.db");
  sqlite3 *a, *b;
  faulty_identify(change);
  a = scenario_open(path_a, "");
  EXPECT(sql_exec(a, "CREATE TABLE customers(name)") == SQLITE_OK);
  b = scenario_open(path_b, "");
  EXPECT(sql_exec(b, "CREATE TABLE orders(n)") == SQLITE_OK);
  EXPECT(is_passed(a, reason) && is_passed(b, reason));
  EXPECT(tables_are(a, "customers") && tables_are(b, "orders"));
  EXPECT(sqlite3_close(a) == SQLITE_OK && sqlite3_close(b) == SQLITE_OK);
}

static void files_numbered_zero_are_passed_through(void) { check_passed(be_zero, "no identity"); }
static void files_numbered_all_ones_are_passed_through(void) { check_passed(be_ones, "no identity"); }
static void files_without_a_final_path_are_passed_through(void) { check_passed(be_nowhere, "final path"); }
static void files_with_two_names_are_passed_through(void) { check_passed(have_two_names, "hard links"); }

static void volumes_not_certainly_local_are_passed_through(void) {
  faulty_be_remote(true);
  check_passed(NULL, "network");
}

/* Of two files that are one by half of what is told, the first has a store. */
static void check_second_passed(void (*change)(const char *path, avfs_identity *id)) {
  const char *path_a = scratch_path("a.db"), *path_b = scratch_path("b.db");
  sqlite3 *a, *again, *b;
  faulty_identify(change);
  a = scenario_open(path_a, "");
  EXPECT(sql_exec(a, "CREATE TABLE customers(name)") == SQLITE_OK);
  b = scenario_open(path_b, "");
  EXPECT(sql_exec(b, "CREATE TABLE orders(n)") == SQLITE_OK);
  EXPECT(is_ours(a) && is_passed(b, "does not tell this file from another"));
  EXPECT(tables_are(a, "customers") && tables_are(b, "orders"));
  EXPECT(sqlite3_close(a) == SQLITE_OK);
  again = scenario_open(path_b, "");   /* nothing is in its way now */
  EXPECT(is_ours(again) && tables_are(again, "orders"));
  EXPECT(sqlite3_close(b) == SQLITE_OK && sqlite3_close(again) == SQLITE_OK);
}

static void files_of_one_number_stay_two(void) { check_second_passed(be_seven); }
static void files_of_one_place_stay_two(void) { check_second_passed(be_in_one_place); }

static void a_name_that_is_not_the_files_own_is_passed_through(void) {
  const char *path = scratch_path("alias.db");
  sqlite3 *db;
  faulty_identify(be_an_alias);
  db = scenario_open_table(path, "");
  EXPECT(is_passed(db, "symbolic link"));
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(1, 'x')") == SQLITE_OK);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  scenario_check_stock(path, 1, 1);
}

/* ---- hard links -------------------------------------------------------------------------- */

static void a_link_made_later_is_seen_at_the_next_fresh_lock(void) {
  const char *path = scratch_path("later.db"), *link = sql_beside(path, "-link");
  sqlite3 *db = scenario_open_table(path, "");
  EXPECT(is_ours(db));
  EXPECT(sql_exec(db, "PRAGMA asyncvfs_drain") == SQLITE_OK);
  EXPECT(CreateHardLinkA(link, path, NULL));
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(1, 'x')") == SQLITE_OK);
  EXPECT(is_passed(db, "hard links"));
  faulty_identify(have_one_name);   /* the link cannot be deleted while the file is open */
  EXPECT(sql_exec(db, "INSERT INTO t VALUES(2, 'x')") == SQLITE_OK);
  EXPECT(is_ours(db));
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  scenario_check_stock(path, 2, 2);
}

/* What other connections of the process committed before the file got its second name is this
 * database's too: who asks by either name waits for it. */
static void a_flush_by_either_name_is_one_of_the_file(void) {
  const char *path = scratch_path("kept.db"), *link = sql_beside(path, "-link");
  sqlite3 *keeper = scenario_open_table(path, ""), *by_link, *by_name;
  long long ticket = 0;
  EXPECT(sql_exec(keeper, "PRAGMA locking_mode=EXCLUSIVE; SELECT 1 FROM t") == SQLITE_OK);
  faulty_fail(CALL_FLUSH, 1, FAULTY_ALWAYS, NULL);
  EXPECT(sql_exec(keeper, "INSERT INTO t VALUES(1, 'x')") == SQLITE_OK);
  EXPECT(CreateHardLinkA(link, path, NULL));
  by_link = scenario_open(link, "");
  by_name = scenario_open(path, "");
  EXPECT(is_passed(by_link, "hard links") && is_passed(by_name, "hard links") && is_ours(keeper));
  EXPECT(asyncvfs_ticket(by_link, "main", &ticket) == SQLITE_OK && asyncvfs_wait(ticket, 0) != SQLITE_OK);
  EXPECT(asyncvfs_flush(link, 0) == SQLITE_BUSY || asyncvfs_flush(link, 0) == SQLITE_IOERR_FSYNC);
  EXPECT(sql_exec(by_link, "PRAGMA asyncvfs_flush") != SQLITE_OK);
  EXPECT(sql_exec(by_name, "PRAGMA asyncvfs_flush") != SQLITE_OK);
  faulty_fail(CALL_FLUSH, 0, 0, NULL);
  EXPECT(sql_exec(keeper, "PRAGMA locking_mode=NORMAL; SELECT 1 FROM t") == SQLITE_OK);
  EXPECT(sqlite3_close(by_link) == SQLITE_OK && sqlite3_close(by_name) == SQLITE_OK);
  EXPECT(sqlite3_close(keeper) == SQLITE_OK);
  scenario_check_stock(path, 1, 1);
}

/* A database torn by stock SQLite, with the journal that takes it back, by copies. */
static bool make_torn(const char *path) {
  const char *from = scratch_path("from.db");
  sqlite3 *db = NULL;
  bool ok = sql_try_open(from, SQL_STOCK_VFS, &db) == SQLITE_OK &&
            sql_exec(db, "PRAGMA cache_size=5; CREATE TABLE t(a INTEGER PRIMARY KEY, b, c);"
                     "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 400)"
                     "INSERT INTO t SELECT i, 0, zeroblob(3000) FROM n;"
                     "BEGIN; UPDATE t SET b = b + 1 WHERE a < 390") == SQLITE_OK &&
            sql_copy_database(from, path);
  sqlite3_close(db);
  return ok && sql_journal_is_hot(path);
}

/* While a connection is open by the other name. */
static void a_hot_journal_is_seen_beside_either_name(void) {
  const char *path = scratch_path("real.db"), *link = sql_beside(path, "-link");
  sqlite3 *by_link, *db;
  int64_t sum = -1;
  if (!EXPECT(make_torn(path)) || !EXPECT(CreateHardLinkA(link, path, NULL))) return;
  by_link = scenario_open(link, "");
  (void)sql_exec(by_link, "SELECT 1 FROM sqlite_master");
  db = scenario_open(path, "");
  EXPECT(sql_try_int(db, "SELECT sum(b) FROM t", &sum) == SQLITE_OK && sum == 0);
  EXPECT(sql_exec(db, "UPDATE t SET b = b + 1 WHERE a = 1") == SQLITE_OK);
  EXPECT(sqlite3_close(by_link) == SQLITE_OK && sqlite3_close(db) == SQLITE_OK);
  db = NULL;
  EXPECT(sql_try_open(path, SQL_STOCK_VFS, &db) == SQLITE_OK);
  EXPECT(sql_try_int(db, "SELECT sum(b) FROM t", &sum) == SQLITE_OK && sum == 1);
  sqlite3_close(db);
}

/* ---- other reasons ---------------------------------------------------------------------- */

static void exclusive_is_passed_through_and_says_so(void) {
  const char *path = scratch_path("alone.db");
  sqlite3 *db = NULL;
  EXPECT(sql_try_open(sql_uri(path, "exclusive=1"), "asyncvfs", &db) == SQLITE_OK);
  EXPECT(sql_exec(db, "CREATE TABLE t(a)") == SQLITE_OK);
  EXPECT(is_passed(db, "\"reason\":\"exclusive=1\""));
  EXPECT(sqlite3_close(db) == SQLITE_OK);
}

/* As .NET's Environment.SetEnvironmentVariable does it: the C library does not hear of it. */
static void disabled_by_the_environment_of_windows(void) {
  const char *path = scratch_path("disabled.db");
  sqlite3 *db;
  SetEnvironmentVariableA("ASYNCVFS_DISABLE", "1");
  db = scenario_open_table(path, "");
  EXPECT(is_passed(db, "ASYNCVFS_DISABLE"));
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  SetEnvironmentVariableA("ASYNCVFS_DISABLE", NULL);
  db = scenario_open(path, "");
  EXPECT(is_ours(db));
  EXPECT(sqlite3_close(db) == SQLITE_OK);
}

/* A program that goes to another folder writes no second log there. */
static void a_relative_log_stays_where_it_was(void) {
  const char *first = scratch_path("log.txt"), *second = scratch_path("log.txt");
  char folder[1000];
  sqlite3 *db = NULL;
  int64_t size;
  snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(first, '\\') - first), first);
  EXPECT(SetCurrentDirectoryA(folder));
  SetEnvironmentVariableA("ASYNCVFS_LOG", "log.txt");
  avfs_log_start();   /* as the registration does */
  snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(second, '\\') - second), second);
  EXPECT(SetCurrentDirectoryA(folder));
  (void)sql_try_open(sql_uri(scratch_path("x.db"), "max_lag_ms=abc"), "asyncvfs", &db);
  size = sql_file_size(first);
  EXPECT(size > 0 && !sql_file_exists(second));
  SetEnvironmentVariableA("ASYNCVFS_LOG", ".\\log.txt");   /* another value is looked at anew */
  (void)sql_try_open(sql_uri(scratch_path("x.db"), "max_lag_ms=abc"), "asyncvfs", &db);
  EXPECT(sql_file_size(first) == size && sql_file_exists(second));
}

/* ---- asyncvfs_flush and asyncvfs_status by path --------------------------------------------- */

static void check_spelling(sqlite3 *db, const char *spelling, int id) {
  char json[4000];
  EXPECT(sql_execf(db, "INSERT INTO t VALUES(%d, 'x')", id) == SQLITE_OK);
  if (!EXPECT(asyncvfs_flush(spelling, 60000) == SQLITE_OK)) harness_print("by %s\n", spelling);
  EXPECT(sql_status(db, "durable_commits") == sql_status(db, "commits"));
  EXPECT(asyncvfs_status(spelling, json, sizeof json) == SQLITE_OK);
  EXPECT(strstr(json, "\"mode\":\"managed\"") != NULL);
}

static void a_path_is_found_however_it_is_written(void) {
  const char *path = scratch_path("A long name.db");
  char text[1000], folder[1000], json[4000];
  sqlite3 *db = scenario_open_table(path, "max_lag_ms=60000");
  check_spelling(db, sqlite3_db_filename(db, "main"), 1);
  check_spelling(db, path, 2);
  snprintf(text, sizeof text, "%s", path);
  for (char *c = text; *c != 0; c++) {
    if (*c == '\\') *c = '/';
  }
  check_spelling(db, text, 3);
  snprintf(text, sizeof text, "%s", path);
  CharUpperA(text);
  check_spelling(db, text, 4);
  if (GetShortPathNameA(path, text, sizeof text) > 0) check_spelling(db, text, 5);
  snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '\\') - path), path);
  EXPECT(SetCurrentDirectoryA(folder));
  check_spelling(db, "A long name.db", 6);
  check_spelling(db, "a LONG name.DB", 7);
  check_spelling(db, ".\\x\\..\\A long name.db", 8);
  EXPECT(asyncvfs_flush("another.db", 0) == SQLITE_NOTFOUND);
  EXPECT(asyncvfs_status("another.db", json, sizeof json) == SQLITE_NOTFOUND);
  EXPECT(asyncvfs_flush("", 0) == SQLITE_NOTFOUND);
  EXPECT(sqlite3_close(db) == SQLITE_OK);
  EXPECT(asyncvfs_flush(path, 0) == SQLITE_NOTFOUND);
}

/* ---- many databases ------------------------------------------------------------------------- */

enum { MANY = 200 };

static int found_by_path(char paths[MANY][300], sqlite3 **db) {
  int wrong = 0;
  for (int i = 0; i < MANY; i++) {
    wrong += asyncvfs_flush(paths[i], 60000) != (db[i] != NULL ? SQLITE_OK : SQLITE_NOTFOUND);
  }
  return wrong;
}

/* Their names end alike, as tenants' do. */
static void each_of_many_databases_is_found(void) {
  static char paths[MANY][300];
  static sqlite3 *db[MANY];
  static long long ticket[MANY];
  char folder[300];
  int durable = 0;
  for (int i = 0; i < MANY; i++) {
    snprintf(paths[i], sizeof paths[i], "%s", scratch_path("x"));
    snprintf(folder, sizeof folder, "%.*s%04d", (int)(strrchr(paths[i], '\\') + 1 - paths[i]), paths[i], i);
    EXPECT(CreateDirectoryA(folder, NULL));
    snprintf(paths[i], sizeof paths[i], "%s\\main.db", folder);
    db[i] = scenario_open(paths[i], "max_lag_ms=60000");
    EXPECT(sql_execf(db[i], "CREATE TABLE t(a); INSERT INTO t VALUES(%d)", i) == SQLITE_OK);
    EXPECT(asyncvfs_ticket(db[i], "main", &ticket[i]) == SQLITE_OK);
  }
  EXPECT(asyncvfs_flush(NULL, 60000) == SQLITE_OK);
  for (int i = 0; i < MANY; i++) durable += sql_status(db[i], "durable_commits") == 2;
  EXPECT(durable == MANY);
  EXPECT(found_by_path(paths, db) == 0);
  for (int i = 0; i < MANY; i += 3) {
    EXPECT(sqlite3_close(db[i]) == SQLITE_OK);
    db[i] = NULL;
  }
  EXPECT(found_by_path(paths, db) == 0);
  for (int i = 0; i < MANY; i++) {
    EXPECT(asyncvfs_wait(ticket[i], 0) == SQLITE_OK);
    if (db[i] == NULL) db[i] = scenario_open(paths[i], "");
  }
  EXPECT(found_by_path(paths, db) == 0);
  EXPECT(asyncvfs_flush(NULL, 60000) == SQLITE_OK);
  for (int i = MANY; i-- > 0;) EXPECT(sqlite3_close(db[i]) == SQLITE_OK);
}

/* ---- the suite --------------------------------------------------------------------------- */

static const scenario scenarios[] = {
    SCENARIO(files_numbered_zero_are_passed_through),
    SCENARIO(files_numbered_all_ones_are_passed_through),
    SCENARIO(files_without_a_final_path_are_passed_through),
    SCENARIO(files_with_two_names_are_passed_through),
    SCENARIO(volumes_not_certainly_local_are_passed_through),
    SCENARIO(files_of_one_number_stay_two),
    SCENARIO(files_of_one_place_stay_two),
    SCENARIO(a_name_that_is_not_the_files_own_is_passed_through),
    SCENARIO(a_link_made_later_is_seen_at_the_next_fresh_lock),
    SCENARIO(a_flush_by_either_name_is_one_of_the_file),
    SCENARIO(a_hot_journal_is_seen_beside_either_name),
    SCENARIO(exclusive_is_passed_through_and_says_so),
    SCENARIO(disabled_by_the_environment_of_windows),
    SCENARIO(a_relative_log_stays_where_it_was),
    SCENARIO(a_path_is_found_however_it_is_written),
    SCENARIO(each_of_many_databases_is_found),
    {NULL, NULL},
};

int role_names(int argc, char **argv) { return scenario_run(scenarios, argc, argv); }

void suite_names(void) {
  CU_pSuite suite = CU_add_suite("names", NULL, NULL);
  ADD_TEST(suite, whose_name_is_certain);
  ADD_TEST(suite, files_are_one_if_all_says_so);
  scenario_add_all(suite, scenarios);
}
