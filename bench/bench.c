/* bench.c: what a commit costs, and when it is on disk.
 *
 *   latency    one-row inserts, a commit each: percentiles and commits/s, of asyncvfs with
 *              each durability
 *   sustained  the same, 200,000 of them: commits/s until all are durable
 *   reads      a page's read with 0 and with up to a million pages queued
 *   disk       commits with durability=disk from several connections: disk.c
 *   oversized  a transaction beyond the memory limit, beside win32: oversized.c
 *   memory     how much the process grows under a long stream: memory.c
 *   backpressure  commits while the queue is at its limit: backpressure.c
 *   databases  a thousand of them open, in turns: databases.c
 *   flush      what FlushFileBuffers costs here, and no more
 *
 * The table has one index, on a pseudo-random key, and a text of 100 bytes.
 * Every contestant does the same work in the same process, in turns (A B C A
 * B C ...), so that a noisy machine is noisy for all of them; a figure is the
 * median of the rounds, "worst" the largest value of all rounds. Those who
 * flush in every commit are given seconds instead of a number of commits.
 * See slow_flush.c for how a flush is given the same price for all.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "bench.h"
#include "contestant.h"
#include "figures.h"
#include "floor_vfs.h"
#include "page_reads.h"
#include "samples.h"

#define MAX_CONTESTANTS 16

static uint64_t random_state = 88172645463325252u;

/* One turn of one contestant, or the medians of all its turns. NAN: does not
 * apply, or cannot be told. */
typedef struct result {
  double commits, seconds, durable_seconds;
  double p50_ns, p99_ns, p999_ns, max_ns;
  double commits_per_s, durable_per_s;
  engine_status engine; /* what it did between first commit and durable */
  engine_status steady; /* what it did between first and last commit */
} result;

/* ---- the work --------------------------------------------------------- */

static const char payload[] =
    "A commit returns at memory speed; what was committed is written to disk in batches, "
    "each of them atomic.";

static void insert_row(sqlite3 *db, sqlite3_stmt *insert) {
  sqlite3_bind_int64(insert, 1, (sqlite3_int64)(random_next(&random_state) >> 1));
  sqlite3_bind_text(insert, 2, payload, (int)sizeof payload - 1, SQLITE_STATIC);
  run_statement(db, insert);
}

/* Asks for a file that is not there: in a trace of system calls, its name
 * shows which thread commits, and when. */
static void leave_mark(const options *o, const char *name) {
  if (o->mark) GetFileAttributesA(name);
}

/* The clock is read by samples_mark alone; a slow contestant's time is up
 * between two commits. */
static result run_turn(const contestant *c, const options *o, samples *s) {
  const uint32_t warm_up = c->quick ? 1000 : 5;
  char path[600];
  sqlite3 *db;
  sqlite3_stmt *insert;
  engine_status before, committed, after;
  summary sum;
  double start, durable_at;
  uint32_t i;
  result r;

  snprintf(path, sizeof path, "%s\\bench-%s-%s.db", o->folder, c->vfs,
           c->durability == NULL ? c->journal_mode : c->durability);
  database_remove(c, path);
  db = database_open(c, path, 4096);
  run_sql(db,
          "CREATE TABLE item(id INTEGER PRIMARY KEY, key INTEGER NOT NULL, text TEXT NOT NULL);"
          "CREATE INDEX item_by_key ON item(key)");
  database_make_durable(c, db);
  insert = prepare(db, "INSERT INTO item(key, text) VALUES(?, ?)");
  for (i = 0; i < warm_up; i++) insert_row(db, insert);

  before = status_read(c, db);
  leave_mark(o, "bench-mark-1");
  leave_mark(o, "bench-mark-2"); /* what lies between 1 and 2 is the mark's own */
  start = clock_seconds();
  samples_start(s);
  for (i = 0; i < o->commits; i++) {
    insert_row(db, insert);
    samples_mark(s);
    if (!c->quick && clock_seconds() - start > o->slow_seconds) break;
  }
  samples_stop(s);
  leave_mark(o, "bench-mark-3");
  committed = status_read(c, db);
  database_make_durable(c, db);
  durable_at = clock_seconds();
  after = status_read(c, db);

  sum = samples_summary(s);
  memset(&r, 0, sizeof r);
  r.commits = (double)sum.count;
  r.seconds = sum.seconds;
  r.p50_ns = sum.p50_ns;
  r.p99_ns = sum.p99_ns;
  r.p999_ns = sum.p999_ns;
  r.max_ns = sum.max_ns;
  r.commits_per_s = r.commits / r.seconds;
  r.durable_seconds = c->durable == DURABLE_NEVER ? NAN : durable_at - start;
  r.durable_per_s = r.commits / r.durable_seconds;
  r.steady = status_difference(&committed, &before);
  r.engine = status_difference(&after, &before);

  sqlite3_finalize(insert);
  if (query_int64(db, "SELECT count(*) FROM item") != (sqlite3_int64)(sum.count + warm_up)) {
    fprintf(stderr, "\nbench: %s: rows are missing\n", c->name);
    exit(1);
  }
  check(db, sqlite3_close(db), SQLITE_OK, "close");
  database_remove(c, path);
  floor_vfs_clear();
  return r;
}

static result summarise(const result *turns, uint32_t n) {
  result r = turns[n - 1];
  uint32_t i;
  size_t k;
#define MEDIAN(field) r.field = median_of(&turns->field, sizeof *turns, n)
  MEDIAN(commits);
  MEDIAN(seconds);
  MEDIAN(durable_seconds);
  MEDIAN(p50_ns);
  MEDIAN(p99_ns);
  MEDIAN(p999_ns);
  MEDIAN(commits_per_s);
  MEDIAN(durable_per_s);
  MEDIAN(engine.batches);
  MEDIAN(engine.flushes);
  MEDIAN(engine.journal_bytes);
  MEDIAN(engine.database_bytes);
  MEDIAN(engine.pages_written);
  MEDIAN(engine.coalesced_pages);
#undef MEDIAN
  for (i = 0; i < n; i++) {
    if (turns[i].max_ns > r.max_ns) r.max_ns = turns[i].max_ns;
  }
  /* calls are counted, not measured: the worst turn's, so that none hides */
  for (k = 0; k < r.steady.os_call_count; k++) {
    for (i = 0; i < n; i++) {
      if (turns[i].steady.os_calls[k].count > r.steady.os_calls[k].count)
        r.steady.os_calls[k].count = turns[i].steady.os_calls[k].count;
    }
  }
  return r;
}

/* ---- what is printed -------------------------------------------------- */

static void print_commit_table(const result *medians, const int *takes_part) {
  const result *base = takes_part[0] ? &medians[0] : NULL;
  char b[10][32];
  size_t i;
  printf("%-21s %8s %9s %9s %9s %10s %10s %10s  %7s %7s %8s\n", "", "", "p50", "p99", "p99.9",
         "worst", "commits/s", "commits/s", "p50", "p99.9", "durable");
  printf("%-21s %8s %9s %9s %9s %10s %10s %10s  %7s %7s %8s\n", "contestant", "commits", "us",
         "us", "us", "us", "", "durable", "x floor", "x floor", "x floor");
  for (i = 0; i < contestant_count; i++) {
    const result *r = &medians[i];
    if (!takes_part[i]) continue;
    printf("%-21s %8s %9s %9s %9s %10s %10s %10s  %7s %7s %8s\n", contestants[i].name,
           grouped(r->commits, b[0], 32), micros(r->p50_ns, b[1], 32),
           micros(r->p99_ns, b[2], 32), micros(r->p999_ns, b[3], 32),
           micros(r->max_ns, b[4], 32), grouped(r->commits_per_s, b[5], 32),
           grouped(r->durable_per_s, b[6], 32),
           times(r->p50_ns, base == NULL ? NAN : base->p50_ns, b[7], 32),
           times(r->p999_ns, base == NULL ? NAN : base->p999_ns, b[8], 32),
           times(r->durable_per_s, base == NULL ? NAN : base->commits_per_s, b[9], 32));
  }
}

static void print_engine(const char *name, const result *r) {
  const engine_status *e = &r->engine;
  const double written = e->journal_bytes + e->database_bytes;
  double calls = 0;
  size_t i;
  char b[4][32];
  printf("\n%s, from the first of these commits until all are durable:\n", name);
  printf("  %s pages written, %s bytes (journal %s, database %s)\n",
         grouped(e->pages_written, b[0], 32), grouped(written, b[1], 32),
         grouped(e->journal_bytes, b[2], 32), grouped(e->database_bytes, b[3], 32));
  printf("  %.0f bytes written per changed page, %.0f per commit\n", written / e->pages_written,
         written / r->commits);
  printf("  %.0f batches, %.0f flushes, %.1f flushes/s, %.0f commits per flush\n", e->batches,
         e->flushes, e->flushes / r->durable_seconds, r->commits / e->flushes);
  for (i = 0; i < r->steady.os_call_count; i++) calls += r->steady.os_calls[i].count;
  if (r->steady.os_call_count == 0) {
    printf("  calls to the system made on the committing thread: the status has no os_calls\n");
    return;
  }
  printf("  calls to the system made on the committing thread: %.0f in %.0f commits", calls,
         r->commits);
  for (i = 0; i < r->steady.os_call_count; i++) {
    if (r->steady.os_calls[i].count > 0)
      printf("%s %s %.0f", calls > 0 ? "," : "", r->steady.os_calls[i].name,
             r->steady.os_calls[i].count);
  }
  printf("\n");
}

/* As it is printed: so it is judged. */
static void print_target(const char *what, int at_most, double bound, double measured) {
  double shown = round(measured * 100), limit = round(bound * 100);
  if (isnan(measured)) return;
  printf("target: %s %s %.2f: %.2f, %s\n", what, at_most ? "at most" : "at least", bound, measured,
         (at_most ? shown <= limit : shown >= limit) ? "met" : "missed");
}

/* What it costs that a kill loses nothing: durability=os over memory. */
static void print_targets(const options *o, const result *medians, const int *takes_part) {
  const result *memory = NULL, *os = NULL;
  size_t i;
  for (i = 0; i < contestant_count; i++) {
    if (!takes_part[i] || contestants[i].durability == NULL) continue;
    if (strcmp(contestants[i].durability, "memory") == 0) memory = &medians[i];
    if (strcmp(contestants[i].durability, "os") == 0) os = &medians[i];
  }
  if (memory == NULL || os == NULL) return;
  printf("\n");
  if (strcmp(o->mode, "latency") == 0) {
    print_target("os, p50 over memory's", 1, 1.5, os->p50_ns / memory->p50_ns);
    print_target("os, p99.9 over memory's", 1, 3, os->p999_ns / memory->p999_ns);
  } else {
    print_target("os, commits/s until durable over memory's", 0, 0.85, os->durable_per_s / memory->durable_per_s);
  }
}

static void json_number(FILE *f, const char *name, double value) {
  if (isnan(value)) {
    fprintf(f, ",\"%s\":null", name);
  } else {
    fprintf(f, ",\"%s\":%.6g", name, value);
  }
}

static void write_commit_json(const options *o, double flush_us, const result *medians,
                              const int *takes_part) {
  FILE *f;
  size_t i, k;
  int rows = 0;
  if (o->json_path == NULL) return;
  f = fopen(o->json_path, "w");
  if (f == NULL) {
    perror(o->json_path);
    exit(1);
  }
  fprintf(f, "{\"mode\":\"%s\",\"rounds\":%" PRIu32 ",\"flush_us\":%.0f,\"contestants\":[",
          o->mode, o->rounds, flush_us);
  for (i = 0; i < contestant_count; i++) {
    const result *r = &medians[i];
    const char *separator = "";
    if (!takes_part[i]) continue;
    fprintf(f, "%s\n{\"name\":\"%s\"", rows++ > 0 ? "," : "", contestants[i].name);
    json_number(f, "commits", r->commits);
    json_number(f, "p50_ns", r->p50_ns);
    json_number(f, "p99_ns", r->p99_ns);
    json_number(f, "p999_ns", r->p999_ns);
    json_number(f, "max_ns", r->max_ns);
    json_number(f, "commits_per_s", r->commits_per_s);
    json_number(f, "durable_commits_per_s", r->durable_per_s);
    if (strcmp(contestants[i].vfs, "asyncvfs") == 0) {
      json_number(f, "batches", r->engine.batches);
      json_number(f, "flushes", r->engine.flushes);
      json_number(f, "journal_bytes", r->engine.journal_bytes);
      json_number(f, "database_bytes", r->engine.database_bytes);
      json_number(f, "pages_written", r->engine.pages_written);
      json_number(f, "coalesced_pages", r->engine.coalesced_pages);
      fprintf(f, ",\"os_calls\":{");
      for (k = 0; k < r->steady.os_call_count; k++) {
        fprintf(f, "%s\"%s\":%.0f", separator, r->steady.os_calls[k].name,
                r->steady.os_calls[k].count);
        separator = ",";
      }
      fprintf(f, "}");
    }
    fprintf(f, "}");
  }
  fprintf(f, "\n]}\n");
  if (fclose(f) != 0) {
    perror(o->json_path);
    exit(1);
  }
}

/* ---- modes ------------------------------------------------------------ */

static double flush_cost_us(const options *o) {
  char path[600];
  HANDLE file;
  DWORD n;
  double costs[20], start;
  int i;
  snprintf(path, sizeof path, "%s\\bench-flush.tmp", o->folder);
  file =
      CreateFileA(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, FILE_FLAG_DELETE_ON_CLOSE, NULL);
  if (file == INVALID_HANDLE_VALUE) {
    fprintf(stderr, "bench: cannot write in %s\n", o->folder);
    exit(1);
  }
  for (i = 0; i < 20; i++) {
    start = clock_seconds();
    WriteFile(file, "x", 1, &n, NULL);
    FlushFileBuffers(file);
    costs[i] = (clock_seconds() - start) * 1e6;
  }
  CloseHandle(file);
  return median(costs, 20);
}

static int commits_mode(const options *o, double flush_us, int have_asyncvfs) {
  static result turns[MAX_CONTESTANTS][MAX_ROUNDS];
  static result medians[MAX_CONTESTANTS];
  int takes_part[MAX_CONTESTANTS] = {0};
  samples *s = samples_create(o->commits);
  uint32_t round;
  size_t i;
  if (s == NULL) {
    fprintf(stderr, "bench: no memory for %" PRIu32 " samples\n", o->commits);
    return 1;
  }
  for (i = 0; i < contestant_count; i++) {
    const contestant *c = &contestants[i];
    takes_part[i] = (o->only == NULL || strstr(c->name, o->only) != NULL) &&
                    (have_asyncvfs || strcmp(c->vfs, "asyncvfs") != 0);
  }
  for (round = 0; round < o->rounds; round++) {
    for (i = 0; i < contestant_count; i++) {
      char b[2][32];
      if (!takes_part[i]) continue;
      fprintf(stderr, "round %" PRIu32 "/%" PRIu32 "  %-21s ", round + 1, o->rounds,
              contestants[i].name);
      turns[i][round] = run_turn(&contestants[i], o, s);
      fprintf(stderr, "%10s commits/s, p50 %s us\n",
              grouped(turns[i][round].commits_per_s, b[0], 32),
              micros(turns[i][round].p50_ns, b[1], 32));
    }
  }
  for (i = 0; i < contestant_count; i++) {
    if (takes_part[i]) medians[i] = summarise(turns[i], o->rounds);
  }
  print_commit_table(medians, takes_part);
  for (i = 0; i < contestant_count; i++) {
    if (takes_part[i] && strcmp(contestants[i].vfs, "asyncvfs") == 0) print_engine(contestants[i].name, &medians[i]);
  }
  print_targets(o, medians, takes_part);
  write_commit_json(o, flush_us, medians, takes_part);
  samples_free(s);
  return 0;
}

/* reads (page_reads.h) */
#define COLD_ROWS 50000u
#define READS     20000u

static double read_cost_ns(sqlite3 *db, const char *table, uint32_t rows) {
  return rows == 0 ? NAN : page_reads_ns(db, table, rows, READS, &random_state);
}

/* ns for a row at random, with and without PRAGMA mmap_size: then SQLite counts no misses. */
static double row_cost_ns(sqlite3 *db, uint32_t rows, const char *mmap_size) {
  char sql[60];
  uint32_t best;
  double least = 0;
  snprintf(sql, sizeof sql, "PRAGMA mmap_size=%s", mmap_size);
  run_sql(db, sql);
  for (best = 0; best < 5; best++) {
    sqlite3_stmt *stmt;
    double took;
    uint32_t i;
    run_sql(db, "BEGIN");
    stmt = prepare(db, "SELECT length(body) FROM cold WHERE id = ?");
    took = clock_seconds();
    for (i = 0; i < READS; i++) {
      sqlite3_bind_int64(stmt, 1, (sqlite3_int64)(1 + random_next(&random_state) % rows));
      check(db, sqlite3_step(stmt), SQLITE_ROW, "read");
      sqlite3_reset(stmt);
    }
    took = (clock_seconds() - took) * 1e9 / READS;
    sqlite3_finalize(stmt);
    run_sql(db, "COMMIT");
    if (best == 0 || took < least) least = took;
  }
  return least;
}

static sqlite3 *open_reader(const contestant *c, const char *path) {
  sqlite3 *db = database_open(c, path, 512);
  run_sql(db, "PRAGMA cache_size=8; PRAGMA mmap_size=0");
  return db;
}

static int reads_mode(const options *o) {
  static const uint32_t depths[] = {0, 1000, 10000, 100000, 1000000};
  const contestant *ours = contestant_by_vfs("asyncvfs"), *win32 = contestant_by_vfs("win32");
  char path[600], b[3][32];
  sqlite3 *writer, *reader;
  uint32_t rows = 0;
  double start;
  size_t i;
  snprintf(path, sizeof path, "%s\\bench-reads.db", o->folder);
  database_remove(win32, path);
  writer = database_open(win32, path, 512);
  run_sql(writer, "CREATE TABLE cold(id INTEGER PRIMARY KEY, body BLOB);"
                  "CREATE TABLE hot(id INTEGER PRIMARY KEY, body BLOB)");
  page_reads_add(writer, "cold", 1, COLD_ROWS);
  sqlite3_close(writer);

  printf("%-12s %14s %22s %22s\n", "VFS", "pages queued", "ns/page not queued",
         "ns/page queued");
  reader = open_reader(win32, path);
  read_cost_ns(reader, "cold", COLD_ROWS); /* warms the system's cache */
  printf("%-12s %14s %22s %22s\n", "win32", "-",
         grouped(read_cost_ns(reader, "cold", COLD_ROWS), b[0], 32), "-");
  sqlite3_close(reader);

  printf("%-12s %22s %22s\n", "VFS", "ns/row mmap_size=0", "ns/row mmap_size=1 GiB");
  for (i = 0; i < 2; i++) {
    const contestant *c = i == 0 ? win32 : ours;
    reader = open_reader(c, path);
    row_cost_ns(reader, COLD_ROWS, "0");
    printf("%-12s %22s %22s\n", c->vfs, grouped(row_cost_ns(reader, COLD_ROWS, "0"), b[0], 32),
           grouped(row_cost_ns(reader, COLD_ROWS, "1073741824"), b[1], 32));
    sqlite3_close(reader);
  }

  writer = database_open(ours, path, 512);
  run_sql(writer,
          "PRAGMA asyncvfs_max_lag_ms=60000; PRAGMA asyncvfs_max_queue_bytes=8589934592");
  reader = open_reader(ours, path);
  for (i = 0; i < sizeof depths / sizeof depths[0] && depths[i] <= o->pages; i++) {
    engine_status status;
    double cold, hot;
    fprintf(stderr, "queueing %" PRIu32 " pages\n", depths[i]);
    while (rows < depths[i]) {
      uint32_t n = depths[i] - rows < 500 ? depths[i] - rows : 500;
      page_reads_add(writer, "hot", rows + 1, n);
      rows += n;
    }
    cold = read_cost_ns(reader, "cold", COLD_ROWS);
    hot = read_cost_ns(reader, "hot", rows);
    status = status_read(ours, writer);
    printf("%-12s %14s %22s %22s\n", "asyncvfs", grouped(status.queue_pages, b[0], 32),
           grouped(cold, b[1], 32), grouped(hot, b[2], 32));
  }
  sqlite3_close(reader);
  start = clock_seconds();
  check(writer, sqlite3_close(writer), SQLITE_OK, "close");
  printf("closing wrote the queue out in %.1f s\n", clock_seconds() - start);
  database_remove(win32, path);
  return 0;
}

/* ---- options ---------------------------------------------------------- */

static void usage(void) {
  fprintf(
      stderr,
      "bench.exe [--mode latency|sustained|reads|disk|oversized|memory|backpressure|\n"
      "                  databases|flush]\n"
      "          [--commits N] [--rounds N] [--only PART_OF_A_NAME] [--slow-seconds S]\n"
      "          [--pages N] [--mib N] [--seconds S] [--retry-ms N] [--dir FOLDER]\n"
      "          [--databases N]\n"
      "          [--json FILE] [--mark 0|1]\n");
  exit(2);
}

static uint32_t number(const char *text, uint32_t least, uint32_t most) {
  char *end;
  unsigned long value = strtoul(text, &end, 10);
  if (*end != '\0' || value < least || value > most) {
    fprintf(stderr, "bench: %s is not a number from %" PRIu32 " to %" PRIu32 "\n", text, least,
            most);
    usage();
  }
  return (uint32_t)value;
}

static options parse_options(int argc, char **argv) {
  static char temporary[MAX_PATH + 1];
  options o = {.mode = "latency",
               .folder = temporary,
               .rounds = 3,
               .pages = 1000000,
               .slow_seconds = 3,
               .retry_ms = SQLITES_OWN,
               .mib = 64,
               .seconds = 600,
               .databases = 1000};
  int i;
  GetTempPathA(MAX_PATH, temporary);
  for (i = 1; i < argc; i += 2) {
    const char *value = argv[i + 1];
    if (i + 1 >= argc) usage();
    if (strcmp(argv[i], "--mode") == 0) {
      o.mode = value;
    } else if (strcmp(argv[i], "--only") == 0) {
      o.only = value;
    } else if (strcmp(argv[i], "--json") == 0) {
      o.json_path = value;
    } else if (strcmp(argv[i], "--dir") == 0) {
      o.folder = value;
    } else if (strcmp(argv[i], "--commits") == 0) {
      o.commits = number(value, 1, 100000000);
    } else if (strcmp(argv[i], "--rounds") == 0) {
      o.rounds = number(value, 1, MAX_ROUNDS);
    } else if (strcmp(argv[i], "--pages") == 0) {
      o.pages = number(value, 0, 1000000);
    } else if (strcmp(argv[i], "--mark") == 0) {
      o.mark = (int)number(value, 0, 1);
    } else if (strcmp(argv[i], "--mib") == 0) {
      o.mib = number(value, 2, 4096);
    } else if (strcmp(argv[i], "--databases") == 0) {
      o.databases = number(value, 1, 99999);
    } else if (strcmp(argv[i], "--seconds") == 0) {
      o.seconds = number(value, 1, 86400);
    } else if (strcmp(argv[i], "--retry-ms") == 0) {
      o.retry_ms = number(value, 0, 1000);
    } else if (strcmp(argv[i], "--slow-seconds") == 0) {
      o.slow_seconds = number(value, 1, 3600);
    } else {
      usage();
    }
  }
  return o;
}

int main(int argc, char **argv) {
  options o = parse_options(argc, argv);
  double flush_us;
  int have_asyncvfs = contestants_register();
  setvbuf(stderr, NULL, _IONBF, 0);
  flush_us = flush_cost_us(&o);
  printf("SQLite %s, %s, a flush costs %.2f ms\n", sqlite3_libversion(), o.mode,
         flush_us / 1e3);
  fflush(stdout);
  if (strcmp(o.mode, "flush") == 0) return 0;
  if (strcmp(o.mode, "latency") == 0 || strcmp(o.mode, "sustained") == 0) {
    if (o.commits == 0) o.commits = strcmp(o.mode, "latency") == 0 ? 100000 : 200000;
    return commits_mode(&o, flush_us, have_asyncvfs);
  }
  if (!have_asyncvfs) return 1;
  if (strcmp(o.mode, "reads") == 0) return reads_mode(&o);
  if (strcmp(o.mode, "disk") == 0) return disk_mode(&o);
  if (strcmp(o.mode, "oversized") == 0) return oversized_mode(&o);
  if (strcmp(o.mode, "memory") == 0) return memory_mode(&o);
  if (strcmp(o.mode, "backpressure") == 0) return backpressure_mode(&o);
  if (strcmp(o.mode, "databases") == 0) return databases_mode(&o);
  usage();
}
