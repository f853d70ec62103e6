/* commits.h: what a COMMIT and a ROLLBACK do to the shadow and to the history of each database,
 * against which crash images and reads are judged.
 *
 *   BEGIN, statements: shadow too --> COMMIT --> OK: a new state in the history
 *                                         `----> an error: did it take place? The content says
 *
 * Only one that fails for want of the disk or of memory may have taken place.
 */
#ifndef SIM_COMMITS_H
#define SIM_COMMITS_H

#include "programs/run.h"

uint64_t sim_newest_state(int d);
/* All commits of asyncvfs to d so far are durable. */
void sim_acknowledged(int d);

/* 1 when p may write in d now: nobody else writes, and one shadow can follow. */
int sim_may_write(const sim_program *p, int d);
/* A statement outside of a transaction. */
void sim_autocommit(sim_program *p, const char *sql, int d);
/* Runs the statement that commits what the shadow's open transaction has: in one
 * database (`only`), or in all that the transaction has written (-1). Afterwards `done`
 * tells for each whether it is committed. Returns the statement's code. */
int sim_commit_by(sim_program *p, const char *sql, int only, int done[SIM_DATABASES]);
void sim_commit(sim_program *p);
void sim_rollback(sim_program *p);

#endif
