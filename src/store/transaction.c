/* transaction.c: from the first write of a transaction to its commit or its end.
 *
 *   RESERVED      writes            SYNC           PHASETWO        below RESERVED
 *   begin ------> txn ------------> refuse? -----> commit -------> next writer
 *                  |  too large                      txn -> committed, commit_seq + 1
 *                  v
 *                spill: segments of a batch, in the file, under a hot journal
 *
 *   without PHASETWO: discard: txn is dropped, or the segments are undone.
 *
 * The commit point is SQLITE_FCNTL_COMMIT_PHASETWO and nothing else, in every
 * journal_mode: not the end of SQLite's journal, not the fall of its lock.
 *
 * Write-through. A transaction that outgrows the memory limit, or that has a
 * super-journal, is a batch that begins before its commit: the queue is drained,
 * then txn goes to the file in segments, each under journal records of its own
 * pre-images (engine/batch.h). The journal stays valid until the commit, so a crash
 * takes the file back. SQLite's own virtual journal serves its ROLLBACK and
 * savepoints only; so this works in every journal_mode, MEMORY and OFF included.
 *
 *   NOT --spill--> OPEN --SYNC: all flushed, PHASETWO: the journal is ended--> NOT
 *                   |  \--discard: undo from the batch's journal --> NOT
 *                   `--SYNC(super): all flushed--> DECIDED
 *                        the super-journal's deletion commits:
 *                        PHASETWO, or it is gone --> as from OPEN
 *                        it is still there -------> undo
 *
 * A segment that failed refuses the statement or the COMMIT. SQLite then gives its lock up
 * (discard), or, with locking_mode=EXCLUSIVE, writes its rollback into the same
 * transaction: the failed segment goes on first (retry_segment). Not so one that names a
 * super-journal: it is undone when SQLite begins to roll back (avfs_transaction_before_write).
 *
 * Who: the writer, on its own thread; it holds EXCLUSIVE when it writes. It waits
 * for the disk here only in write-through.
 */
#include <assert.h>
#include <string.h>

#include "pages/db_header.h"
#include "store/report.h"
#include "store/store.h"
#include "seam/heap.h"

/* 1 when the connection is in EXCLUSIVE mode: it has committed before, under the lock that it
 * has. So no RESERVED stopped this transaction. */
static int has_kept_lock(const avfs_conn *c) { return c->commits_under_lock > 0; }

void avfs_transaction_begin(avfs_store *s) {
  assert(s->txn.count == 0 && s->through == AVFS_THROUGH_NOT && s->super == NULL);
  s->txn.size = s->committed.size;
  s->txn_limit = s->settings.value[AVFS_MAX_QUEUE_BYTES] / 2;
  if (s->txn_limit > 2 * avfs_backlog_share()) s->txn_limit = 2 * avfs_backlog_share();
  avfs_virtual_journal_set_limit(&s->journal, avfs_backlog_share());
  s->segment_rc = SQLITE_OK;
  s->segment_told = 0;
  s->through_has_header = 0;
}

/* Waits until the segment in progress is over. */
static int wait_segment(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  while (s->run != AVFS_RUN_NONE) avfs_store_wait(s, AVFS_FOREVER);
  return s->segment_rc;
}

/* Goes on with a segment that failed, of a writer who was told and yet writes: in
 * locking_mode=EXCLUSIVE its rollback gives no lock up, so nothing is discarded. Not
 * with a super-journal, which SQLite deletes when it rolls back. */
static void retry_segment(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  if (s->segment_rc == SQLITE_OK || !s->segment_told || s->super != NULL) return;
  avfs_batch_start(&s->batch, NULL, s->page_bytes);
  s->segment_rc = SQLITE_OK;
  s->segment_told = 0;
  s->run = AVFS_RUN_ACTIVE;
  avfs_store_leave(s);
  avfs_store_kick(s);
  avfs_store_enter(s);
}

/* txn's pages become draining's; both see the file at txn's size. Page 1's header is kept
 * for the commit, when it must not be read from the disk: that may fail, and then every other
 * connection would take its stale cache for good. */
static void move_to_draining(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  uint64_t size = s->txn.size;
  const avfs_page *first = avfs_page_table_find(&s->txn, 1);
  if (first != NULL) {
    memcpy(s->through_header, first->data, sizeof s->through_header);
    s->through_has_header = 1;
  }
  assert(s->draining.count == 0);
  avfs_page_table_swap(&s->txn, &s->draining);
  s->txn.size = s->draining.size = size;
  if (size > s->disk_bytes) s->disk_bytes = size;
  avfs_backlog_count(s);
}

int avfs_transaction_spill(avfs_conn *c, int wait, char **super) {
  avfs_store *s = c->store;
  avfs_batch_input input = {.pages = &s->draining, .more = 1};
  int rc = avfs_engine_hold();   /* nobody asks for a thread while this waits for the segment */
  if (rc != SQLITE_OK) return SQLITE_IOERR_NOMEM;
  avfs_store_enter(s);
  if (s->through == AVFS_THROUGH_NOT) {
    rc = avfs_backlog_wait_durable(s, s->commit_seq, AVFS_FOREVER);
    if (rc != SQLITE_OK) goto done;
    while (s->run != AVFS_RUN_NONE) avfs_store_wait(s, AVFS_FOREVER);
    s->through = AVFS_THROUGH_OPEN;
  }
  retry_segment(s);
  rc = wait_segment(s);
  if (rc != SQLITE_OK) goto done;
  /* Not before: a transaction refused till here has nothing on the disk, SQLite deletes its
   * super-journal, and a later journal that named it would undo nothing. */
  if (super != NULL && *super != NULL) {
    avfs_free(s->super);
    s->super = *super;
    *super = NULL;
  }
  if (s->txn.count > 0 || (wait && s->super != NULL)) {
    move_to_draining(s);
    input.super = wait ? s->super : NULL;
    input.file_bytes = s->txn.size;
    input.chunk_bytes = s->chunk_bytes;
    avfs_backlog_start(s, &input);
    avfs_store_leave(s);
    avfs_store_kick(s);
    avfs_store_enter(s);
  }
  if (wait) rc = wait_segment(s);
done:
  s->segment_told = s->segment_rc != SQLITE_OK;
  avfs_store_leave(s);
  avfs_engine_release();
  return rc;
}

void avfs_transaction_note_super(avfs_store *s, int named) {
  uint32_t thread = named ? avfs_thread_id() : 0;
  s->synced_super = 0;
  if (s->names_super == thread) return;
  avfs_store_enter(s);
  s->names_super = thread;
  avfs_store_leave(s);
}

static int super_is_gone(avfs_store *s);
static int undo_through(avfs_store *s);

/* SQLite has synced with a super-journal, and goes on with anything but PHASETWO: it rolls
 * back. What is on the disk is undone here, before SQLite deletes the super-journal: else
 * the journal on the disk would name one that is gone, and undo nothing. What SQLite writes from
 * here on is what the database has. With locking_mode=EXCLUSIVE the next transaction follows
 * under the same lock. If the disk refuses, SQLite tries its rollback again, and this with it.
 *
 * With journal_mode=MEMORY or OFF, SQLite's own journal has no name: then the one on the disk
 * keeps the super-journal alive (vfs.c, ask), and ends with the next commit, unless a
 * segment of it has failed. */
int avfs_transaction_before_write(avfs_conn *c) {
  avfs_store *s = c->store;
  int rolls_back;
  if (s->super == NULL || super_is_gone(s)) return SQLITE_OK;
  avfs_store_enter(s);
  rolls_back = s->synced_super || wait_segment(s) != SQLITE_OK;
  avfs_store_leave(s);
  if (!rolls_back) return SQLITE_OK;
  if (undo_through(s) != SQLITE_OK) {
    avfs_report(SQLITE_IOERR, "asyncvfs: the rollback of %s is not done (%u); SQLite tries it again",
                s->path, s->batch.os_error);
    return SQLITE_IOERR;
  }
  if (s->txn.count > 0) avfs_page_table_clear(&s->txn, &s->txn_pool);
  avfs_store_enter(s);
  avfs_transaction_begin(s);
  avfs_store_leave(s);
  return SQLITE_OK;
}

int avfs_transaction_sync(avfs_conn *c, const char *super) {
  avfs_store *s = c->store;
  char *copy = NULL;
  int rc;
  if (c->locker.level < AVFS_LOCK_RESERVED) return SQLITE_OK;
  if (super == NULL) {
    rc = avfs_transaction_before_write(c);
    if (rc != SQLITE_OK) return rc;
  }
  if (has_kept_lock(c)) {
    avfs_store_enter(s);
    rc = avfs_backlog_check_room(s);
    avfs_store_leave(s);
    /* SQLite's rollback of what was refused here syncs too. */
    if (rc != SQLITE_OK && !avfs_store_writes_nothing_new(c)) return rc;
  }
  if (s->through == AVFS_THROUGH_NOT && super == NULL) return SQLITE_OK;
  if (super != NULL) {
    s->synced_super = s->names_super != 0;
    copy = avfs_concat(super, "");
    if (copy == NULL) return SQLITE_IOERR_NOMEM;
  }
  /* All of it is flushed here, where the commit can still be refused. */
  rc = avfs_transaction_spill(c, 1, &copy);
  avfs_free(copy);
  if (rc == SQLITE_OK && super != NULL) s->through = AVFS_THROUGH_DECIDED;
  return rc;
}

/* Starts the last batch of a write-through transaction: what txn still holds, and
 * the end of the journal. */
static void finish_through(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  avfs_batch_input input = {&s->draining, s->txn.size, s->chunk_bytes, 0, NULL};
  (void)wait_segment(s);   /* its failure was told at SYNC; the batch goes on from there */
  move_to_draining(s);
  s->committed.size = s->txn.size;
  s->draining_seq = ++s->commit_seq;
  s->draining_oldest_ns = s->io->now_ns();
  s->draining_waiting = 0;
  avfs_backlog_start(s, &input);
  s->through = AVFS_THROUGH_NOT;
  avfs_free(s->super);
  s->super = NULL;
}

int avfs_transaction_commit(avfs_conn *c, int *handed_over_out) {
  avfs_store *s = c->store;
  uint64_t due = AVFS_NEVER, durability;
  int ours = 1, rc = SQLITE_OK;
  *handed_over_out = 0;
  if (c->locker.level < AVFS_LOCK_RESERVED) return SQLITE_OK;
  durability = avfs_durability_get(&c->durability);
  if (s->through != AVFS_THROUGH_NOT) {
    avfs_store_enter(s);
    finish_through(s);
    if (s->through_has_header) memcpy(s->header, s->through_header, sizeof s->header);
    s->through_has_header = 0;
    due = 0;
  } else {
    const avfs_page *first;
    avfs_store_enter(s);
    /* BEGIN IMMEDIATE; COMMIT is no commit, but with durability=disk waits for those before. */
    if (s->txn.count > 0 || s->txn.size != s->committed.size) {
      first = avfs_page_table_find(&s->txn, 1);
      if (first != NULL) memcpy(s->header, first->data, sizeof s->header);
      avfs_page_table_merge(&s->committed, &s->txn, &s->txn_pool);
      s->commit_seq++;
      s->dirty = 1;
      due = avfs_backlog_grew(s);
    }
  }
  ours = s->ours = avfs_header_is_rollback(s->header, s->committed.size);
  if (durability == AVFS_DURABILITY_DISK && s->durable_seq < s->commit_seq) {
    c->await_seq = s->commit_seq;
  }
  avfs_store_check(s);
  avfs_store_leave(s);
  if (due != AVFS_NEVER) avfs_task_schedule(&s->task, due);
  /* With locking_mode=EXCLUSIVE no lock is taken where others wait for room, and none is
   * given up where others wait for the disk. This transaction is committed, so a wait for room
   * in vain is not its failure. */
  if (has_kept_lock(c)) {
    avfs_store_enter(s);
    (void)avfs_backlog_wait_for_room(s, NULL);
    avfs_store_leave(s);
  }
  c->commits_under_lock++;
  if (c->await_seq != 0 && !avfs_durability_unlocks(&c->durability)) {
    avfs_store_enter(s);
    rc = avfs_backlog_wait_durable(s, c->await_seq, AVFS_FOREVER);
    c->await_seq = 0;
    avfs_store_leave(s);
  }
  if (!ours) {
    /* journal_mode=WAL, or what an encrypting VFS above us writes: from here on
     * this database is not ours, but what is queued is. */
    avfs_store_enter(s);
    c->await_seq = 0;
    rc = avfs_backlog_wait_durable(s, s->commit_seq, AVFS_FOREVER);
    while (rc == SQLITE_OK && s->run != AVFS_RUN_NONE) {
      avfs_store_wait(s, AVFS_FOREVER);
    }
    avfs_store_leave(s);
    if (rc != SQLITE_OK) return rc;   /* lock_shared() tries again */
    avfs_virtual_journal_reset(&s->journal);
    avfs_store_hand_over(c);
    *handed_over_out = 1;
  }
  return rc;
}

/* 1 when the super-journal of a decided transaction is gone: that was its commit,
 * although PHASETWO has not come. */
static int super_is_gone(avfs_store *s) {
  int there = 1;
  if (s->through != AVFS_THROUGH_DECIDED || s->super == NULL) return 0;
  if (s->parent->xAccess(s->parent, s->super, SQLITE_ACCESS_EXISTS, &there) != SQLITE_OK) return 0;
  return !there;
}

static void forget_through(avfs_store *s) {
  avfs_store_enter(s);
  avfs_page_table_clear(&s->draining, &s->pool);
  avfs_backlog_count(s);
  s->draining.size = s->committed.size;
  s->disk_bytes = s->batch.disk_bytes;
  s->through = AVFS_THROUGH_NOT;
  avfs_free(s->super);
  s->super = NULL;
  avfs_store_leave(s);
}

/* Takes the disk back to what it was. Can be called again when it fails: then nothing has
 * changed for us. */
static int undo_through(avfs_store *s) {
  int rc;
  avfs_store_enter(s);
  (void)wait_segment(s);
  avfs_store_leave(s);
  rc = avfs_engine_hold();   /* its operations come back by the pool, and by no task */
  if (rc == SQLITE_OK) {
    rc = avfs_batch_undo(&s->batch);
    avfs_engine_release();
  }
  if (rc == SQLITE_OK) forget_through(s);
  return rc;
}

/* The journal is left hot, as stock SQLite leaves its own, and nobody here uses the file until
 * somebody has rolled it back under a fresh lock. */
static void leave_hot(avfs_store *s, int rc) {
  avfs_report(rc, "asyncvfs: cannot undo a transaction of %s (%u): its journal is left to be "
              "rolled back by the next connection", s->path, s->batch.os_error);
  avfs_batch_abandon(&s->batch);
  avfs_store_enter(s);
  s->ours = 0;
  avfs_store_leave(s);
  forget_through(s);
}

int avfs_transaction_discard(avfs_conn *c) {
  avfs_store *s = c->store;
  int rc = SQLITE_OK;
  if (s->through != AVFS_THROUGH_NOT) {   /* the file may be about to be cut */
    avfs_store_enter(s);
    avfs_store_leave_view(c);
    avfs_store_leave(s);
  }
  if (super_is_gone(s)) {
    int handed_over;
    rc = avfs_transaction_commit(c, &handed_over);
  } else if (s->through != AVFS_THROUGH_NOT && (rc = undo_through(s)) != SQLITE_OK) {
    leave_hot(s, rc);
    rc = SQLITE_IOERR;
  }
  if (s->txn.count > 0) avfs_page_table_clear(&s->txn, &s->txn_pool);
  avfs_virtual_journal_reset(&s->journal);
  avfs_transaction_note_super(s, 0);
  return rc;
}
