/* drain.h: from memory to the disk: when a batch begins, and what follows from its end.
 *
 *             dirty and due: freeze              over, well
 *    NONE -------------------------> ACTIVE ----------------> NONE, durable
 *                                     |   ^
 *                            retry_ns |   v  over, failed (not a segment:
 *                                    BACKOFF  that is told to its writer)
 *
 * A batch is due when the oldest commit in it has waited max_lag_ms less the time
 * that a batch usually takes; at once when somebody waits for it or half of the
 * queue's limit is reached. So a trickle of commits gathers, and a stream makes
 * large batches.
 *
 * Threads that commit with durability=disk wait for a batch, and commit again as soon as it
 * is over. If the next batch began at once for those who came meanwhile, the two groups
 * would take turns for ever, each batch with half of the commits that it could have.
 * So it waits until all have come that were waiting when the last batch ended, but no
 * longer than half of what that took, from its end, and never longer than 10 ms.
 *
 * Freeze: committed becomes draining and an empty table becomes committed. O(1),
 * also while a transaction is open, since txn stands above both.
 */
#ifndef AVFS_DRAIN_H
#define AVFS_DRAIN_H

#include "store/state.h"

typedef enum avfs_drain_news {
  AVFS_DRAIN_IDLE,    /* nothing is to be written */
  AVFS_DRAIN_WAITS,   /* until *due_out; AVFS_NEVER: it is told */
  AVFS_DRAIN_MOVED,   /* something began or ended: look again */
  AVFS_DRAIN_WROTE    /* a batch ended well, and what was committed before it is durable */
} avfs_drain_news;

/* Does what is to be done now. On the task's thread. */
avfs_drain_news avfs_drain_look(avfs_store *s, uint64_t *due_out) AVFS_REQUIRES(avfs_store_role);
/* Starts a batch with draining as its pages. Then avfs_drain_wake, without lock. */
void avfs_drain_start(avfs_store *s, const avfs_batch_input *input) AVFS_REQUIRES(avfs_store_role);
/* Goes on with the segment that failed; as avfs_drain_start. */
void avfs_drain_restart(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* Nothing waits to be written and no batch is in progress. */
int avfs_drain_is_empty(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role);

/* After a commit: the time for avfs_drain_call. is_oldest: it is, of those that wait. */
uint64_t avfs_drain_grew(avfs_store *s, int is_oldest) AVFS_REQUIRES(avfs_store_role);
/* Has the task look at `due`; AVFS_NEVER: it looks in time anyway. Leaves the lock meanwhile. */
void avfs_drain_call(avfs_store *s, uint64_t due) AVFS_REQUIRES(avfs_store_role);
/* Somebody waits for commit `seq`: it is written soon. Leaves the lock meanwhile. */
void avfs_drain_want(avfs_store *s, uint64_t seq) AVFS_REQUIRES(avfs_store_role);
/* Has the task look now; call without the lock. */
void avfs_drain_wake(avfs_store *s) AVFS_EXCLUDES(avfs_store_role);

#endif
