/* async.c: SQLite's retired module for asynchronous I/O and asyncvfs, by the module's own
 * interface. Compiled twice, without a difference: bench_async.exe with asyncvfs,
 * bench_async_original.exe with ext/async of SQLite's source. async.sh runs them in turns.
 *
 *   commits N SECONDS   one-row inserts, a commit each, with a thread in sqlite3async_run():
 *                       until N are made or the time is up. Ends without writing the rest, which
 *                       in the module's case takes minutes
 *   drain N             N commits, then HALT_IDLE: commits/s from the first until the queue is
 *                       empty. Stock SQLite must find all of them
 *   reads N             what a page costs to read that is not queued, and one that is, with the
 *                       writes of N pages queued. Nobody is in sqlite3async_run() yet; asyncvfs is
 *                       told to wait with its batch
 *
 * Each line that is printed is a name and a number. The pragmas are asyncvfs's own; to the module
 * they are nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
#include <psapi.h>

#include <sqlite3.h>
#include "sqlite3async.h"

#include "bench.h"
#include "contestant.h"
#include "page_reads.h"
#include "samples.h"

#define WARM_UP   20u
#define COLD_ROWS 20000u
#define READS     1000u
#define PASSES    7   /* the best counts: others use the machine, too */

static const char path[] = "bench-async.db";
static const char payload[] =
    "A commit returns at memory speed; what was committed is written to disk in batches, "
    "each of them atomic.";
static uint64_t random_state = 88172645463325252u;

static void print_figure(const char *name, double value) { printf("%s %.6g\n", name, value); }

static void remove_database(void) {
  DeleteFileA(path);
  DeleteFileA("bench-async.db-journal");
}

static sqlite3 *open_on(const char *vfs, int page_size) {
  sqlite3 *db;
  char sql[60];
  check(NULL, sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs), SQLITE_OK, path);
  snprintf(sql, sizeof sql, "PRAGMA page_size=%d; PRAGMA cache_size=-16000", page_size);
  run_sql(db, sql);
  return db;
}

static DWORD WINAPI run(LPVOID unused) {
  (void)unused;
  sqlite3async_run();
  return 0;
}

static HANDLE start(void) {
  HANDLE thread;
  check(NULL, sqlite3async_initialize("win32", 0), SQLITE_OK, "sqlite3async_initialize");
  thread = CreateThread(NULL, 0, run, NULL, 0, NULL);
  if (thread == NULL) exit(1);
  return thread;
}

static sqlite3_stmt *prepare_insert(sqlite3 *db) {
  run_sql(db, "CREATE TABLE item(id INTEGER PRIMARY KEY, key INTEGER NOT NULL, text TEXT NOT NULL);"
              "CREATE INDEX item_by_key ON item(key)");
  return prepare(db, "INSERT INTO item(key, text) VALUES(?, ?)");
}

static void insert_row(sqlite3 *db, sqlite3_stmt *insert) {
  sqlite3_bind_int64(insert, 1, (sqlite3_int64)(random_next(&random_state) >> 1));
  sqlite3_bind_text(insert, 2, payload, (int)sizeof payload - 1, SQLITE_STATIC);
  run_statement(db, insert);
}

static double private_mib(void) {
  PROCESS_MEMORY_COUNTERS counters;
  if (!K32GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters)) exit(1);
  return (double)counters.PagefileUsage / (1024 * 1024);
}

static void measure_commits(uint32_t n, double seconds) {
  samples *s = samples_create(n);
  sqlite3 *db;
  sqlite3_stmt *insert;
  double most, before, began;
  summary sum;
  uint32_t i;
  start();
  db = open_on(SQLITEASYNC_VFSNAME, 4096);
  insert = prepare_insert(db);
  for (i = 0; i < WARM_UP; i++) insert_row(db, insert);
  before = private_mib();
  began = clock_seconds();
  samples_start(s);
  for (i = 0; i < n && clock_seconds() - began < seconds; i++) {
    insert_row(db, insert);
    samples_mark(s);
  }
  samples_stop(s);
  most = private_mib();
  sum = samples_summary(s);
  print_figure("commits", (double)sum.count);
  print_figure("p50_us", sum.p50_ns / 1e3);
  print_figure("p999_us", sum.p999_ns / 1e3);
  print_figure("commits_per_s", (double)sum.count / sum.seconds);
  print_figure("grown_mib", most - before);
  print_figure("kib_a_commit", (most - before) * 1024 / (double)sum.count);
  fflush(stdout);
  TerminateProcess(GetCurrentProcess(), 0);
}

static void measure_drain(uint32_t n) {
  HANDLE thread = start();
  sqlite3 *db = open_on(SQLITEASYNC_VFSNAME, 4096);
  sqlite3_stmt *insert = prepare_insert(db);
  double began;
  uint32_t i;
  began = clock_seconds();
  for (i = 0; i < n; i++) insert_row(db, insert);
  sqlite3async_control(SQLITEASYNC_HALT, SQLITEASYNC_HALT_IDLE);
  WaitForSingleObject(thread, INFINITE);
  print_figure("drained_per_s", n / (clock_seconds() - began));
  sqlite3_finalize(insert);
  check(db, sqlite3_close(db), SQLITE_OK, "close");
  sqlite3async_run();   /* the module's close is queued too */
  sqlite3async_shutdown();
  db = open_on("win32", 4096);
  if (query_int64(db, "SELECT count(*) FROM item") != n) {
    fprintf(stderr, "bench: rows are missing\n");
    exit(1);
  }
  sqlite3_close(db);
}

/* The best of several passes. */
static double read_cost_ns(sqlite3 *db, const char *table, uint32_t rows) {
  double best = page_reads_ns(db, table, rows, READS, &random_state);
  for (int i = 1; i < PASSES; i++) {
    double ns = page_reads_ns(db, table, rows, READS, &random_state);
    if (ns < best) best = ns;
  }
  return best;
}

static void measure_reads(uint32_t n) {
  sqlite3 *writer = open_on("win32", 512), *reader;
  uint32_t rows = 0;
  run_sql(writer, "PRAGMA synchronous=OFF; CREATE TABLE cold(id INTEGER PRIMARY KEY, body BLOB);"
                  "CREATE TABLE hot(id INTEGER PRIMARY KEY, body BLOB)");
  page_reads_add(writer, "cold", 1, COLD_ROWS);
  sqlite3_close(writer);
  check(NULL, sqlite3async_initialize("win32", 0), SQLITE_OK, "sqlite3async_initialize");
  writer = open_on(SQLITEASYNC_VFSNAME, 512);
  run_sql(writer, "PRAGMA asyncvfs_max_lag_ms=60000; PRAGMA asyncvfs_max_queue_bytes=8589934592;"
                  "PRAGMA asyncvfs_max_process_bytes=8589934592");
  reader = open_on(SQLITEASYNC_VFSNAME, 512);
  run_sql(reader, "PRAGMA cache_size=8; PRAGMA mmap_size=0");
  for (; rows < n; rows += 500) page_reads_add(writer, "hot", rows + 1, n - rows < 500 ? n - rows : 500);
  print_figure("cold_ns", read_cost_ns(reader, "cold", COLD_ROWS));
  if (n > 0) print_figure("hot_ns", read_cost_ns(reader, "hot", n));
  fflush(stdout);
  TerminateProcess(GetCurrentProcess(), 0);
}

int main(int argc, char **argv) {
  uint32_t n = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
  remove_database();
  if (argc == 4 && strcmp(argv[1], "commits") == 0) measure_commits(n, atof(argv[3]));
  else if (argc == 3 && strcmp(argv[1], "drain") == 0) measure_drain(n);
  else if (argc == 3 && strcmp(argv[1], "reads") == 0) measure_reads(n);
  else {
    fprintf(stderr, "use: bench_async.exe commits N SECONDS | drain N | reads N\n");
    return 2;
  }
  remove_database();
  return 0;
}
