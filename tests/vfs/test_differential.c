/* test_differential.c: a program of random SQL cannot tell the VFS under test
 * from win32.
 *
 * A program is a seed. It runs in lockstep on two databases, one on win32 and
 * one on the VFS under test: a step is one SQL text, or one move of a cursor,
 * a backup, a reopening, on one of up to three connections. After every step
 * the two sides must agree on the result code (extended), on the rows, on the
 * number of changes and on whether a transaction is open. When all is closed,
 * the file of the side under test, opened by stock win32, must be whole and
 * must dump to the same hash, and no journal may lie beside it.
 *
 * A theme is the set of features that its programs may use. A failure prints
 * its seed; TEST_PROGRAM=<seed> runs that one program in every theme, and
 * TEST_VERBOSE=1 prints each step.
 *
 * journal_mode=OFF leaves a rolled-back database undefined in SQLite itself:
 * while a connection is in it, the generator commits and makes no statement
 * that could fail half-way.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "sql_tools.h"

#define CONNECTIONS 3
#define TABLES      4

enum feature {
  CACHE_SPILLS = 1 << 0,
  VACUUMS = 1 << 1,
  MANY_CONNECTIONS = 1 << 2,
  SHARED_CACHE = 1 << 3,
  EXCLUSIVE_LOCKING = 1 << 4,
  ATTACHED = 1 << 5,
  WAL_AND_BACK = 1 << 6,
  BACKUPS = 1 << 7,
  MODE_OFF = 1 << 8,
  REOPENS = 1 << 9
};

typedef struct side {
  const char *vfs;
  char path[512];
  char aux_path[512];
  sqlite3 *db[CONNECTIONS];
  sqlite3_stmt *cursor[CONNECTIONS];
} side;

typedef struct program {
  uint64_t seed;
  uint64_t state; /* of the stream of random numbers */
  unsigned features;
  const char *theme;
  int connections;
  int step;
  bool failed;
  bool over; /* no more steps */
  bool verbose;
  bool keeps_journal_open; /* all connections in TRUNCATE or PERSIST */
  bool off[CONNECTIONS];   /* in journal_mode=OFF */
  bool attached[CONNECTIONS];
  side sides[2]; /* win32, then the VFS under test */
} program;

/* What one side answered to one step. */
typedef struct answer {
  int rc;
  int autocommit;
  int64_t rows;
  int64_t changes;
  uint64_t hash;
} answer;

static uint64_t next(program *p) {
  return sql_mix(p->state++);
}

static int below(program *p, int n) {
  return (int)(next(p) % (uint64_t)n);
}

static bool one_in(program *p, int n) {
  return below(p, n) == 0;
}

static const char *pick(program *p, const char *const *names, int n) {
  return names[below(p, n)];
}

#define PICK(p, ...)                                                                           \
  pick(p, (const char *const[]){__VA_ARGS__},                                                  \
       (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)))

/* ------------------------------------------------------------- comparisons */

static void compare(program *p, int c, const char *what, const answer *a, const answer *b) {
  p->step++;
  if (p->verbose) {
    harness_print("%4d [%d] %d %lld  %.150s\n", p->step, c, a->rc, (long long)a->rows, what);
  }
  bool same = a->rc == b->rc && a->autocommit == b->autocommit && a->changes == b->changes &&
              (a->rc != SQLITE_OK || (a->rows == b->rows && a->hash == b->hash));
  if (same || p->failed) return;
  p->failed = true;
  FAIL("TEST_PROGRAM=%llu, %s, step %d, connection %d: %.200s\n"
       "    %-9s rc %d, %lld rows, hash %016llx, %lld changes, autocommit %d\n"
       "    %-9s rc %d, %lld rows, hash %016llx, %lld changes, autocommit %d\n",
       (unsigned long long)p->seed, p->theme, p->step, c, what, p->sides[0].vfs, a->rc,
       (long long)a->rows, (unsigned long long)a->hash, (long long)a->changes, a->autocommit,
       p->sides[1].vfs, b->rc, (long long)b->rows, (unsigned long long)b->hash,
       (long long)b->changes, b->autocommit);
}

static void note_state(sqlite3 *db, answer *a) {
  a->autocommit = db == NULL ? -1 : sqlite3_get_autocommit(db);
  a->changes = db == NULL ? -1 : sqlite3_total_changes64(db);
}

/* Runs one SQL text on connection c of both sides; returns win32's code. */
static int both(program *p, int c, const char *format, ...) {
  answer answers[2];
  memset(answers, 0, sizeof answers);
  if (p->failed) return SQLITE_ABORT;
  va_list args;
  va_start(args, format);
  char *sql = sqlite3_vmprintf(format, args);
  va_end(args);
  if (p->verbose) harness_print("     [%d] %.150s\n", c, sql);
  for (int i = 0; i < 2; i++) {
    sqlite3 *db = p->sides[i].db[c];
    answers[i].rc = sql_hash_rows(db, sql, &answers[i].hash, &answers[i].rows);
    note_state(db, &answers[i]);
  }
  compare(p, c, sql, &answers[0], &answers[1]);
  sqlite3_free(sql);
  return answers[0].rc;
}

static void both_dump(program *p, int c) {
  answer answers[2];
  memset(answers, 0, sizeof answers);
  if (p->failed) return;
  for (int i = 0; i < 2; i++) {
    answers[i].rc = sql_dump_hash(p->sides[i].db[c], &answers[i].hash);
    note_state(p->sides[i].db[c], &answers[i]);
  }
  compare(p, c, "(dump)", &answers[0], &answers[1]);
}

/* -------------------------------------------------- opening and closing */

static void both_open(program *p, int c) {
  answer answers[2];
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  memset(answers, 0, sizeof answers);
  flags |= p->features & SHARED_CACHE ? SQLITE_OPEN_SHAREDCACHE : SQLITE_OPEN_PRIVATECACHE;
  for (int i = 0; i < 2; i++) {
    side *s = &p->sides[i];
    answers[i].rc = sql_try_open_flags(s->path, s->vfs, flags, &s->db[c]);
    if (answers[i].rc != SQLITE_OK) p->failed = true;
  }
  CHECK_RC(NULL, answers[0].rc, SQLITE_OK);
  CHECK_RC(NULL, answers[1].rc, SQLITE_OK);
  p->off[c] = false;
  p->attached[c] = false;
}

static void end_cursor(program *p, int c) {
  answer answers[2];
  if (p->sides[0].cursor[c] == NULL) return;
  memset(answers, 0, sizeof answers);
  for (int i = 0; i < 2; i++) {
    answers[i].rc = sqlite3_finalize(p->sides[i].cursor[c]);
    p->sides[i].cursor[c] = NULL;
    note_state(p->sides[i].db[c], &answers[i]);
  }
  compare(p, c, "(end of cursor)", &answers[0], &answers[1]);
}

/* A transaction in journal_mode=OFF must not end in a rollback, so commit
 * everywhere, the readers first: they could make a writer's COMMIT busy. */
static void commit_all(program *p) {
  for (int c = 0; c < p->connections; c++) end_cursor(p, c);
  for (int round = 0; round < 2 && !p->failed; round++) {
    for (int c = 0; c < p->connections; c++) {
      if (!sqlite3_get_autocommit(p->sides[0].db[c])) both(p, c, "COMMIT");
    }
  }
}

static bool any_off(const program *p) {
  for (int c = 0; c < p->connections; c++) {
    if (p->off[c]) return true;
  }
  return false;
}

static void both_close(program *p, int c) {
  if (any_off(p)) commit_all(p);
  end_cursor(p, c);
  int rcs[2];
  for (int i = 0; i < 2; i++) {
    rcs[i] = sqlite3_close(p->sides[i].db[c]);
    if (rcs[i] == SQLITE_OK) p->sides[i].db[c] = NULL;
  }
  CHECK_RC(NULL, rcs[0], SQLITE_OK);
  CHECK_RC(NULL, rcs[1], SQLITE_OK);
}

/* -------------------------------------------------------------- the steps */

/* A table's name, now and then in the attached database or a temporary one. */
static const char *table_of(program *p, int c, char *name, size_t n) {
  const char *schema = "main.";
  if (p->attached[c] && one_in(p, 2))
    schema = "aux1.";
  else if (one_in(p, 12))
    schema = "temp.";
  snprintf(name, n, "%st%d", schema, below(p, TABLES));
  return name;
}

/* Statements that fail half-way need a journal. */
static const char *on_conflict(program *p, int c) {
  if (p->off[c]) return PICK(p, "OR REPLACE", "OR IGNORE");
  return PICK(p, "", "", "OR REPLACE", "OR REPLACE", "OR IGNORE", "OR ROLLBACK", "OR FAIL");
}

static int blob_bytes(program *p) {
  switch (below(p, 8)) {
  case 0: return 0;
  case 1: return below(p, 20000);
  case 2: return below(p, 4000);
  default: return below(p, 300);
  }
}

static void step_schema(program *p, int c) {
  char t[32];
  static const char *const columns[] = {
      "id INTEGER PRIMARY KEY, a INT, b BLOB, c TEXT",
      "id INTEGER PRIMARY KEY, a INT UNIQUE, b BLOB, c TEXT",
      "id INTEGER PRIMARY KEY AUTOINCREMENT, a INT, b BLOB, c TEXT, CHECK (a < 900)",
  };
  table_of(p, c, t, sizeof t);
  switch (below(p, 8)) {
  case 0:
    both(p, c, "CREATE TABLE %s(id INT PRIMARY KEY, a INT, b BLOB, c TEXT) WITHOUT ROWID", t);
    break;
  case 1: both(p, c, "DROP TABLE %s", t); break;
  case 2: both(p, c, "CREATE INDEX i%d ON t%d(c, a)", below(p, 3), below(p, TABLES)); break;
  case 3: both(p, c, "DROP INDEX i%d", below(p, 3)); break;
  case 4:
    both(p, c, "ALTER TABLE %s ADD COLUMN x%d DEFAULT %d", t, below(p, 3), below(p, 9));
    break;
  case 5: both(p, c, "PRAGMA user_version=%d", below(p, 1000)); break;
  default: both(p, c, "CREATE TABLE %s(%s)", t, pick(p, columns, p->off[c] ? 1 : 3)); break;
  }
}

static void step_insert(program *p, int c) {
  char t[32];
  table_of(p, c, t, sizeof t);
  const char *conflict = on_conflict(p, c);
  if (one_in(p, 2)) {
    both(p, c, "INSERT %s INTO %s(id, a, b, c) VALUES(%d, %d, noise(%d, %d), 'row %d')",
         conflict, t, below(p, 400), below(p, 950), below(p, 1000), blob_bytes(p),
         below(p, 100));
  } else {
    both(p, c,
         "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
         "INSERT %s INTO %s(id, a, b, c) SELECT %d + i * %d, i + %d, noise(i + %d, %d + i * 37 "
         "%% "
         "701), hex(noise(i, 9)) FROM n",
         1 + below(p, 60), conflict, t, below(p, 400), 1 + below(p, 3), below(p, 900),
         below(p, 1000), one_in(p, 4) ? 3000 : 5);
  }
}

static void step_change(program *p, int c) {
  char t[32];
  table_of(p, c, t, sizeof t);
  int modulus = 1 + below(p, 9);
  switch (below(p, 6)) {
  case 0:
    both(p, c, "UPDATE %s %s SET b = noise(id + %d, %d) WHERE id %% %d = %d", on_conflict(p, c),
         t, below(p, 1000), blob_bytes(p) / 4, modulus, below(p, modulus));
    break;
  case 1:
    both(p, c, "UPDATE %s %s SET a = a + %d WHERE id BETWEEN %d AND %d + 50", on_conflict(p, c),
         t, 1 + below(p, 3), below(p, 300), below(p, 300));
    break;
  case 2:
    both(p, c, "DELETE FROM %s WHERE id %% %d = %d", t, modulus, below(p, modulus));
    break;
  case 3: both(p, c, "DELETE FROM %s WHERE id > %d", t, below(p, 400)); break;
  case 4:
    if (one_in(p, 3)) {
      both(p, c, "DELETE FROM %s", t);
      break;
    }
    both(p, c, "UPDATE %s %s SET c = c || c WHERE id < %d", on_conflict(p, c), t, below(p, 30));
    break;
  default:
    both(p, c, "UPDATE %s SET b = CAST(b || noise(id, %d) AS BLOB) WHERE id = %d", t,
         below(p, 3000), below(p, 400));
    break;
  }
}

static void step_read(program *p, int c) {
  char t[32];
  table_of(p, c, t, sizeof t);
  switch (below(p, 5)) {
  case 0: both(p, c, "SELECT * FROM %s ORDER BY id", t); break;
  case 1: both(p, c, "SELECT count(*), sum(a), sum(length(b)), max(c) FROM %s", t); break;
  case 2: both(p, c, "SELECT * FROM %s WHERE id = %d", t, below(p, 400)); break;
  case 3: both(p, c, "PRAGMA page_count; PRAGMA freelist_count; PRAGMA page_size"); break;
  default: both_dump(p, c); break;
  }
}

static void step_transaction(program *p, int c) {
  bool open = sqlite3_get_autocommit(p->sides[0].db[c]) == 0;
  if (!open && !one_in(p, 8)) {
    both(p, c, "%s",
         PICK(p, "BEGIN", "BEGIN", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", "SAVEPOINT s1"));
    return;
  }
  const char *const moves[] = {"COMMIT",         "COMMIT",         "SAVEPOINT s1",
                               "SAVEPOINT s2",   "RELEASE s1",     "RELEASE s2",
                               "ROLLBACK TO s1", "ROLLBACK TO s2", "ROLLBACK"};
  both(p, c, "%s", pick(p, moves, p->off[c] ? 6 : 9));
}

static void set_off(program *p, int c, bool off) {
  for (int i = 0; i < CONNECTIONS; i++) {
    if (i == c || p->features & SHARED_CACHE) p->off[i] = off;
  }
}

/* On Windows a connection in TRUNCATE or PERSIST keeps the journal open, and
 * another one in DELETE then fails to delete it (after 1.4 s of retries, with
 * SQLITE_IOERR_DELETE). A virtual journal has no such trouble, so the sides
 * would rightly differ: of several connections either all keep it open or
 * none does. */
static const char *pick_journal_mode(program *p) {
  if (p->connections > 1 && p->keeps_journal_open) return PICK(p, "TRUNCATE", "PERSIST");
  if (p->features & MODE_OFF && one_in(p, 3)) return "OFF";
  if (p->features & WAL_AND_BACK && one_in(p, 2)) return "WAL";
  if (p->connections > 1) return PICK(p, "DELETE", "DELETE", "MEMORY");
  return PICK(p, "DELETE", "TRUNCATE", "PERSIST", "MEMORY");
}

/* Changing the journal_mode waits for a quiet moment of the connection: going
 * to OFF inside a transaction would leave it without a way back. */
static void step_journal_mode(program *p, int c) {
  const char *mode = pick_journal_mode(p);
  if (strcmp(mode, "OFF") == 0 || any_off(p)) commit_all(p);
  if (p->failed) return;
  if (!sqlite3_get_autocommit(p->sides[0].db[c]) || p->sides[0].cursor[c] != NULL) return;
  if (strcmp(mode, "OFF") == 0) set_off(p, c, true);
  both(p, c, "PRAGMA journal_mode=%s", mode);
  char now[16];
  sql_try_text(p->sides[0].db[c], "PRAGMA main.journal_mode", now, sizeof now);
  set_off(p, c, strcmp(now, "off") == 0);
}

/* A new connection starts in DELETE. If a lock keeps it from joining those
 * that hold the journal open, the program must end here. */
static void join_journal_mode(program *p, int c) {
  step_journal_mode(p, c);
  char now[16];
  int rc = sql_try_text(p->sides[0].db[c], "PRAGMA main.journal_mode", now, sizeof now);
  if (p->connections > 1 && p->keeps_journal_open &&
      (rc != SQLITE_OK || strcmp(now, "delete") == 0)) {
    p->over = true;
  }
}

static void step_pragma(program *p, int c) {
  switch (below(p, 9)) {
  case 0:
  case 1: step_journal_mode(p, c); break;
  case 2: both(p, c, "PRAGMA synchronous=%s", PICK(p, "OFF", "NORMAL", "FULL", "EXTRA")); break;
  case 3:
    if (p->features & CACHE_SPILLS) both(p, c, "PRAGMA cache_size=%d", one_in(p, 3) ? 2000 : 5);
    break;
  case 4: both(p, c, "PRAGMA cache_spill=%d", below(p, 4)); break;
  case 5: both(p, c, "PRAGMA incremental_vacuum(%d)", below(p, 20)); break;
  case 6: both(p, c, "PRAGMA journal_size_limit=%d", one_in(p, 2) ? -1 : below(p, 5000)); break;
  case 7: both(p, c, "PRAGMA mmap_size=%d", one_in(p, 4) ? below(p, 100000) : 1 << 28); break;
  default: both(p, c, "PRAGMA secure_delete=%s", PICK(p, "ON", "OFF", "FAST")); break;
  }
}

static void step_vacuum(program *p, int c) {
  if (any_off(p)) commit_all(p);
  switch (below(p, 4)) {
  case 0:
  case 1: both(p, c, "PRAGMA page_size=%d; VACUUM", 512 << below(p, 8)); break;
  case 2: both(p, c, "PRAGMA auto_vacuum=%d; VACUUM", below(p, 3)); break;
  default: both(p, c, "VACUUM"); break;
  }
}

static void step_attach(program *p, int c) {
  if (p->attached[c]) {
    if (any_off(p)) commit_all(p);
    if (p->failed || !one_in(p, 3)) return;
    if (both(p, c, "DETACH aux1") == SQLITE_OK) p->attached[c] = false;
    return;
  }
  answer answers[2];
  memset(answers, 0, sizeof answers);
  for (int i = 0; i < 2; i++) {
    sqlite3 *db = p->sides[i].db[c];
    answers[i].rc = sql_execf(db, "ATTACH %Q AS aux1", p->sides[i].aux_path);
    note_state(db, &answers[i]);
  }
  compare(p, c, "ATTACH ... AS aux1", &answers[0], &answers[1]);
  p->attached[c] = answers[0].rc == SQLITE_OK;
  if (p->attached[c] && one_in(p, 2)) {
    both(p, c, "CREATE TABLE aux1.t0(id INTEGER PRIMARY KEY, a INT, b BLOB, c TEXT)");
  }
}

static void step_locking(program *p, int c) {
  both(p, c, "PRAGMA locking_mode=%s", PICK(p, "EXCLUSIVE", "NORMAL", "NORMAL"));
  /* The mode takes hold at the next access. */
  both(p, c, "SELECT count(*) FROM sqlite_schema");
}

/* A cursor left open holds a SHARED lock under the steps that follow. */
static void step_cursor(program *p, int c) {
  answer answers[2];
  memset(answers, 0, sizeof answers);
  if (p->sides[0].cursor[c] != NULL && one_in(p, 2)) {
    end_cursor(p, c);
    return;
  }
  int table = below(p, TABLES);
  for (int i = 0; i < 2; i++) {
    side *s = &p->sides[i];
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT id, a, b FROM main.t%d ORDER BY id", table);
    if (s->cursor[c] == NULL) {
      answers[i].rc = sqlite3_prepare_v2(s->db[c], sql, -1, &s->cursor[c], NULL);
    }
    if (answers[i].rc == SQLITE_OK) {
      answers[i].rc = sqlite3_step(s->cursor[c]);
      if (answers[i].rc == SQLITE_ROW) {
        answers[i].rc = SQLITE_OK;
        answers[i].rows = 1;
        answers[i].hash = (uint64_t)sqlite3_column_int64(s->cursor[c], 0) * 1000003u +
                          (uint64_t)sqlite3_column_bytes(s->cursor[c], 2);
      }
    }
    note_state(s->db[c], &answers[i]);
  }
  compare(p, c, "(cursor step)", &answers[0], &answers[1]);
}

/* An in-memory database of random shape, copied over main by the backup API,
 * in parts; some backups are given up half-way. */
static void step_backup_into(program *p, int c) {
  if (any_off(p)) commit_all(p);
  sqlite3 *source = NULL;
  if (p->failed) return;
  CHECK_RC(NULL, sql_try_open(":memory:", SQL_STOCK_VFS, &source), SQLITE_OK);
  if (source == NULL) return;
  sql_mustf(source,
            "PRAGMA page_size=%d;"
            "CREATE TABLE t0(id INTEGER PRIMARY KEY, a INT, b BLOB, c TEXT);"
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
            "INSERT INTO t0 SELECT i, i, noise(i + %d, i * 7), 'backup' FROM n",
            512 << below(p, 8), 1 + below(p, 100), below(p, 1000));
  int part = 1 + below(p, 30);
  int parts = any_off(p) || one_in(p, 2) ? 1000000 : below(p, 4);
  answer answers[2];
  memset(answers, 0, sizeof answers);
  for (int i = 0; i < 2; i++) {
    sqlite3 *db = p->sides[i].db[c];
    sqlite3_backup *backup = sqlite3_backup_init(db, "main", source, "main");
    if (backup == NULL) {
      answers[i].rc = sqlite3_extended_errcode(db);
    } else {
      int rc = SQLITE_OK;
      for (int n = 0; n < parts && rc == SQLITE_OK; n++) {
        rc = sqlite3_backup_step(backup, part);
        answers[i].rows++;
      }
      answers[i].hash = (uint64_t)rc;
      answers[i].rc = sqlite3_backup_finish(backup);
    }
    note_state(db, &answers[i]);
  }
  compare(p, c, "(backup into main)", &answers[0], &answers[1]);
  sqlite3_close(source);
}

static void step_backup_out(program *p, int c) {
  answer answers[2];
  memset(answers, 0, sizeof answers);
  for (int i = 0; i < 2; i++) {
    sqlite3 *copy = NULL;
    sqlite3 *db = p->sides[i].db[c];
    if (sql_try_open(":memory:", SQL_STOCK_VFS, &copy) != SQLITE_OK) continue;
    sqlite3_backup *backup = sqlite3_backup_init(copy, "main", db, "main");
    if (backup == NULL) {
      answers[i].rc = sqlite3_extended_errcode(copy);
    } else {
      sqlite3_backup_step(backup, -1);
      answers[i].rc = sqlite3_backup_finish(backup);
    }
    if (answers[i].rc == SQLITE_OK) answers[i].rc = sql_dump_hash(copy, &answers[i].hash);
    sqlite3_close(copy);
    note_state(db, &answers[i]);
  }
  compare(p, c, "(backup out of main)", &answers[0], &answers[1]);
}

static void step(program *p) {
  int c = below(p, p->connections);
  int dice = below(p, 100);
  if (dice < 24)
    step_insert(p, c);
  else if (dice < 40)
    step_change(p, c);
  else if (dice < 58)
    step_transaction(p, c);
  else if (dice < 66)
    step_schema(p, c);
  else if (dice < 76)
    step_read(p, c);
  else if (dice < 84)
    step_pragma(p, c);
  else if (dice < 87)
    step_cursor(p, c);
  else if (dice < 90 && p->features & VACUUMS)
    step_vacuum(p, c);
  else if (dice < 93 && p->features & ATTACHED)
    step_attach(p, c);
  else if (dice < 95 && p->features & EXCLUSIVE_LOCKING)
    step_locking(p, c);
  else if (dice < 97 && p->features & BACKUPS) {
    if (one_in(p, 2))
      step_backup_into(p, c);
    else
      step_backup_out(p, c);
  } else if (dice < 99 && p->features & REOPENS) {
    both_close(p, c);
    both_open(p, c);
    join_journal_mode(p, c);
  } else if (p->features & WAL_AND_BACK) {
    both(p, c, "PRAGMA wal_checkpoint(%s)", PICK(p, "PASSIVE", "FULL", "RESTART", "TRUNCATE"));
  } else {
    both(p, c, "PRAGMA quick_check");
  }
}

/* ------------------------------------------------------------- a program */

static void begin_program(program *p, unsigned features, const char *theme, uint64_t seed) {
  memset(p, 0, sizeof *p);
  p->seed = seed;
  p->state = sql_mix(seed);
  p->features = features;
  p->theme = theme;
  p->keeps_journal_open = !(features & WAL_AND_BACK) && one_in(p, 2);
  p->verbose = getenv("TEST_VERBOSE") != NULL;
  p->connections = features & MANY_CONNECTIONS ? 2 + below(p, CONNECTIONS - 1) : 1;
  p->sides[0].vfs = SQL_STOCK_VFS;
  p->sides[1].vfs = sql_vfs();
  for (int i = 0; i < 2; i++) {
    side *s = &p->sides[i];
    snprintf(s->path, sizeof s->path, "%s", scratch_path("main.db"));
    snprintf(s->aux_path, sizeof s->aux_path, "%s", scratch_path("attached.db"));
  }
  for (int c = 0; c < p->connections; c++) both_open(p, c);
  if (p->failed) return;
  both(p, 0, "PRAGMA page_size=%d; PRAGMA auto_vacuum=%d; PRAGMA encoding=%Q",
       512 << below(p, 8), below(p, 3), PICK(p, "UTF-8", "UTF-8", "UTF-16le"));
  both(p, 0, "CREATE TABLE t0(id INTEGER PRIMARY KEY, a INT, b BLOB, c TEXT)");
  /* Else the comparison would be win32 with itself. */
  if (sql_vfs_is_asyncvfs()) CHECK(sql_is_ours(p->sides[1].db[0]));
  if (features & CACHE_SPILLS && one_in(p, 2)) both(p, 0, "PRAGMA cache_size=5");
  for (int c = 0; c < p->connections; c++) {
    if (one_in(p, 3)) both(p, c, "PRAGMA mmap_size=%d", 1 << 28);
  }
  for (int c = 0; c < p->connections; c++) join_journal_mode(p, c);
}

/* What is on disk, read by stock SQLite, against the win32 side. */
static void compare_files(program *p, const char *stock, const char *ours) {
  uint64_t hashes[2] = {0, 1};
  char integrity[2][400] = {"", ""};
  const char *paths[2] = {stock, ours};
  if (!sql_file_exists(stock) && !sql_file_exists(ours)) return;
  for (int i = 0; i < 2; i++) {
    /* Stock SQLite leaves a journal in PERSIST and TRUNCATE, and so does a
     * database that was passed through since it was in WAL mode. */
    bool may_stay = strcmp(p->sides[i].vfs, "asyncvfs") != 0 || p->features & WAL_AND_BACK;
    if (may_stay)
      CHECK(!sql_journal_is_hot(paths[i]));
    else
      sql_check_nothing_beside(paths[i]);
    sqlite3 *db = sql_open(paths[i], SQL_STOCK_VFS);
    if (db == NULL) return;
    /* With journal_mode=OFF a statement that fails is not undone: stock SQLite itself may
     * leave pages that belong to nothing. Ours then does the same. */
    if (p->features & MODE_OFF)
      CHECK_RC(db, sql_try_text(db, "PRAGMA integrity_check", integrity[i], sizeof integrity[i]), SQLITE_OK);
    else
      sql_check_integrity(db, paths[i]);
    CHECK_RC(NULL, sql_dump_hash(db, &hashes[i]), SQLITE_OK);
    sql_close(db);
  }
  CHECK_STR_EQ(integrity[1], integrity[0]);
  if (hashes[0] != hashes[1]) {
    FAIL("TEST_PROGRAM=%llu, %s: the files differ after close", (unsigned long long)p->seed,
         p->theme);
  }
}

static bool run_program(unsigned features, const char *theme, uint64_t seed) {
  static program p;
  begin_program(&p, features, theme, seed);
  int steps = 25 + below(&p, 35);
  for (int i = 0; i < steps && !p.failed && !p.over; i++) step(&p);
  if (any_off(&p)) commit_all(&p);
  bool failed = p.failed;
  p.failed = false; /* Closing compares, too. */
  for (int i = 0; i < p.connections; i++) {
    int c = (i + (int)(seed % 3)) % p.connections;
    if (p.sides[0].db[c] == NULL || p.sides[1].db[c] == NULL) return false;
    end_cursor(&p, c);
    for (int s = 0; s < 2; s++) CHECK_RC(NULL, sqlite3_close(p.sides[s].db[c]), SQLITE_OK);
  }
  if (failed) return false;
  compare_files(&p, p.sides[0].path, p.sides[1].path);
  compare_files(&p, p.sides[0].aux_path, p.sides[1].aux_path);
  return true;
}

static void run_theme(unsigned features, const char *theme, int programs) {
  const char *seed = getenv("TEST_PROGRAM");
  if (seed != NULL && *seed != 0) {
    run_program(features, theme, strtoull(seed, NULL, 0));
    return;
  }
  for (int i = 0; i < programs; i++) {
    uint64_t own = sql_mix(test_seed() + (uint64_t)i) >> 24;
    if (!run_program(features, theme, own)) return;
  }
}

/* --------------------------------------------------------------- the themes */

static void one_connection_sees_no_difference(void) {
  run_theme(CACHE_SPILLS | VACUUMS | REOPENS, "one connection", 110);
}

static void journal_mode_off_sees_no_difference(void) {
  run_theme(CACHE_SPILLS | VACUUMS | REOPENS | MODE_OFF, "journal_mode=OFF", 40);
}

static void several_connections_see_no_difference(void) {
  run_theme(CACHE_SPILLS | VACUUMS | REOPENS | MANY_CONNECTIONS | MODE_OFF,
            "several connections", 45);
}

static void shared_cache_sees_no_difference(void) {
  run_theme(CACHE_SPILLS | REOPENS | MANY_CONNECTIONS | SHARED_CACHE, "shared cache", 30);
}

static void exclusive_locking_sees_no_difference(void) {
  run_theme(CACHE_SPILLS | VACUUMS | REOPENS | MANY_CONNECTIONS | EXCLUSIVE_LOCKING,
            "exclusive locking", 30);
}

static void attached_databases_see_no_difference(void) {
  run_theme(CACHE_SPILLS | REOPENS | MANY_CONNECTIONS | ATTACHED, "attached", 40);
}

static void backups_see_no_difference(void) {
  run_theme(CACHE_SPILLS | BACKUPS | REOPENS | MANY_CONNECTIONS, "backups", 30);
}

static void wal_and_back_sees_no_difference(void) {
  run_theme(CACHE_SPILLS | VACUUMS | REOPENS | MANY_CONNECTIONS | WAL_AND_BACK |
                EXCLUSIVE_LOCKING,
            "WAL and back", 35);
}

void suite_differential(void) {
  CU_pSuite suite = CU_add_suite("differential", NULL, NULL);
  ADD_TEST(suite, one_connection_sees_no_difference);
  ADD_TEST(suite, journal_mode_off_sees_no_difference);
  ADD_TEST(suite, several_connections_see_no_difference);
  ADD_TEST(suite, shared_cache_sees_no_difference);
  ADD_TEST(suite, exclusive_locking_sees_no_difference);
  ADD_TEST(suite, attached_databases_see_no_difference);
  ADD_TEST(suite, backups_see_no_difference);
  ADD_TEST(suite, wal_and_back_sees_no_difference);
}
