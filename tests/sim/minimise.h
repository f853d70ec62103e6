/* minimise.h: the same failure with less.
 *
 *   steps of the programs: half of them left out, a quarter, ..., one by one, as long as
 *   the run still fails in the same way (delta debugging, as ddmin);
 *   cuts of the power: the one that showed it, alone.
 *
 * What is left is run once more and told.
 */
#ifndef SIM_MINIMISE_H
#define SIM_MINIMISE_H

#include <stdint.h>

/* Asked for each step of a run's programs. */
int sim_step_is_left_out(uint32_t step);
/* "3,7-12,40-": to the end. */
void sim_leave_out(const char *list);
/* `replay` as in campaign.h. Returns 0 when it does not fail at all. */
int sim_minimise(uint64_t seed, void (*run)(uint64_t seed), const char *replay);

#endif
