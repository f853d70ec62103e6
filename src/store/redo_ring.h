/* redo_ring.h: commits that outlive the process: when the store uses redo/redo.h, and for what.
 *
 *   os_lock     none       SHARED                 EXCLUSIVE            RESERVED or more      below
 *                           look --- PENDING ---> replay --.
 *                            |  `--- REFUSED: set aside    |
 *                            `------ NOTHING ------------- + -------> make -> begin ----> close
 *                                                                          (empty queue)
 *   a commit    append, before its pages are committed's   \
 *   a batch     freeze, before it starts                    > while it serves: from begin, or
 *               durable, before anybody hears of it        /  replay, until close
 *
 * Invariant: while the ring serves, it holds each commit after durable_seq, or the number that append
 * has answered for it is waited for by who is to survive. So `os` is what it says, whatever
 * the others of the database do.
 *
 * So:  - it is closed before the OS lock falls below RESERVED: who has it next has a ring of his own;
 *      - a commit that does not fit comes when all before it are durable (at SYNC, connection.c);
 *      - it begins on an empty queue, and one that was full gives way to a larger one there alone;
 *      - a write-through transaction, or one of several databases, is not in it: its commit waits for
 *        the disk.
 *
 * Who: look, replay, make, close wait for the disk: by the setter of os.busy, without the lock. The
 * rest has the lock, and waits for nothing.
 *
 * A database of no bytes has no ring yet: its file may be another one of the same number, made
 * after it was deleted, and nothing in it tells. Its first commit waits for the disk.
 */
#ifndef AVFS_REDO_RING_STORE_H
#define AVFS_REDO_RING_STORE_H

#include "store/state.h"

/* What a ring has of a process that was killed, for the store to take over. */
typedef struct avfs_taken_up {
  avfs_page_table pages;   /* and the length of the file with them */
  avfs_page_pool pool;     /* of their unit; empty */
  uint64_t commits;        /* 0: the disk had them all */
  int counts_up;           /* the pages are of one commit more, seq + 1 */
} avfs_taken_up;

/* 1 when this database's ring may be there. What cannot be managed only because a call failed is not passed
 * through then: commits of a process that was killed would be missing, and be given up by the first write. */
int avfs_ring_is_beside(const avfs_io *io, const char *name);
/* It is passed through by a rule: what its ring has is not read, which is to be known. */
void avfs_ring_tell_passed(const avfs_io *io, const char *name, const char *reason);

/* *there_out: its file is there. *pending_out: it holds as many commits, to be replayed. What must not be
 * is set aside, and told. An error is that of the lock under which it is asked. */
int avfs_ring_look(avfs_store *s, const unsigned char *header, int *there_out, uint64_t *pending_out);
/* Under EXCLUSIVE. The commits count as the store's `seq`; the ring serves from here on, if it has any. */
int avfs_ring_replay(avfs_store *s, const unsigned char *header, uint64_t seq, avfs_taken_up *out,
                     avfs_redo **r_out);
void avfs_taken_up_free(avfs_taken_up *t);
void avfs_ring_init(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* The file, mapped. SQLITE_OK, or *reason_out says why not; static text. */
int avfs_ring_make(avfs_store *s, avfs_redo **r_out, const char **reason_out);
/* The file of one that nobody has open, under RESERVED: it goes, unless it holds something. */
void avfs_ring_remove(avfs_store *s, const unsigned char *header);
/* With remove: its file too. What it holds is on the disk, or is to be found by the next. */
void avfs_ring_close(avfs_store *s, avfs_redo *r, int remove);

/* The connection has RESERVED: it begins, if there is one and the queue is empty. */
void avfs_ring_begin(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* It was full, and may be larger. */
int avfs_ring_is_outgrown(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role);
/* The next one that is made is. */
void avfs_ring_grow(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* It is there, and has begun. */
int avfs_ring_serves(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role);
/* The writer's transaction is about to become commit commit_seq + 1, content.header is as it will be.
 * Answers the commit that is to be durable before this one survives a kill; 0: it does. */
uint64_t avfs_ring_append(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* It holds commits, and a transaction of so many pages may find no room behind them. */
int avfs_ring_is_too_small(const avfs_store *s, uint32_t pages) AVFS_REQUIRES_SHARED(avfs_store_role);
/* draining_seq has moved, and content.header is of that commit: before the batch starts. */
void avfs_ring_freeze(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* durable_seq has moved. */
void avfs_ring_durable(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* Commits that a kill, or a close that gives up, would lose. */
uint64_t avfs_ring_not_kept(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role);

/* For limits.c: it is to be emptied now; a writer is to wait. */
int avfs_ring_is_pressing(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role);
int avfs_ring_is_full(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role);

#endif
