/* commits.h: the numbers of a database's commits.
 *
 *   1 ... durable_seq ... draining_seq ... commit_seq
 *         on the disk     in a batch       in memory
 *
 * They begin at 1 with the store, grow by one with each commit, and say where it is: whatever
 * writes (a batch now, a WAL or a redo ring later) moves the same numbers, and who waits looks at
 * nothing else.
 */
#ifndef AVFS_COMMITS_H
#define AVFS_COMMITS_H

#include "store/state.h"

void avfs_commits_init(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* A transaction is committed in memory. 1: it is the oldest that waits for a batch. */
int avfs_commits_add(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* A write-through transaction is committed, and already on its way. */
void avfs_commits_add_draining(avfs_store *s, uint64_t now_ns) AVFS_REQUIRES(avfs_store_role);
/* All commits so far are on their way. */
void avfs_commits_freeze(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* What was on its way is on the disk, by a batch that took so long. notify: who is to be called
 * back is; not at the exit of the process. */
void avfs_commits_durable(avfs_store *s, uint64_t now_ns, uint64_t took_ns, int notify)
    AVFS_REQUIRES(avfs_store_role);
/* The store closes: those that are not durable are lost, for this reason; SQLITE_OK: none is. */
void avfs_commits_end(avfs_store *s, int rc) AVFS_REQUIRES(avfs_store_role);
/* Commits that are in memory alone. */
uint64_t avfs_commits_not_durable(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role);

#endif
