/* test_bad_input.c: what is no database, or not where it should be, is
 * answered as win32 answers it; what is wrong in our own parameters is
 * answered by a message that names the parameter.
 *
 * The first half makes the same odd file twice, works on the one through win32
 * and on the other through the VFS under test, and compares every extended
 * code, and what lies there afterwards.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "harness.h"
#include "sql_tools.h"

#define NOT_TRIED (-1)

/* ---- the same on both ------------------------------------------------------ */

typedef struct outcome {
  int open;
  int read;
  int write;
  int commit;
  int again; /* read by a second connection, after the first has closed */
  int64_t n;
  bool journal_left;
  bool wal_left;
} outcome;

static outcome work_on(const char *path, const char *vfs, int flags) {
  outcome o = {NOT_TRIED, NOT_TRIED, NOT_TRIED, NOT_TRIED, NOT_TRIED, -1, false, false};
  sqlite3 *db = NULL;
  o.open = sql_try_open_flags(path, vfs, flags, &db);
  if (db != NULL) {
    o.read = sql_try_int(db, "SELECT count(*) FROM sqlite_schema", &o.n);
    if (o.read == SQLITE_OK) sql_try_int(db, "SELECT n FROM t", &o.n);
    o.write = sql_exec(db, "BEGIN IMMEDIATE");
    if (o.write == SQLITE_OK)
      o.write = sql_exec(db, "CREATE TABLE added(x); INSERT INTO added VALUES(1)");
    if (!sqlite3_get_autocommit(db)) o.commit = sql_exec(db, "COMMIT");
    CHECK_RC(NULL, sqlite3_close(db), SQLITE_OK);
    if (sql_try_open_flags(path, vfs, flags, &db) == SQLITE_OK) {
      int64_t n;
      o.again = sql_try_int(db, "SELECT x FROM added", &n);
      CHECK_RC(NULL, sqlite3_close(db), SQLITE_OK);
    }
  }
  o.journal_left = sql_file_exists(sql_beside(path, "-journal"));
  o.wal_left = sql_file_exists(sql_beside(path, "-wal"));
  return o;
}

static void compare(const char *what, outcome stock, outcome ours) {
  harness_print("    %-32s open %d, read %d, write %d, commit %d, again %d%s\n", what,
                stock.open, stock.read, stock.write, stock.commit, stock.again,
                stock.journal_left ? ", journal stays" : "");
  if (stock.open != ours.open || stock.read != ours.read || stock.write != ours.write ||
      stock.commit != ours.commit || stock.again != ours.again || stock.n != ours.n ||
      stock.journal_left != ours.journal_left || stock.wal_left != ours.wal_left) {
    FAIL("%s: open %d, read %d (n = %lld), write %d, commit %d, again %d, journal %d, wal %d; "
         "on "
         "win32 %d, %d (%lld), %d, %d, %d, %d, %d",
         what, ours.open, ours.read, (long long)ours.n, ours.write, ours.commit, ours.again,
         ours.journal_left, ours.wal_left, stock.open, stock.read, (long long)stock.n,
         stock.write, stock.commit, stock.again, stock.journal_left, stock.wal_left);
  }
}

#define READWRITE (SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)

/* prepare makes the odd thing at a path; both sides get one of their own. */
static void same_on_both_flags(const char *what, void (*prepare)(const char *path), int flags) {
  const char *stock_path = scratch_path("odd.db");
  const char *our_path = scratch_path("odd.db");
  prepare(stock_path);
  prepare(our_path);
  outcome stock = work_on(stock_path, SQL_STOCK_VFS, flags);
  outcome ours = work_on(our_path, sql_vfs(), flags);
  compare(what, stock, ours);
  SetFileAttributesA(stock_path, FILE_ATTRIBUTE_NORMAL);
  SetFileAttributesA(our_path, FILE_ATTRIBUTE_NORMAL);
}

static void same_on_both(const char *what, void (*prepare)(const char *path)) {
  same_on_both_flags(what, prepare, READWRITE);
}

static void make_noise(const char *path, size_t n) {
  static uint8_t bytes[65536];
  sql_noise(42, bytes, n);
  bytes[0] |= 1; /* not zero: a journal that begins with zero is cold */
  CHECK(sql_file_write(path, bytes, n));
}

/* A good database of several pages, holding n = 7. */
static void make_good(const char *path) {
  sqlite3 *db = sql_open(path, SQL_STOCK_VFS);
  sql_must(db, "PRAGMA page_size=4096; CREATE TABLE t(n INT, b BLOB);"
               "INSERT INTO t VALUES(7, noise(1, 20000))");
  sql_close(db);
}

static void cut(const char *path, int64_t size) {
  HANDLE file = CreateFileA(path, GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
  LARGE_INTEGER to;
  to.QuadPart = size;
  CHECK(SetFilePointerEx(file, to, NULL, FILE_BEGIN) && SetEndOfFile(file));
  CloseHandle(file);
}

static void patch(const char *path, int64_t offset, const void *bytes, DWORD n) {
  HANDLE file = CreateFileA(path, GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
  LARGE_INTEGER to;
  DWORD done = 0;
  to.QuadPart = offset;
  CHECK(SetFilePointerEx(file, to, NULL, FILE_BEGIN) && WriteFile(file, bytes, n, &done, NULL));
  CloseHandle(file);
}

static void noise_5(const char *path) {
  make_noise(path, 5);
}
static void noise_100(const char *path) {
  make_noise(path, 100);
}
static void noise_1000(const char *path) {
  make_noise(path, 1000);
}
static void noise_50000(const char *path) {
  make_noise(path, 50000);
}

static void noise_under_good_header(const char *path) {
  uint8_t header[100];
  make_good(path);
  CHECK_EQ(sql_file_read(path, 0, header, sizeof header), 100);
  make_noise(path, 24576);
  patch(path, 0, header, sizeof header);
}

static void good(const char *path) {
  make_good(path);
}
static void cut_to_half_a_page(const char *path) {
  make_good(path);
  cut(path, 2000);
}
static void cut_within_a_page(const char *path) {
  make_good(path);
  cut(path, 4096 * 3 + 100);
}
static void cut_to_one_page(const char *path) {
  make_good(path);
  cut(path, 4096);
}
static void longer_than_its_header(const char *path) {
  make_good(path);
  cut(path, 4096 * 20 + 9);
}
static void zero_length(const char *path) {
  CHECK(sql_file_write(path, "", 0));
}
static void nothing_there(const char *path) {
  (void)path;
}
static void a_directory(const char *path) {
  CHECK(CreateDirectoryA(path, NULL));
}

static void page_size_3(const char *path) {
  make_good(path);
  patch(path, 16, "\0\3", 2);
}

static void newer_write_version(const char *path) {
  make_good(path);
  patch(path, 18, "\5", 1);
}

static void newer_read_version(const char *path) {
  make_good(path);
  patch(path, 18, "\5\5", 2);
}

static void wal_version_without_wal(const char *path) {
  make_good(path);
  patch(path, 18, "\2\2", 2);
}

static void read_only(const char *path) {
  make_good(path);
  CHECK(SetFileAttributesA(path, FILE_ATTRIBUTE_READONLY));
}

static void files_that_are_no_database_answer_as_on_win32(void) {
  same_on_both("a good database", good);
  same_on_both("5 bytes of noise", noise_5);
  same_on_both("100 bytes of noise", noise_100);
  same_on_both("1000 bytes of noise", noise_1000);
  same_on_both("50000 bytes of noise", noise_50000);
  same_on_both("noise under a good header", noise_under_good_header);
  same_on_both("page size 3", page_size_3);
  same_on_both("newer write version", newer_write_version);
  same_on_both("newer read version", newer_read_version);
  same_on_both("WAL version, no -wal", wal_version_without_wal);
}

static void truncated_databases_answer_as_on_win32(void) {
  same_on_both("cut to half a page", cut_to_half_a_page);
  same_on_both("cut within a page", cut_within_a_page);
  same_on_both("cut to one page", cut_to_one_page);
  same_on_both("longer than its header", longer_than_its_header);
  same_on_both("zero-length", zero_length);
}

static void what_cannot_be_opened_answers_as_on_win32(void) {
  same_on_both("a directory", a_directory);
  same_on_both_flags("nothing, without CREATE", nothing_there, SQLITE_OPEN_READWRITE);
  same_on_both_flags("nothing, READONLY", nothing_there, SQLITE_OPEN_READONLY);
  same_on_both("nothing, with CREATE", nothing_there);
}

static void read_only_files_answer_as_on_win32(void) {
  same_on_both("the attribute READONLY", read_only);
  same_on_both_flags("the attribute, READONLY", read_only, SQLITE_OPEN_READONLY);
  same_on_both_flags("good, READONLY", good, SQLITE_OPEN_READONLY);
}

/* ---- beside the database ------------------------------------------------------- */

static void journal_of(const char *path, size_t n) {
  make_good(path);
  make_noise(sql_beside(path, "-journal"), n);
}

static void noise_journal_4(const char *path) {
  journal_of(path, 4);
}
static void noise_journal_600(const char *path) {
  journal_of(path, 600);
}
static void noise_journal_20000(const char *path) {
  journal_of(path, 20000);
}
static void noise_journal_alone(const char *path) {
  make_noise(sql_beside(path, "-journal"), 600);
}

static void journal_with_magic(const char *path) {
  static const uint8_t magic[] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
  journal_of(path, 20000);
  patch(sql_beside(path, "-journal"), 0, magic, sizeof magic);
}

/* A whole header that promises records which are not there. */
static void journal_with_header_only(const char *path) {
  uint8_t bytes[512] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7, 0, 0, 0, 3, 1,    2,
                        3,    4,    0,    0,    0,    6,    0,    0,    2, 0, 0, 0, 0x10, 0};
  make_good(path);
  CHECK(sql_file_write(sql_beside(path, "-journal"), bytes, sizeof bytes));
}

static void empty_journal(const char *path) {
  make_good(path);
  CHECK(sql_file_write(sql_beside(path, "-journal"), "", 0));
}

static void journal_is_a_directory(const char *path) {
  make_good(path);
  CHECK(CreateDirectoryA(sql_beside(path, "-journal"), NULL));
}

static void noise_wal(const char *path) {
  make_good(path);
  make_noise(sql_beside(path, "-wal"), 5000);
}

static void odd_journals_answer_as_on_win32(void) {
  same_on_both("journal of 4 bytes of noise", noise_journal_4);
  same_on_both("journal of 600 bytes of noise", noise_journal_600);
  same_on_both("journal of 20000 bytes of noise", noise_journal_20000);
  same_on_both("journal with magic, then noise", journal_with_magic);
  same_on_both("journal with a header only", journal_with_header_only);
  same_on_both("journal without a database", noise_journal_alone);
  same_on_both("-wal of noise", noise_wal);
}

/* A cold journal is nobody's business: the database is read and written. It
 * may stay where it is or go (stock leaves it after a mere read). */
static void empty_journal_is_no_obstacle(void) {
  const char *path = scratch_path("cold.db");
  empty_journal(path);
  outcome o = work_on(path, sql_vfs(), READWRITE);
  CHECK_RC(NULL, o.read, SQLITE_OK);
  CHECK_EQ(o.n, 7);
  CHECK_RC(NULL, o.commit, SQLITE_OK);
  CHECK_RC(NULL, o.again, SQLITE_OK);
  CHECK(!sql_journal_is_hot(path));
}

/* A write is refused, at the moment at which the journal is needed: for stock
 * that is the first change, for a virtual journal the lock before it. */
static void directory_in_the_journals_place_refuses_the_write(void) {
  const char *path = scratch_path("blocked.db");
  journal_is_a_directory(path);
  outcome o = work_on(path, sql_vfs(), READWRITE);
  CHECK_RC(NULL, o.read, SQLITE_OK);
  CHECK_EQ(o.n, 7);
  CHECK_RC(NULL, o.write, SQLITE_CANTOPEN);
  CHECK_RC(NULL, o.again, SQLITE_ERROR); /* no such table: nothing was written */
  CHECK(RemoveDirectoryA(sql_beside(path, "-journal")));
  o = work_on(path, sql_vfs(), READWRITE);
  CHECK_RC(NULL, o.again, SQLITE_OK);
}

/* ---- odd paths ------------------------------------------------------------------- */

static void same_path_on_both(const char *what, const char *name) {
  char stock_path[1024];
  char our_path[1024];
  snprintf(stock_path, sizeof stock_path, "%s%s", scratch_path(""), name);
  snprintf(our_path, sizeof our_path, "%s%s", scratch_path(""), name);
  compare(what, work_on(stock_path, SQL_STOCK_VFS, READWRITE),
          work_on(our_path, sql_vfs(), READWRITE));
}

static void odd_paths_answer_as_on_win32(void) {
  char name[400];
  same_path_on_both("a missing folder", "no such folder\\a.db");
  same_path_on_both("a missing folder, slashes", "no/such/folder/a.db");
  same_path_on_both("spaces", " two words .db");
  same_path_on_both("percent and hash", "100%25#1.db");
  same_path_on_both("umlauts", "\xc3\xa4\xc3\xb6\xc3\xbc.db");
  same_path_on_both("Chinese", "\xe6\x95\xb0\xe6\x8d\xae.db");
  same_path_on_both("an emoji, beyond the BMP", "\xf0\x9f\x97\x83.db");
  same_path_on_both("not UTF-8", "\xff\xfe.db");
  same_path_on_both("a star", "a*.db");
  same_path_on_both("an empty name", "");
  memset(name, 'x', sizeof name);
  name[200] = 0;
  same_path_on_both("a name of 200 characters", name);
  name[200] = 'x';
  name[300] = 0;
  same_path_on_both("a name of 300 characters", name);
  for (int i = 49; i < 300; i += 50) name[i] = '\\';
  same_path_on_both("a path of 300, folders missing", name);
}

/* Different spellings of one file are one database: each sees the other's
 * commits while they are in memory. */
static void spellings_of_one_path_are_one_database(void) {
  char spelling[4][700];
  const char *path = scratch_path("Spelling.db");
  snprintf(spelling[0], sizeof spelling[0], "%s", path);
  snprintf(spelling[1], sizeof spelling[1], "%s", path);
  snprintf(spelling[2], sizeof spelling[2], "%s", path);
  memcpy(strstr(spelling[1], "Spelling"), "sPELLING", 8);
  for (char *c = spelling[2]; *c != 0; c++) {
    if (*c == '\\') *c = '/';
  }
  size_t folder = (size_t)(strstr(path, "Spelling") - path);
  snprintf(spelling[3], sizeof spelling[3], "%.*s.\\x\\..\\%s", (int)folder, path,
           path + folder);
  sqlite3 *db[4];
  for (int i = 0; i < 4; i++) db[i] = sql_open(spelling[i], sql_vfs());
  sql_must(db[0], "CREATE TABLE t(n INT); INSERT INTO t VALUES(0)");
  for (int i = 1; i <= 20; i++) {
    sql_must(db[i % 4], "UPDATE t SET n = n + 1");
    CHECK_EQ(sql_int(db[(i + 1) % 4], "SELECT n FROM t"), i);
  }
  for (int i = 0; i < 4; i++) sql_close(db[i]);
  db[0] = sql_open(path, SQL_STOCK_VFS);
  CHECK_EQ(sql_int(db[0], "SELECT n FROM t"), 20);
  sql_close(db[0]);
}

/* ---- our own parameters ------------------------------------------------------------ */

static void foreign_uri_parameters_are_let_through(void) {
  sqlite3 *db = NULL;
  const char *path = scratch_path("uri.db");
  CHECK_RC(NULL, sql_try_open(sql_uri(path, "nosuch=1&cache=private&psow=1"), sql_vfs(), &db),
           SQLITE_OK);
  if (db != NULL) sql_must(db, "CREATE TABLE t(n)");
  sql_close(db);
  CHECK_RC(NULL, sql_try_open(sql_uri(path, "vfs=nosuch"), sql_vfs(), &db), SQLITE_ERROR);
}

/* The child has a log callback, which must be set before SQLite starts. */
static void print_log(void *unused, int code, const char *text) {
  (void)unused;
  printf("log %d %s\n", code, text);
}

int role_open_uri(int argc, char **argv) {
  sqlite3 *db = NULL;
  if (argc != 1) return 2;
  sqlite3_config(SQLITE_CONFIG_LOG, print_log, NULL);
  printf("rc %d\n", sql_try_open(argv[0], sql_vfs(), &db));
  sqlite3_close(db);
  return 0;
}

static void check_refused(const char *parameter, const char *value) {
  char setting[200];
  char line[1000];
  bool named = false;
  int rc = SQLITE_OK;
  snprintf(setting, sizeof setting, "%s=%s", parameter, value);
  harness_child *child =
      harness_spawn("open_uri", sql_uri(scratch_path("uri.db"), setting), NULL);
  if (child == NULL) return;
  while (harness_child_read_line(child, line, sizeof line, 60000)) {
    if (strncmp(line, "rc ", 3) == 0)
      rc = atoi(line + 3);
    else if (strstr(line, parameter) != NULL)
      named = true;
  }
  harness_child_free(child);
  if (rc == SQLITE_OK) FAIL("an open with %s succeeded", setting);
  if (!named) FAIL("no log message of an open with %s names the parameter", setting);
}

static void malformed_uri_parameters_refuse_the_open_and_are_named(void) {
  static const char *const values[] = {"abc", "",    "-5",
                                       "12x", "1e3", "99999999999999999999999"};
  if (!sql_vfs_is_asyncvfs()) return;
  for (int i = 0; i < 6; i++) {
    check_refused("max_lag_ms", values[i]);
    check_refused("max_queue_bytes", values[i]);
  }
}

/* The words of sqlite3_open_v2 itself, not of the log; "" if the open succeeds. */
static const char *refusal_of(const char *parameters) {
  static char text[400];
  sqlite3 *db = NULL;
  const char *path = scratch_path("uri.db");
  int rc = sqlite3_open_v2(sql_uri(path, parameters), &db,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI, sql_vfs());
  snprintf(text, sizeof text, "%s", rc == SQLITE_OK ? "" : sqlite3_errmsg(db));
  if (rc != SQLITE_OK) {
    CHECK(sql_exec(db, "CREATE TABLE t(a)") != SQLITE_OK);
    CHECK(!sql_file_exists(path));
  }
  sqlite3_close(db);
  return text;
}

static void check_names(const char *parameters, const char *name, const char *range) {
  const char *text = refusal_of(parameters);
  if (strstr(text, name) == NULL || strstr(text, range) == NULL) FAIL("%s: \"%s\"", parameters, text);
}

static void a_wrong_uri_value_is_told_by_the_open_itself(void) {
  if (!sql_vfs_is_asyncvfs()) return;
  for (int i = 0; i < 2; i++) {
    check_names("max_lag_ms=abc", "max_lag_ms", "0 to 60000");
    check_names("durability=always", "durability", "memory, os or disk");
    check_names("max_lag_ms=10&close=never", "close", "drain or abandon");
    check_names("max_queue_bytes=1", "max_queue_bytes", "1048576");
    CHECK_STR_EQ(refusal_of("max_lag_ms=10"), "");
    sqlite3_reset_auto_extension();   /* an application may */
  }
}

static void a_wrong_uri_value_refuses_an_attach(void) {
  char sql[1600];
  sqlite3 *db;
  if (!sql_vfs_is_asyncvfs()) return;
  const char *path = scratch_path("attached.db");
  db = sql_open(scratch_path("main.db"), sql_vfs());
  snprintf(sql, sizeof sql, "ATTACH '%s' AS b", sql_uri(path, "max_lag_ms=abc"));
  CHECK(sql_exec(db, sql) != SQLITE_OK);
  CHECK(sql_exec(db, "CREATE TABLE b.t(a)") != SQLITE_OK);
  CHECK(!sql_file_exists(path));
  sql_must(db, "CREATE TABLE t(a)");
  sql_close(db);
}

static void check_unknown(const char *parameters, const char *expected) {
  char status[4000] = "", key[300];
  sqlite3 *db = NULL;
  CHECK_RC(NULL, sql_try_open(sql_uri(scratch_path("uri.db"), parameters), sql_vfs(), &db), SQLITE_OK);
  if (db == NULL) return;
  CHECK_EQ(sql_try_text(db, "PRAGMA asyncvfs_status", status, sizeof status), SQLITE_OK);
  snprintf(key, sizeof key, "\"unknown_parameters\":\"%s\"", expected);
  if (strstr(status, key) == NULL) FAIL("%s: %s", parameters, strstr(status, "\"max_lag_ms"));
  sql_close(db);
}

static void misspelt_uri_parameters_are_told_in_the_status(void) {
  if (!sql_vfs_is_asyncvfs()) return;
  check_unknown("max_lag_ms=10", "");
  check_unknown("nosuch=1&cache=private&psow=1&mode=rwc&vfs=asyncvfs&immutable=0&nolock=0&key=x", "");
  check_unknown("max_lag=10", "max_lag (max_lag_ms?)");
  check_unknown("maxlagms=10", "maxlagms (max_lag_ms?)");
  check_unknown("Durability=disk", "Durability (durability?)");
  check_unknown("durabilty=disk", "durabilty (durability?)");
  check_unknown("asyncvfs_durability=disk", "asyncvfs_durability (durability?)");
  check_unknown("asyncvfs_speed=1", "asyncvfs_speed");
  check_unknown("close_timeout=1&on-full=busy", "close_timeout (close_timeout_ms?), on-full (on_full?)");
  check_unknown("asyncvfs_%22%7d=1", "asyncvfs_??");
}

static void uri_parameters_take_hold(void) {
  sqlite3 *db = NULL;
  if (!sql_vfs_is_asyncvfs()) return;
  const char *path = scratch_path("uri.db");
  int rc = sql_try_open(sql_uri(path, "max_lag_ms=250&max_queue_bytes=8388608"), sql_vfs(), &db);
  if (!CHECK_RC(NULL, rc, SQLITE_OK)) return;
  CHECK_EQ(sql_int(db, "PRAGMA asyncvfs_max_lag_ms"), 250);
  CHECK_EQ(sql_int(db, "PRAGMA asyncvfs_max_queue_bytes"), 8388608);
  sql_close(db);
}

static void pragmas_answer_what_they_were_told(void) {
  if (!sql_vfs_is_asyncvfs()) return;
  sqlite3 *db = sql_open(scratch_path("pragma.db"), sql_vfs());
  sqlite3 *second = sql_open(sqlite3_db_filename(db, "main"), sql_vfs());
  sql_must(db, "PRAGMA asyncvfs_max_lag_ms=30");
  CHECK_EQ(sql_int(db, "PRAGMA asyncvfs_max_lag_ms"), 30);
  CHECK_EQ(sql_int(second, "PRAGMA main.asyncvfs_max_lag_ms"), 30); /* of the database */
  sql_must(db, "PRAGMA asyncvfs_max_queue_bytes=16777216");
  CHECK_EQ(sql_int(db, "PRAGMA asyncvfs_max_queue_bytes"), 16777216);
  CHECK(sql_is_ours(db));
  sql_must(db, "PRAGMA asyncvfs_flush; PRAGMA asyncvfs_drain");
  CHECK_EQ(sql_status(db, "queue_bytes"), 0);
  sql_close(second);
  sql_close(db);
}

static void malformed_pragma_values_are_refused_and_named(void) {
  static const char *const names[] = {"asyncvfs_max_lag_ms", "asyncvfs_max_queue_bytes"};
  static const char *const values[] = {"'abc'", "-5", "''", "'12x'", "99999999999999999999999"};
  if (!sql_vfs_is_asyncvfs()) return;
  sqlite3 *db = sql_open(scratch_path("pragma.db"), sql_vfs());
  for (int i = 0; i < 2; i++) {
    char query[80];
    snprintf(query, sizeof query, "PRAGMA %s", names[i]);
    int64_t before = sql_int(db, query);
    for (int j = 0; j < 5; j++) {
      int rc = sql_execf(db, "PRAGMA %s=%s", names[i], values[j]);
      if (rc == SQLITE_OK) FAIL("PRAGMA %s=%s was accepted", names[i], values[j]);
      const char *message = sqlite3_errmsg(db);
      if (strstr(message, names[i] + 9) == NULL) {
        FAIL("PRAGMA %s=%s: the message does not name it: %s", names[i], values[j], message);
      }
    }
    CHECK_EQ(sql_int(db, query), before);
  }
  sql_close(db);
}

static void unknown_pragma_is_an_error_that_lists_the_known_ones(void) {
  static const char *const known[] = {"flush", "drain", "status", "max_lag_ms",
                                      "max_queue_bytes"};
  if (!sql_vfs_is_asyncvfs()) return;
  sqlite3 *db = sql_open(scratch_path("pragma.db"), sql_vfs());
  CHECK_RC(db, sql_exec(db, "PRAGMA asyncvfs_nosuch"), SQLITE_ERROR);
  for (int i = 0; i < 5; i++) {
    if (strstr(sqlite3_errmsg(db), known[i]) == NULL) {
      FAIL("the message does not list %s: %s", known[i], sqlite3_errmsg(db));
    }
  }
  sql_must(db, "PRAGMA nosuch_of_others=1; PRAGMA cache_size=7"); /* SQLite's own go on */
  CHECK_EQ(sql_int(db, "PRAGMA cache_size"), 7);
  sql_close(db);
}

void suite_bad_input(void) {
  CU_pSuite suite = CU_add_suite("bad_input", NULL, NULL);
  ADD_TEST(suite, files_that_are_no_database_answer_as_on_win32);
  ADD_TEST(suite, truncated_databases_answer_as_on_win32);
  ADD_TEST(suite, what_cannot_be_opened_answers_as_on_win32);
  ADD_TEST(suite, read_only_files_answer_as_on_win32);
  ADD_TEST(suite, odd_journals_answer_as_on_win32);
  ADD_TEST(suite, empty_journal_is_no_obstacle);
  ADD_TEST(suite, directory_in_the_journals_place_refuses_the_write);
  ADD_TEST(suite, odd_paths_answer_as_on_win32);
  ADD_TEST(suite, spellings_of_one_path_are_one_database);
  ADD_TEST(suite, foreign_uri_parameters_are_let_through);
  ADD_TEST(suite, malformed_uri_parameters_refuse_the_open_and_are_named);
  ADD_TEST(suite, a_wrong_uri_value_is_told_by_the_open_itself);
  ADD_TEST(suite, a_wrong_uri_value_refuses_an_attach);
  ADD_TEST(suite, misspelt_uri_parameters_are_told_in_the_status);
  ADD_TEST(suite, uri_parameters_take_hold);
  ADD_TEST(suite, pragmas_answer_what_they_were_told);
  ADD_TEST(suite, malformed_pragma_values_are_refused_and_named);
  ADD_TEST(suite, unknown_pragma_is_an_error_that_lists_the_known_ones);
}
