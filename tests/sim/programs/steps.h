/* steps.h: a step of a program: which of all the things that it may do it does next.
 *
 *   closed --> opens
 *   idle   --> BEGIN, a statement, a read, a pause, a flush or drain, VACUUM, another mode; or
 *              closes and opens again
 *   in a transaction --> a statement, a savepoint, a read, COMMIT, ROLLBACK, a pause
 */
#ifndef SIM_STEPS_H
#define SIM_STEPS_H

#include "programs/run.h"

void sim_step(sim_program *p);

#endif
