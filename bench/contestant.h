/* contestant.h: who takes part, and how to talk to SQLite about it.
 *
 * A contestant is a VFS with a journal_mode and a synchronous setting, asyncvfs also with a durability. What
 * fails here ends the program with a message: a benchmark that went on after
 * an error would print a figure for something else.
 */
#ifndef BENCH_CONTESTANT_H
#define BENCH_CONTESTANT_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

typedef enum durable_by {
  DURABLE_AT_COMMIT,     /* each COMMIT flushes */
  DURABLE_BY_FLUSH,      /* PRAGMA asyncvfs_flush */
  DURABLE_BY_CHECKPOINT, /* PRAGMA wal_checkpoint(TRUNCATE) */
  DURABLE_NEVER
} durable_by;

typedef struct contestant {
  const char *name;
  const char *vfs;
  const char *journal_mode;
  const char *synchronous;
  durable_by durable;
  int quick; /* commits at memory speed: makes every commit asked for */
  const char *durability; /* PRAGMA asyncvfs_durability; NULL: its default */
} contestant;

extern const contestant contestants[];
extern const size_t contestant_count;

/* The first one whose VFS is called so; contestants[0] is the floor. Of asyncvfs that is `memory`. */
const contestant *contestant_by_vfs(const char *vfs);

/* Loads asyncvfs from this program's folder; 0 (and a note on stderr) if it
 * is not there. Registers the floor. */
int contestants_register(void);

/* Removes the database and whatever lies beside it. */
void database_remove(const contestant *, const char *path);

/* Opens it (made if missing) with the contestant's settings. */
sqlite3 *database_open(const contestant *, const char *path, int page_size);

/* Makes all commits so far durable, in the contestant's own way. */
void database_make_durable(const contestant *, sqlite3 *);

void run_sql(sqlite3 *, const char *sql);
sqlite3_int64 query_int64(sqlite3 *, const char *sql);
sqlite3_stmt *prepare(sqlite3 *, const char *sql);
/* Steps a statement that returns no rows, and resets it. One that is told BUSY is given
 * again: BEGIN has done nothing, and COMMIT has left the transaction open. Returns how
 * often that was. */
uint32_t run_statement(sqlite3 *, sqlite3_stmt *);
void check(sqlite3 *, int rc, int expected, const char *doing);

/* ---- PRAGMA asyncvfs_status ------------------------------------------- */

#define MAX_OS_CALLS 48

typedef struct engine_status {
  double batches, flushes, journal_bytes, database_bytes, pages_written;
  double coalesced_pages, stalls, queue_pages, queue_bytes, max_queue_bytes;
  size_t os_call_count;
  struct {
    char name[40];
    double count;
  } os_calls[MAX_OS_CALLS];
} engine_status;

/* All zero unless the contestant is asyncvfs. */
engine_status status_read(const contestant *, sqlite3 *);

/* later - earlier, of what counts up */
engine_status status_difference(const engine_status *later, const engine_status *earlier);

#endif
