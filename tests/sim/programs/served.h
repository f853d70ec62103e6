/* served.h: the SQLite that asyncvfs serves in the simulation: its table of functions, as an
 * extension gets it, and its log, which says what a run has to excuse at its end.
 */
#ifndef SIM_SERVED_H
#define SIM_SERVED_H

void sim_bind_sqlite(void);

#endif
