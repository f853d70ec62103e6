/* heirs.h: the process that comes after one that was killed, or after a power cut, and recovers by
 * asyncvfs what that left.
 *
 *   an image --> [another's file] [a foreign commit] [a reader that may not write]
 *            --> opened, checked, read: all that is kept, and nothing but a prefix
 *            --> [commits of its own] --> closed, or given up and opened again --> stock SQLite
 *
 * What is in brackets is by chance, and so are faults until it has been read. All its steps may be
 * ended too, by a kill or a power cut, and the next heir comes (kept.h).
 */
#ifndef SIM_HEIRS_H
#define SIM_HEIRS_H

/* arg: uint32_t *, which image. Fails by sim_fail. */
void sim_heir_run(void *arg);

#endif
