/* stream.h: numbered commits whose number says what the database must hold.
 *
 * Transaction i inserts row i, changes an older row, deletes one now and then,
 * now and then rewrites the table `big` (or empties it, so that the file gets
 * shorter), and sets n = i in the table `last`; all of it follows from the seed
 * and i. So a database that claims n can be proved to be exactly the state
 * after the first n commits: stream_verify replays the versions in memory and
 * compares every row, byte by byte.
 * Between the transactions some others are rolled back.
 *
 * A child process (role "stream") writes the stream, from the start or from
 * where the database is, until it is ended, and prints "committed N" and,
 * after PRAGMA asyncvfs_flush, "flushed N". With durability=disk each commit is flushed
 * when it returns.
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "harness.h"
#include "sqlite3.h"

typedef struct stream {
  const char *vfs;
  const char *journal_mode;
  uint64_t seed;
  int page_size;
  int cache_size;      /* 5 makes most transactions spill */
  int flush_every;     /* about; 0: never */
  int big_every;       /* 0: never */
  int big_bytes;       /* of the table `big` */
  int max_queue_bytes; /* 0: the default */
  const char *pragma;  /* one more, such as "asyncvfs_max_lag_ms=0"; NULL: none */
  bool exclusive;      /* locking_mode=EXCLUSIVE */
  bool shrinks;        /* auto_vacuum=FULL, and every other time big is emptied */
} stream;

harness_child *stream_start(const stream *s, const char *path);

/* Starts a writer and ends it by TerminateProcess after it has said that many
 * lines: a random moment later, or, if aimed, as soon as a hot journal is seen
 * beside the database. Returns the last commit that was reported flushed, or
 * -1, with a failed check, if the writer ended by itself. */
int stream_kill(const stream *s, const char *path, int lines, bool aimed);

/* Writes transactions first..last on this connection; its settings are the
 * caller's. */
int stream_write(const stream *s, sqlite3 *db, int first, int last);
int stream_create(const stream *s, sqlite3 *db);

/* What a child does before its first transaction: settings, tables, if there are none; *n_out is
 * how many transactions the database has. */
int stream_begin(const stream *s, sqlite3 *db, int *n_out);
/* The statements of transaction i, in one that is open. */
int stream_write_in(const stream *s, sqlite3 *db, int i);
/* Writes the one after the newest, for a connection beside others. */
int stream_write_next(const stream *s, sqlite3 *db, int *n_out);

/* Asserts that db holds the state after some number of transactions, and
 * returns that number; -1, with a failed check, if it does not. A database in
 * which nothing is yet, not even the tables, is at 0. */
int stream_verify(const stream *s, sqlite3 *db, const char *what);

#endif
