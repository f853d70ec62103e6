/* statements.h: one statement of a program: that writes, that reads, or a savepoint's. The shadow
 * gets it too; what is read must be what the history says.
 */
#ifndef SIM_STATEMENTS_H
#define SIM_STATEMENTS_H

#include "programs/run.h"

/* In a transaction or without one. */
void sim_statement(sim_program *p);
/* In the transaction that writes. */
void sim_savepoint(sim_program *p);
/* All of database d. */
void sim_read_all(sim_program *p, int d);

#endif
