/* survivor.h: a process that commits and tells each COMMIT that returns, until it is killed.
 *
 *   parent                              child (role "survivor")
 *   life, a section of both  <--------  tells: found, then each returned COMMIT, by a store to
 *                                       memory: no kernel call comes between two commits
 *   TerminateProcess         -------->  at any instant
 *
 * Its first connection commits with durability=os; a second one, if asked for, with `memory`,
 * on a thread of its own. Both write one stream (stream.h), so each commit of the first stands on
 * those of the second. What must be there after a kill, and what may:
 *
 *   least   all that was found, which somebody may have read, and each COMMIT of `os` that returned
 *   most    one more than returned, for each connection
 *
 * A life is its parent's, and belongs to one thread.
 */
#ifndef SURVIVOR_H
#define SURVIVOR_H

#include <stdbool.h>

#include "process/stream.h"

typedef struct survivor {
  stream stream;         
  const char *parameters; /* of the URI, beside durability: "max_lag_ms=5"; NULL: none */
  bool by_pragma;         /* durability=os is set by PRAGMA, not by the URI */
  bool second;            /* a connection of durability=memory beside it */
  int most_commits;       /* before survivor_kill; 0: 250 */
  const char *attached;   /* a database that each transaction changes as well: `both.n`; NULL: none */
} survivor;

/* When it is killed. */
typedef enum survivor_moment {
  AT_OPENING,   /* about to read for the first time, or in it */
  AT_COMMITS,   /* after some commits, at any instant of another */
  AT_BATCH      /* when a hot journal is seen, if one is seen soon */
} survivor_moment;

typedef struct survivor_life {
  int least, most;   /* set both to 0 for a new database */
  int kills, in_recovery, hot;
} survivor_life;

/* Starts a writer on path and kills it; `life` says then what must be there. False, with a failed
 * check, when it found less or more than that, or ended by itself. */
bool survivor_kill(const survivor *s, const char *path, survivor_moment when, survivor_life *life);

/* The same, of one that lives until told. The commits it has returned by then are at least `commits`. */
typedef struct survivor_child survivor_child;
survivor_child *survivor_start(const survivor *s, const char *path);
bool survivor_wait(survivor_child *c, int commits);
bool survivor_end(survivor_child *c, survivor_life *life);

#endif
