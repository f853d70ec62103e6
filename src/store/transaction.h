/* transaction.h: from the first write of a transaction to its commit or its end, in memory.
 *
 *   RESERVED      writes            SYNC           PHASETWO        below RESERVED
 *   begin ------> txn ------------> refuse? -----> commit -------> next writer
 *                  |  too large                      txn -> ring; txn -> committed, commit_seq + 1
 *                  v
 *                write_through.h
 *
 *   without PHASETWO: txn is dropped.
 *
 * Where a commit becomes visible: avfs_transaction_commit, or avfs_write_through_commit.
 *
 * The commit point is SQLITE_FCNTL_COMMIT_PHASETWO and nothing else, in every
 * journal_mode: not the end of SQLite's journal, not the fall of its lock.
 *
 * Who: the writer, on its own thread.
 */
#ifndef AVFS_TRANSACTION_H
#define AVFS_TRANSACTION_H

#include "store/state.h"

void avfs_transaction_begin(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* SQLite's journal of the open transaction; NULL: it is another connection's, or there is none. */
avfs_virtual_journal *avfs_transaction_journal(avfs_conn *c);
/* It has written more than is to be in memory before its commit. */
int avfs_transaction_is_large(const avfs_store *s);
/* What it wrote is committed. Returns when the task is to look (avfs_drain_call). *survives_out: the
 * commit that is to be durable before this one survives a kill (redo_ring.h); 0: it does. */
uint64_t avfs_transaction_commit(avfs_store *s, uint64_t *survives_out) AVFS_REQUIRES(avfs_store_role);
/* What it wrote, and did not commit, is gone. */
void avfs_transaction_drop(avfs_store *s);

#endif
