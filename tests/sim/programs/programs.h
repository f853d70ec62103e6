/* programs.h: the programs' connections: one is opened as chance will have it, and closed; what
 * it answers is what a correct VFS may answer.
 *
 * Some of what a program needs another must give up: a transaction, an exclusive lock, a journal
 * that is kept open. Closing ends a transaction (commits.h), and a COMMIT of which nobody knows
 * whether it took place may close others: so these two files call each other.
 */
#ifndef SIM_PROGRAMS_H
#define SIM_PROGRAMS_H

#include "programs/run.h"

/* Five: the first three are safe when a database is passed through. */
extern const char *const sim_journal_modes[];

int sim_exec(sim_program *p, const char *sql);
/* Fails the run when rc is none that this statement may have. */
void sim_expect(sim_program *p, int rc, const char *sql);

/* When it cannot be opened as this run wants it, for want of a lock, it stays closed. */
void sim_open_program(sim_program *p);
void sim_close_program(sim_program *p);
/* Commits or rolls back; nothing when there is none. */
void sim_end_transaction(sim_program *p);

/* The others have no transaction and no exclusive lock afterwards... */
void sim_end_others(sim_program *p);
/* ...and no stock connection is open. */
void sim_close_stock(sim_program *p);

void sim_sleep_ms(uint32_t ms);

#endif
