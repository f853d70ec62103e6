/* survivor.c: see survivor.h. */
#include "survivor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "vfs/sql_tools.h"

enum { PATIENCE_MS = 60000, AIM_MS = 100 };

/* The section. Words are whole, and stored in the order of the program (Interlocked...). */
typedef struct told {
  /* set by the parent before the start */
  stream stream;   /* without its pointers */
  char journal_mode[16], pragma[80], uri[700], attached[700];
  bool by_pragma, second;
  /* told by the child */
  volatile LONG opening;     /* 1: it is about to read, 2: it has read */
  volatile LONG found;       /* the state that it has found */
  volatile LONG returned[2]; /* newest commit whose COMMIT has returned, of each connection; 0: none */
  volatile LONG failed;      /* a result code: it has given up */
} told;

struct survivor_child {
  harness_child *process;
  HANDLE section;
  told *told;
  const char *path;
  bool second;
};

/* ---- the child ------------------------------------------------------------------- */

static told *section_open(const char *name) {
  HANDLE section = OpenFileMappingA(FILE_MAP_ALL_ACCESS, FALSE, name);
  return section == NULL ? NULL : MapViewOfFile(section, FILE_MAP_ALL_ACCESS, 0, 0, sizeof(told));
}

static int give_up(told *t, sqlite3 *db, int rc) {
  printf("%d, %s\n", rc, db != NULL ? sqlite3_errmsg(db) : "");
  fflush(stdout);
  InterlockedExchange(&t->failed, rc);
  return 1;
}

static stream stream_of(const told *t) {
  stream s = t->stream;
  s.vfs = sql_vfs();
  s.journal_mode = t->journal_mode;
  s.pragma = t->pragma[0] != 0 ? t->pragma : NULL;
  return s;
}

/* The second connection's thread. */
static DWORD WINAPI write_in_memory(void *arg) {
  told *t = arg;
  stream s = stream_of(t);
  sqlite3 *db = NULL;
  int n = 0, rc = sql_try_open(t->uri, sql_vfs(), &db);
  if (rc == SQLITE_OK) rc = sql_exec(db, "PRAGMA asyncvfs_durability=memory; PRAGMA busy_timeout=60000");
  while (rc == SQLITE_OK) {
    rc = stream_write_next(&s, db, &n);
    if (rc == SQLITE_OK) InterlockedExchange(&t->returned[1], n);
  }
  return (DWORD)give_up(t, db, rc);
}

static int attach(const told *t, sqlite3 *db) {
  int rc = sql_execf(db, "ATTACH '%q' AS other", t->attached);
  if (rc == SQLITE_OK && t->by_pragma) rc = sql_exec(db, "PRAGMA other.asyncvfs_durability=os");
  if (rc == SQLITE_OK) rc = sql_execf(db, "PRAGMA other.journal_mode=%s", t->journal_mode);
  return rc == SQLITE_OK ? sql_exec(db, "CREATE TABLE IF NOT EXISTS other.both(n)") : rc;
}

/* One transaction over both. */
static int write_both(const stream *s, sqlite3 *db, int *n_out) {
  int64_t n = 0;
  int rc = sql_try_int(db, "SELECT n FROM last", &n);
  *n_out = (int)n + 1;
  if (rc == SQLITE_OK) rc = sql_execf(db, "BEGIN IMMEDIATE; DELETE FROM other.both; INSERT INTO other.both VALUES(%d)", *n_out);
  if (rc == SQLITE_OK) rc = stream_write_in(s, db, *n_out);
  return rc == SQLITE_OK ? sql_exec(db, "COMMIT") : rc;
}

int role_survivor(int argc, char **argv) {
  told *t = argc == 1 ? section_open(argv[0]) : NULL;
  sqlite3 *db = NULL;
  stream s;
  int n = 0, rc;
  if (t == NULL) return 2;
  s = stream_of(t);
  rc = sql_try_open(t->uri, s.vfs, &db);
  if (rc == SQLITE_OK && t->by_pragma) rc = sql_exec(db, "PRAGMA asyncvfs_durability=os");
  InterlockedExchange(&t->opening, 1);
  if (rc == SQLITE_OK) rc = stream_begin(&s, db, &n);
  if (rc == SQLITE_OK && t->attached[0] != 0) rc = attach(t, db);
  InterlockedExchange(&t->found, n);
  InterlockedExchange(&t->opening, 2);
  if (rc == SQLITE_OK && t->second) CloseHandle(CreateThread(NULL, 0, write_in_memory, t, 0, NULL));
  while (rc == SQLITE_OK) {
    rc = t->attached[0] != 0 ? write_both(&s, db, &n) : stream_write_next(&s, db, &n);
    if (rc == SQLITE_OK) InterlockedExchange(&t->returned[0], n);
  }
  return give_up(t, db, rc);
}

/* ---- the parent -------------------------------------------------------------------- */

static void fill_in(told *t, const survivor *s, const char *path) {
  const char *durability = s->by_pragma ? "" : "durability=os&", *more = s->parameters == NULL ? "" : s->parameters;
  char parameters[200];
  t->stream = s->stream;
  snprintf(t->journal_mode, sizeof t->journal_mode, "%s", s->stream.journal_mode);
  if (s->stream.pragma != NULL) snprintf(t->pragma, sizeof t->pragma, "%s", s->stream.pragma);
  snprintf(parameters, sizeof parameters, "%s%s", durability, more);
  snprintf(t->uri, sizeof t->uri, "%s", sql_uri(path, parameters));
  if (s->attached != NULL) snprintf(t->attached, sizeof t->attached, "%s", sql_uri(s->attached, parameters));
  t->by_pragma = s->by_pragma;
  t->second = s->second;
}

survivor_child *survivor_start(const survivor *s, const char *path) {
  static int number;
  char name[100];
  survivor_child *c = calloc(1, sizeof *c);
  if (c == NULL) abort();
  snprintf(name, sizeof name, "asyncvfs-survivor-%lu-%d", (unsigned long)GetCurrentProcessId(), ++number);
  c->section = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, sizeof(told), name);
  c->told = c->section == NULL ? NULL : MapViewOfFile(c->section, FILE_MAP_ALL_ACCESS, 0, 0, sizeof(told));
  if (!CHECK(c->told != NULL)) abort();
  c->path = path;
  c->second = s->second;
  fill_in(c->told, s, path);
  c->process = harness_spawn("survivor", name, NULL);
  return c;
}

static uint64_t ticks_us(void) {
  LARGE_INTEGER frequency, now;
  QueryPerformanceFrequency(&frequency);
  QueryPerformanceCounter(&now);
  return (uint64_t)now.QuadPart * 1000000 / (uint64_t)frequency.QuadPart;
}

static LONG newest(const told *t) {
  LONG a = t->returned[0], b = t->returned[1];
  return a > b ? a : b;
}

/* Spins until `enough` says so; false when the child has given up, or it took too long. Looks closely while
 * it is near, but leaves it the processor. */
static bool spin_until(survivor_child *c, bool (*enough)(const survivor_child *c, LONG n), LONG n, uint32_t most_ms) {
  uint64_t end = ticks_us() + most_ms * (uint64_t)1000;
  while (!enough(c, n)) {
    if (c->told->failed != 0 || ticks_us() > end) return false;
    SwitchToThread();
  }
  return true;
}

static bool has_opened(const survivor_child *c, LONG n) { return c->told->opening >= n; }
static bool has_committed(const survivor_child *c, LONG n) { return newest(c->told) - c->told->found >= n && newest(c->told) > 0; }
static bool is_in_batch(const survivor_child *c, LONG n) {
  (void)n;
  return sql_journal_is_hot(c->path);
}

static void spin_us(uint64_t us) {
  uint64_t end = ticks_us() + us;
  while (ticks_us() < end) {
  }
}

bool survivor_wait(survivor_child *c, int commits) {
  bool done = c->process != NULL && spin_until(c, has_opened, 2, PATIENCE_MS) &&
              spin_until(c, has_committed, commits, PATIENCE_MS);
  if (!done && c->told->failed == 0) FAIL("the writer makes no progress: %ld commits", newest(c->told));
  return done;
}

/* What it has told, against what had to be there when it began. */
static bool judge(survivor_child *c, survivor_life *life) {
  const told *t = c->told;
  if (t->opening < 2) {
    life->in_recovery++;
    return true;
  }
  if (t->found < life->least) {
    return FAIL("%s: commit %d had returned, the next process finds %ld (%d kills)", t->uri, life->least, t->found, life->kills);
  }
  if (t->found > life->most) {
    return FAIL("%s: commit %d was the last one, the next process finds %ld (%d kills)", t->uri, life->most, t->found,
                life->kills);
  }
  life->least = t->found > t->returned[0] ? t->found : t->returned[0];
  life->most = (newest(t) > t->found ? newest(t) : t->found) + 1 + c->second;
  return true;
}

static void print_what_it_said(survivor_child *c) {
  char line[300];
  while (harness_child_read_line(c->process, line, sizeof line, PATIENCE_MS)) harness_print("    it says: %s\n", line);
}

bool survivor_end(survivor_child *c, survivor_life *life) {
  bool ok = c->process != NULL;
  if (ok) {
    harness_child_kill(c->process);
    life->kills++;
    life->hot += sql_journal_is_hot(c->path);
    ok = judge(c, life);
    if (c->told->failed != 0) {
      ok = FAIL("%s: the writer ended by itself: %ld", c->told->uri, c->told->failed);
      print_what_it_said(c);
    }
    harness_child_free(c->process);
  }
  UnmapViewOfFile(c->told);
  CloseHandle(c->section);
  free(c);
  return ok;
}

bool survivor_kill(const survivor *s, const char *path, survivor_moment when, survivor_life *life) {
  survivor_child *c = survivor_start(s, path);
  bool ok = c->process != NULL && spin_until(c, has_opened, 1, PATIENCE_MS);
  int most = s->most_commits > 0 ? s->most_commits : 250;
  if (when == AT_OPENING) {
    spin_us(rng_below(rng_below(3) == 0 ? 8000 : 1500));
  } else if (ok && survivor_wait(c, 1 + (int)rng_below((uint64_t)(rng_below(3) > 0 && most > 25 ? 25 : most)))) {
    if (when == AT_BATCH) spin_until(c, is_in_batch, 0, AIM_MS);
    spin_us(rng_below(rng_below(3) == 0 ? 5000 : 300));
  }
  return survivor_end(c, life);
}
