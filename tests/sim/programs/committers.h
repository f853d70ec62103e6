/* committers.h: several connections of one process commit at once, a thread each, mostly
 * with durability=disk: so a batch has the commits of several, and each waits for it
 * without the lock that the next one needs.
 *
 *   a thread:  BEGIN IMMEDIATE   INSERT     the state after it     COMMIT      acknowledged,
 *              (the write lock)  here and   goes into the history  (may wait   if it waits
 *                                shadowed                          for disk)   for the disk
 *
 * The order of the commits is that in which they had the write lock. A thread that reads
 * must find a state of the history, not older than any it has seen or made.
 */
#ifndef SIM_COMMITTERS_H
#define SIM_COMMITTERS_H

/* Runs them all to their end, on one database. `lag_ms` as in sim_run. */
void sim_committers_run(unsigned lag_ms, int page_size);

#endif
