/* connection.c: see connection.h. */
#include "store/connection.h"

#include "store/check.h"
#include "store/content.h"
#include "store/drain.h"
#include "store/os_lock.h"
#include "store/report.h"
#include "store/redo_ring.h"
#include "store/transaction.h"
#include "store/turns.h"
#include "store/view.h"
#include "store/waits.h"
#include "store/write_through.h"

/* 1 when the connection is in EXCLUSIVE mode: it has committed before, under the lock that it
 * has. So no RESERVED stopped this transaction. */
static int has_kept_lock(const avfs_conn *c) { return c->commits_under_lock > 0; }

/* ---- xLock ------------------------------------------------------------------------------- */

/* It turned into a WAL database and could not be handed over yet, also by a process that was killed
 * (redo_ring.h); or a transaction could not be undone: only a fresh lock will tell. 1: the lock is
 * gone, take it afresh. */
static int give_up_unmanaged(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  if (!avfs_drain_is_empty(s) && avfs_wait_empty(s) != SQLITE_OK) return 0;
  avfs_os_lock_lower_now(s);
  return s->os.level == AVFS_LOCK_NONE;
}

static int lock_shared(avfs_store *s, avfs_conn *c) AVFS_REQUIRES(avfs_store_role) {
  uint64_t until = 0;
  int rc;
  if (s->os.unmanageable != NULL) return AVFS_PASS;
  avfs_turns_queue(s, c);
  for (;;) {
    rc = avfs_os_lock_ensure(s, c, AVFS_LOCK_SHARED);
    if (rc != SQLITE_OK) break;
    if (!s->os.managed) {
      if (give_up_unmanaged(s)) continue;
      rc = SQLITE_BUSY;
      break;
    }
    rc = avfs_turns_take_shared(s, c);
    if (rc != SQLITE_BUSY || !avfs_turns_wait(s, &until)) break;
  }
  if (rc != SQLITE_OK) avfs_turns_leave_queue(s, c);
  return rc;
}

/* Commits of this connection are to outlive the process, in a ring if one can be had. */
static void have_ring(avfs_store *s, avfs_conn *c) AVFS_REQUIRES(avfs_store_role) {
  if (avfs_durability_get(&c->durability) == AVFS_DURABILITY_OS) {
    /* A wait more, of one who has waited for room in the small one. */
    if (avfs_ring_is_outgrown(s)) (void)avfs_wait_empty(s);
    avfs_os_lock_make_ring(s);
    /* A batch is over a moment later than what it wrote is durable, and has been waited for. */
    if (!avfs_ring_serves(s) && s->commits.durable_seq == s->commits.commit_seq) avfs_wait_run(s);
  }
  avfs_ring_begin(s);
}

static int lock_reserved(avfs_store *s, avfs_conn *c) AVFS_REQUIRES(avfs_store_role) {
  int rc = avfs_turns_take_reserved(s, c);
  if (rc != SQLITE_OK) return rc;
  rc = avfs_os_lock_ensure(s, c, AVFS_LOCK_RESERVED);
  if (rc == SQLITE_OK) rc = avfs_wait_for_room(s, c);
  if (rc != SQLITE_OK) {
    avfs_turns_lower(s, c, AVFS_LOCK_SHARED);
    avfs_os_lock_lower(s);
    return rc;
  }
  have_ring(s, c);
  avfs_transaction_begin(s);
  return SQLITE_OK;
}

static int lock_exclusive(avfs_store *s, avfs_conn *c) AVFS_REQUIRES(avfs_store_role) {
  int rc = SQLITE_OK;
  if (c->locker.level == AVFS_LOCK_SHARED) rc = lock_reserved(s, c);
  if (rc == SQLITE_OK) rc = avfs_turns_take_exclusive(s, c);
  if (rc != SQLITE_OK) return rc;
  rc = avfs_os_lock_ensure(s, c, AVFS_LOCK_EXCLUSIVE);
  if (rc != SQLITE_OK) c->locker.level = AVFS_LOCK_PENDING;
  return rc;
}

int avfs_conn_lock(avfs_conn *c, int level) {
  avfs_store *s = c->store;
  int rc = SQLITE_OK;
  if (c->parked) return SQLITE_BUSY;   /* as SQLite does to a stale snapshot that would write */
  c->fetch_end = 0;   /* the tables have changed, or will */
  avfs_store_enter(s);
  if (c->locker.level < level) {
    if (c->locker.level == AVFS_LOCK_NONE) rc = lock_shared(s, c);
    if (rc == SQLITE_OK && level == AVFS_LOCK_RESERVED) rc = lock_reserved(s, c);
    if (rc == SQLITE_OK && level == AVFS_LOCK_EXCLUSIVE) rc = lock_exclusive(s, c);
  }
  avfs_store_check(s);
  avfs_store_leave(s);
  return rc;
}

/* ---- reading and writing --------------------------------------------------------------------- */

int avfs_conn_check_reserved(avfs_conn *c, int *reserved_out) {
  avfs_store *s = c->store;
  int rc = SQLITE_OK;
  avfs_store_enter(s);
  *reserved_out = s->turns.table.writer != NULL;
  if (!*reserved_out) rc = avfs_os_lock_check_reserved(s, reserved_out);
  avfs_store_leave(s);
  return rc;
}

int avfs_conn_read(avfs_conn *c, void *p, uint32_t n, uint64_t offset) {
  return c->parked ? SQLITE_BUSY : avfs_content_read(c, p, n, offset);
}

int avfs_conn_size(avfs_conn *c, uint64_t *size_out) { return avfs_content_size(c, size_out); }

/* SQLite rolls back what is on the disk: from here on what it writes is what the database has.
 * With locking_mode=EXCLUSIVE the next transaction follows under the same lock. If the disk
 * refuses, SQLite tries its rollback again, and this with it. */
static int before_write(avfs_store *s) {
  if (!avfs_write_through_rolls_back(s)) return SQLITE_OK;
  if (avfs_write_through_undo(s) != SQLITE_OK) {
    avfs_report(SQLITE_IOERR, "asyncvfs: the rollback of %s is not done (%u); SQLite tries it again",
                s->path, s->batch.os_error);
    return SQLITE_IOERR;
  }
  if (s->writer.txn.count > 0) avfs_page_table_clear(&s->writer.txn, &s->writer.pool);
  avfs_store_enter(s);
  avfs_transaction_begin(s);
  avfs_store_leave(s);
  return SQLITE_OK;
}

/* Makes n the unit, if it looks like a page size and nothing stands in the old
 * one; waits for what is queued. Otherwise the old unit goes on: a VACUUM that changes the page
 * size writes in the old one, in which the journal has all that it overwrites. */
static int follow_page_size(avfs_store *s, uint32_t n, uint64_t offset) {
  int rc;
  if (!avfs_is_page_size(n) || offset % n != 0) return SQLITE_OK;
  if (s->writer.txn.count > 0 || s->through.state != AVFS_THROUGH_NONE) return SQLITE_OK;
  avfs_store_enter(s);
  rc = avfs_drain_is_empty(s) ? SQLITE_OK : avfs_wait_empty(s);
  if (rc == SQLITE_OK) avfs_content_set_unit(s, n);
  avfs_store_leave(s);
  return rc;
}

int avfs_conn_write(avfs_conn *c, const void *p, uint32_t n, uint64_t offset) {
  avfs_store *s = c->store;
  int rc;
  if (!avfs_conn_is_writer(c)) return SQLITE_IOERR_WRITE;   /* not by SQLite's rules */
  rc = before_write(s);
  if (rc == SQLITE_OK && n != s->writer.pool.page_bytes) rc = follow_page_size(s, n, offset);
  if (rc == SQLITE_OK) rc = avfs_content_write(c, p, n, offset);
  if (rc == SQLITE_OK && avfs_transaction_is_large(s)) rc = avfs_write_through_spill(s);
  return rc;
}

int avfs_conn_truncate(avfs_conn *c, uint64_t size) {
  int rc;
  if (!avfs_conn_is_writer(c)) return SQLITE_IOERR_TRUNCATE;
  rc = before_write(c->store);
  return rc == SQLITE_OK ? avfs_content_truncate(c, size) : rc;
}

/* ---- the commit --------------------------------------------------------------------------------- */

/* The disk's error, when the commit is to be refused for it. A writer that has kept its lock has
 * not been stopped at RESERVED. SQLite's rollback of what was refused here syncs too. */
static int refuse_hopeless(avfs_conn *c) {
  avfs_store *s = c->store;
  int rc;
  if (!has_kept_lock(c)) return SQLITE_OK;
  avfs_store_enter(s);
  rc = avfs_wait_is_hopeless(s);
  avfs_store_leave(s);
  return rc != SQLITE_OK && !avfs_content_writes_nothing_new(c) ? rc : SQLITE_OK;
}

/* The last moment at which a commit may wait. One that does not fit into the ring comes when all
 * before it are on the disk: so nothing that has returned is behind it (redo.h, 5). */
static int empty_ring(avfs_store *s) {
  int rc = SQLITE_OK;
  if (s->through.state != AVFS_THROUGH_NONE) return SQLITE_OK;   /* it has waited for that */
  avfs_store_enter(s);
  if (avfs_ring_is_too_small(s, s->writer.txn.count)) rc = avfs_wait_durable(s, s->commits.commit_seq, AVFS_FOREVER);
  avfs_store_leave(s);
  return rc;
}

int avfs_conn_sync(avfs_conn *c, const char *super) {
  avfs_store *s = c->store;
  int rc;
  if (!avfs_conn_is_writer(c)) return SQLITE_OK;
  rc = super == NULL ? before_write(s) : SQLITE_OK;
  if (rc == SQLITE_OK) rc = refuse_hopeless(c);
  if (rc == SQLITE_OK) rc = empty_ring(s);
  if (rc == SQLITE_OK) rc = avfs_write_through_sync(s, super);
  return rc;
}

/* journal_mode=WAL, or what an encrypting VFS above us writes: from here on this database is not
 * managed, but what is queued is. If the disk refuses, lock_shared() tries again. */
static int hand_over(avfs_store *s, avfs_conn *c) AVFS_REQUIRES(avfs_store_role) {
  int rc = avfs_wait_empty(s);
  if (rc != SQLITE_OK) return rc;
  avfs_virtual_journal_reset(&s->writer.journal);
  avfs_os_lock_hand_over(s, c);
  avfs_turns_lower(s, c, AVFS_LOCK_NONE);
  return SQLITE_OK;
}

/* What a commit waits for, and where. */
typedef struct waits {
  uint64_t durability;
  enum { HERE, AT_UNLOCK } where;
} waits;

/* SQLite is asked: not under the lock. */
static waits what_to_wait_for(avfs_conn *c) {
  waits w = {avfs_durability_get(&c->durability), HERE};
  if (w.durability != AVFS_DURABILITY_MEMORY && avfs_durability_unlocks(&c->durability)) w.where = AT_UNLOCK;
  return w;
}

/* Makes the commit. *survives_out: avfs_transaction_commit's. */
static uint64_t make_commit(avfs_store *s, uint64_t *survives_out) AVFS_REQUIRES(avfs_store_role) {
  uint64_t due;
  if (s->through.state == AVFS_THROUGH_NONE) return avfs_transaction_commit(s, survives_out);
  due = avfs_write_through_commit(s);
  *survives_out = s->commits.commit_seq;
  return due;
}

/* Of a connection at RESERVED or more. */
static int commit(avfs_store *s, avfs_conn *c, const waits *w, int *handed_over_out)
    AVFS_REQUIRES(avfs_store_role) {
  int rc = SQLITE_OK;
  uint64_t survives, due = make_commit(s, &survives);
  uint64_t seq = w->durability == AVFS_DURABILITY_DISK ? s->commits.commit_seq
                 : w->durability == AVFS_DURABILITY_OS ? survives : 0;
  s->os.managed = avfs_header_is_rollback(s->content.header, s->content.committed.size);
  avfs_write_through_check(s);
  avfs_store_check(s);
  avfs_drain_call(s, due);
  /* With locking_mode=EXCLUSIVE no lock is taken where others wait for room, and none is
   * given up where others wait for the disk. This transaction is committed, so a wait for room
   * in vain is not its failure. */
  if (has_kept_lock(c)) (void)avfs_wait_for_room(s, NULL);
  c->commits_under_lock++;
  if (s->commits.durable_seq < seq) {
    if (w->where == AT_UNLOCK) c->await_seq = seq;
    else rc = avfs_wait_durable(s, seq, AVFS_FOREVER);
  }
  if (rc == SQLITE_OK && w->where == HERE && w->durability == AVFS_DURABILITY_OS && !avfs_ring_serves(s)) {
    have_ring(s, c);   /* it may go on under the lock that it has */
  }
  if (s->os.managed) return rc;
  c->await_seq = 0;
  rc = hand_over(s, c);
  *handed_over_out = rc == SQLITE_OK;
  return rc;
}

int avfs_conn_commit(avfs_conn *c, int *handed_over_out) {
  avfs_store *s = c->store;
  waits w;
  int rc;
  *handed_over_out = 0;
  if (!avfs_conn_is_writer(c)) return SQLITE_OK;
  w = what_to_wait_for(c);
  avfs_store_enter(s);
  rc = commit(s, c, &w, handed_over_out);
  avfs_store_leave(s);
  return rc;
}

/* ---- xUnlock --------------------------------------------------------------------------------------- */

/* A writer that gives RESERVED up: what it wrote and did not commit is gone. */
static int discard(avfs_conn *c) {
  avfs_store *s = c->store;
  int rc = SQLITE_OK, handed_over;
  if (s->through.state != AVFS_THROUGH_NONE) {   /* the file may be about to be cut */
    avfs_store_enter(s);
    avfs_view_leave(c);
    avfs_store_leave(s);
  }
  if (avfs_write_through_is_committed(s)) {
    rc = avfs_conn_commit(c, &handed_over);
  } else if (s->through.state != AVFS_THROUGH_NONE && (rc = avfs_write_through_undo(s)) != SQLITE_OK) {
    avfs_write_through_leave_hot(s, rc);
    rc = SQLITE_IOERR;
  }
  avfs_write_through_check(s);
  avfs_transaction_drop(s);
  avfs_write_through_note_super(s, 0);
  return rc;
}

/* Waits, with durability=disk, until the commit just made is on the disk: without any local
 * lock, so that others commit meanwhile, and share the batch. SQLite comes here with SHARED and
 * goes on to NONE at once (durability.h). If a statement of this connection reads on, it keeps its
 * SHARED: what it reads must not change. */
static int await_disk(avfs_store *s, avfs_conn *c, int level, int reads_on)
    AVFS_REQUIRES(avfs_store_role) {
  uint64_t seq = c->await_seq;
  c->await_seq = 0;
  c->parked = level == AVFS_LOCK_SHARED && !reads_on;
  avfs_turns_lower(s, c, c->parked ? AVFS_LOCK_NONE : level);
  return avfs_wait_durable(s, seq, AVFS_FOREVER);
}

int avfs_conn_unlock(avfs_conn *c, int level) {
  avfs_store *s = c->store;
  int rc = SQLITE_OK, reads_on;
  c->commits_under_lock = 0;
  if (level == AVFS_LOCK_NONE) c->parked = 0;
  if (c->locker.level <= level) return SQLITE_OK;
  if (avfs_conn_is_writer(c)) rc = discard(c);
  reads_on = c->await_seq != 0 && avfs_durability_reads_on(&c->durability);
  avfs_store_enter(s);
  avfs_view_leave(c);   /* also at SHARED: the file may be about to be cut */
  if (c->await_seq != 0) rc = await_disk(s, c, level, reads_on);
  else avfs_turns_lower(s, c, level);
  avfs_os_lock_lower(s);
  avfs_store_check(s);
  avfs_store_leave(s);
  return rc;
}
