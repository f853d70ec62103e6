/* os_lock.c: see os_lock.h. */
#include "store/os_lock.h"

#include <assert.h>
#include <string.h>

#include "store/commits.h"
#include "store/content.h"
#include "store/drain.h"
#include "store/fresh.h"
#include "store/registry.h"
#include "store/report.h"
#include "store/redo_ring.h"

enum {
  LINGER_MS = 20,            /* the lock is kept after the last batch... */
  WARM_MS = 2000,            /* ...and as long after it by a process that is alone with the file... */
  ALONE_MS = 100,            /* ...as the answer holds that it is */
  JOURNAL_RETRY_MS = 1000    /* a journal that could not be cut is tried again */
};

static void let_go(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  s->os.busy = 0;
  s->os.thread = 0;
  avfs_store_wake(s);
}

/* ---- raising it -------------------------------------------------------------------- */

/* Raises os_file from SHARED or more to RESERVED or EXCLUSIVE. */
static int raise_os(avfs_store *s, int from, int level) {
  sqlite3_file *file = s->os_file->file;
  int rc = SQLITE_OK;
  if (from < AVFS_LOCK_RESERVED) {
    rc = file->pMethods->xLock(file, AVFS_LOCK_RESERVED);
    if (rc != SQLITE_OK) return rc;
    /* Where no journal can be made, no batch can be. SQLite may do without, in journal_mode
     * OFF and MEMORY: so the database is passed through. */
    rc = avfs_batch_open_journal(&s->batch);
    if (rc != SQLITE_OK) {
      avfs_report_call(rc, s->io->os_error(), s->journal_path, "the transaction is not begun");
      file->pMethods->xUnlock(file, AVFS_LOCK_SHARED);
      return (rc & 0xff) == SQLITE_CANTOPEN ? AVFS_PASS : rc;
    }
  }
  if (level >= AVFS_LOCK_EXCLUSIVE) {
    rc = file->pMethods->xLock(file, AVFS_LOCK_EXCLUSIVE);
    if (rc != SQLITE_OK && from < AVFS_LOCK_RESERVED) {
      if (avfs_batch_remove_journal(&s->batch) != SQLITE_OK) rc = SQLITE_IOERR_DELETE;
      file->pMethods->xUnlock(file, AVFS_LOCK_SHARED);
    }
  }
  return rc;
}

/* The database on the disk is as `f` says: all tables begin anew, and nothing that was left to be
 * done under the lock before holds any more. */
static void adopt(avfs_store *s, const avfs_fresh *f) AVFS_REQUIRES(avfs_store_role) {
  uint32_t unit = avfs_header_page_bytes(f->header);
  assert(s->content.committed.count == 0 && s->content.draining.count == 0);
  /* The writer's pool too: nobody is the writer below RESERVED. */
  if (f->size > 0 && unit != 0 && unit != s->content.page_bytes) avfs_content_set_unit(s, unit);
  s->content.committed.size = s->content.draining.size = s->content.disk_bytes = f->size;
  memcpy(s->content.header, f->header, sizeof s->content.header);
  s->os.managed = 1;
  s->os.passed_reason = NULL;
}

/* The ring has commits of a process that was killed: from SHARED to EXCLUSIVE for them. On failure
 * no lock is left. */
static int take_up(avfs_store *s, const avfs_fresh *f, uint64_t seq, avfs_taken_up *t, avfs_redo **r_out) {
  sqlite3_file *file = s->os_file->file;
  int rc = raise_os(s, AVFS_LOCK_SHARED, AVFS_LOCK_EXCLUSIVE);
  if (rc == SQLITE_OK) {
    rc = avfs_ring_replay(s, f->header, seq, t, r_out);
    if (rc == SQLITE_OK) return SQLITE_OK;
    avfs_ring_close(s, *r_out, 0);
    avfs_taken_up_free(t);
    if (avfs_batch_remove_journal(&s->batch) != SQLITE_OK) rc = SQLITE_IOERR_DELETE;
  }
  file->pMethods->xUnlock(file, AVFS_LOCK_NONE);
  return rc == AVFS_PASS ? SQLITE_CANTOPEN : rc;
}

/* After adopt: they are this process's newest commit. Returns when the task is to look. */
static uint64_t take_over(avfs_store *s, avfs_taken_up *t) AVFS_REQUIRES(avfs_store_role) {
  const avfs_page *first = avfs_page_table_find(&t->pages, 1);
  if (first != NULL) memcpy(s->content.header, first->data, sizeof s->content.header);
  if (t->pool.page_bytes != s->content.page_bytes) avfs_content_set_unit(s, t->pool.page_bytes);
  avfs_page_table_swap(&s->content.committed, &t->pages);
  s->content.dirty = 1;
  s->os.managed = avfs_header_is_rollback(s->content.header, s->content.committed.size);
  s->ring.replayed += t->commits;
  if (t->counts_up) s->commits.commit_seq++;
  return avfs_drain_grew(s, avfs_commits_add(s));
}

static const char no_journal[] = "no journal can be made beside the database";

int avfs_os_lock_await(avfs_store *s) {
  while (s->os.busy) {
    if (s->os.thread == avfs_thread_id()) return SQLITE_BUSY;
    avfs_store_wait(s, AVFS_FOREVER);
  }
  return SQLITE_OK;
}

/* Raises it by one step: a fresh one to SHARED, another one to `level`. */
static int step_up(avfs_store *s, const avfs_conn *c, int level) AVFS_REQUIRES(avfs_store_role) {
  avfs_fresh f;
  avfs_taken_up taken = {.commits = 0};
  avfs_redo *redo = NULL;
  uint64_t due = AVFS_NEVER, seq = s->commits.commit_seq + 1;
  int from = s->os.level, rc;
  s->os.busy = 1;
  s->os.thread = avfs_thread_id();
  s->os.calls++;
  f.reason = NULL;
  f.pending = 0;
  avfs_store_leave(s);
  if (from == AVFS_LOCK_NONE) avfs_batch_forget_cut(&s->batch);
  rc = from == AVFS_LOCK_NONE ? avfs_fresh_lock(s, c->read_only, &f) : raise_os(s, from, level);
  if (rc == SQLITE_OK && f.pending > 0) rc = take_up(s, &f, seq, &taken, &redo);
  avfs_store_enter(s);
  if (rc == SQLITE_OK) {
    if (from == AVFS_LOCK_NONE) adopt(s, &f);
    s->os.level = from > AVFS_LOCK_NONE ? level : f.pending > 0 ? AVFS_LOCK_EXCLUSIVE : AVFS_LOCK_SHARED;
    if (redo != NULL) s->ring.redo = redo;
    if (redo != NULL) s->ring.tried = s->ring.made = 1;
    if (from == AVFS_LOCK_NONE) s->ring.made |= f.has_ring;
    if (taken.commits > 0) due = take_over(s, &taken);
  } else if (rc == AVFS_PASS && from == AVFS_LOCK_NONE) {
    s->os.managed = 0;
    s->os.passed_reason = f.reason;
  } else if (rc == AVFS_PASS) {
    s->os.unmanageable = no_journal;
  }
  let_go(s);
  avfs_drain_call(s, due);
  if (f.pending > 0 && rc == SQLITE_OK) avfs_taken_up_free(&taken);
  return rc;
}

/* ---- the ring ---------------------------------------------------------------------- */

/* Away from the store, for its setter of os.busy to close; NULL: there is none. */
static avfs_redo *take_ring(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  avfs_redo *r = s->ring.redo;
  s->ring.redo = NULL;
  s->ring.tried = 0;
  return r;
}

void avfs_os_lock_make_ring(avfs_store *s) {
  const char *reason;
  avfs_redo *r, *smaller;
  uint64_t salt;
  int grows = avfs_ring_is_outgrown(s) && avfs_drain_is_empty(s);
  if ((s->ring.tried && !grows) || avfs_os_lock_await(s) != SQLITE_OK) return;
  if (grows) avfs_ring_grow(s);
  s->os.busy = 1;
  smaller = take_ring(s);
  avfs_store_leave(s);
  avfs_ring_close(s, smaller, 0);
  sqlite3_randomness(sizeof salt, &salt);
  (void)avfs_ring_make(s, &r, &reason);
  avfs_store_enter(s);
  s->ring.redo = r;
  s->ring.salt = salt;
  s->ring.tried = s->ring.made = 1;
  s->ring.fallback = reason;
  let_go(s);
}

void avfs_os_lock_remove_ring(avfs_store *s) {
  sqlite3_file *file = s->os_file->file;
  avfs_fresh f;
  if (!s->ring.made || s->os.level != AVFS_LOCK_NONE || avfs_os_lock_await(s) != SQLITE_OK) return;
  s->os.busy = 1;
  avfs_store_leave(s);
  if (s->io->exists(s->ring_path) && avfs_fresh_lock(s, 1, &f) == SQLITE_OK) {
    if (file->pMethods->xLock(file, AVFS_LOCK_RESERVED) == SQLITE_OK) avfs_ring_remove(s, f.header);
    file->pMethods->xUnlock(file, AVFS_LOCK_NONE);
  }
  avfs_store_enter(s);
  let_go(s);
}

int avfs_os_lock_ensure(avfs_store *s, const avfs_conn *c, int level) {
  while (s->os.busy || s->os.level < level) {
    int rc = s->os.busy ? avfs_os_lock_await(s) : step_up(s, c, level);
    if (rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

int avfs_os_lock_check_reserved(avfs_store *s, int *reserved_out) {
  sqlite3_file *file;
  int rc = SQLITE_OK;
  if (s->os.level >= AVFS_LOCK_RESERVED) return SQLITE_OK;
  rc = avfs_os_lock_await(s);
  if (rc != SQLITE_OK) return rc;
  s->os.busy = 1;
  avfs_store_leave(s);
  file = s->os_file->file;
  rc = file->pMethods->xCheckReservedLock(file, reserved_out);
  avfs_store_enter(s);
  let_go(s);
  return rc;
}

/* ---- giving it up ----------------------------------------------------------------- */

static int level_needed(const avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  int level = avfs_lock_table_highest(&s->turns.table);
  if (s->os.lingering || !avfs_drain_is_empty(s)) return AVFS_LOCK_EXCLUSIVE;
  return level;
}

/* The OS lock stays, until the task tries again. By the setter of os.busy, without lock; with it
 * at the end. */
static void keep_for_retry(avfs_store *s, int rc) AVFS_ACQUIRE(avfs_store_role) {
  uint64_t again = avfs_time_after(s->io->now_ns(), JOURNAL_RETRY_MS);
  avfs_report_call(rc, s->io->os_error(), s->journal_path, "it names a super-journal, so its database "
                   "stays locked until that is done");
  avfs_task_schedule(&s->task, again);
  avfs_store_enter(s);
  s->os.lingering = 1;
  s->os.linger_until_ns = again;
  s->os.warm_until_ns = 0;
  let_go(s);
}

void avfs_os_lock_lower(avfs_store *s) {
  while (!s->os.busy) {
    int to = level_needed(s);
    int rc, cuts, leaving;
    avfs_redo *ring;
    sqlite3_file *file = s->os_file->file;
    if (to >= AVFS_LOCK_RESERVED || s->os.level <= to) return;
    s->os.busy = 1;
    s->os.calls++;
    cuts = s->os.level == AVFS_LOCK_EXCLUSIVE && s->os.managed && s->batch.owed_bytes != AVFS_NOTHING_OWED;
    ring = take_ring(s);
    leaving = s->ring.leaving;
    avfs_store_leave(s);
    /* The last moment to. What cannot be cut now either is legal, and a later batch's. */
    if (cuts && avfs_batch_cut(&s->batch) != SQLITE_OK) {
      avfs_report_call(SQLITE_IOERR_TRUNCATE, s->io->os_error(), s->path, "it stays longer than its "
                       "content until a later batch");
    }
    /* Before the lock: who has it next has a ring of his own. All that is in this one is on the disk. */
    avfs_ring_close(s, ring, leaving);
    /* Before the lock: a journal that we still had open would be in the way of
     * another process's commit, which deletes its own of the same name. */
    rc = avfs_batch_remove_journal(&s->batch);
    if (avfs_batch_keeps_name(&s->batch)) {
      keep_for_retry(s, rc);
      return;
    }
    if (rc != SQLITE_OK) {
      avfs_report_call(rc, s->io->os_error(), s->journal_path, "it is void and does no harm");
    }
    rc = file->pMethods->xUnlock(file, to);
    if (rc != SQLITE_OK) avfs_report_call(rc, 0, s->path, "it is given up when the file is closed");
    if (to == AVFS_LOCK_NONE) avfs_batch_trim(&s->batch);
    avfs_store_enter(s);
    if (cuts) s->content.disk_bytes = s->batch.disk_bytes;
    s->os.level = to;
    if (to == AVFS_LOCK_NONE) {
      avfs_page_pool_trim(&s->content.pool, 0);
      avfs_page_pool_trim(&s->writer.pool, 0);   /* nobody is the writer */
      avfs_page_table_trim(&s->content.committed);
      avfs_page_table_trim(&s->content.draining);
    }
    let_go(s);
  }
}

void avfs_os_lock_lower_now(avfs_store *s) {
  s->os.lingering = 0;
  avfs_os_lock_lower(s);
}

void avfs_os_lock_linger(avfs_store *s) {
  s->os.lingering = 1;
  s->os.linger_until_ns = avfs_time_after(s->drain.ended_ns, LINGER_MS);
  s->os.warm_until_ns = avfs_time_after(s->drain.ended_ns, WARM_MS);
}

int avfs_os_lock_look(avfs_store *s, uint64_t *due_out) {
  uint64_t now = s->io->now_ns();
  int others;
  *due_out = AVFS_NEVER;
  if (!s->os.lingering || s->drain.closing == AVFS_CLOSING_EXIT) return 0;
  *due_out = s->os.linger_until_ns;
  if (now < s->os.linger_until_ns) return 0;
  if (now >= s->os.warm_until_ns) {
    avfs_os_lock_lower_now(s);
    return 1;
  }
  avfs_store_leave(s);   /* the answer comes from Windows: look again after it */
  others = avfs_registry_has_passed() ? 1 : s->io->others(s->db);
  avfs_store_enter(s);
  if (others == 0) s->os.linger_until_ns = avfs_time_after(now, ALONE_MS);
  else s->os.warm_until_ns = 0;   /* somebody, or nobody knows */
  return 1;
}

void avfs_os_lock_hand_over(avfs_store *s, avfs_conn *c) {
  avfs_parent_file *f;
  avfs_redo *ring;
  int rc;
  while (s->os.busy) avfs_store_wait(s, AVFS_FOREVER);
  assert(avfs_drain_is_empty(s) && s->turns.table.writer == &c->locker);
  s->os.busy = 1;
  ring = take_ring(s);
  avfs_store_leave(s);
  avfs_ring_close(s, ring, 1);
  rc = avfs_batch_remove_journal(&s->batch);
  if (rc != SQLITE_OK) {
    avfs_report_call(rc, s->io->os_error(), s->journal_path, "it is void and does no harm");
  }
  f = s->os_file;
  s->os_file = c->parent;
  c->parent = f;
  avfs_parent_file_take_controls(c->parent, s->os_file);
  avfs_store_enter(s);
  s->os.level = AVFS_LOCK_NONE;
  s->os.lingering = 0;
  let_go(s);
}
