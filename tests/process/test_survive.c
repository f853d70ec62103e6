/* test_survive.c: with durability=os a killed process loses nothing that COMMIT returned.
 *
 * A child commits and tells each COMMIT that has returned by shared memory, before the next one
 * (survivor.h). The parent ends it by TerminateProcess at an instant by chance. Whoever opens
 * the database through asyncvfs next, and be it another child that is killed over it, finds
 * all of them, nothing torn, and nothing that was never committed.
 *
 * Stock SQLite opens a copy now and then, before that: what it finds less is what the ring kept. A
 * test of many kills in which the ring kept nothing proves little, and fails.
 *
 * When somebody without asyncvfs has written in between, or the file is another one, nothing may be
 * replayed: then the database is as that one left it, and what the ring held is told and set aside.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "asyncvfs.h"
#include "harness.h"
#include "process/sql_child.h"
#include "process/survivor.h"
#include "vfs/sql_tools.h"

#define RING    "-avfsredo"
#define REFUSED "-avfsredo-refused"

enum { KILLS = 12, MIB = 1 << 20 };

/* ---- what must be there ----------------------------------------------------------------------- */

typedef struct tally {
  int kills, in_recovery, hot, rings;
  int64_t kept;   /* commits that the disk lacked */
} tally;

/* What stock SQLite makes of it, of a copy. */
static int on_the_disk(const survivor *s, const char *path) {
  const char *copy = scratch_path("copy.db");
  int n = -1;
  if (!CHECK(sql_copy_database(path, copy))) return -1;
  sqlite3 *db = sql_open(copy, SQL_STOCK_VFS);
  n = stream_verify(&s->stream, db, "stock SQLite, of a copy");
  sql_close(db);
  sql_delete_database(copy);
  return n;
}

static bool is_told(const survivor_life *life, int n, const char *who) {
  if (n < 0) return false;
  if (n < life->least) return FAIL("%s: commit %d had returned, there are %d", who, life->least, n);
  if (n > life->most) return FAIL("%s: commit %d was the last one, there are %d", who, life->most, n);
  return true;
}

/* Opens what the kills have left. The connection, and the state; NULL, with a failed check. */
static sqlite3 *recover(const survivor *s, const char *path, survivor_life *life, tally *t, int *n_out) {
  char what[700];
  snprintf(what, sizeof what, "%s, page_size %d, cache_size %d, seed %llu, %d kills", s->stream.journal_mode,
           s->stream.page_size, s->stream.cache_size, (unsigned long long)s->stream.seed, life->kills);
  if (sql_file_exists(sql_beside(path, RING))) {
    int disk = on_the_disk(s, path);
    if (disk < 0) return NULL;
    t->rings++;
    t->kept += life->least > disk ? life->least - disk : 0;
  }
  sqlite3 *db = sql_open(path, sql_vfs());
  *n_out = stream_verify(&s->stream, db, what);
  CHECK(!sql_file_exists(sql_beside(path, REFUSED)));
  if (is_told(life, *n_out, what)) return db;
  sql_close(db);
  return NULL;
}

/* And stock SQLite finds the same once it is closed, and nothing beside it. */
static bool all_is_there(const survivor *s, const char *path, survivor_life *life, tally *t) {
  int n;
  if (!sql_file_exists(path)) return true; /* ended before it began */
  sqlite3 *db = recover(s, path, life, t, &n);
  if (db == NULL) return false;
  if (n > 0) CHECK_RC(db, stream_write(&s->stream, db, n + 1, n + 2), SQLITE_OK);
  sql_close(db);
  sql_check_nothing_beside(path);
  CHECK(!sql_file_exists(sql_beside(path, RING)));
  db = sql_open(path, SQL_STOCK_VFS);
  int last = stream_verify(&s->stream, db, "stock SQLite");
  sql_close(db);
  t->kills += life->kills;
  t->in_recovery += life->in_recovery;
  t->hot += life->hot;
  return CHECK_EQ(last, n > 0 ? n + 2 : n);
}

static survivor make_survivor(const char *mode, int i) {
  static const int page_sizes[] = {4096, 512, 65536, 1024, 8192, 32768, 2048, 16384};
  survivor s;
  memset(&s, 0, sizeof s);
  s.stream.vfs = sql_vfs();
  s.stream.journal_mode = mode;
  s.stream.seed = rng_next() >> 33;
  s.stream.page_size = page_sizes[i % 8];
  s.stream.cache_size = i % 4 == 1 ? 5 : 2000;
  s.by_pragma = i % 2 == 0;
  if (i % 3 == 0) s.parameters = "max_lag_ms=1000";
  if (i % 3 == 1) s.parameters = "max_lag_ms=0";
  return s;
}

/* One database, killed so often in a row, at the opening as often as later. */
static bool survives(const survivor *s, int kills, tally *t) {
  static const survivor_moment moments[] = {AT_COMMITS, AT_OPENING, AT_BATCH, AT_OPENING, AT_OPENING};
  const char *path = scratch_path("killed.db");
  survivor_life life;
  memset(&life, 0, sizeof life);
  for (int i = 0; i < kills; i++) {
    if (!survivor_kill(s, path, moments[i % 5], &life)) return false;
  }
  return all_is_there(s, path, &life, t);
}

static void report(const tally *t) {
  harness_print("    %d kills, %d in the recovery, %d with a hot journal; %d times a ring, which kept %lld commits\n",
                t->kills, t->in_recovery, t->hot, t->rings, (long long)t->kept);
  CHECK(t->kills > 0 && t->kept > 0);
}

/* ---- each journal_mode --------------------------------------------------------------------------- */

static void survive_in_mode(const char *mode, int shift) {
  tally t = {0, 0, 0, 0, 0};
  for (int i = 0; i < 4; i++) {
    survivor s = make_survivor(mode, i * 2 + shift);
    if (i % 2 == 0) {
      s.stream.big_every = 40;
      s.stream.big_bytes = 90000;
    }
    s.stream.shrinks = i % 4 == 2;
    if (!survives(&s, i % 2 == 0 ? 2 : 4, &t)) break;
  }
  report(&t);
}

static void delete_mode_loses_nothing(void) { survive_in_mode("DELETE", 0); }
static void truncate_mode_loses_nothing(void) { survive_in_mode("TRUNCATE", 1); }
static void persist_mode_loses_nothing(void) { survive_in_mode("PERSIST", 2); }
static void memory_mode_loses_nothing(void) { survive_in_mode("MEMORY", 3); }
static void off_mode_loses_nothing(void) { survive_in_mode("OFF", 4); }

static void exclusive_locking_loses_nothing(void) {
  static const char *const modes[] = {"DELETE", "MEMORY", "PERSIST"};
  tally t = {0, 0, 0, 0, 0};
  for (int i = 0; i < 3; i++) {
    survivor s = make_survivor(modes[i], i + 3);
    s.stream.exclusive = true;
    if (!survives(&s, 4, &t)) break;
  }
  report(&t);
}

/* ---- transactions of all sizes -------------------------------------------------------------------- */

/* 1.5 MiB through a queue of 1 MiB are written through; of 6 MiB through one of 64 the ring has no room for the
 * third. */
static void large_transactions_in_between_lose_nothing(void) {
  static const char *const modes[] = {"DELETE", "OFF", "TRUNCATE", "MEMORY"};
  tally t = {0, 0, 0, 0, 0};
  for (int i = 0; i < 4; i++) {
    survivor s = make_survivor(modes[i], i == 1 ? 3 : i * 4);
    s.stream.big_every = 5;
    s.stream.big_bytes = i % 2 == 0 ? 3 * MIB / 2 : 6 * MIB;
    if (i % 2 == 0) s.stream.max_queue_bytes = MIB;
    s.stream.cache_size = i < 2 ? 20 : 20000;
    s.most_commits = 12;
    if (!survives(&s, 3, &t)) break;
  }
  report(&t);
}

/* ---- company -------------------------------------------------------------------------------------- */

/* Each commit of `os` stands on those of `memory` before it. */
static void a_connection_of_memory_beside_it_costs_it_nothing(void) {
  static const char *const modes[] = {"DELETE", "PERSIST", "OFF"};
  tally t = {0, 0, 0, 0, 0};
  for (int i = 0; i < 3; i++) {
    survivor s = make_survivor(modes[i], i * 3);
    s.second = true;
    if (!survives(&s, 4, &t)) break;
  }
  report(&t);
}

static bool both_are_there(const survivor *s, const char *path, survivor_life *life, bool atomic) {
  int n;
  tally t = {0, 0, 0, 0, 0};
  int64_t other = 0;
  sqlite3 *db = recover(s, path, life, &t, &n);
  if (db == NULL) return false;
  sql_mustf(db, "ATTACH '%q' AS other", s->attached);
  sql_check_integrity(db, s->attached);
  if (sql_try_int(db, "SELECT n FROM other.both", &other) != SQLITE_OK) other = 0;
  sql_close(db);
  if (atomic && !CHECK_EQ(other, n)) return false;
  return is_told(life, (int)other, "the attached database");
}

/* Where SQLite has a super-journal the transaction is there in both, or in none. */
static void two_databases_of_one_transaction_lose_nothing(void) {
  static const char *const modes[] = {"DELETE", "TRUNCATE", "MEMORY"};
  for (int i = 0; i < 3; i++) {
    survivor s = make_survivor(modes[i], i);
    const char *path = scratch_path("killed.db");
    survivor_life life;
    memset(&life, 0, sizeof life);
    s.attached = scratch_path("other.db");
    s.most_commits = 10;
    for (int k = 0; k < 3; k++) {
      if (!survivor_kill(&s, path, k == 1 ? AT_OPENING : AT_COMMITS, &life)) return;
    }
    if (!both_are_there(&s, path, &life, i < 2)) return;
  }
}

/* Its cache is warm, it holds no lock, and has committed itself: its next lock looks at the ring. */
static void a_process_that_had_it_open_all_the_while_finds_all(void) {
  tally t = {0, 0, 0, 0, 0};
  for (int i = 0; i < 3; i++) {
    survivor s = make_survivor("DELETE", i);
    const char *path = scratch_path("killed.db");
    survivor_life life;
    s.parameters = "max_lag_ms=1000";
    sqlite3 *db = sql_open(path, sql_vfs());
    CHECK_RC(db, stream_create(&s.stream, db), SQLITE_OK);
    CHECK_RC(db, stream_write(&s.stream, db, 1, 10), SQLITE_OK);
    CHECK_EQ(stream_verify(&s.stream, db, "before"), 10);
    sql_must(db, "PRAGMA asyncvfs_drain");
    memset(&life, 0, sizeof life);
    life.least = life.most = 10;
    bool killed = survivor_kill(&s, path, AT_COMMITS, &life);
    if (killed && sql_file_exists(sql_beside(path, RING))) {
      int disk = on_the_disk(&s, path);
      t.rings++;
      t.kept += life.least > disk ? life.least - disk : 0;
    }
    int n = killed ? stream_verify(&s.stream, db, "warm") : -1;
    if (killed && is_told(&life, n, "warm")) CHECK_RC(db, stream_write(&s.stream, db, n + 1, n + 3), SQLITE_OK);
    sql_close(db);
    if (!killed) return;
    db = sql_open(path, SQL_STOCK_VFS);
    CHECK_EQ(stream_verify(&s.stream, db, "stock SQLite"), n + 3);
    sql_close(db);
    t.kills++;
  }
  report(&t);
}

/* Two come at once: one replays, the other one waits or does nothing; both see all. */
static void processes_that_race_to_replay_find_the_same(void) {
  enum { RACERS = 3 };
  for (int round = 0; round < 4; round++) {
    survivor s = make_survivor(round % 2 == 0 ? "DELETE" : "PERSIST", round);
    const char *path = scratch_path("killed.db");
    survivor_life life;
    harness_child *racers[RACERS];
    memset(&life, 0, sizeof life);
    s.parameters = "max_lag_ms=1000";
    if (!survivor_kill(&s, path, AT_COMMITS, &life)) return;
    for (int i = 0; i < RACERS; i++) {
      racers[i] = sql_child_start(sql_vfs(), path);
      if (racers[i] == NULL) return;
      sql_child_must(racers[i], "PRAGMA busy_timeout=60000");
    }
    for (int i = 0; i < RACERS; i++) sql_child_send(racers[i], i == 2 ? "UPDATE last SET n = n" : "SELECT n FROM last");
    for (int i = 0; i < RACERS; i++) {
      char text[64];
      CHECK_RC(NULL, sql_child_answer(racers[i], text, sizeof text), SQLITE_OK);
      if (i < 2) is_told(&life, atoi(text), "a racer");
    }
    for (int i = 0; i < RACERS; i++) sql_child_end(racers[i]);
    tally t = {0, 0, 0, 0, 0};
    if (!all_is_there(&s, path, &life, &t)) return;
  }
}

/* Who reads keeps it from being taken up, as from any write: so nobody's read changes under him. */
static void a_reader_of_another_program_is_waited_for(void) {
  survivor s = make_survivor("DELETE", 0);
  const char *path = scratch_path("killed.db");
  survivor_life life;
  int64_t n = 0;
  int rc;
  memset(&life, 0, sizeof life);
  s.parameters = "max_lag_ms=60000&max_queue_bytes=16777216";
  if (!survivor_kill(&s, path, AT_COMMITS, &life)) return;
  harness_child *reader = sql_child_start(SQL_STOCK_VFS, path);
  if (reader == NULL) return;
  sql_child_must(reader, "BEGIN");
  int64_t seen = sql_child_int(reader, "SELECT n FROM last", &rc);
  CHECK(seen < life.least);
  sqlite3 *db = sql_open(path, sql_vfs());
  CHECK_RC(db, sql_try_int(db, "SELECT n FROM last", &n), SQLITE_BUSY);
  CHECK_EQ(sql_child_int(reader, "SELECT n FROM last", &rc), seen);
  sql_child_must(reader, "COMMIT");
  CHECK_RC(db, sql_try_int(db, "SELECT n FROM last", &n), SQLITE_OK);
  is_told(&life, (int)n, "after the reader");
  sql_child_int(reader, "SELECT n FROM last", &rc);
  CHECK_RC(NULL, rc, SQLITE_BUSY);   /* what was taken up is in memory still */
  sql_must(db, "PRAGMA asyncvfs_drain");
  CHECK_EQ(sql_child_int(reader, "SELECT n FROM last", &rc), n);
  sql_child_end(reader);
  sql_close(db);
}

/* Each has its own commits in the ring, then gives it up; the other goes on; and is killed. */
static void processes_that_take_turns_lose_nothing(void) {
  enum { TURNS = 3 };
  for (int killed = 0; killed < 2; killed++) {
    const char *path = scratch_path("killed.db");
    harness_child *two[2];
    int n = 0, rc;
    sqlite3 *db = sql_open(path, sql_vfs());
    sql_must(db, "CREATE TABLE t(n); INSERT INTO t VALUES(0)");
    sql_close(db);
    for (int i = 0; i < 2; i++) {
      two[i] = sql_child_start(sql_vfs(), path);
      if (two[i] == NULL) return;
      sql_child_must(two[i], "PRAGMA asyncvfs_durability=os");
      sql_child_must(two[i], "PRAGMA asyncvfs_max_lag_ms=60000");
    }
    for (int turn = 0; turn < TURNS; turn++) {
      for (int i = 0; i < 2; i++) {
        harness_child *c = two[(killed + 1 + i) % 2];
        for (int k = 0; k < 4; k++, n++) sql_child_must(c, "UPDATE t SET n = n + 1");
        if (turn < TURNS - 1 || i == 0) sql_child_must(c, "PRAGMA asyncvfs_drain");
      }
    }
    harness_child_kill(two[killed]);
    CHECK_EQ(sql_child_int(two[!killed], "SELECT n FROM t", &rc), n);
    CHECK_RC(NULL, rc, SQLITE_OK);
    sql_child_end(two[!killed]);
    harness_child_free(two[killed]);
    CHECK(!sql_file_exists(sql_beside(path, REFUSED)));
  }
}

/* With locking_mode=EXCLUSIVE commits leave the change counter as it is. What a stock program has read of the
 * disk before they were taken up, it must not take for them. */
static void a_cache_of_another_program_is_known_to_be_old(void) {
  const char *path = scratch_path("killed.db");
  int rc;
  harness_child *writer = sql_child_start(sql_vfs(), path), *reader;
  if (writer == NULL) return;
  sql_child_must(writer, "PRAGMA locking_mode=EXCLUSIVE");
  sql_child_must(writer, "PRAGMA asyncvfs_durability=os");
  sql_child_must(writer, "PRAGMA asyncvfs_max_lag_ms=60000");
  sql_child_must(writer, "CREATE TABLE t(n)");
  sql_child_must(writer, "INSERT INTO t VALUES(0)");
  sql_child_must(writer, "PRAGMA asyncvfs_flush");
  for (int i = 0; i < 5; i++) sql_child_must(writer, "UPDATE t SET n = n + 1");
  harness_child_kill(writer);
  harness_child_free(writer);
  reader = sql_child_start(SQL_STOCK_VFS, path);
  if (reader == NULL) return;
  CHECK_EQ(sql_child_int(reader, "SELECT n FROM t", &rc), 0);   /* the disk's; it is in its cache */
  for (int i = 0; i < 2; i++) {
    sqlite3 *db = sql_open(path, sql_vfs());
    CHECK_EQ(sql_int(db, "SELECT n FROM t"), 5);
    sql_close(db);
    CHECK_EQ(sql_child_int(reader, "SELECT n FROM t", &rc), 5);
  }
  sql_child_must(reader, "UPDATE t SET n = n + 1");
  CHECK_EQ(sql_child_int(reader, "SELECT n FROM t", &rc), 6);
  sql_child_end(reader);
  sql_check_nothing_beside(path);
  CHECK(!sql_file_exists(sql_beside(path, RING)));
}

/* A read-only connection cannot replay: as of a hot journal, it says so, and leaves it to others. */
static void a_read_only_opener_is_refused_and_leaves_it(void) {
  survivor s = make_survivor("DELETE", 0);
  const char *path = scratch_path("killed.db");
  survivor_life life;
  sqlite3 *db = NULL;
  int64_t n = 0;
  tally t = {0, 0, 0, 0, 0};
  memset(&life, 0, sizeof life);
  s.parameters = "max_lag_ms=60000&max_queue_bytes=16777216";
  if (!survivor_kill(&s, path, AT_COMMITS, &life)) return;
  bool ring = sql_file_exists(sql_beside(path, RING)), hot = sql_journal_is_hot(path);
  int rc = sql_try_open_flags(sql_uri(path, "mode=ro"), sql_vfs(), SQLITE_OPEN_READONLY, &db);
  if (rc == SQLITE_OK) rc = sql_try_int(db, "SELECT n FROM last", &n);
  if (hot) CHECK_RC(db, rc, SQLITE_READONLY_ROLLBACK);
  else if (rc == SQLITE_OK) is_told(&life, (int)n, "read-only");
  else CHECK_RC(db, rc, SQLITE_READONLY_RECOVERY);
  sql_close(db);
  CHECK_EQ(sql_file_exists(sql_beside(path, RING)), ring);
  all_is_there(&s, path, &life, &t);
}

/* ---- the disk is not what the ring was made for ----------------------------------------------------- */

/* What asyncvfs_on_error has told, on its own thread or the closing one. */
static struct {
  HANDLE more;
  volatile LONG told;
  char message[500];
} heard;

static void ASYNCVFS_CALL hear(void *arg, const asyncvfs_error *e) {
  (void)arg;
  if (strstr(e->path, "killed.db") == NULL && strstr(e->path, "copied.db") == NULL) return;
  snprintf(heard.message, sizeof heard.message, "%s", e->message);
  InterlockedIncrement(&heard.told);
  ReleaseSemaphore(heard.more, 1, NULL);
}

static void listen(void) {
  heard.more = CreateSemaphoreA(NULL, 0, 1000, NULL);
  heard.told = 0;
  CHECK_RC(NULL, asyncvfs_on_error(hear, NULL), SQLITE_OK);
}

static void listen_no_more(void) {
  asyncvfs_on_error(NULL, NULL);
  CloseHandle(heard.more);
}

/* A killed process's database, whose ring has commits that the disk lacks. */
typedef struct scene {
  survivor s;
  const char *path;
  survivor_life life;
  int disk;   /* what the disk has */
} scene;

static bool leave(scene *c, const char *mode) {
  memset(c, 0, sizeof *c);
  c->s = make_survivor(mode, 0);
  c->s.parameters = "max_lag_ms=60000&max_queue_bytes=16777216";
  c->path = scratch_path("killed.db");
  survivor first = c->s;
  first.parameters = "max_lag_ms=0";
  if (!survivor_kill(&first, c->path, AT_COMMITS, &c->life)) return false;
  if (!survivor_kill(&c->s, c->path, AT_COMMITS, &c->life)) return false;
  c->disk = on_the_disk(&c->s, c->path);
  return c->disk >= 0 && CHECK(sql_file_exists(sql_beside(c->path, RING))) && CHECK(c->life.least > c->disk);
}

/* path is at state n; what the ring had has been told and set aside. */
static void is_refused(const scene *c, const char *path, int n) {
  sqlite3 *db = sql_open(path, sql_vfs());
  CHECK_EQ(stream_verify(&c->s.stream, db, path), n);
  WaitForSingleObject(heard.more, 20000);
  if (CHECK(heard.told >= 1)) CHECK(strstr(heard.message, "not taken up") != NULL && strstr(heard.message, REFUSED) != NULL);
  CHECK(sql_file_exists(sql_beside(path, REFUSED)));
  CHECK(sql_status(db, "refused") > 0);
  CHECK_RC(db, stream_write(&c->s.stream, db, n + 1, n + 2), SQLITE_OK);
  CHECK_RC(db, sql_exec(db, "PRAGMA asyncvfs_durability=os"), SQLITE_OK);
  CHECK_RC(db, stream_write(&c->s.stream, db, n + 3, n + 4), SQLITE_OK);
  sql_close(db);
  CHECK(!sql_file_exists(sql_beside(path, RING)));
  db = sql_open(path, SQL_STOCK_VFS);
  CHECK_EQ(stream_verify(&c->s.stream, db, path), n + 4);
  sql_close(db);
}

static void commits_of_a_stock_program_in_between_stay(void) {
  static const char *const modes[] = {"DELETE", "MEMORY"};
  for (int i = 0; i < 2; i++) {
    scene c;
    if (!leave(&c, modes[i])) return;
    listen();
    sqlite3 *db = sql_open(c.path, SQL_STOCK_VFS);
    CHECK_RC(db, stream_write(&c.s.stream, db, c.disk + 1, c.disk + 1 + i), SQLITE_OK);
    sql_close(db);
    is_refused(&c, c.path, c.disk + 1 + i);
    listen_no_more();
  }
}

static void a_stock_program_that_only_reads_changes_nothing(void) {
  scene c;
  tally t = {0, 0, 0, 0, 0};
  if (!leave(&c, "DELETE")) return;
  sqlite3 *db = sql_open(c.path, SQL_STOCK_VFS);
  CHECK_EQ(stream_verify(&c.s.stream, db, "stock SQLite"), c.disk);
  sql_close(db);
  all_is_there(&c.s, c.path, &c.life, &t);
}

/* Database and ring together, elsewhere: another file. */
static void a_copy_has_what_the_disk_had(void) {
  scene c;
  if (!leave(&c, "DELETE")) return;
  const char *copy = scratch_path("copied.db");
  CHECK(sql_copy_database(c.path, copy));
  CHECK(sql_file_copy(sql_beside(c.path, RING), sql_beside(copy, RING)));
  listen();
  is_refused(&c, copy, c.disk);
  listen_no_more();
  tally t = {0, 0, 0, 0, 0};
  all_is_there(&c.s, c.path, &c.life, &t);   /* the original is untouched */
}

/* Another database under its name, beside the old ring. */
static void a_database_that_was_replaced_stays_as_it_is(void) {
  scene c;
  if (!leave(&c, "DELETE")) return;
  const char *other = scratch_path("other.db");
  sqlite3 *db = sql_open(other, SQL_STOCK_VFS);
  CHECK_RC(db, stream_create(&c.s.stream, db), SQLITE_OK);
  CHECK_RC(db, stream_write(&c.s.stream, db, 1, 3), SQLITE_OK);
  sql_close(db);
  sql_file_delete(sql_beside(c.path, "-journal"));
  CHECK(MoveFileExA(other, c.path, MOVEFILE_REPLACE_EXISTING));
  listen();
  is_refused(&c, c.path, 3);
  listen_no_more();
}

static bool write_over(const char *from, const char *to) {
  int64_t bytes = sql_file_size(from);
  unsigned char *p = malloc(bytes > 0 ? (size_t)bytes : 1);
  DWORD n = 0;
  bool ok = p != NULL && sql_file_read(from, 0, p, (size_t)bytes) == bytes;
  HANDLE h = CreateFileA(to, GENERIC_WRITE, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
  ok = ok && h != INVALID_HANDLE_VALUE && WriteFile(h, p, (DWORD)bytes, &n, NULL) && n == bytes && SetEndOfFile(h);
  CloseHandle(h);
  free(p);
  return ok;
}

/* A back-up is written into the same file: an older state than the ring's. */
static void a_back_up_that_was_put_back_stays_as_it_is(void) {
  scene c;
  memset(&c, 0, sizeof c);
  const char *backup = scratch_path("backup.db");
  c.s = make_survivor("DELETE", 0);
  c.path = scratch_path("killed.db");
  c.s.parameters = "max_lag_ms=0";
  if (!survivor_kill(&c.s, c.path, AT_COMMITS, &c.life)) return;
  sqlite3 *db = sql_open(c.path, sql_vfs());
  int old = stream_verify(&c.s.stream, db, "the back-up");
  sql_close(db);
  if (!CHECK(old > 0) || !CHECK(sql_file_copy(c.path, backup))) return;
  db = sql_open(c.path, SQL_STOCK_VFS);   /* the disk moves on: the ring begins behind the back-up */
  CHECK_RC(db, stream_write(&c.s.stream, db, old + 1, old + 3), SQLITE_OK);
  sql_close(db);
  c.life.least = c.life.most = old + 3;
  c.s.parameters = "max_lag_ms=60000";
  if (!survivor_kill(&c.s, c.path, AT_COMMITS, &c.life)) return;
  sql_file_delete(sql_beside(c.path, "-journal"));
  if (!CHECK(sql_file_exists(sql_beside(c.path, RING))) || !CHECK(write_over(backup, c.path))) return;
  listen();
  is_refused(&c, c.path, old);
  listen_no_more();
}

/* ---- no ring ------------------------------------------------------------------------------ */

/* A process that was killed while it made its ring has left nothing, or zeros, which may be of any length:
 * they are none, and in nobody's way. Another file of that name is nobody's ring, and set aside. */
static void a_file_that_is_no_ring_is_in_nobody_s_way(void) {
  static unsigned char bytes[100000];
  static const size_t sizes[] = {0, 1, 4096, 100000, 100000};
  for (int i = 0; i < 5; i++) {
    survivor s = make_survivor("DELETE", 0);
    const char *path = scratch_path("killed.db");
    survivor_life life;
    tally t = {0, 0, 0, 0, 0};
    memset(&life, 0, sizeof life);
    memset(bytes, 0, sizeof bytes);
    if (i == 4) sql_noise(rng_next(), bytes, sizeof bytes);
    CHECK(sql_file_write(sql_beside(path, RING), bytes, sizes[i]));
    if (!survivor_kill(&s, path, AT_COMMITS, &life)) return;
    if (i == 4) CHECK(sql_file_delete(sql_beside(path, REFUSED)));
    if (!all_is_there(&s, path, &life, &t)) return;
  }
}

void suite_survive(void) {
  CU_pSuite suite = CU_add_suite("survive", NULL, NULL);
  ADD_TEST(suite, delete_mode_loses_nothing);
  ADD_TEST(suite, truncate_mode_loses_nothing);
  ADD_TEST(suite, persist_mode_loses_nothing);
  ADD_TEST(suite, memory_mode_loses_nothing);
  ADD_TEST(suite, off_mode_loses_nothing);
  ADD_TEST(suite, exclusive_locking_loses_nothing);
  ADD_TEST(suite, large_transactions_in_between_lose_nothing);
  ADD_TEST(suite, a_connection_of_memory_beside_it_costs_it_nothing);
  ADD_TEST(suite, two_databases_of_one_transaction_lose_nothing);
  ADD_TEST(suite, a_process_that_had_it_open_all_the_while_finds_all);
  ADD_TEST(suite, processes_that_race_to_replay_find_the_same);
  ADD_TEST(suite, a_reader_of_another_program_is_waited_for);
  ADD_TEST(suite, a_cache_of_another_program_is_known_to_be_old);
  ADD_TEST(suite, processes_that_take_turns_lose_nothing);
  ADD_TEST(suite, a_read_only_opener_is_refused_and_leaves_it);
  ADD_TEST(suite, commits_of_a_stock_program_in_between_stay);
  ADD_TEST(suite, a_stock_program_that_only_reads_changes_nothing);
  ADD_TEST(suite, a_copy_has_what_the_disk_had);
  ADD_TEST(suite, a_database_that_was_replaced_stays_as_it_is);
  ADD_TEST(suite, a_back_up_that_was_put_back_stays_as_it_is);
  ADD_TEST(suite, a_file_that_is_no_ring_is_in_nobody_s_way);
}
