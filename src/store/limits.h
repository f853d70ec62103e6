/* limits.h: how much memory the queue may take: that of a database, and that of the process.
 *
 * What all databases of the process have in memory is a counter, beside each store's own. At the
 * process's limit a writer waits for its own store's queue alone to fall, at most until it is
 * empty: so one database whose disk fails makes the others slow, never refused, and no store
 * waits for another.
 *
 * docs/DURABILITY.md, Memory, has what stands beside the queue.
 */
#ifndef AVFS_LIMITS_H
#define AVFS_LIMITS_H

#include "store/state.h"

/* Bytes of pages in memory for this database. */
uint64_t avfs_limits_bytes(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role);
/* The same for all databases of the process. */
uint64_t avfs_limits_process_bytes(void);
/* A table has grown or shrunk: counts it in the process's queue. */
void avfs_limits_count(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* What each kind of memory that is not counted there may take for one database: a sixteenth of
 * max_process_bytes. */
uint64_t avfs_limits_share(void);
/* The queue is to be written now, however young it is. */
int avfs_limits_is_pressing(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role);
/* A writer has to wait. */
int avfs_limits_is_full(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role);

#endif
