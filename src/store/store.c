/* store.c: a store's life, from its first connection to its last.
 *
 *   open:  the parent file is open already. Open the engine's handle, ask which
 *          file it is, find its store or make one.
 *   close: the last connection waits until all is on the disk and the OS lock is
 *          given back, while one who opens the file can still join. Then it takes the store
 *          down, whoever else waits for its commits: they are woken and hear what became
 *          of those. When this returns the file can be deleted. The memory goes with the
 *          last reference.
 *
 *   open --drain--> leaving --drain, mostly nothing--> LAST --empty or fails--> OVER
 *     ^ a connection joins                               files closed, loss recorded,
 *     `------ (registry.c)                               removed, application told
 */
#include <assert.h>
#include <string.h>

#include "store/one_file.h"
#include "store/report.h"
#include "store/store.h"
#include "seam/heap.h"

enum {
  JOURNAL_MEMORY = 8 << 20,   /* of the virtual journal, before it overflows to a file */
  FIRST_PAGE_BYTES = 4096     /* until the database says what it is */
};

/* The batch asks to go on: from its done(), so this thread looks at tasks next. */
static void resume(avfs_batch *b) { avfs_task_continue(&((avfs_store *)b->owner)->task); }

/* Of the batch: the views of the file are to be out of the way. */
static int shorten(avfs_batch *b, uint64_t bytes) { return avfs_store_shorten(b->owner, bytes); }

/* Closes its files and frees what is in it. Who still waits looks at the numbers of its
 * commits alone. */
static void close_store(avfs_store *s) {
  avfs_store_enter(s);
  avfs_page_table_free(&s->committed, &s->pool);
  avfs_page_table_free(&s->draining, &s->pool);
  avfs_page_pool_trim(&s->pool, 0);
  avfs_backlog_count(s);
  avfs_store_leave(s);
  avfs_page_table_free(&s->spare, &s->txn_pool);
  avfs_page_table_free(&s->txn, &s->txn_pool);
  avfs_page_pool_trim(&s->txn_pool, 0);
  avfs_virtual_journal_free(&s->journal);
  avfs_batch_abandon(&s->batch);
  avfs_batch_trim(&s->batch);
  avfs_store_unmap(s);
  avfs_parent_file_close(s->os_file);
  if (s->db != NULL) s->io->close(s->db);
  avfs_free(s->super);
}

static void free_store(avfs_store *s) {
  avfs_free(s->identity.place);
  avfs_free(s->path);
  avfs_free(s->journal_path);
  avfs_free(s->wal_path);
  avfs_free(s->loss);
  avfs_free(s);
}

/* A store for the file `db`, which it owns from here on, as it does id->place, also on failure. */
static int new_store(const avfs_io *io, sqlite3_vfs *parent, const char *name, avfs_file *db,
                     const avfs_identity *id, avfs_store **store_out) {
  int rc = SQLITE_NOMEM;
  avfs_store *s = avfs_alloc_zero(sizeof *s);
  *store_out = NULL;
  if (s == NULL) {
    io->close(db);
    avfs_free(id->place);
    return SQLITE_NOMEM;
  }
  s->io = io;
  s->parent = parent;
  s->db = db;
  s->identity = *id;
  s->id = avfs_registry_next_id();
  s->path = avfs_concat(name, "");
  s->journal_path = avfs_concat(name, "-journal");
  s->wal_path = avfs_concat(name, "-wal");
  s->loss = avfs_alloc_zero(sizeof *s->loss);
  avfs_virtual_journal_init(&s->journal, parent, s->path, JOURNAL_MEMORY);
  if (s->path == NULL || s->journal_path == NULL || s->wal_path == NULL || s->loss == NULL) goto fail;
  avfs_store_enter(s);
  s->page_bytes = s->pool.page_bytes = s->txn_pool.page_bytes = FIRST_PAGE_BYTES;
  s->settings = avfs_settings_default();
  s->notices_end = &s->notices;
  s->task_due_ns = AVFS_NEVER;
  s->ours = 1;
  rc = avfs_page_table_init(&s->committed);
  if (rc == SQLITE_OK) rc = avfs_page_table_init(&s->draining);
  avfs_store_leave(s);
  if (rc == SQLITE_OK) rc = avfs_page_table_init(&s->spare);
  if (rc == SQLITE_OK) rc = avfs_page_table_init(&s->txn);
  if (rc != SQLITE_OK) goto fail;
  rc = avfs_parent_file_open(parent, name, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MAIN_DB,
                             &s->os_file, NULL);
  if (rc != SQLITE_OK) goto fail;
  s->batch.io = io;
  s->batch.db = db;
  s->batch.journal_path = s->journal_path;
  s->batch.resume = resume;
  s->batch.shorten = shorten;
  s->batch.owner = s;
  sqlite3_randomness(sizeof s->batch.nonces, &s->batch.nonces);
  s->batch.pump.io = io;
  *store_out = s;
  return SQLITE_OK;
fail:
  close_store(s);
  free_store(s);
  return rc;
}

/* What file the open `db` is; AVFS_PASS with a reason when that is not certain enough. */
static int identify(const avfs_io *io, avfs_file *db, const char *name, avfs_identity *id_out,
                    const char **reason_out) {
  int rc;
  memset(id_out, 0, sizeof *id_out);
  if (!io->is_local(db)) {
    *reason_out = "the file is on a network volume, or on no volume that is known to be local";
    return AVFS_PASS;
  }
  if (!io->is_ordered(db)) {
    *reason_out = "the file system is not NTFS, whose log keeps deletions and cuts in order";
    return AVFS_PASS;
  }
  rc = io->identity(db, id_out);
  if (rc == SQLITE_NOMEM) return rc;
  *reason_out = rc != SQLITE_OK ? "the file system gives files no identity"
                                : avfs_one_file_doubt(name, id_out);
  if (*reason_out == NULL) return SQLITE_OK;
  avfs_free(id_out->place);
  return AVFS_PASS;
}

int avfs_store_open(const avfs_io *io, sqlite3_vfs *parent, avfs_conn *conn,
                    const char **reason_out) {
  avfs_file *db = NULL;
  avfs_identity id;
  avfs_store *s, *found;
  const char *name = conn->parent->name;
  int rc = io->open(name, AVFS_OPEN_EXISTING, &db);
  if (rc != SQLITE_OK) {
    /* Somebody holds what the parent has just opened. Not passed through for it: whether a
     * database is ours is not to depend on a scanner. */
    *reason_out = "the file cannot be opened for writing";
    return (rc & 0xff) == SQLITE_NOMEM || rc == SQLITE_BUSY ? rc : AVFS_PASS;
  }
  rc = identify(io, db, name, &id, reason_out);
  if (rc != SQLITE_OK) {
    io->close(db);
    return rc;
  }
  rc = avfs_registry_find(&id, &s);
  if (rc != SQLITE_OK || s != NULL) {
    io->close(db);
    avfs_free(id.place);
  } else {
    rc = new_store(io, parent, name, db, &id, &s);
    if (rc != SQLITE_OK) return rc;
    avfs_task_open(&s->task, avfs_backlog_task);
    rc = avfs_registry_add(s, &found);
    if (found != s) {   /* another thread was faster */
      avfs_task_close(&s->task);
      close_store(s);
      free_store(s);
      s = found;
    }
  }
  if (rc == AVFS_PASS) *reason_out = avfs_is_perhaps_another;
  conn->store = s;
  return rc;
}

#ifdef AVFS_CHECK
void avfs_store_check(avfs_store *s) {
  assert(s->durable_seq <= s->draining_seq && s->draining_seq <= s->commit_seq);
  if (!avfs_backlog_is_empty(s)) assert(s->os_level == AVFS_LOCK_EXCLUSIVE);
  if (s->dirty) assert(s->commit_seq > s->draining_seq && s->oldest_ns != 0);
  if (s->locks.readers > 0) assert(s->os_level >= AVFS_LOCK_SHARED);
  if (!s->os_busy && s->locks.writer != NULL && s->locks.writer->level == AVFS_LOCK_EXCLUSIVE) {
    assert(s->os_level == AVFS_LOCK_EXCLUSIVE && s->locks.readers == 1);
  }
  if (s->locks.queue != NULL && avfs_lock_table_has_turn(&s->locks, s->locks.queue)) {
    assert(avfs_conn_of(s->locks.queue)->called);
  }
  assert(s->counted_bytes == avfs_backlog_bytes(s));
  assert(s->pool.page_bytes == s->page_bytes && s->txn_pool.page_bytes == s->page_bytes);
  assert(avfs_page_table_check(&s->committed, s->page_bytes));
  assert(avfs_page_table_check(&s->draining, s->page_bytes));
}
#endif

/* What could not be written before the last close, for all who may ask. */
static asyncvfs_error note_loss(avfs_store *s, int rc) AVFS_REQUIRES(avfs_store_role) {
  asyncvfs_error e = {.code = rc, .path = s->path, .os_error = s->batch.os_error};
  if (avfs_backlog_is_empty(s)) {
    avfs_tickets_end(s);
    return e;
  }
  if (s->failures > 0) e.code = s->error_rc;   /* instead of "the time is up" */
  e.batch = (long long)s->counters.batches + 1;
  e.waiting = e.lost = (long long)(s->commit_seq - s->durable_seq);
  s->loss->id = s->id;
  s->loss->durable_seq = s->durable_seq;
  s->loss->rc = s->error_rc = e.code;   /* the latter for those who still wait */
  avfs_durable_notices_end(s, e.code);
  avfs_tickets_end(s);
  return e;
}

/* The time is for a disk that fails. One that works is waited for, also when it is slow or
 * the machine slept meanwhile. */
static int drain_to_close(avfs_store *s, uint32_t timeout_ms) {
  int rc = avfs_store_drain(s, timeout_ms);
  return rc == SQLITE_BUSY ? avfs_store_drain(s, AVFS_FOREVER) : rc;
}

/* By the thread of the last connection. */
static void take_down(avfs_store *s, int rc) {
  asyncvfs_error e;
  avfs_store_enter(s);
  s->closing = AVFS_CLOSING_LAST;
  avfs_store_leave(s);
  avfs_store_kick(s);
  avfs_store_enter(s);
  /* What is not failing is written, as a last thing. */
  while (!avfs_backlog_is_empty(s) && s->run != AVFS_RUN_BACKOFF) avfs_store_wait(s, AVFS_FOREVER);
  e = note_loss(s, rc);
  s->closing = AVFS_CLOSING_OVER;
  avfs_cond_wake_all(&s->durable);
  avfs_store_leave(s);
  avfs_task_close(&s->task);
  close_store(s);
  if (e.lost > 0) {
    avfs_registry_add_loss(s->loss);
    s->loss = NULL;
  }
  avfs_registry_remove(s);
  /* The application may open the database again in its callback. */
  if (e.lost > 0) avfs_report_error(e);
}

void avfs_store_close(avfs_store *s) {
  int rc = SQLITE_OK;
  uint32_t timeout_ms;
  avfs_store_enter_shared(s);
  /* close=abandon gives up when the disk has failed several times in a row. */
  timeout_ms = s->settings.value[AVFS_CLOSE] == AVFS_CLOSE_ABANDON
                   ? AVFS_FOREVER
                   : (uint32_t)s->settings.value[AVFS_CLOSE_TIMEOUT_MS];
  avfs_store_leave_shared(s);
  if (avfs_registry_leave_others(s)) {
    rc = drain_to_close(s, timeout_ms);
    if (avfs_registry_leave(s)) {
      /* Mostly nothing is left to do: unless one who had joined meanwhile was in a transaction,
       * or left commits behind. */
      if (rc == SQLITE_OK || rc == SQLITE_BUSY) rc = drain_to_close(s, timeout_ms);
      take_down(s, rc);
    }
  }
  avfs_store_release(s);
}

void avfs_store_release(avfs_store *s) {
  if (avfs_registry_release(s)) free_store(s);
}
