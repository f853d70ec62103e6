/* process_lock.c: the lock that other processes see, and SQLite's xLock on it.
 *
 *   local locks (lock_table)            OS lock (os_file, LockFileEx by win32)
 *   ------------------------            --------------------------------------
 *   the highest of the connections  \
 *   EXCLUSIVE while commits wait     >  the highest of these
 *   lingering after the last batch  /
 *
 *            fresh_lock: hot journal rolled back, header and size read
 *   NONE ------------------------> SHARED ----> RESERVED ----> EXCLUSIVE
 *     ^                            |   ^            |              |
 *     +---- relax: our -journal ---+   +------------+--------------+
 *           deleted first
 *
 * Only the setter of os_busy calls os_file, without store->lock: LockFileEx may
 * take its time. A stream of commits never comes here: the lock is EXCLUSIVE and
 * stays, so xLock and xUnlock change the local table and nothing else.
 *
 * Waiting (a bound each, since the holder may be this very thread):
 *   SHARED     for a local EXCLUSIVE to end; before, for its turn, if it was refused
 *   RESERVED   for no holder: its own SHARED would keep that from EXCLUSIVE. For one
 *              whose turn it is, until it takes or misses it; for the engine, at the
 *              limit of the queue: it needs no local lock
 *   EXCLUSIVE  for local readers to leave
 *   xUnlock    with durability=disk, for the commit just made to be on the disk
 * Then SQLITE_BUSY goes to SQLite's own busy handler. After a refused RESERVED, if it
 * gave SHARED up as well, it does not sleep: on Windows the shortest sleep is 16 ms, longer
 * than a batch, and sixteen writers with durability=disk would not come together in one. Its
 * next xLock waits for its turn in place of that, so that a busy timeout passes no faster.
 */
#include <assert.h>
#include <string.h>

#include "pages/db_header.h"
#include "store/one_file.h"
#include "store/report.h"
#include "store/store.h"
#include "seam/heap.h"

enum {
  LOCAL_WAIT_MS = 20,     /* for a local lock */
  TURN_WAIT_MS = 100,     /* in the queue for RESERVED */
  TURN_KEPT_MS = 20,      /* how long others wait for the one whose turn it is */
  JOURNAL_RETRY_MS = 1000,   /* a journal that could not be cut is tried again */
  BUSY_SLEEP_MS = 100     /* main.c, sqliteDefaultBusyCallback: none is longer */
};

/* Waits for a wake until deadline_ns. Returns 0 when that has passed. */
static int wait_until(avfs_store *s, avfs_cond *cond, uint64_t deadline_ns)
    AVFS_REQUIRES(avfs_store_role) {
  uint64_t now = s->io->now_ns();
  if (now >= deadline_ns) return 0;
  avfs_cond_wait(cond, &s->lock, avfs_wait_until(now, deadline_ns));
  return 1;
}

static uint64_t deadline(const avfs_store *s, uint32_t ms) {
  return avfs_time_after(s->io->now_ns(), ms);
}

/* If RESERVED is free, the turn of the first in the queue begins, unless it has. */
static void call_first(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  avfs_locker *first = s->locks.queue;
  avfs_conn *c;
  if (first == NULL || !avfs_lock_table_has_turn(&s->locks, first)) return;
  c = avfs_conn_of(first);
  if (c->called) return;
  c->called = 1;
  s->turn_until_ns = deadline(s, TURN_KEPT_MS);
  avfs_cond_wake_all(&c->turn);
}

/* A local lock was lowered, or a place in the queue given up. Of the queue only the first
 * wakes: with many writers, all of them waking at each commit would cost more than the
 * commits. */
static void locks_changed(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  avfs_store_wake(s);
  call_first(s);
}

/* ---- a fresh OS lock: by the setter of os_busy, without lock --------------- */

/* What a fresh lock found. */
typedef struct fresh {
  uint64_t size;
  unsigned char header[100];
  int ours;
  const char *reason;   /* when it is not; NULL: for what is in it */
} fresh;

static int exists(avfs_store *s, const char *path, int *exists_out) {
  return s->parent->xAccess(s->parent, path, SQLITE_ACCESS_EXISTS, exists_out);
}

/* 0 when the journal's first byte is 0 or it has none. One that cannot be opened, or when
 * there is no memory to look, counts as 1: let SQLite look. One that cannot be read is an
 * error: taken for void it would be cut, and nothing could take the database back. */
static int first_byte(avfs_store *s, unsigned char *byte_out) {
  const char *name = sqlite3_filename_journal(s->os_file->name);
  sqlite3_file *f = avfs_alloc_zero((size_t)s->parent->szOsFile);
  int rc = SQLITE_OK;
  *byte_out = 1;
  if (f == NULL) return SQLITE_OK;
  if (s->parent->xOpen(s->parent, name, f, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_JOURNAL,
                       NULL) == SQLITE_OK) {
    *byte_out = 0;
    rc = f->pMethods->xRead(f, byte_out, 1, 0);
    if (rc == SQLITE_IOERR_SHORT_READ) rc = SQLITE_OK;
    f->pMethods->xClose(f);
  }
  avfs_free(f);
  return rc;
}

/* pager.c, hasHotJournal: with SHARED held. A journal beside an empty database
 * counts, whatever is in it: SQLite deletes it. Once, that is: another connection of
 * stock SQLite may keep it open. */
static int journal_is_hot(avfs_store *s, int first_try, int *hot_out) {
  sqlite3_file *f = s->os_file->file;
  sqlite3_int64 size = 1;
  unsigned char byte;
  int there = 0, reserved = 0;
  int rc = exists(s, s->journal_path, &there);
  *hot_out = 0;
  if (rc != SQLITE_OK || !there) return rc;
  rc = f->pMethods->xCheckReservedLock(f, &reserved);
  if (rc != SQLITE_OK || reserved) return rc;   /* another process is writing it */
  if (first_try) rc = f->pMethods->xFileSize(f, &size);
  if (rc != SQLITE_OK) return rc;
  rc = first_byte(s, &byte);
  *hot_out = size == 0 || byte != 0;
  return rc;
}

/* SQLite itself rolls the hot journal back, through the parent VFS. Not through
 * the store: its writes are no commit. PRIVATECACHE is a must: under shared cache
 * the connection would wait for the mutex that our caller holds. NO_CKPT_ON_CLOSE: it may
 * be the last connection to a -wal beside the journal, which its close would write into the
 * database and delete. That is the application's to decide. */
static int recover(avfs_store *s) {
  sqlite3 *db = NULL;
  int rc = sqlite3_open_v2(s->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_PRIVATECACHE,
                           s->parent->zName);
  if (rc == SQLITE_OK) rc = sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_exec(db, "PRAGMA schema_version", NULL, NULL, NULL);
  if (rc != SQLITE_OK && db != NULL) rc = sqlite3_extended_errcode(db);
  sqlite3_close(db);
  if (rc == SQLITE_OK) {
    avfs_report(SQLITE_NOTICE_RECOVER_ROLLBACK, "asyncvfs: rolled back the hot journal of %s", s->path);
  } else {
    avfs_report(rc, "asyncvfs: cannot roll back the hot journal of %s", s->path);
  }
  return rc;
}

/* The length of the file and its first bytes. */
static int read_start(sqlite3_file *file, fresh *f) {
  sqlite3_int64 size = 0;
  int rc = file->pMethods->xFileSize(file, &size);
  f->size = (uint64_t)size;
  memset(f->header, 0, sizeof f->header);
  if (rc == SQLITE_OK && size > 0) {
    rc = file->pMethods->xRead(file, f->header, sizeof f->header, 0);
    if (rc == SQLITE_IOERR_SHORT_READ) rc = SQLITE_OK;
  }
  return rc;
}

/* 0 where a VFS above us writes the file in a way of its own. Its hot journal may hold what that
 * VFS was given to write, and not what is in the file: SQLite is to roll it back from above. */
static int is_plain(const fresh *f) {
  return f->size < sizeof f->header || memcmp(f->header, "SQLite format 3", 16) == 0;
}

/* SHARED on the file, and all that is to be known under it. A hard link may have been made
 * since the file was opened: what a journal beside it means, only stock SQLite's rules say. */
static int fresh_lock(avfs_store *s, const avfs_conn *c, fresh *f) {
  sqlite3_file *file = s->os_file->file;
  sqlite3_int64 size = 0;
  uint32_t links;
  int hot, there = 0, tries, rc;
  memset(f, 0, sizeof *f);
  rc = s->io->links(s->db, &links);
  if (rc != SQLITE_OK) return rc;
  if (links > 1) {
    f->reason = avfs_has_links;
    return AVFS_PASS;
  }
  for (tries = 0; tries < 3; tries++) {
    rc = file->pMethods->xLock(file, AVFS_LOCK_SHARED);
    if (rc != SQLITE_OK) return rc;
    rc = journal_is_hot(s, tries == 0, &hot);
    if (rc != SQLITE_OK) goto unlock;
    if (!hot) break;
    if (c->read_only) {   /* as SQLite tells a reader that may not write */
      rc = file->pMethods->xFileSize(file, &size);
      if (rc == SQLITE_OK && size == 0) break;   /* it does not look for a journal here */
      if (rc == SQLITE_OK) rc = SQLITE_READONLY_ROLLBACK;
      goto unlock;
    }
    rc = read_start(file, f);
    if (rc != SQLITE_OK) goto unlock;
    if (!is_plain(f)) {
      rc = AVFS_PASS;
      goto unlock;
    }
    file->pMethods->xUnlock(file, AVFS_LOCK_NONE);
    rc = recover(s);
    if (rc != SQLITE_OK && rc != SQLITE_NOTADB && (rc & 0xff) != SQLITE_CORRUPT) return rc;
  }
  if (tries == 3) return SQLITE_BUSY;
  rc = read_start(file, f);
  if (rc != SQLITE_OK) goto unlock;
  rc = exists(s, s->wal_path, &there);
  if (rc != SQLITE_OK) goto unlock;
  f->ours = !there && avfs_header_is_rollback(f->header, f->size);
  if (f->ours) return SQLITE_OK;
  rc = AVFS_PASS;
unlock:
  file->pMethods->xUnlock(file, AVFS_LOCK_NONE);
  return rc;
}

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
      avfs_report(rc, "asyncvfs: cannot open %s for writing (%u)", s->journal_path,
                  s->io->os_error());
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

/* The database on the disk is as `f` says: all tables begin anew. */
static void adopt(avfs_store *s, const fresh *f) AVFS_REQUIRES(avfs_store_role) {
  uint32_t unit = avfs_header_page_bytes(f->header);
  assert(s->committed.count == 0 && s->draining.count == 0);
  if (f->size > 0 && unit != 0 && unit != s->page_bytes) {
    avfs_page_pool_trim(&s->pool, 0);
    avfs_page_pool_trim(&s->txn_pool, 0);   /* nobody is the writer below RESERVED */
    s->page_bytes = s->pool.page_bytes = s->txn_pool.page_bytes = unit;
  }
  s->committed.size = s->draining.size = s->disk_bytes = f->size;
  memcpy(s->header, f->header, sizeof s->header);
  s->ours = 1;
  s->passed_reason = NULL;
  s->epoch++;
}

static const char no_journal[] = "no journal can be made beside the database";

const char *avfs_store_unmanageable(avfs_store *s) {
  const char *reason;
  avfs_store_enter_shared(s);
  reason = s->unmanageable != NULL ? s->unmanageable : s->passed_reason;
  avfs_store_leave_shared(s);
  return reason;
}

/* Waits until nobody is at os_file. SQLITE_BUSY: the calling thread is, further up on its stack.
 * SQLite runs automatic extensions on the connection that recovers the database, and such a one
 * may open the same database here. */
int avfs_store_await_os(avfs_store *s) {
  while (s->os_busy) {
    if (s->os_thread == avfs_thread_id()) return SQLITE_BUSY;
    avfs_store_wait(s, AVFS_FOREVER);
  }
  return SQLITE_OK;
}

/* Has the OS lock at `level` or more. */
static int ensure_os(avfs_store *s, avfs_conn *c, int level) AVFS_REQUIRES(avfs_store_role) {
  while (s->os_busy || s->os_level < level) {
    fresh f;
    int from = s->os_level, rc, to = level;
    if (s->os_busy) {
      rc = avfs_store_await_os(s);
      if (rc != SQLITE_OK) return rc;
      continue;
    }
    s->os_busy = 1;
    s->os_thread = avfs_thread_id();
    s->os_lock_calls++;
    f.reason = NULL;
    avfs_store_leave(s);
    if (from == AVFS_LOCK_NONE) {
      rc = fresh_lock(s, c, &f);
      to = AVFS_LOCK_SHARED;
    } else {
      rc = raise_os(s, from, level);
    }
    avfs_store_enter(s);
    if (rc == SQLITE_OK) {
      if (from == AVFS_LOCK_NONE) adopt(s, &f);
      s->os_level = to;
    } else if (rc == AVFS_PASS && from == AVFS_LOCK_NONE) {
      s->ours = 0;
      s->passed_reason = f.reason;
    } else if (rc == AVFS_PASS) {
      s->unmanageable = no_journal;
    }
    s->os_busy = 0;
    s->os_thread = 0;
    avfs_store_wake(s);
    if (rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

/* ---- giving the OS lock up ----------------------------------------------- */

static int level_needed(const avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  int level = avfs_lock_table_highest(&s->locks);
  if (s->lingering || !avfs_backlog_is_empty(s)) return AVFS_LOCK_EXCLUSIVE;
  return level;
}

/* The OS lock stays, until the task tries again. By the setter of os_busy, without lock; with it
 * at the end. */
static void keep_for_retry(avfs_store *s, int rc) AVFS_ACQUIRE(avfs_store_role) {
  uint64_t again = avfs_time_after(s->io->now_ns(), JOURNAL_RETRY_MS);
  avfs_report(rc, "asyncvfs: cannot cut %s (%u), which names a super-journal; %s stays locked until "
              "that is done", s->journal_path, s->io->os_error(), s->path);
  avfs_task_schedule(&s->task, again);
  avfs_store_enter(s);
  s->lingering = 1;
  s->linger_until_ns = again;
  s->warm_until_ns = 0;
  s->os_busy = 0;
  s->os_thread = 0;
  avfs_store_wake(s);
}

void avfs_store_relax(avfs_store *s) {
  while (!s->os_busy) {
    int to = level_needed(s);
    int rc, cuts;
    sqlite3_file *file = s->os_file->file;
    if (to >= AVFS_LOCK_RESERVED || s->os_level <= to) return;
    s->os_busy = 1;
    s->os_lock_calls++;
    cuts = s->os_level == AVFS_LOCK_EXCLUSIVE && s->ours && s->batch.owes_cut;
    avfs_store_leave(s);
    /* The last moment to. What cannot be cut now either is legal, and a later batch's. */
    if (cuts && avfs_batch_cut(&s->batch) != SQLITE_OK) {
      avfs_report(SQLITE_IOERR_TRUNCATE, "asyncvfs: %s stays longer than its content (%u)", s->path,
                  s->io->os_error());
    }
    /* Before the lock: a journal that we still had open would be in the way of
     * another process's commit, which deletes its own of the same name. */
    rc = avfs_batch_remove_journal(&s->batch);
    if (avfs_batch_keeps_name(&s->batch)) {
      keep_for_retry(s, rc);
      return;
    }
    if (rc != SQLITE_OK) {
      avfs_report(rc, "asyncvfs: cannot delete %s (%u); it is void and does no harm",
                  s->journal_path, s->io->os_error());
    }
    rc = file->pMethods->xUnlock(file, to);
    if (rc != SQLITE_OK) avfs_report(rc, "asyncvfs: cannot unlock %s", s->path);
    if (to == AVFS_LOCK_NONE) avfs_batch_trim(&s->batch);
    avfs_store_enter(s);
    if (cuts) s->disk_bytes = s->batch.disk_bytes;
    s->os_level = to;
    s->os_busy = 0;
    if (to == AVFS_LOCK_NONE) {
      avfs_page_pool_trim(&s->pool, 0);
      avfs_page_pool_trim(&s->txn_pool, 0);   /* nobody is the writer */
      avfs_page_table_trim(&s->committed);
      avfs_page_table_trim(&s->draining);
    }
    avfs_store_wake(s);
  }
}

void avfs_store_hand_over(avfs_conn *c) {
  avfs_store *s = c->store;
  avfs_parent_file *f;
  int rc;
  avfs_store_enter(s);
  while (s->os_busy) avfs_store_wait(s, AVFS_FOREVER);
  assert(avfs_backlog_is_empty(s) && s->locks.writer == &c->locker);
  s->os_busy = 1;
  avfs_store_leave(s);
  rc = avfs_batch_remove_journal(&s->batch);
  if (rc != SQLITE_OK) avfs_report(rc, "asyncvfs: cannot delete %s", s->journal_path);
  f = s->os_file;
  s->os_file = c->parent;
  c->parent = f;
  avfs_parent_file_take_controls(c->parent, s->os_file);
  avfs_store_enter(s);
  s->os_level = AVFS_LOCK_NONE;
  s->lingering = 0;
  s->os_busy = 0;
  avfs_lock_table_lower(&s->locks, &c->locker, AVFS_LOCK_NONE);
  locks_changed(s);
  avfs_store_leave(s);
}

/* ---- xLock, xUnlock ------------------------------------------------------ */

/* A connection that was refused RESERVED comes again: it queues for its turn
 * before it takes SHARED, which would be in the writer's way. */
static void wait_for_turn(avfs_store *s, avfs_conn *c) AVFS_REQUIRES(avfs_store_role) {
  uint64_t until = deadline(s, TURN_WAIT_MS);
  c->called = 0;
  avfs_lock_table_enqueue(&s->locks, &c->locker);
  call_first(s);
  while (!avfs_lock_table_has_turn(&s->locks, &c->locker)) {
    /* The time is up, or it had its turn and was too slow to wake. */
    if (!c->locker.queued || !wait_until(s, &c->turn, until)) {
      avfs_lock_table_dequeue(&s->locks, &c->locker);
      return;
    }
  }
}

static int lock_shared(avfs_store *s, avfs_conn *c) AVFS_REQUIRES(avfs_store_role) {
  uint64_t until = 0;
  int rc;
  if (s->unmanageable != NULL) return AVFS_PASS;
  if (c->refused) {
    c->refused = 0;
    avfs_counter_set(&c->spared_thread, 0);
    wait_for_turn(s, c);
  }
  for (;;) {
    rc = ensure_os(s, c, AVFS_LOCK_SHARED);
    if (rc != SQLITE_OK) break;
    if (!s->ours) {
      /* It turned into a WAL database and could not be handed over yet, or a
       * transaction could not be undone: only a fresh lock will tell. */
      if (avfs_backlog_is_empty(s)) {
        s->lingering = 0;
        avfs_store_relax(s);
        if (s->os_level == AVFS_LOCK_NONE) continue;
      }
      rc = SQLITE_BUSY;
      break;
    }
    rc = avfs_lock_table_raise(&s->locks, &c->locker, AVFS_LOCK_SHARED);
    if (rc != SQLITE_BUSY) break;
    if (until == 0) until = deadline(s, LOCAL_WAIT_MS);
    if (!wait_until(s, &s->changed, until)) break;
  }
  if (rc != SQLITE_OK && c->locker.queued) {
    avfs_lock_table_dequeue(&s->locks, &c->locker);
    locks_changed(s);
  }
  return rc;
}

/* Another connection's turn is waited for, a little: it has SHARED and may take
 * RESERVED at any moment, which ends the wait. If it only reads, its turn passes:
 * the caller is not told BUSY where stock SQLite would not be. */
static void respect_turn(avfs_store *s, avfs_conn *c) AVFS_REQUIRES(avfs_store_role) {
  while (s->locks.writer == NULL && s->locks.queue != NULL && s->locks.queue != &c->locker) {
    if (wait_until(s, &s->changed, s->turn_until_ns)) continue;
    avfs_lock_table_dequeue(&s->locks, s->locks.queue);
    locks_changed(s);
  }
}

static int lock_reserved(avfs_store *s, avfs_conn *c) AVFS_REQUIRES(avfs_store_role) {
  int rc;
  respect_turn(s, c);
  rc = avfs_lock_table_raise(&s->locks, &c->locker, AVFS_LOCK_RESERVED);
  if (rc != SQLITE_OK) {
    c->refused = 1;
    return rc;
  }
  c->refused = 0;
  avfs_store_wake(s);   /* who waits for this in respect_turn() has SHARED, which is in our way */
  rc = ensure_os(s, c, AVFS_LOCK_RESERVED);
  if (rc == SQLITE_OK) rc = avfs_backlog_wait_for_room(s, c);
  if (rc != SQLITE_OK) {
    avfs_lock_table_lower(&s->locks, &c->locker, AVFS_LOCK_SHARED);
    locks_changed(s);
    avfs_store_relax(s);
    return rc;
  }
  avfs_transaction_begin(s);
  return SQLITE_OK;
}

static int lock_exclusive(avfs_store *s, avfs_conn *c) AVFS_REQUIRES(avfs_store_role) {
  uint64_t until = 0;
  int rc, again = c->locker.level == AVFS_LOCK_PENDING;
  if (c->locker.level == AVFS_LOCK_SHARED) {
    rc = lock_reserved(s, c);
    if (rc != SQLITE_OK) return rc;
  }
  for (;;) {
    rc = avfs_lock_table_raise(&s->locks, &c->locker, AVFS_LOCK_EXCLUSIVE);
    if (rc != SQLITE_BUSY) break;
    /* It stays PENDING. Of a transaction that does not fit in SQLite's cache each further page
     * comes here: it has waited for these readers before, and goes on without. */
    if (again) return SQLITE_BUSY;
    if (until == 0) until = deadline(s, LOCAL_WAIT_MS);
    if (!wait_until(s, &s->changed, until)) return SQLITE_BUSY;
  }
  rc = ensure_os(s, c, AVFS_LOCK_EXCLUSIVE);
  if (rc != SQLITE_OK) c->locker.level = AVFS_LOCK_PENDING;
  return rc;
}

int avfs_store_lock(avfs_conn *c, int level) {
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

/* Waits, with durability=disk, until the commit just made is on the disk: without any local
 * lock, so that others commit meanwhile, and share the batch. SQLite comes here with SHARED and
 * goes on to NONE at once (durability.h): until then it has to hear BUSY, whatever it may ask. If
 * a statement of this connection reads on, it keeps its SHARED: what it reads must not change. */
static int await_disk(avfs_store *s, avfs_conn *c, int level, int reads_on)
    AVFS_REQUIRES(avfs_store_role) {
  uint64_t seq = c->await_seq;
  c->await_seq = 0;
  c->parked = level == AVFS_LOCK_SHARED && !reads_on;
  avfs_lock_table_lower(&s->locks, &c->locker, c->parked ? AVFS_LOCK_NONE : level);
  locks_changed(s);
  return avfs_backlog_wait_durable(s, seq, AVFS_FOREVER);
}

int avfs_store_unlock(avfs_conn *c, int level) {
  avfs_store *s = c->store;
  int rc = SQLITE_OK, reads_on;
  c->commits_under_lock = 0;
  if (level == AVFS_LOCK_NONE) c->parked = 0;
  if (c->locker.level <= level) return SQLITE_OK;
  if (c->locker.level >= AVFS_LOCK_RESERVED) rc = avfs_transaction_discard(c);
  reads_on = c->await_seq != 0 && avfs_durability_reads_on(&c->durability);
  avfs_store_enter(s);
  /* With SHARED it would not come to wait_for_turn() next, but to RESERVED again. */
  if (c->refused && level == AVFS_LOCK_NONE) avfs_counter_set(&c->spared_thread, avfs_thread_id());
  avfs_store_leave_view(c);   /* also at SHARED: the file may be about to be cut */
  if (c->await_seq != 0) {
    rc = await_disk(s, c, level, reads_on);
  } else {
    avfs_lock_table_lower(&s->locks, &c->locker, level);
    locks_changed(s);
  }
  avfs_store_relax(s);
  avfs_store_check(s);
  avfs_store_leave(s);
  return rc;
}

int avfs_store_check_reserved(avfs_conn *c, int *reserved_out) {
  avfs_store *s = c->store;
  int rc = SQLITE_OK, ask = 0;
  avfs_store_enter(s);
  *reserved_out = s->locks.writer != NULL;
  if (!*reserved_out && s->os_level < AVFS_LOCK_RESERVED) {
    rc = avfs_store_await_os(s);
    if (rc == SQLITE_OK) s->os_busy = ask = 1;
  }
  avfs_store_leave(s);
  if (ask) {
    sqlite3_file *file = s->os_file->file;
    rc = file->pMethods->xCheckReservedLock(file, reserved_out);
    avfs_store_enter(s);
    s->os_busy = 0;
    avfs_store_wake(s);
    avfs_store_leave(s);
  }
  return rc;
}

/* With the registry locked, and not the store: xSleep is to keep nobody from it. */
static void spare_sleep(avfs_conn *c, void *arg) {
  if (avfs_counter_get(&c->spared_thread) != avfs_thread_id()) return;
  avfs_counter_set(&c->spared_thread, 0);
  *(int *)arg = 1;
}

int avfs_store_spares_sleep(uint64_t us) {
  int spared = 0;
  if (us <= BUSY_SLEEP_MS * 1000) avfs_registry_visit_conns(spare_sleep, &spared);
  return spared;
}
