/* test_mode.c: managed or passed through is one mode of a connection, and all of it follows:
 * methods, lock, journal, file controls, where a `disk` commit waits.
 *
 * SQLite may hold the handle of its journal while the mode changes. Managed, nothing of a
 * transaction may be in the journal on the disk, which is the engine's; passed through, the
 * journal on the disk is all that takes a transaction back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "asyncvfs.h"
#include "harness.h"
#include "sql_tools.h"

#define FILL "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<600) " \
             "INSERT INTO t SELECT i, 0, zeroblob(3000) FROM c"

static int64_t journal_bytes(const char *path) { return sql_file_size(sql_beside(path, "-journal")); }

/* ---- WAL and back, with the journal open ------------------------------------------ */

/* From WAL to PERSIST or TRUNCATE: win32 says UNDELETABLE_WHEN_OPEN, so SQLite keeps the
 * handle of its real journal beyond the commit. */
static void journal_of_wal_times_is_not_written_when_managed(void) {
  static const char *const modes[] = {"PERSIST", "TRUNCATE", "DELETE"};
  for (int i = 0; i < 3; i++) {
    const char *path = scratch_path("app.db");
    sqlite3 *db = sql_open(path, sql_vfs());
    char answer[20];
    sql_must(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, v INT, fill)");
    sql_must(db, FILL);
    sql_must(db, "PRAGMA journal_mode=WAL; UPDATE t SET v=1 WHERE id=1");
    sql_mustf(db, "PRAGMA journal_mode=%s", modes[i]);
    CHECK_RC(db, sql_try_text(db, "PRAGMA journal_mode", answer, sizeof answer), SQLITE_OK);
    sql_must(db, "PRAGMA asyncvfs_max_lag_ms=60000; UPDATE t SET v=2 WHERE id=2");
    CHECK(sql_is_ours(db));
    CHECK(journal_bytes(path) <= 0);   /* the commit is in memory */
    CHECK(sql_status(db, "durable_commits") < sql_status(db, "commits"));
    sql_must(db, "BEGIN; UPDATE t SET fill=zeroblob(2500)");
    CHECK(!sql_journal_is_hot(path));
    sql_must(db, "ROLLBACK");
    CHECK_EQ(sql_int(db, "SELECT sum(v) FROM t"), 3);
    /* One that is written through, and rolled back from the engine's own journal. */
    sql_must(db, "PRAGMA asyncvfs_max_queue_bytes=1048576; PRAGMA cache_size=20");
    sql_must(db, "BEGIN; UPDATE t SET v=v+1, fill=randomblob(3000); ROLLBACK");
    CHECK_EQ(sql_int(db, "SELECT sum(v) FROM t"), 3);
    sql_check_integrity(db, modes[i]);
    sql_must(db, "BEGIN; UPDATE t SET v=v+1, fill=randomblob(3000); COMMIT");
    sql_close(db);
    db = sql_open(path, SQL_STOCK_VFS);
    CHECK_EQ(sql_int(db, "SELECT sum(v) FROM t"), 603);
    sql_check_integrity(db, "by stock SQLite");
    sql_close(db);
  }
}

/* ---- an encrypting VFS above ---------------------------------------------------------- */

/* A VFS above the one under test: each byte of the main database is XORed with `key`; it may
 * swallow file controls. */
typedef struct shim_file {
  sqlite3_file base;
  sqlite3_file *below;
} shim_file;

static struct {
  sqlite3_vfs vfs;
  sqlite3_vfs *below;
  unsigned char key;
  bool swallows;
} shim;

static sqlite3_file *below(sqlite3_file *f) { return ((shim_file *)f)->below; }
static int shim_close(sqlite3_file *f) {
  int rc = below(f)->pMethods->xClose(below(f));
  sqlite3_free(below(f));
  return rc;
}
static void encrypt(unsigned char *p, int n) {
  for (int i = 0; i < n; i++) p[i] ^= shim.key;
}
static int shim_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at) {
  int rc = below(f)->pMethods->xRead(below(f), p, n, at);
  if (rc == SQLITE_OK) encrypt(p, n);
  return rc;
}
static int shim_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at) {
  unsigned char *copy = sqlite3_malloc(n);
  int rc;
  if (copy == NULL) return SQLITE_NOMEM;
  memcpy(copy, p, (size_t)n);
  encrypt(copy, n);
  rc = below(f)->pMethods->xWrite(below(f), copy, n, at);
  sqlite3_free(copy);
  return rc;
}
static int shim_truncate(sqlite3_file *f, sqlite3_int64 n) { return below(f)->pMethods->xTruncate(below(f), n); }
static int shim_sync(sqlite3_file *f, int flags) { return below(f)->pMethods->xSync(below(f), flags); }
static int shim_size(sqlite3_file *f, sqlite3_int64 *n) { return below(f)->pMethods->xFileSize(below(f), n); }
static int shim_lock(sqlite3_file *f, int level) { return below(f)->pMethods->xLock(below(f), level); }
static int shim_unlock(sqlite3_file *f, int level) { return below(f)->pMethods->xUnlock(below(f), level); }
static int shim_reserved(sqlite3_file *f, int *yes) { return below(f)->pMethods->xCheckReservedLock(below(f), yes); }
static int shim_control(sqlite3_file *f, int op, void *arg) {
  return shim.swallows ? SQLITE_NOTFOUND : below(f)->pMethods->xFileControl(below(f), op, arg);
}
static int shim_sector(sqlite3_file *f) { return below(f)->pMethods->xSectorSize(below(f)); }
static int shim_device(sqlite3_file *f) { return below(f)->pMethods->xDeviceCharacteristics(below(f)); }

static const sqlite3_io_methods shim_methods = {
    .iVersion = 1, .xClose = shim_close, .xRead = shim_read, .xWrite = shim_write,
    .xTruncate = shim_truncate, .xSync = shim_sync, .xFileSize = shim_size, .xLock = shim_lock,
    .xUnlock = shim_unlock, .xCheckReservedLock = shim_reserved, .xFileControl = shim_control,
    .xSectorSize = shim_sector, .xDeviceCharacteristics = shim_device};

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *flags_out) {
  shim_file *s = (shim_file *)f;
  int rc;
  (void)vfs;
  if (!(flags & SQLITE_OPEN_MAIN_DB)) return shim.below->xOpen(shim.below, name, f, flags, flags_out);
  f->pMethods = NULL;
  s->below = sqlite3_malloc(shim.below->szOsFile);
  if (s->below == NULL) return SQLITE_NOMEM;
  memset(s->below, 0, (size_t)shim.below->szOsFile);
  rc = shim.below->xOpen(shim.below, name, s->below, flags, flags_out);
  if (rc == SQLITE_OK) f->pMethods = &shim_methods;
  else sqlite3_free(s->below);
  return rc;
}

static const char *shim_over(const char *vfs, unsigned char key, bool swallows) {
  if (shim.below != NULL) sqlite3_vfs_unregister(&shim.vfs);
  shim.below = sqlite3_vfs_find(vfs);
  shim.key = key;
  shim.swallows = swallows;
  shim.vfs = *shim.below;   /* its own calls get the one below as pAppData's owner */
  shim.vfs.pNext = NULL;
  shim.vfs.iVersion = 1;
  shim.vfs.zName = "shim";
  shim.vfs.xOpen = shim_open;
  if (shim.vfs.szOsFile < (int)sizeof(shim_file)) shim.vfs.szOsFile = (int)sizeof(shim_file);
  CHECK_EQ(sqlite3_vfs_register(&shim.vfs, 0), SQLITE_OK);
  return "shim";
}

/* Its first commit makes the database one that cannot be managed. With locking_mode=EXCLUSIVE
 * SQLite goes on with the journal that it has open. */
static void encrypted_database_has_its_journal_on_the_disk(void) {
  static const char *const locking[] = {"EXCLUSIVE", "NORMAL"};
  static const char *const journal[] = {"DELETE", "TRUNCATE", "PERSIST"};
  for (int i = 0; i < 6; i++) {
    const char *path = scratch_path("secret.db"), *image = scratch_path("image.db");
    const char *vfs = shim_over(sql_vfs(), 0x5a, false);
    sqlite3 *db = sql_open(path, vfs), *after;
    sql_mustf(db, "PRAGMA locking_mode=%s; PRAGMA journal_mode=%s", locking[i % 2], journal[i / 2]);
    sql_must(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, v INT, fill)");
    sql_must(db, FILL);
    CHECK(!sql_is_ours(db));
    sql_must(db, "PRAGMA cache_size=10; BEGIN; UPDATE t SET v=v+1 WHERE id<500");   /* it spills */
    CHECK(journal_bytes(path) > 100000);
    CHECK(sql_copy_database(path, image));   /* what a kill would leave */
    after = sql_open(image, vfs);
    CHECK_EQ(sql_int(after, "SELECT sum(v) FROM t"), 0);
    sql_check_integrity(after, "after a kill");
    sql_close(after);
    sql_must(db, "COMMIT");
    CHECK_EQ(sql_int(db, "SELECT sum(v) FROM t"), 499);
    sql_close(db);
  }
}

/* A commit is told by a file control: below a VFS that keeps them to itself none would be seen. */
static void vfs_above_that_swallows_controls_is_passed_through(void) {
  const char *path = scratch_path("app.db");
  const char *vfs = shim_over(sql_vfs(), 0, true);
  sqlite3 *db = sql_open(path, vfs);
  sql_must(db, "CREATE TABLE t(a); INSERT INTO t VALUES(1)");
  sql_close(db);
  db = sql_open(path, SQL_STOCK_VFS);
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), 1);
  sql_close(db);
}

/* ---- no journal can be made ------------------------------------------------------------ */

/* A folder in its place, so that nobody can make the file. */
static void without_a_journal_what_stock_writes_is_written(void) {
  static const char *const modes[] = {"OFF", "MEMORY"};
  for (int i = 0; i < 2; i++) {
    const char *path = scratch_path("app.db");
    sqlite3 *db = sql_open(path, SQL_STOCK_VFS), *reader;
    sql_must(db, "CREATE TABLE t(a)");
    sql_close(db);
    CHECK(CreateDirectoryA(sql_beside(path, "-journal"), NULL));
    db = sql_open(path, sql_vfs());
    reader = sql_open(path, sql_vfs());
    CHECK_EQ(sql_int(reader, "SELECT count(*) FROM t"), 0);
    CHECK(sql_is_ours(reader));
    sql_mustf(db, "PRAGMA journal_mode=%s", modes[i]);
    sql_must(db, "BEGIN; INSERT INTO t VALUES(1); INSERT INTO t VALUES(2); COMMIT");
    CHECK(!sql_is_ours(db));
    CHECK_EQ(sql_int(reader, "SELECT count(*) FROM t"), 2);
    sql_must(db, "INSERT INTO t VALUES(3)");
    sql_must(db, "PRAGMA asyncvfs_flush");
    CHECK_RC(reader, sql_exec(reader, "INSERT INTO t VALUES(4)"), SQLITE_CANTOPEN);   /* in DELETE mode */
    CHECK_EQ(sql_int(reader, "SELECT count(*) FROM t"), 3);
    sql_close(reader);
    sql_close(db);
    db = sql_open(path, SQL_STOCK_VFS);
    CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), 3);
    sql_close(db);
    CHECK(RemoveDirectoryA(sql_beside(path, "-journal")));
  }
}

/* ---- file controls ------------------------------------------------------------------------ */

static int control_int(sqlite3 *db, int op, int value) {
  int v = value;
  CHECK_RC(db, sqlite3_file_control(db, "main", op, &v), SQLITE_OK);
  return v;
}

/* Set while managed, of use when passed through; also over a hand-over, which exchanges files. */
static void file_controls_stay_with_the_connection(void) {
  const char *path = scratch_path("app.db");
  sqlite3 *db = sql_open(path, sql_vfs());
  control_int(db, SQLITE_FCNTL_PERSIST_WAL, 1);
  sql_must(db, "CREATE TABLE t(a)");
  CHECK(sql_is_ours(db));
  CHECK_EQ(control_int(db, SQLITE_FCNTL_PERSIST_WAL, -1), 1);
  CHECK_EQ(control_int(db, SQLITE_FCNTL_POWERSAFE_OVERWRITE, -1), 1);
  sql_must(db, "PRAGMA journal_mode=WAL; INSERT INTO t VALUES(1)");
  CHECK(!sql_is_ours(db));
  CHECK_EQ(control_int(db, SQLITE_FCNTL_PERSIST_WAL, -1), 1);
  sql_close(db);
  CHECK(sql_file_exists(sql_beside(path, "-wal")));
}

/* What win32 answers, we answer. */
static void file_controls_answer_as_win32_does(void) {
  static const int ops[] = {SQLITE_FCNTL_PERSIST_WAL, SQLITE_FCNTL_POWERSAFE_OVERWRITE,
                            SQLITE_FCNTL_LAST_ERRNO, SQLITE_FCNTL_HAS_MOVED};
  sqlite3 *a = sql_open(scratch_path("a.db"), sql_vfs());
  sqlite3 *w = sql_open(scratch_path("w.db"), SQL_STOCK_VFS);
  sql_must(a, "CREATE TABLE t(a)");
  sql_must(w, "CREATE TABLE t(a)");
  for (int set = -1; set < 2; set++) {
    for (int i = 0; i < 4; i++) {
      int va = set, vw = set;
      char *name_a = NULL, *name_w = NULL;
      int ra = sqlite3_file_control(a, "main", ops[i], &va);
      int rw = sqlite3_file_control(w, "main", ops[i], &vw);
      if (!CHECK_EQ(ra, rw) || !CHECK_EQ(va, vw)) harness_print("control %d, set %d\n", ops[i], set);
      ra = sqlite3_file_control(a, "main", SQLITE_FCNTL_TEMPFILENAME, &name_a);
      rw = sqlite3_file_control(w, "main", SQLITE_FCNTL_TEMPFILENAME, &name_w);
      CHECK_EQ(ra, rw);
      CHECK_EQ(name_a != NULL, name_w != NULL);
      sqlite3_free(name_a);
      sqlite3_free(name_w);
    }
  }
  CHECK_EQ(sqlite3_file_control(a, "main", 9999, NULL), sqlite3_file_control(w, "main", 9999, NULL));
  sql_close(a);
  sql_close(w);
}

/* PSOW=0: the device overwrites what was not written. Then the batch's journal is not enough. */
static void without_powersafe_overwrite_it_is_passed_through(void) {
  sqlite3 *db = sql_open(scratch_path("app.db"), sql_vfs());
  sql_must(db, "CREATE TABLE t(a)");
  CHECK(sql_is_ours(db));
  control_int(db, SQLITE_FCNTL_POWERSAFE_OVERWRITE, 0);
  sql_must(db, "INSERT INTO t VALUES(1)");
  CHECK(!sql_is_ours(db));
  control_int(db, SQLITE_FCNTL_POWERSAFE_OVERWRITE, 1);
  sql_must(db, "INSERT INTO t VALUES(2)");
  CHECK(sql_is_ours(db));
  CHECK_EQ(sql_int(db, "SELECT count(*) FROM t"), 2);
  sql_close(db);
}

static void file_grows_in_chunks(void) {
  const char *path = scratch_path("app.db");
  sqlite3 *db = sql_open(path, sql_vfs());
  int chunk = 1 << 20;
  CHECK_RC(db, sqlite3_file_control(db, "main", SQLITE_FCNTL_CHUNK_SIZE, &chunk), SQLITE_OK);
  sql_must(db, "CREATE TABLE t(a); INSERT INTO t VALUES(1); PRAGMA asyncvfs_flush");
  CHECK_EQ(sql_file_size(path), 1 << 20);
  sql_must(db, "INSERT INTO t VALUES(zeroblob(1500000)); PRAGMA asyncvfs_drain");
  CHECK_EQ(sql_file_size(path), 2 << 20);
  sql_must(db, "DELETE FROM t WHERE length(a)>9; VACUUM; PRAGMA asyncvfs_drain");
  CHECK_EQ(sql_file_size(path), 1 << 20);
  sql_check_integrity(db, "in chunks");
  chunk = 0;
  CHECK_RC(db, sqlite3_file_control(db, "main", SQLITE_FCNTL_CHUNK_SIZE, &chunk), SQLITE_OK);
  sql_must(db, "VACUUM; PRAGMA asyncvfs_drain");
  CHECK_EQ(sql_file_size(path), sql_int(db, "PRAGMA page_count") * 4096);
  sql_close(db);
}

/* ---- where a disk commit waits -------------------------------------------------------------- */

static void check_durable(sqlite3 *db, const char *schema) {
  CHECK(sql_status_of(db, schema, "commits") > 0);
  CHECK_EQ(sql_status_of(db, schema, "durable_commits"), sql_status_of(db, schema, "commits"));
}

/* Of each connection that shares a cache its own. */
static void connections_of_a_shared_cache_have_their_own_durability(void) {
  const char *path = scratch_path("app.db");
  sqlite3 *a, *b, *c;
  char text[20];
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_SHAREDCACHE;
  if (sql_try_open_flags(path, sql_vfs(), flags, &a) != SQLITE_OK) return;
  if (sql_try_open_flags(path, sql_vfs(), flags, &b) != SQLITE_OK) return;
  sql_must(a, "PRAGMA asyncvfs_max_lag_ms=60000; " SQL_CREATE_T "; PRAGMA asyncvfs_flush");
  sql_must(a, "PRAGMA asyncvfs_durability=disk");
  sql_must(b, "PRAGMA asyncvfs_durability=memory");
  CHECK_RC(a, sql_try_text(a, "PRAGMA asyncvfs_durability", text, sizeof text), SQLITE_OK);
  CHECK_STR_EQ(text, "disk");
  CHECK_RC(b, sql_try_text(b, "PRAGMA asyncvfs_durability", text, sizeof text), SQLITE_OK);
  CHECK_STR_EQ(text, "memory");
  sql_must(a, "INSERT INTO t(b) VALUES(1)");
  check_durable(a, "main");
  sql_must(b, "INSERT INTO t(b) VALUES(2)");
  CHECK(sql_status(b, "durable_commits") < sql_status(b, "commits"));
  sql_must(a, "INSERT INTO t(b) VALUES(3)");
  check_durable(a, "main");
  if (sql_try_open_flags(path, sql_vfs(), flags, &c) != SQLITE_OK) return;
  sql_must(c, "INSERT INTO t(b) VALUES(4)");
  sql_must(a, "INSERT INTO t(b) VALUES(5)");
  check_durable(a, "main");
  sql_close(c);
  sql_close(b);
  sql_close(a);
}

/* Whoever joins later: where the first one has memory, os is forgotten as little as disk. */
static void later_connections_of_a_shared_cache_leave_durability_as_it_was(void) {
  const char *path = scratch_path("app.db");
  sqlite3 *a, *b, *c;
  char text[20];
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_SHAREDCACHE | SQLITE_OPEN_URI;
  if (sql_try_open_flags(sql_uri(path, "durability=memory"), sql_vfs(), flags, &a) != SQLITE_OK) return;
  if (sql_try_open_flags(path, sql_vfs(), flags, &b) != SQLITE_OK) return;
  sql_must(a, SQL_CREATE_T);
  sql_must(b, "PRAGMA asyncvfs_durability=os");
  if (sql_try_open_flags(path, sql_vfs(), flags, &c) != SQLITE_OK) return;
  sql_must(c, "SELECT * FROM t");
  CHECK_RC(b, sql_try_text(b, "PRAGMA asyncvfs_durability", text, sizeof text), SQLITE_OK);
  CHECK_STR_EQ(text, "os");
  sql_close(c);
  sql_close(b);
  sql_close(a);
}

/* The main database has the path of one that another connection has open through us: so its
 * name says nothing of who hears of PRAGMA locking_mode. */
static void attached_disk_commit_is_durable_whatever_main_is(void) {
  const char *path = scratch_path("main.db"), *other = scratch_path("other.db");
  sqlite3 *us = sql_open(path, sql_vfs()), *db;
  sql_must(us, SQL_CREATE_T "; PRAGMA asyncvfs_drain");
  db = sql_open(path, SQL_STOCK_VFS);
  sql_mustf(db, "ATTACH '%s' AS a", sql_uri(other, "vfs=asyncvfs&max_lag_ms=60000&durability=disk"));
  sql_must(db, "CREATE TABLE a.t(b); SELECT * FROM a.t; PRAGMA locking_mode=EXCLUSIVE");
  for (int i = 0; i < 3; i++) {
    sql_must(db, "INSERT INTO a.t VALUES(1)");
    check_durable(db, "a");
  }
  sql_close(db);
  sql_close(us);
}

static void attached_disk_commit_is_durable_when_main_becomes_memory(void) {
  const char *path = scratch_path("main.db"), *other = scratch_path("other.db");
  sqlite3 *db = sql_open(path, sql_vfs());
  unsigned char *image;
  sqlite3_int64 n = 0;
  sql_must(db, SQL_CREATE_T);
  sql_mustf(db, "ATTACH '%s' AS a", sql_uri(other, "vfs=asyncvfs&max_lag_ms=60000&durability=disk"));
  sql_must(db, "CREATE TABLE a.t(b); SELECT * FROM a.t");
  image = sqlite3_serialize(db, "main", &n, 0);
  CHECK_RC(db, sqlite3_deserialize(db, "main", image, n, n, SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE), SQLITE_OK);
  sql_must(db, "PRAGMA locking_mode=EXCLUSIVE");
  for (int i = 0; i < 3; i++) {
    sql_must(db, "INSERT INTO a.t VALUES(1)");
    check_durable(db, "a");
  }
  sql_close(db);
}

static sqlite3 *reader_and_rows(const char *path, sqlite3_stmt **reading_out) {
  sqlite3 *a = sql_open(path, sql_vfs());
  sql_must(a, "PRAGMA cache_size=5; CREATE TABLE t(id INTEGER PRIMARY KEY, v INT, fill)");
  sql_must(a, FILL);
  sql_must(a, "CREATE TABLE u(a); PRAGMA asyncvfs_durability=disk");
  CHECK_EQ(sqlite3_prepare_v2(a, "SELECT v FROM t", -1, reading_out, NULL), SQLITE_OK);
  CHECK_EQ(sqlite3_step(*reading_out), SQLITE_ROW);
  return a;
}

static int rest_of(sqlite3_stmt *s, int *different_out) {
  int rc, first = sqlite3_column_int(s, 0);
  *different_out = 0;
  while ((rc = sqlite3_step(s)) == SQLITE_ROW) *different_out += sqlite3_column_int(s, 0) != first;
  return rc;
}

/* A SELECT that is open while its own connection commits to the disk: nobody else commits in
 * between, and it reads on. */
static void select_reads_on_over_a_disk_commit(void) {
  const char *path = scratch_path("app.db");
  sqlite3_stmt *reading = NULL;
  sqlite3 *a = reader_and_rows(path, &reading), *b = sql_open(path, sql_vfs());
  int different;
  sqlite3_busy_timeout(b, 0);
  for (int i = 0; i < 3; i++) {
    sql_must(a, "INSERT INTO u VALUES(1)");
    check_durable(a, "main");
    CHECK_RC(b, sql_exec(b, "UPDATE t SET v=v+1"), SQLITE_BUSY);
  }
  CHECK_EQ(rest_of(reading, &different), SQLITE_DONE);
  CHECK_EQ(different, 0);
  sqlite3_finalize(reading);
  sql_must(b, "UPDATE t SET v=v+1");
  sql_close(b);
  sql_close(a);
}

struct update {
  const char *path;
  int commits, rc;
};

static DWORD WINAPI update_until_done(LPVOID arg) {
  struct update *u = arg;
  sqlite3 *b = NULL;
  u->rc = sql_try_open(u->path, sql_vfs(), &b);
  if (u->rc != SQLITE_OK) return 0;
  sqlite3_busy_timeout(b, 60000);
  while (u->commits-- > 0 && u->rc == SQLITE_OK) u->rc = sql_exec(b, "UPDATE t SET v=v+1");
  sqlite3_close(b);
  return 0;
}

/* Another thread wants to commit while this one waits for the disk, with a statement open. */
static void select_sees_no_commit_made_meanwhile(void) {
  const char *path = scratch_path("app.db");
  for (int round = 0; round < 20; round++) {
    struct update u = {path, 3, SQLITE_OK};
    sqlite3_stmt *reading = NULL;
    sqlite3 *a = round == 0 ? reader_and_rows(path, &reading) : sql_open(path, sql_vfs());
    HANDLE thread;
    int different, rc = SQLITE_OK;
    if (round > 0) {
      sqlite3_busy_timeout(a, 60000);
      sql_must(a, "PRAGMA cache_size=5; PRAGMA asyncvfs_durability=disk");
      CHECK_EQ(sqlite3_prepare_v2(a, "SELECT v FROM t", -1, &reading, NULL), SQLITE_OK);
      CHECK_EQ(sqlite3_step(reading), SQLITE_ROW);
    }
    thread = CreateThread(NULL, 0, update_until_done, &u, 0, NULL);
    /* It may be refused the write lock while it reads, as in stock SQLite. */
    for (int i = 0; i < 4 && rc == SQLITE_OK; i++) rc = sql_exec(a, "INSERT INTO u VALUES(1)");
    CHECK(rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY);
    CHECK_EQ(rest_of(reading, &different), SQLITE_DONE);
    CHECK_EQ(different, 0);
    sqlite3_finalize(reading);
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
    CHECK_EQ(u.rc, SQLITE_OK);
    sql_check_integrity(a, "after both");
    sql_close(a);
  }
}

/* locking_mode=EXCLUSIVE while a SELECT is open over a disk commit: it keeps its lock. */
static void exclusive_mode_set_under_a_select_goes_on(void) {
  const char *path = scratch_path("app.db");
  sqlite3_stmt *reading = NULL;
  sqlite3 *a = reader_and_rows(path, &reading), *b = sql_open(path, sql_vfs());
  int different;
  sqlite3_busy_timeout(b, 0);
  sql_must(a, "INSERT INTO u VALUES(1); PRAGMA locking_mode=EXCLUSIVE; INSERT INTO u VALUES(2)");
  check_durable(a, "main");
  CHECK_RC(b, sql_exec(b, "UPDATE t SET v=v+1"), SQLITE_BUSY);
  CHECK_EQ(rest_of(reading, &different), SQLITE_DONE);
  sqlite3_finalize(reading);
  sql_must(a, "INSERT INTO u VALUES(3)");
  check_durable(a, "main");
  CHECK_EQ(sql_int(a, "SELECT count(*) FROM u"), 3);
  sql_must(a, "PRAGMA locking_mode=NORMAL; SELECT * FROM u");
  sql_must(b, "UPDATE t SET v=v+1");
  sql_close(b);
  sql_close(a);
}

void suite_mode(void) {
  CU_pSuite suite = CU_add_suite("mode", NULL, NULL);
  ADD_TEST(suite, journal_of_wal_times_is_not_written_when_managed);
  ADD_TEST(suite, encrypted_database_has_its_journal_on_the_disk);
  ADD_TEST(suite, vfs_above_that_swallows_controls_is_passed_through);
  ADD_TEST(suite, without_a_journal_what_stock_writes_is_written);
  ADD_TEST(suite, file_controls_stay_with_the_connection);
  ADD_TEST(suite, file_controls_answer_as_win32_does);
  ADD_TEST(suite, without_powersafe_overwrite_it_is_passed_through);
  ADD_TEST(suite, file_grows_in_chunks);
  ADD_TEST(suite, connections_of_a_shared_cache_have_their_own_durability);
  ADD_TEST(suite, later_connections_of_a_shared_cache_leave_durability_as_it_was);
  ADD_TEST(suite, attached_disk_commit_is_durable_whatever_main_is);
  ADD_TEST(suite, attached_disk_commit_is_durable_when_main_becomes_memory);
  ADD_TEST(suite, select_reads_on_over_a_disk_commit);
  ADD_TEST(suite, select_sees_no_commit_made_meanwhile);
  ADD_TEST(suite, exclusive_mode_set_under_a_select_goes_on);
}
