/* write_through.c: see write_through.h. */
#include "store/write_through.h"

#include <assert.h>
#include <string.h>

#include "seam/heap.h"
#include "store/commits.h"
#include "store/drain.h"
#include "store/limits.h"
#include "store/report.h"
#include "store/waits.h"

void avfs_write_through_check(const avfs_store *s) {
  switch (s->through.state) {
    case AVFS_THROUGH_NONE:
      assert(s->through.super == NULL);
      break;
    case AVFS_THROUGH_SYNCED:
    case AVFS_THROUGH_DECIDED:
      assert(s->through.super != NULL);
      break;
    case AVFS_THROUGH_OPEN:
    case AVFS_THROUGH_REFUSED:
      break;
  }
}

/* Takes *super over, which may be NULL. */
static void set_super(avfs_store *s, char **super) AVFS_REQUIRES(avfs_store_role) {
  avfs_free(s->through.super);
  s->through.super = *super;
  *super = NULL;
}

/* Nothing of a transaction is on the disk any more, or nothing that is not committed. */
static void end(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  char *none = NULL;
  s->through.state = AVFS_THROUGH_NONE;
  set_super(s, &none);
}

/* ---- segments ------------------------------------------------------------------------ */

/* Waits until the segment in progress is over. */
static int wait_segment(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  avfs_wait_run(s);
  return s->drain.segment_rc;
}

/* Wakes the task for what has just begun. */
static void wake(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  avfs_store_leave(s);
  avfs_drain_wake(s);
  avfs_store_enter(s);
}

/* The first segment: nothing that was committed before is to be in its batch. */
static int open_through(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  int rc = avfs_wait_empty(s);
  if (rc != SQLITE_OK) return rc;
  s->through.state = AVFS_THROUGH_OPEN;
  memcpy(s->through.header, s->content.header, sizeof s->through.header);
  return SQLITE_OK;
}

/* Goes on with a segment that failed, of a writer who was told and yet writes: in
 * locking_mode=EXCLUSIVE its rollback gives no lock up, so nothing is dropped. */
static void retry_segment(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  if (s->through.state != AVFS_THROUGH_REFUSED || s->through.super != NULL) return;
  s->through.state = AVFS_THROUGH_OPEN;
  s->drain.segment_rc = SQLITE_OK;
  avfs_drain_restart(s);
  wake(s);
}

/* txn's pages become draining's; both see the file at txn's size. Page 1's header is kept
 * for the commit, when it must not be read from the disk: that may fail, and then every other
 * connection would take its stale cache for good. */
static void move_to_draining(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  uint64_t size = s->writer.txn.size;
  const avfs_page *first = avfs_page_table_find(&s->writer.txn, 1);
  if (first != NULL) memcpy(s->through.header, first->data, sizeof s->through.header);
  assert(s->content.draining.count == 0);
  avfs_page_table_swap(&s->writer.txn, &s->content.draining);
  s->writer.txn.size = s->content.draining.size = size;
  if (size > s->content.disk_bytes) s->content.disk_bytes = size;
  avfs_limits_count(s);
}

static void start_segment(avfs_store *s, int last) AVFS_REQUIRES(avfs_store_role) {
  avfs_batch_input input = {.pages = &s->content.draining, .more = 1};
  move_to_draining(s);
  input.super = last ? s->through.super : NULL;
  input.file_bytes = s->writer.txn.size;
  input.chunk_bytes = s->content.chunk_bytes;
  avfs_drain_start(s, &input);
  wake(s);
}

/* last: before the commit: it is waited for, and the journal names *super, which is taken over. */
static int write_segment(avfs_store *s, int last, char **super) AVFS_REQUIRES(avfs_store_role) {
  int rc = SQLITE_OK;
  if (s->through.state == AVFS_THROUGH_NONE) rc = open_through(s);
  if (rc != SQLITE_OK) return rc;
  retry_segment(s);
  rc = wait_segment(s);
  if (rc == SQLITE_OK) {
    /* Not before: a transaction refused till here has nothing on the disk, SQLite deletes its
     * super-journal, and a later journal that named it would undo nothing. */
    if (*super != NULL) set_super(s, super);
    if (s->writer.txn.count > 0 || (last && s->through.super != NULL)) start_segment(s, last);
    if (last) rc = wait_segment(s);
  }
  if (s->drain.segment_rc != SQLITE_OK) s->through.state = AVFS_THROUGH_REFUSED;
  return rc;
}

static int spill(avfs_store *s, int last, char **super) {
  int rc = avfs_engine_hold();   /* nobody asks for a thread while this waits for the segment */
  if (rc != SQLITE_OK) return SQLITE_IOERR_NOMEM;
  avfs_store_enter(s);
  rc = write_segment(s, last, super);
  avfs_store_leave(s);
  avfs_engine_release();
  return rc;
}

int avfs_write_through_spill(avfs_store *s) {
  char *none = NULL;
  return spill(s, 0, &none);
}

/* ---- the commit ------------------------------------------------------------------------ */

int avfs_write_through_sync(avfs_store *s, const char *super) {
  char *copy = NULL;
  int rc;
  if (s->through.state == AVFS_THROUGH_NONE && super == NULL) return SQLITE_OK;
  if (super != NULL) {
    copy = avfs_concat(super, "");
    if (copy == NULL) return SQLITE_IOERR_NOMEM;
  }
  rc = spill(s, 1, &copy);
  avfs_free(copy);
  if (rc == SQLITE_OK && super != NULL) {
    s->through.state = s->writer.super_thread != 0 ? AVFS_THROUGH_SYNCED : AVFS_THROUGH_DECIDED;
  }
  return rc;
}

uint64_t avfs_write_through_commit(avfs_store *s) {
  avfs_batch_input input = {&s->content.draining, s->writer.txn.size, s->content.chunk_bytes, 0, NULL};
  (void)wait_segment(s);   /* its failure was told at SYNC; the batch goes on from there */
  move_to_draining(s);
  s->content.committed.size = s->writer.txn.size;
  memcpy(s->content.header, s->through.header, sizeof s->content.header);
  avfs_commits_add_draining(s, s->io->now_ns());
  avfs_drain_start(s, &input);
  end(s);
  return 0;
}

int avfs_write_through_is_committed(avfs_store *s) {
  int there = 1;
  if (s->through.state != AVFS_THROUGH_SYNCED && s->through.state != AVFS_THROUGH_DECIDED) return 0;
  if (s->parent->xAccess(s->parent, s->through.super, SQLITE_ACCESS_EXISTS, &there) != SQLITE_OK) return 0;
  return !there;
}

void avfs_write_through_note_super(avfs_store *s, int named) {
  uint32_t thread = named ? avfs_thread_id() : 0;
  if (s->through.state == AVFS_THROUGH_SYNCED) s->through.state = AVFS_THROUGH_DECIDED;
  if (s->writer.super_thread == thread) return;
  avfs_store_enter(s);
  s->writer.super_thread = thread;
  avfs_store_leave(s);
}

/* ---- back -------------------------------------------------------------------------------- */

int avfs_write_through_rolls_back(avfs_store *s) {
  int failed;
  if (s->through.super == NULL || avfs_write_through_is_committed(s)) return 0;
  if (s->through.state == AVFS_THROUGH_SYNCED) return 1;
  avfs_store_enter(s);
  failed = wait_segment(s) != SQLITE_OK;
  avfs_store_leave(s);
  return failed;
}

static void forget(avfs_store *s) {
  avfs_store_enter(s);
  avfs_page_table_clear(&s->content.draining, &s->content.pool);
  avfs_limits_count(s);
  s->content.draining.size = s->content.committed.size;
  s->content.disk_bytes = s->batch.disk_bytes;
  end(s);
  avfs_store_leave(s);
}

int avfs_write_through_undo(avfs_store *s) {
  int rc;
  avfs_store_enter(s);
  (void)wait_segment(s);
  avfs_store_leave(s);
  rc = avfs_engine_hold();   /* its operations come back by the pool, and by no task */
  if (rc == SQLITE_OK) {
    rc = avfs_batch_undo(&s->batch);
    avfs_engine_release();
  }
  if (rc == SQLITE_OK) forget(s);
  return rc;
}

void avfs_write_through_leave_hot(avfs_store *s, int rc) {
  avfs_report(rc, "asyncvfs: cannot undo a transaction of %s (%u): its journal is left to be "
              "rolled back by the next connection", s->path, s->batch.os_error);
  avfs_batch_abandon(&s->batch);
  avfs_store_enter(s);
  s->os.managed = 0;
  avfs_store_leave(s);
  forget(s);
}
