/* write_through.h: a transaction that is on the disk before its commit.
 *
 * One that outgrows the memory limit, or that has a super-journal, is a batch that begins before
 * its commit: the queue is drained, then txn goes to the file in segments, each under journal
 * records of its own pre-images (engine/batch.h). The journal stays valid until the commit, so a
 * crash takes the file back. SQLite's own virtual journal serves its ROLLBACK and savepoints
 * only; so this works in every journal_mode, MEMORY and OFF included.
 *
 *                    a segment fails; its writer hears: REFUSED
 *                    |        ^ |
 *                    |        | `- it writes on (EXCLUSIVE): the segment goes on: OPEN
 *    NONE --spill--> OPEN ----'
 *     ^              | |
 *     |              | `-SYNC with a super-journal: all flushed--> SYNCED --SQLite's journal ends--> DECIDED
 *     |              |                                               |                                 |
 *     +--commit------+-----------------------------------------------+---------------------------------+
 *     `--undo, by the batch's journal: from each of them
 *
 * OPEN commits by COMMIT_PHASETWO, which ends the journal. SYNCED and DECIDED have committed when
 * the super-journal is gone: by PHASETWO, or at the latest when the writer gives its lock up.
 * In SYNCED a further write is SQLite's rollback: what is on the disk is undone before that, and
 * before SQLite deletes the super-journal: else the journal on the disk would name one that is
 * gone, and undo nothing. With journal_mode=MEMORY or OFF, SQLite's own journal has no name: then
 * the one on the disk keeps the super-journal alive (names.h), and ends with the next commit,
 * unless a segment of it has failed.
 *
 * A segment that failed refuses the statement or the COMMIT. SQLite then gives its lock up, or,
 * with locking_mode=EXCLUSIVE, writes its rollback into the same transaction: the failed segment
 * goes on first. Not so one that names a super-journal, which SQLite deletes when it rolls back.
 *
 * Invariants (avfs_write_through_check):
 *   (1) in NONE there is no super-journal, and the batch is not in mid-transaction.
 *   (2) in SYNCED and DECIDED there is a super-journal.
 *
 * Who: the writer, on its own thread; it holds EXCLUSIVE when it writes. It waits for the disk here.
 */
#ifndef AVFS_WRITE_THROUGH_H
#define AVFS_WRITE_THROUGH_H

#include "store/state.h"

/* Writes what txn holds to the file, under a journal of the engine's. Waits for the segment
 * before this one. The disk's error: that one failed. */
int avfs_write_through_spill(avfs_store *s);
/* SQLITE_FCNTL_SYNC: all of it is flushed, so that the commit can still be refused. super: the
 * super-journal, or NULL. SQLITE_OK also for a transaction that is in memory and may stay there. */
int avfs_write_through_sync(avfs_store *s, const char *super);
/* Starts the last batch of it: what txn still holds, and the end of the journal. Returns when the
 * task is to look. */
uint64_t avfs_write_through_commit(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* 1 when what SQLite writes next is the rollback of what is on the disk. May wait for a segment. */
int avfs_write_through_rolls_back(avfs_store *s);
/* Takes the disk back to what it was. Can be called again when it fails: then nothing has
 * changed for us. */
int avfs_write_through_undo(avfs_store *s);
/* The journal is left hot, as stock SQLite leaves its own, and nobody here uses the file until
 * somebody has rolled it back under a fresh lock. rc: why it could not be undone. */
void avfs_write_through_leave_hot(avfs_store *s, int rc);
/* 1 when the super-journal of a synced transaction is gone: that was its commit, although PHASETWO
 * has not come. */
int avfs_write_through_is_committed(avfs_store *s);
/* SQLite's journal names its super-journal, or does not any more. Of the calling thread: it
 * alone is to see that journal, until it has rolled back. */
void avfs_write_through_note_super(avfs_store *s, int named);
/* Asserts the invariants; the writer. */
void avfs_write_through_check(const avfs_store *s);

#endif
