/* waits.h: who waits for the disk, or for room in the queue.
 *
 *   for a commit to be durable   COMMIT with durability=disk, asyncvfs_flush, asyncvfs_wait, what
 *                                must have the file to itself
 *   for room                     the writer, at RESERVED, by the connection's busy handler
 *
 * While nobody could be had to do the work (a process without threads left), who waits asks for
 * a thread again.
 */
#ifndef AVFS_WAITS_H
#define AVFS_WAITS_H

#include "store/state.h"

/* Waits until commit `seq` is durable. With a timeout through all failures, until
 * the time is up: then the error, or SQLITE_BUSY. With AVFS_FOREVER until the
 * disk has failed several times in a row: then the error. */
int avfs_wait_durable(avfs_store *s, uint64_t seq, uint32_t timeout_ms) AVFS_REQUIRES(avfs_store_role);
/* The same for all commits so far, and then until no batch is in progress. */
int avfs_wait_empty(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* Waits until no batch or segment is in progress. */
void avfs_wait_run(avfs_store *s) AVFS_REQUIRES(avfs_store_role);

/* The writer waits, before it has written anything, until what is queued is within
 * the limits. The disk's error while it fails at the limit, or for long; SQLITE_BUSY when the
 * connection's busy handler gives up or the time is up, or at once with on_full=busy.
 * c is NULL after a commit, when it is too late to refuse: as long as the disk works. */
int avfs_wait_for_room(avfs_store *s, const avfs_conn *c) AVFS_REQUIRES(avfs_store_role);
/* The last moment to refuse a commit: SQLITE_OK, or the disk's error when the queue is
 * full and the disk fails, or fails for long. A writer that did not ask for its lock
 * (locking_mode=EXCLUSIVE) has not been stopped before. */
int avfs_wait_is_hopeless(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* xSleep: if the calling thread sleeps in its busy handler, waiting for room in a store: sleeps
 * until there is some, or us microseconds have passed, and returns 1. */
int avfs_wait_sleep(uint64_t us);

#endif
