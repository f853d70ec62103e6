/* connection.h: what SQLite asks of a managed database: xLock, xUnlock, xRead, xWrite, sync, commit.
 *
 *   xLock(SHARED)      turn, if it was refused -> OS lock (fresh) -> local lock
 *   xLock(RESERVED)    local lock -> OS lock, the journal can be made -> room in the queue -> begin
 *   xLock(EXCLUSIVE)   local lock -> OS lock
 *   xRead              txn (the writer), committed, draining, the disk
 *   xWrite             txn; too much of it: write-through
 *   SYNC               the last moment to refuse
 *   COMMIT_PHASETWO    txn -> committed, or the last batch of a write-through; waits for the disk
 *                      with durability=disk, unless xUnlock does
 *   xUnlock            not committed: dropped, or undone. Local lock down, the disk waited for
 *                      without it, OS lock as low as it may go
 *
 * Each on the connection's own thread. While `parked`, SQLite has given SHARED up and goes on to
 * NONE: until then it hears BUSY, whatever it asks (durability.h).
 */
#ifndef AVFS_CONNECTION_H
#define AVFS_CONNECTION_H

#include "store/state.h"

/* xLock: SQLITE_OK, SQLITE_BUSY, or an error. AVFS_PASS: the database cannot be managed, and the
 * level is as it was, NONE or SHARED: the connection is to go on with its parent file. */
int avfs_conn_lock(avfs_conn *c, int level);
int avfs_conn_unlock(avfs_conn *c, int level);
int avfs_conn_check_reserved(avfs_conn *c, int *reserved_out);
int avfs_conn_read(avfs_conn *c, void *p, uint32_t n, uint64_t offset);
int avfs_conn_size(avfs_conn *c, uint64_t *size_out);
int avfs_conn_write(avfs_conn *c, const void *p, uint32_t n, uint64_t offset);
int avfs_conn_truncate(avfs_conn *c, uint64_t size);
/* SQLITE_FCNTL_SYNC. super: the super-journal, or NULL. */
int avfs_conn_sync(avfs_conn *c, const char *super);
/* SQLITE_FCNTL_COMMIT_PHASETWO. *handed_over_out: the connection is a plain one now: conn->parent
 * has the OS lock. */
int avfs_conn_commit(avfs_conn *c, int *handed_over_out);

#endif
