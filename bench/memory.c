/* memory.c: how much the process grows under the heaviest stream of commits.
 *
 * Two threads, a connection each, replace rows of 0 to 8000 bytes at random keys of 200,000, in
 * transactions of 1 to 200, as fast as they can for --seconds, with asyncvfs' default
 * limits: most of the time the queue is full, and the writers wait for room. Sampled is private
 * memory: what is mapped of files does not count. The start is before the database is opened,
 * so all counts: the queue, the buffers, and SQLite's own page caches of 2 MB a connection.
 */
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>
#include <psapi.h>

#include "bench.h"
#include "contestant.h"
#include "figures.h"
#include "samples.h"

#define MIB         (1024 * 1024)
#define WRITERS     2
#define KEYS        200000u
#define ROW_BYTES   8000u
#define MOST_ROWS   200u /* in a transaction */
#define SAMPLE_MS   20
#define ALLOWED_MIB 64 /* beyond max_queue_bytes */

typedef struct writer {
  sqlite3 *db;
  HANDLE thread;
  uint64_t random;
  double until;
  uint64_t rows, commits; /* read when the thread has ended */
} writer;

static double private_mib(void) {
  PROCESS_MEMORY_COUNTERS counters;
  if (!K32GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters)) {
    fprintf(stderr, "bench: GetProcessMemoryInfo fails: %lu\n", (unsigned long)GetLastError());
    exit(1);
  }
  return (double)counters.PagefileUsage / MIB;
}

static DWORD WINAPI write_rows(void *arg) {
  static const unsigned char body[ROW_BYTES];
  writer *w = arg;
  sqlite3_stmt *begin = prepare(w->db, "BEGIN IMMEDIATE");
  sqlite3_stmt *replace = prepare(w->db, "REPLACE INTO item VALUES(?1, ?2)");
  sqlite3_stmt *commit = prepare(w->db, "COMMIT");
  while (clock_seconds() < w->until) {
    run_statement(w->db, begin);
    for (uint64_t n = 1 + random_next(&w->random) % MOST_ROWS; n > 0; n--) {
      sqlite3_bind_int64(replace, 1, (sqlite3_int64)(random_next(&w->random) % KEYS));
      sqlite3_bind_blob(replace, 2, body, (int)(random_next(&w->random) % (ROW_BYTES + 1)),
                        SQLITE_STATIC);
      run_statement(w->db, replace);
      w->rows++;
    }
    run_statement(w->db, commit);
    w->commits++;
  }
  sqlite3_finalize(begin);
  sqlite3_finalize(replace);
  sqlite3_finalize(commit);
  return 0;
}

int memory_mode(const options *o) {
  const contestant *c = contestant_by_vfs("asyncvfs");
  char path[600], b[4][32];
  writer writers[WRITERS];
  double start, began, most = 0, most_early = 0, allowed, told = 0;
  double commits = 0, rows = 0, queue_most = 0;
  engine_status status;
  sqlite3 *observer; /* asks for the status; the writers' own are busy */

  snprintf(path, sizeof path, "%s\\bench-memory.db", o->folder);
  database_remove(c, path);
  start = private_mib();
  began = clock_seconds();
  for (int i = 0; i < WRITERS; i++) {
    writers[i] =
        (writer){.random = 88172645463325252u + (uint64_t)i, .until = began + o->seconds};
    writers[i].db = database_open(c, path, 4096);
    sqlite3_busy_timeout(writers[i].db, 60000);
    run_sql(writers[i].db,
            "PRAGMA cache_size=-2000;" /* SQLite's default */
            "CREATE TABLE IF NOT EXISTS item(id INTEGER PRIMARY KEY, body BLOB)");
  }
  observer = database_open(c, path, 4096);
  for (int i = 0; i < WRITERS; i++) {
    writers[i].thread = CreateThread(NULL, 0, write_rows, &writers[i], 0, NULL);
    if (writers[i].thread == NULL) {
      fprintf(stderr, "bench: no thread can be started\n");
      return 1;
    }
  }
  while (WaitForSingleObject(writers[0].thread, SAMPLE_MS) == WAIT_TIMEOUT) {
    double now = private_mib(), at = clock_seconds() - began;
    if (now > most) most = now;
    status = status_read(c, observer);
    if (status.queue_bytes > queue_most) queue_most = status.queue_bytes;
    if (at < o->seconds / 2) most_early = most;
    if (at - told >= 10) {
      told = at;
      fprintf(stderr, "%6.0f s  %7.1f MiB now, %.1f at most\n", at, now, most);
    }
  }
  for (int i = 0; i < WRITERS; i++) {
    WaitForSingleObject(writers[i].thread, INFINITE);
    CloseHandle(writers[i].thread);
    commits += (double)writers[i].commits;
    rows += (double)writers[i].rows;
  }
  status = status_read(c, observer);
  check(observer, sqlite3_close(observer), SQLITE_OK, "close");
  for (int i = 0; i < WRITERS; i++) {
    check(writers[i].db, sqlite3_close(writers[i].db), SQLITE_OK, "close");
  }
  database_remove(c, path);

  allowed = status.max_queue_bytes / MIB + ALLOWED_MIB;
  printf("%.0f s, %s rows in %s commits from %d threads; %s batches, %s MiB written\n",
         o->seconds, grouped(rows, b[0], 32), grouped(commits, b[1], 32), WRITERS,
         grouped(status.batches, b[2], 32),
         grouped((status.journal_bytes + status.database_bytes) / MIB, b[3], 32));
  printf(
      "max_queue_bytes %.0f MiB, %.1f MiB queued at most; writers waited for room %s times\n",
      status.max_queue_bytes / MIB, queue_most / MIB, grouped(status.stalls, b[0], 32));
  printf("private memory, MiB: %.1f at the start, %.1f at most (%.1f in the first half), %.1f "
         "after closing\n",
         start, most, most_early, private_mib());
  printf("of it SQLite's own, with page caches of 2 x 2 MB: %.1f at most\n",
         (double)sqlite3_memory_highwater(0) / MIB);
  printf("target: growth under the heaviest stream below %.0f MiB: %.1f, %s\n", allowed,
         most - start, most - start < allowed ? "met" : "missed");
  return 0;
}
