/* stream.c: see stream.h. */
#include "stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "vfs/sql_tools.h"

#define LINE_MS          60000
#define AIM_MICROSECONDS 300000
#define BIG_ROW_BYTES    3000

/* ------------------------------------------------- what follows from i */

static uint64_t chance(const stream *s, int i, int salt) {
  return sql_mix(s->seed * 1000003u + (uint64_t)i * 64u + (uint64_t)salt);
}

static int changed_row(const stream *s, int i) {
  return 1 + (int)(chance(s, i, 1) % (uint64_t)i);
}

static int deleted_row(const stream *s, int i) {
  return i % 5 == 0 ? 1 + (int)(chance(s, i, 2) % (uint64_t)i) : 0;
}

static bool is_big(const stream *s, int i) {
  return s->big_every > 0 && i % s->big_every == 0;
}

static int big_rows(const stream *s, int i) {
  bool empty = s->shrinks && i / s->big_every % 2 == 0;
  return empty ? 0 : s->big_bytes / BIG_ROW_BYTES;
}

static bool has_rollback_before(int i) {
  return i % 7 == 3;
}

/* The payload of a row is that of the transaction that last wrote it. */
static int payload_bytes(const stream *s, int i) {
  uint64_t x = chance(s, i, 3);
  return (int)(x % 16 == 0 ? x / 16 % 6000 : x / 16 % 500);
}

static uint64_t payload_seed(const stream *s, int i) {
  return chance(s, i, 4) >> 2; /* as a positive SQL integer */
}

/* ------------------------------------------------------------ writing */

int stream_create(const stream *s, sqlite3 *db) {
  return sql_execf(db,
                   "PRAGMA page_size=%d;"
                   "PRAGMA auto_vacuum=%d;"
                   "BEGIN;"
                   "CREATE TABLE row(id INTEGER PRIMARY KEY, payload BLOB);"
                   "CREATE TABLE big(id INTEGER PRIMARY KEY, payload BLOB);"
                   "CREATE TABLE last(n INT);"
                   "CREATE INDEX row_payload ON row(length(payload), substr(payload, 1, 8));"
                   "INSERT INTO last VALUES(0);"
                   "COMMIT",
                   s->page_size, s->shrinks);
}

static int write_body(const stream *s, sqlite3 *db, int i) {
  int rc = sql_execf(db,
                     "INSERT INTO row VALUES(%d, noise(%lld, %d));"
                     "UPDATE row SET payload = noise(%lld, %d) WHERE id = %d;"
                     "DELETE FROM row WHERE id = %d;"
                     "UPDATE last SET n = %d",
                     i, (long long)payload_seed(s, i), payload_bytes(s, i),
                     (long long)payload_seed(s, i), payload_bytes(s, i), changed_row(s, i),
                     deleted_row(s, i), i);
  if (rc != SQLITE_OK || !is_big(s, i)) return rc;
  return sql_execf(db,
                   "DELETE FROM big;"
                   "WITH RECURSIVE k(j) AS (SELECT 1 UNION ALL SELECT j + 1 FROM k LIMIT %d)"
                   "INSERT INTO big SELECT j, noise(%lld + j, %d) FROM k",
                   big_rows(s, i), (long long)payload_seed(s, i), BIG_ROW_BYTES);
}

/* Not in journal_mode=OFF, where stock SQLite cannot undo. */
static int write_rolled_back(const stream *s, sqlite3 *db, int i) {
  if (strcmp(s->journal_mode, "OFF") == 0 && strcmp(s->vfs, "asyncvfs") != 0) return SQLITE_OK;
  return sql_execf(db,
                   "BEGIN; UPDATE row SET payload = noise(%d, 700) WHERE id %% 3 = 0;"
                   "DELETE FROM row WHERE id %% 4 = 1; UPDATE last SET n = -1; ROLLBACK",
                   i);
}

int stream_write(const stream *s, sqlite3 *db, int first, int last) {
  int rc = SQLITE_OK;
  for (int i = first; i <= last && rc == SQLITE_OK; i++) {
    if (has_rollback_before(i)) rc = write_rolled_back(s, db, i);
    if (rc == SQLITE_OK) rc = sql_exec(db, "BEGIN IMMEDIATE");
    if (rc == SQLITE_OK) rc = write_body(s, db, i);
    if (rc == SQLITE_OK) rc = sql_exec(db, "COMMIT");
  }
  return rc;
}

/* ---------------------------------------------------------- the child */

static int set_up(const stream *s, sqlite3 *db) {
  sqlite3_busy_timeout(db, 60000);
  int rc = sql_execf(db, "PRAGMA page_size=%d; PRAGMA journal_mode=%s; PRAGMA cache_size=%d",
                     s->page_size, s->journal_mode, s->cache_size);
  if (rc == SQLITE_OK && s->exclusive) rc = sql_exec(db, "PRAGMA locking_mode=EXCLUSIVE");
  if (rc == SQLITE_OK && s->max_queue_bytes > 0 && strcmp(s->vfs, "asyncvfs") == 0) {
    rc = sql_execf(db, "PRAGMA asyncvfs_max_queue_bytes=%d", s->max_queue_bytes);
  }
  if (rc == SQLITE_OK && s->pragma != NULL) rc = sql_execf(db, "PRAGMA %s", s->pragma);
  return rc;
}

/* A database that has a stream in it already goes on from its last commit. */
static int begin_or_go_on(const stream *s, sqlite3 *db, int *last_out) {
  int64_t n = 0;
  int rc = sql_try_int(db, "SELECT count(*) FROM sqlite_schema", &n);
  if (rc != SQLITE_OK) return rc;
  if (n == 0) return stream_create(s, db);
  rc = sql_try_int(db, "SELECT n FROM last", &n);
  *last_out = (int)n;
  return rc;
}

int stream_begin(const stream *s, sqlite3 *db, int *n_out) {
  int rc = set_up(s, db);
  *n_out = 0;
  return rc == SQLITE_OK ? begin_or_go_on(s, db, n_out) : rc;
}

int stream_write_in(const stream *s, sqlite3 *db, int i) {
  return write_body(s, db, i);
}

int stream_write_next(const stream *s, sqlite3 *db, int *n_out) {
  int64_t n = 0;
  int rc = sql_exec(db, "BEGIN IMMEDIATE");
  if (rc == SQLITE_OK) rc = sql_try_int(db, "SELECT n FROM last", &n);
  if (rc == SQLITE_OK) rc = write_body(s, db, (int)n + 1);
  if (rc == SQLITE_OK) rc = sql_exec(db, "COMMIT");
  *n_out = (int)n + 1;
  return rc;
}

static void say(const char *what, int n) {
  printf("%s %d\n", what, n);
  fflush(stdout);
}

int role_stream(int argc, char **argv) {
  sqlite3 *db = NULL;
  int i = 0;
  if (argc != 13) return 2;
  const char *path = argv[12];
  stream s = {.vfs = argv[0],
              .journal_mode = argv[1],
              .seed = strtoull(argv[2], NULL, 10),
              .page_size = atoi(argv[3]),
              .cache_size = atoi(argv[4]),
              .flush_every = atoi(argv[5]),
              .big_every = atoi(argv[6]),
              .big_bytes = atoi(argv[7]),
              .max_queue_bytes = atoi(argv[8]),
              .exclusive = atoi(argv[9]) != 0,
              .shrinks = atoi(argv[10]) != 0,
              .pragma = argv[11][0] != 0 ? argv[11] : NULL};
  int rc = sql_try_open(path, s.vfs, &db);
  if (rc == SQLITE_OK) rc = stream_begin(&s, db, &i);
  rng_seed(s.seed);
  bool disk = s.pragma != NULL && strcmp(s.pragma, "asyncvfs_durability=disk") == 0;
  while (rc == SQLITE_OK) {
    i++;
    rc = stream_write(&s, db, i, i);
    if (rc == SQLITE_OK && disk) say("flushed", i);
    if (rc == SQLITE_OK && s.flush_every > 0 && rng_below((uint64_t)s.flush_every) == 0) {
      /* Stock SQLite ignores a PRAGMA that it does not know, and its commits
       * are on disk anyway. */
      rc = sql_exec(db, "PRAGMA asyncvfs_flush");
      if (rc == SQLITE_OK) say("flushed", i);
    }
    if (rc == SQLITE_OK && rng_below(4) == 0) say("committed", i);
  }
  printf("error %d %s, at transaction %d\n", rc, db == NULL ? "" : sqlite3_errmsg(db), i);
  fflush(stdout);
  return 1;
}

harness_child *stream_start(const stream *s, const char *path) {
  char numbers[9][24];
  snprintf(numbers[0], sizeof numbers[0], "%llu", (unsigned long long)s->seed);
  const int values[] = {s->page_size, s->cache_size,      s->flush_every, s->big_every,
                        s->big_bytes, s->max_queue_bytes, s->exclusive,   s->shrinks};
  for (int i = 0; i < 8; i++) snprintf(numbers[i + 1], sizeof numbers[0], "%d", values[i]);
  return harness_spawn("stream", s->vfs, s->journal_mode, numbers[0], numbers[1], numbers[2],
                       numbers[3], numbers[4], numbers[5], numbers[6], numbers[7], numbers[8],
                       s->pragma == NULL ? "" : s->pragma, path, NULL);
}

/* ------------------------------------------------------------- its end */

/* Spins, so that the moment is finer than a sleep's; true when it saw a hot
 * journal, if that was looked for. */
static bool spin(const char *path_to_watch, uint64_t microseconds) {
  LARGE_INTEGER frequency, start, now;
  QueryPerformanceFrequency(&frequency);
  QueryPerformanceCounter(&start);
  do {
    if (path_to_watch != NULL && sql_journal_is_hot(path_to_watch)) return true;
    QueryPerformanceCounter(&now);
  } while ((uint64_t)(now.QuadPart - start.QuadPart) * 1000000u <
           microseconds * (uint64_t)frequency.QuadPart);
  return false;
}

int stream_kill(const stream *s, const char *path, int lines, bool aimed) {
  char line[200];
  int flushed = 0;
  bool alive = true;
  harness_child *child = stream_start(s, path);
  if (child == NULL) return -1;
  for (int i = 0; i < lines && alive; i++) {
    alive = harness_child_read_line(child, line, sizeof line, LINE_MS) &&
            strncmp(line, "error", 5) != 0;
    if (!alive) FAIL("the writer ended by itself: %s", line);
    if (strncmp(line, "flushed ", 8) == 0) flushed = atoi(line + 8);
  }
  if (aimed)
    spin(path, AIM_MICROSECONDS);
  else
    spin(NULL, rng_below(4) == 0 ? rng_below(20000) : rng_below(1500));
  harness_child_kill(child);
  /* What it had said before it died counts as well. */
  while (harness_child_read_line(child, line, sizeof line, LINE_MS)) {
    if (strncmp(line, "flushed ", 8) == 0) flushed = atoi(line + 8);
  }
  harness_child_free(child);
  return alive ? flushed : -1;
}

/* ------------------------------------------------------- verification */

static bool payload_is(sqlite3_stmt *statement, uint64_t seed, int bytes) {
  static uint8_t expected[8192];
  if (sqlite3_column_bytes(statement, 1) != bytes) return false;
  sql_noise(seed, expected, (size_t)bytes);
  return bytes == 0 || memcmp(sqlite3_column_blob(statement, 1), expected, (size_t)bytes) == 0;
}

static bool verify_rows(const stream *s, sqlite3 *db, int n, const char *what) {
  sqlite3_stmt *statement = NULL;
  int expected = 0;
  int seen = 0;
  bool ok = true;
  int *writer = calloc((size_t)n + 2, sizeof *writer); /* of each row; 0: no such row */
  if (writer == NULL) return false;
  for (int i = 1; i <= n; i++) {
    writer[i] = i;
    if (writer[changed_row(s, i)] != 0) writer[changed_row(s, i)] = i;
    writer[deleted_row(s, i)] = 0;
  }
  for (int i = 1; i <= n; i++) expected += writer[i] != 0;
  if (sqlite3_prepare_v2(db, "SELECT id, payload FROM row ORDER BY id", -1, &statement, NULL) !=
      SQLITE_OK) {
    ok = FAIL("%s: %s", what, sqlite3_errmsg(db));
  }
  while (ok && sqlite3_step(statement) == SQLITE_ROW) {
    int64_t id = sqlite3_column_int64(statement, 0);
    seen++;
    if (id < 1 || id > n || writer[id] == 0) {
      ok = FAIL("%s: row %lld is not in the state after %d commits", what, (long long)id, n);
    } else if (!payload_is(statement, payload_seed(s, writer[id]),
                           payload_bytes(s, writer[id]))) {
      ok = FAIL("%s: row %lld is not what commit %d wrote (state after %d)", what,
                (long long)id, writer[id], n);
    }
  }
  if (ok && seen != expected) {
    ok = FAIL("%s: %d rows, expected %d after %d commits", what, seen, expected, n);
  }
  sqlite3_finalize(statement);
  free(writer);
  return ok;
}

static bool verify_big(const stream *s, sqlite3 *db, int n, const char *what) {
  sqlite3_stmt *statement = NULL;
  int rows = 0;
  bool ok = true;
  int writer = s->big_every > 0 ? n - n % s->big_every : 0;
  int expected = writer > 0 ? big_rows(s, writer) : 0;
  if (sqlite3_prepare_v2(db, "SELECT id, payload FROM big ORDER BY id", -1, &statement, NULL) !=
      SQLITE_OK) {
    return FAIL("%s: %s", what, sqlite3_errmsg(db));
  }
  while (ok && sqlite3_step(statement) == SQLITE_ROW) {
    rows++;
    if (!payload_is(statement, payload_seed(s, writer) + (uint64_t)rows, BIG_ROW_BYTES)) {
      ok = FAIL("%s: row %d of big is not what commit %d wrote", what, rows, writer);
    }
  }
  sqlite3_finalize(statement);
  if (ok && rows != expected) {
    ok = FAIL("%s: big has %d rows, expected %d after %d commits", what, rows, expected, n);
  }
  return ok;
}

int stream_verify(const stream *s, sqlite3 *db, const char *what) {
  int64_t n = 0;
  char integrity[200];
  int rc = sql_try_text(db, "PRAGMA integrity_check", integrity, sizeof integrity);
  if (rc != SQLITE_OK || strcmp(integrity, "ok") != 0) {
    FAIL("%s: integrity_check: %d (%s) %s", what, rc, sqlite3_errmsg(db), integrity);
    return -1;
  }
  rc = sql_try_int(db, "SELECT count(*) FROM sqlite_schema", &n);
  if (rc == SQLITE_OK && n == 0) return 0;
  rc = sql_try_int(db, "SELECT n FROM last", &n);
  if (rc != SQLITE_OK || n < 0) {
    FAIL("%s: %d (%s), n = %lld", what, rc, sqlite3_errmsg(db), (long long)n);
    return -1;
  }
  return verify_rows(s, db, (int)n, what) && verify_big(s, db, (int)n, what) ? (int)n : -1;
}
