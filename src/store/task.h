/* task.h: what is due for a database, on a thread of the pool.
 *
 *   drain: a batch begins, goes on, is tried again
 *   nothing is to be written: the OS lock is given up in time
 */
#ifndef AVFS_STORE_TASK_H
#define AVFS_STORE_TASK_H

#include "store/state.h"

/* Of an avfs_store's `task`. */
void avfs_store_task(avfs_task *t);
/* Does what is to be done now. Returns when to look again; AVFS_NEVER: when called. */
uint64_t avfs_store_look(avfs_store *s) AVFS_REQUIRES(avfs_store_role);

#endif
