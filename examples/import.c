/* import.c: imports a package index as a desktop program would: a commit per
 * record, into a table with two indexes and a full-text index.
 *
 *   import.exe packages.txt                 three ways in turn, and a table
 *   import.exe packages.txt --only asyncvfs one of them
 *   import.exe --verify A.db B.db ...       sound, and equal? (stock SQLite)
 *
 * The ways that wait for the disk get a time limit; what is missing then is
 * added in one large transaction, outside the measurement, so that in the end
 * all databases hold the same. Ctrl-C ends between two records: closing
 * drains, and the database is valid.
 *
 * Threads: the importing one, and one that shows the progress. It reads
 *          `progress` (a counter, written by the importer alone), and asks
 *          for the queue through a connection of its own.
 */
#include <inttypes.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "package_index.h"
#include "verify.h"

typedef struct way {
  const char *name;
  const char *path;
  const char *vfs;
  const char *journal_mode;
  const char *synchronous;
  double limit_s; /* 0: none */
  const char *power_cut;
} way;

static const way ways[] = {
    {"win32, FULL", "full.db", "win32", "DELETE", "FULL", 15, "nothing"},
    {"win32, WAL + NORMAL", "wal.db", "win32", "WAL", "NORMAL", 30, "all since a checkpoint"},
    {"asyncvfs", "async.db", "asyncvfs", "DELETE", "FULL", 0, "the last 0.1 s"},
};
#define WAYS (sizeof ways / sizeof ways[0])

typedef struct outcome {
  size_t commits;   /* measured ones */
  double seconds;   /* they took */
  double durable_s; /* from the first to all of them on disk */
  double closing_s;
  double p50_ms, p99_ms, p999_ms, max_ms; /* NAN: too few commits to tell */
  double batches, flushes;
  double flush_ms; /* what one cost just before */
} outcome;

static const char schema[] =
    "CREATE TABLE package(id INTEGER PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL,"
    " section TEXT, architecture TEXT, size INTEGER, installed_size INTEGER, maintainer TEXT,"
    " homepage TEXT, depends TEXT, sha256 TEXT, description TEXT);"
    "CREATE INDEX package_by_name ON package(name, version);"
    "CREATE INDEX package_by_section ON package(section, size);"
    "CREATE VIRTUAL TABLE package_text USING fts5(name, description, content='package',"
    " content_rowid='id')";

/* ---- clock, Ctrl-C, errors --------------------------------------------- */

static volatile LONG interrupted;
static HANDLE finished; /* set when main returns */

static BOOL WINAPI on_console_event(DWORD event) {
  InterlockedExchange(&interrupted, 1);
  /* Windows ends the process when this returns from a closing window. */
  if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT)
    WaitForSingleObject(finished, INFINITE);
  return TRUE;
}

static double now_s(void) {
  LARGE_INTEGER count, frequency;
  QueryPerformanceCounter(&count);
  QueryPerformanceFrequency(&frequency);
  return (double)count.QuadPart / (double)frequency.QuadPart;
}

static void check(sqlite3 *db, int rc, const char *doing) {
  if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE) return;
  fprintf(stderr, "\nimport: %s: %s\n", doing,
          db == NULL ? sqlite3_errstr(rc) : sqlite3_errmsg(db));
  exit(1);
}

static void run_sql(sqlite3 *db, const char *sql) {
  check(db, sqlite3_exec(db, sql, NULL, NULL, NULL), sql);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
  sqlite3_stmt *stmt;
  check(db, sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), sql);
  return stmt;
}

/* Once in a process; the VFS stays. */
static void load_asyncvfs(void) {
  sqlite3 *db;
  char *error = NULL;
  check(NULL, sqlite3_open(":memory:", &db), "open");
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
  if (sqlite3_load_extension(db, "asyncvfs", NULL, &error) != SQLITE_OK) {
    fprintf(stderr, "import: asyncvfs.dll cannot be loaded: %s\n", error);
    exit(1);
  }
  sqlite3_close(db);
}

/* ---- the import itself --------------------------------------------------- */

typedef struct importer {
  sqlite3 *db;
  sqlite3_stmt *begin, *commit, *package, *text;
} importer;

static void step(const importer *im, sqlite3_stmt *stmt) {
  sqlite3_step(stmt);
  check(im->db, sqlite3_reset(stmt), sqlite3_sql(stmt));
}

static sqlite3 *open_database(const way *w) {
  sqlite3 *db;
  char sql[100];
  check(NULL, sqlite3_open_v2(w->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, w->vfs),
        w->path);
  snprintf(sql, sizeof sql, "PRAGMA journal_mode=%s; PRAGMA synchronous=%s", w->journal_mode,
           w->synchronous);
  run_sql(db, sql);
  return db;
}

static importer importer_open(const way *w) {
  static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
  importer im;
  char path[100];
  size_t i;
  for (i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
    snprintf(path, sizeof path, "%s%s", w->path, suffixes[i]);
    remove(path);
  }
  im.db = open_database(w);
  run_sql(im.db, schema);
  im.begin = prepare(im.db, "BEGIN");
  im.commit = prepare(im.db, "COMMIT");
  im.package = prepare(im.db, "INSERT INTO package VALUES(?,?,?,?,?,?,?,?,?,?,?,?)");
  im.text = prepare(im.db, "INSERT INTO package_text(rowid, name, description) VALUES(?,?,?)");
  return im;
}

static void importer_close(importer *im) {
  sqlite3_finalize(im->begin);
  sqlite3_finalize(im->commit);
  sqlite3_finalize(im->package);
  sqlite3_finalize(im->text);
  check(im->db, sqlite3_close(im->db), "close");
}

static void insert_package(const importer *im, sqlite3_int64 id, const package *p) {
  int i;
  sqlite3_bind_int64(im->package, 1, id);
  for (i = 0; i < PACKAGE_FIELDS; i++) {
    /* without text it is NULL; the columns' INTEGER affinity makes numbers */
    sqlite3_bind_text(im->package, i + 2, p->fields[i].text, p->fields[i].bytes, SQLITE_STATIC);
  }
  step(im, im->package);
  sqlite3_bind_int64(im->text, 1, id);
  sqlite3_bind_text(im->text, 2, p->fields[PACKAGE_NAME].text, p->fields[PACKAGE_NAME].bytes,
                    SQLITE_STATIC);
  sqlite3_bind_text(im->text, 3, p->fields[PACKAGE_DESCRIPTION].text,
                    p->fields[PACKAGE_DESCRIPTION].bytes, SQLITE_STATIC);
  step(im, im->text);
}

static void make_durable(const way *w, sqlite3 *db) {
  if (strcmp(w->vfs, "asyncvfs") == 0) run_sql(db, "PRAGMA asyncvfs_flush");
  if (strcmp(w->journal_mode, "WAL") == 0) run_sql(db, "PRAGMA wal_checkpoint(TRUNCATE)");
}

/* ---- progress ------------------------------------------------------------- */

typedef struct progress {
  const way *way;
  size_t total;
  int bar; /* else a line every few seconds */
  double start_s;
  volatile LONG done;
  HANDLE stop;
} progress;

typedef struct queue {
  sqlite3_int64 pages, bytes, lag_ms, batches, flushes;
} queue;

/* SQLite itself takes the JSON apart, on a connection without a file. */
static queue read_queue(sqlite3 *db, sqlite3 *json) {
  queue q = {0, 0, 0, 0, 0};
  sqlite3_stmt *status = prepare(db, "PRAGMA asyncvfs_status"), *fields;
  if (sqlite3_step(status) == SQLITE_ROW) {
    fields = prepare(json, "SELECT ?1 ->> 'queue_pages', ?1 ->> 'queue_bytes', "
                           "?1 ->> 'oldest_unwritten_ms', ?1 ->> 'batches', ?1 ->> 'flushes'");
    sqlite3_bind_value(fields, 1, sqlite3_column_value(status, 0));
    check(json, sqlite3_step(fields), "PRAGMA asyncvfs_status");
    q.pages = sqlite3_column_int64(fields, 0);
    q.bytes = sqlite3_column_int64(fields, 1);
    q.lag_ms = sqlite3_column_int64(fields, 2);
    q.batches = sqlite3_column_int64(fields, 3);
    q.flushes = sqlite3_column_int64(fields, 4);
    sqlite3_finalize(fields);
  }
  sqlite3_finalize(status);
  return q;
}

/* All zero for a way that has no queue. */
static queue queue_of(const way *w, sqlite3 *db) {
  sqlite3 *json;
  queue q = {0, 0, 0, 0, 0};
  if (strcmp(w->vfs, "asyncvfs") != 0) return q;
  check(NULL, sqlite3_open(":memory:", &json), "open");
  q = read_queue(db, json);
  sqlite3_close(json);
  return q;
}

#define BAR_WIDTH 24

static void show_progress(const progress *p, size_t done, double per_s, const queue *q) {
  char bar[BAR_WIDTH + 1];
  size_t filled = p->total == 0 ? 0 : done * BAR_WIDTH / p->total, i;
  for (i = 0; i < BAR_WIDTH; i++) bar[i] = i < filled ? '#' : '.';
  bar[BAR_WIDTH] = '\0';
  printf(p->bar ? "\r  [%s] " : "  ", bar);
  printf("%6zu/%zu  %6.0f commits/s", done, p->total, per_s);
  if (q != NULL)
    printf("  queue %5" PRId64 " pages %5.1f MB  lag %4" PRId64 " ms", (int64_t)q->pages,
           (double)q->bytes / 1e6, (int64_t)q->lag_ms);
  printf(p->bar ? "  %3.0f s" : "  %3.0f s\n", now_s() - p->start_s);
  fflush(stdout);
}

static DWORD WINAPI progress_thread(void *argument) {
  progress *p = argument;
  const int has_queue = strcmp(p->way->vfs, "asyncvfs") == 0;
  const DWORD every_ms = p->bar ? 200 : 3000;
  sqlite3 *db = NULL, *json = NULL;
  size_t before = 0;
  double before_s = p->start_s;
  if (has_queue) {
    check(NULL, sqlite3_open_v2(p->way->path, &db, SQLITE_OPEN_READWRITE, p->way->vfs), "open");
    check(NULL, sqlite3_open(":memory:", &json), "open");
  }
  while (WaitForSingleObject(p->stop, every_ms) == WAIT_TIMEOUT) {
    size_t done = (size_t)p->done;
    double at_s = now_s();
    queue q = {0, 0, 0, 0, 0};
    if (has_queue) q = read_queue(db, json);
    show_progress(p, done, (double)(done - before) / (at_s - before_s), has_queue ? &q : NULL);
    before = done;
    before_s = at_s;
  }
  sqlite3_close(json);
  sqlite3_close(db);
  return 0;
}

/* ---- one way -------------------------------------------------------------- */

static int compare_doubles(const void *a, const void *b) {
  const double *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

/* of sorted values; unknown if none is expected beyond it */
static double percentile(const double *sorted, size_t n, double share) {
  if ((double)n * (1 - share) < 1) return NAN;
  return sorted[(size_t)ceil((double)n * share) - 1];
}

/* The median of eleven. Asked before each way: a busy machine may have changed. */
static double flush_cost_ms(void) {
  double costs[11], start;
  DWORD n;
  int i;
  HANDLE file = CreateFileA("flush.tmp", GENERIC_WRITE, 0, NULL, CREATE_ALWAYS,
                            FILE_FLAG_DELETE_ON_CLOSE, NULL);
  if (file == INVALID_HANDLE_VALUE) {
    fprintf(stderr, "import: cannot write in this folder\n");
    exit(1);
  }
  for (i = 0; i < 11; i++) {
    start = now_s();
    WriteFile(file, "x", 1, &n, NULL);
    FlushFileBuffers(file);
    costs[i] = (now_s() - start) * 1e3;
  }
  CloseHandle(file);
  qsort(costs, 11, sizeof costs[0], compare_doubles);
  return costs[5];
}

static outcome import(const way *w, const package_index *index, int bar) {
  outcome o;
  progress p;
  HANDLE thread;
  double *ms = malloc((index->count + 1) * sizeof *ms), before_s, closing_s;
  importer im;
  queue at_start, at_end;
  size_t n = 0;
  if (ms == NULL) exit(1);
  memset(&o, 0, sizeof o);
  memset(ms, 0, (index->count + 1) * sizeof *ms); /* faulted in now, not in between */
  printf("%s: a commit for each of %zu records", w->name, index->count);
  if (w->limit_s > 0) printf(", %.0f s at most", w->limit_s);
  o.flush_ms = flush_cost_ms();
  printf("; a flush costs %.1f ms\n", o.flush_ms);
  fflush(stdout);
  im = importer_open(w);
  make_durable(w, im.db);
  at_start = queue_of(w, im.db);

  memset(&p, 0, sizeof p);
  p.way = w;
  p.total = index->count;
  p.bar = bar;
  p.stop = CreateEventA(NULL, TRUE, FALSE, NULL);
  p.start_s = before_s = now_s();
  thread = CreateThread(NULL, 0, progress_thread, &p, 0, NULL);
  if (p.stop == NULL || thread == NULL) {
    fprintf(stderr, "import: no thread to be had\n");
    exit(1);
  }
  while (n < index->count && !interrupted) {
    double after_s;
    step(&im, im.begin);
    insert_package(&im, (sqlite3_int64)n + 1, &index->packages[n]);
    step(&im, im.commit);
    after_s = now_s();
    ms[n++] = (after_s - before_s) * 1e3;
    before_s = after_s;
    p.done = (LONG)n;
    if (w->limit_s > 0 && after_s - p.start_s > w->limit_s) break;
  }
  o.commits = n;
  o.seconds = now_s() - p.start_s;
  make_durable(w, im.db);
  o.durable_s = now_s() - p.start_s;
  SetEvent(p.stop);
  WaitForSingleObject(thread, INFINITE);
  CloseHandle(thread);
  CloseHandle(p.stop);
  at_end = queue_of(w, im.db);
  o.batches = (double)(at_end.batches - at_start.batches);
  o.flushes = (double)(at_end.flushes - at_start.flushes);
  show_progress(&p, n, (double)n / o.seconds, NULL);
  if (bar) printf("\033[K\n");

  if (n < index->count && !interrupted) {
    printf("  time is up: the other %zu in one transaction, not measured\n", index->count - n);
    fflush(stdout);
    step(&im, im.begin);
    for (; n < index->count && !interrupted; n++)
      insert_package(&im, (sqlite3_int64)n + 1, &index->packages[n]);
    if (interrupted) n = o.commits; /* closing rolls it back */
    if (!interrupted) step(&im, im.commit);
  }
  closing_s = now_s();
  if (!sqlite3_get_autocommit(im.db)) run_sql(im.db, "ROLLBACK");
  importer_close(&im);
  o.closing_s = now_s() - closing_s;

  qsort(ms, o.commits, sizeof *ms, compare_doubles);
  o.p50_ms = percentile(ms, o.commits, 0.5);
  o.p99_ms = percentile(ms, o.commits, 0.99);
  o.p999_ms = percentile(ms, o.commits, 0.999);
  o.max_ms = o.commits == 0 ? NAN : ms[o.commits - 1];
  free(ms);
  return o;
}

/* ---- what is printed ------------------------------------------------------ */

static const char *milliseconds(double ms, char *out, size_t n) {
  if (isnan(ms)) {
    snprintf(out, n, "-");
  } else {
    snprintf(out, n, ms < 10 ? "%.3f" : "%.1f", ms);
  }
  return out;
}

static const char *duration(double s, char *out, size_t n) {
  if (s < 100) {
    snprintf(out, n, "%.1f s", s);
  } else {
    snprintf(out, n, "%d min %02d s", (int)(s / 60), (int)s % 60);
  }
  return out;
}

static double commits_per_s(const outcome *o) {
  return (double)o->commits / o->seconds;
}

static void print_table(const outcome *outcomes, const int *took_part, size_t records) {
  char b[5][32], all[40];
  int extrapolated = 0;
  size_t i, k;
  printf("\n%-20s %7s %10s %8s %8s %8s %8s  %14s  %s\n", "", "a flush", "commits", "p50", "p99",
         "p99.9", "max", "all records", "a power cut");
  printf("%-20s %7s %10s %8s %8s %8s %8s  %14s  %s\n", "a commit per record", "ms", "/s", "ms",
         "ms", "ms", "ms", "on disk after", "takes");
  for (i = 0; i < WAYS; i++) {
    const outcome *o = &outcomes[i];
    double durable_s;
    if (!took_part[i]) continue;
    durable_s = o->durable_s * (double)records / (double)o->commits;
    if (o->commits < records) extrapolated = 1;
    snprintf(all, sizeof all, "%s%s", o->commits < records ? "~" : "",
             duration(durable_s, b[0], 32));
    printf("%-20s %7.1f %10.0f %8s %8s %8s %8s  %14s  %s\n", ways[i].name, o->flush_ms,
           commits_per_s(o), milliseconds(o->p50_ms, b[1], 32),
           milliseconds(o->p99_ms, b[2], 32), milliseconds(o->p999_ms, b[3], 32),
           milliseconds(o->max_ms, b[4], 32), all, ways[i].power_cut);
  }
  if (extrapolated) printf("(~: computed from the part that was done in its time)\n");
  for (i = 0; i < WAYS; i++) {
    const outcome *o = &outcomes[i];
    if (!took_part[i] || strcmp(ways[i].vfs, "asyncvfs") != 0) continue;
    printf("\n%s made %zu commits in %.0f batches and %.0f flushes; all were on disk %.2f s\n"
           "after the last COMMIT had returned.",
           ways[i].name, o->commits, o->batches, o->flushes, o->durable_s - o->seconds);
    for (k = 0; k < WAYS; k++) {
      if (took_part[k] && k != i)
        printf("\n%.1f times the commits/s of %s",
               commits_per_s(o) / commits_per_s(&outcomes[k]), ways[k].name);
    }
    printf("\n");
  }
}

/* What Ctrl-C left, seen through SQLite's own VFS. */
static int report_interrupt(const way *w, const outcome *o) {
  sqlite3 *db;
  sqlite3_stmt *stmt;
  sqlite3_int64 rows;
  int sound;
  printf("\ninterrupted after %zu records; closing took %.2f s\n", o->commits, o->closing_s);
  check(NULL, sqlite3_open_v2(w->path, &db, SQLITE_OPEN_READWRITE, "win32"), w->path);
  stmt = prepare(db, "SELECT count(*) FROM package");
  check(db, sqlite3_step(stmt), "count");
  rows = sqlite3_column_int64(stmt, 0);
  sqlite3_finalize(stmt);
  stmt = prepare(db, "PRAGMA integrity_check");
  check(db, sqlite3_step(stmt), "integrity_check");
  sound = strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") == 0 &&
          rows == (sqlite3_int64)o->commits;
  printf("%s, through the win32 VFS: %" PRId64 " records, integrity_check: %s\n", w->path,
         (int64_t)rows, (const char *)sqlite3_column_text(stmt, 0));
  sqlite3_finalize(stmt);
  sqlite3_close(db);
  return sound ? 130 : 1;
}

static int stdout_is_console(void) {
  DWORD mode;
  return GetConsoleMode(GetStdHandle(STD_OUTPUT_HANDLE), &mode);
}

static int usage(void) {
  fprintf(stderr, "import.exe PACKAGE_INDEX [--only PART_OF_A_NAME] [--progress bar|lines]\n"
                  "import.exe --verify DATABASE...\n");
  return 2;
}

static int run(int argc, char **argv) {
  package_index index;
  outcome outcomes[WAYS];
  int took_part[WAYS] = {0};
  const char *only = NULL;
  int bar = stdout_is_console(), i;
  size_t k;
  if (argc >= 3 && strcmp(argv[1], "--verify") == 0)
    return verify_databases((const char *const *)argv + 2, argc - 2);
  if (argc < 2 || argv[1][0] == '-' || argc % 2 != 0) return usage();
  for (i = 2; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--only") == 0) {
      only = argv[i + 1];
    } else if (strcmp(argv[i], "--progress") == 0) {
      bar = strcmp(argv[i + 1], "bar") == 0;
    } else {
      return usage();
    }
  }
  if (package_index_load(argv[1], &index) != 0) return 1;
  SetConsoleCtrlHandler(on_console_event, TRUE);
  printf("SQLite %s\n", sqlite3_libversion());
  for (k = 0; k < WAYS; k++) {
    if (only != NULL && strstr(ways[k].name, only) == NULL) continue;
    if (strcmp(ways[k].vfs, "asyncvfs") == 0) load_asyncvfs();
    outcomes[k] = import(&ways[k], &index, bar);
    took_part[k] = 1;
    if (interrupted) return report_interrupt(&ways[k], &outcomes[k]);
  }
  print_table(outcomes, took_part, index.count);
  package_index_free(&index);
  return 0;
}

int main(int argc, char **argv) {
  int rc;
  finished = CreateEventA(NULL, TRUE, FALSE, NULL);
  rc = run(argc, argv);
  fflush(stdout);
  SetEvent(finished);
  return rc;
}
