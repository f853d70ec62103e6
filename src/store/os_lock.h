/* os_lock.h: the lock that other processes see.
 *
 *   local locks (lock_table)            OS lock (os_file, LockFileEx by win32)
 *   ------------------------            --------------------------------------
 *   the highest of the connections  \
 *   EXCLUSIVE while commits wait     >  the highest of these
 *   lingering after the last batch  /
 *
 *            fresh.c: hot journal rolled back, header and size read
 *   NONE ------------------------> SHARED ----> RESERVED ----> EXCLUSIVE
 *     ^                            |   ^            |              |
 *     +---- lower: our -journal ---+   +------------+--------------+
 *           deleted first
 *
 * Only the setter of os.busy calls os_file, without store->lock: LockFileEx may
 * take its time. A stream of commits never comes here: the lock is EXCLUSIVE and
 * stays, so xLock and xUnlock change the local table and nothing else.
 *
 * Who decides that it goes: avfs_os_lock_lower, by the local locks, what waits to be written, and
 * `lingering`. After the last batch it is kept, and with it the open journal, for those who
 * go on at once. Somebody else may wait for it, so it is 20 ms; but if nobody else has the
 * file open it is kept for two seconds, and who has is asked again every 100 ms (warm). So a
 * program that saves every second pays for its lock and its journal once, and one that opens
 * the database meanwhile waits 100 ms more than else.
 */
#ifndef AVFS_OS_LOCK_H
#define AVFS_OS_LOCK_H

#include "store/state.h"

/* Has the lock at `level` or more. AVFS_PASS: the database cannot be managed. */
int avfs_os_lock_ensure(avfs_store *s, const avfs_conn *c, int level) AVFS_REQUIRES(avfs_store_role);
/* RESERVED or more is held: has a ring, if one can be had (redo_ring.h); instead of one that was full a
 * larger one, if the queue is empty. */
void avfs_os_lock_make_ring(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* The last connection has closed, and no lock is held: the ring's file goes, if nobody else is
 * at the database. */
void avfs_os_lock_remove_ring(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* Lowers it to what is needed now. */
void avfs_os_lock_lower(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* The same, although it would be kept for a while. */
void avfs_os_lock_lower_now(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* A batch has ended: from then on it is kept for a while. */
void avfs_os_lock_linger(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* Nothing waits to be written: does what is due. 1: look again; 0: at *due_out. */
int avfs_os_lock_look(avfs_store *s, uint64_t *due_out) AVFS_REQUIRES(avfs_store_role);
/* Waits for the setter of os.busy; SQLITE_BUSY when the calling thread is that itself: SQLite runs
 * automatic extensions on the connection that recovers the database, and such a one may open the
 * same database here. */
int avfs_os_lock_await(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* Asks whether another process holds RESERVED. */
int avfs_os_lock_check_reserved(avfs_store *s, int *reserved_out) AVFS_REQUIRES(avfs_store_role);
/* The connection, which is the writer, and nothing waits to be written: exchanges os_file, with
 * its lock, for the connection's parent file. */
void avfs_os_lock_hand_over(avfs_store *s, avfs_conn *c) AVFS_REQUIRES(avfs_store_role);

#endif
