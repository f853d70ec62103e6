/* store.c: see store.h. */
#include "store/store.h"

#include <string.h>

#include "seam/heap.h"
#include "seam/time.h"
#include "store/commits.h"
#include "store/content.h"
#include "store/drain.h"
#include "store/limits.h"
#include "store/one_file.h"
#include "store/os_lock.h"
#include "store/registry.h"
#include "store/report.h"
#include "store/redo_ring.h"
#include "store/status.h"
#include "store/task.h"
#include "store/tickets.h"
#include "store/view.h"
#include "store/waits.h"

enum {
  JOURNAL_MEMORY = 8 << 20,   /* of the virtual journal, before it overflows to a file */
  FIRST_PAGE_BYTES = 4096     /* until the database says what it is */
};

/* The batch asks to go on: from its done(), so this thread looks at tasks next. */
static void resume(avfs_batch *b) { avfs_task_continue(&((avfs_store *)b->owner)->task); }

/* Of the batch: the views of the file are to be out of the way. */
static int shorten(avfs_batch *b, uint64_t bytes) { return avfs_view_shorten(b->owner, bytes); }

/* Closes its files and frees what is in it. Who still waits looks at the numbers of its
 * commits alone. */
static void close_store(avfs_store *s) {
  avfs_redo *ring;
  avfs_store_enter(s);
  avfs_page_table_free(&s->content.committed, &s->content.pool);
  avfs_page_table_free(&s->content.draining, &s->content.pool);
  avfs_page_pool_trim(&s->content.pool, 0);
  avfs_limits_count(s);
  avfs_store_leave(s);
  avfs_page_table_free(&s->spare, &s->writer.pool);
  avfs_page_table_free(&s->writer.txn, &s->writer.pool);
  avfs_page_pool_trim(&s->writer.pool, 0);
  avfs_virtual_journal_free(&s->writer.journal);
  avfs_batch_abandon(&s->batch);
  avfs_batch_trim(&s->batch);
  avfs_view_unmap(s);
  avfs_store_enter(s);
  ring = s->ring.redo;
  s->ring.redo = NULL;
  avfs_store_leave(s);
  avfs_ring_close(s, ring, 0);   /* a close that gave up: the next open has what is in it */
  avfs_parent_file_close(s->os_file);
  if (s->db != NULL) s->io->close(s->db);
  avfs_free(s->through.super);
}

static void free_store(avfs_store *s) {
  avfs_free(s->identity.place);
  avfs_free(s->path);
  avfs_free(s->journal_path);
  avfs_free(s->wal_path);
  avfs_free(s->ring_path);
  avfs_free(s->aside_path);
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
  s->ring_path = avfs_concat(name, AVFS_REDO_SUFFIX);
  s->aside_path = avfs_concat(name, AVFS_REDO_ASIDE_SUFFIX);
  s->loss = avfs_alloc_zero(sizeof *s->loss);
  avfs_virtual_journal_init(&s->writer.journal, parent, s->path, JOURNAL_MEMORY);
  if (s->path == NULL || s->journal_path == NULL || s->wal_path == NULL || s->loss == NULL) goto fail;
  if (s->ring_path == NULL || s->aside_path == NULL) goto fail;
  avfs_store_enter(s);
  avfs_content_set_unit(s, FIRST_PAGE_BYTES);
  s->settings = avfs_settings_default();
  avfs_commits_init(s);
  avfs_ring_init(s);
  s->drain.due_ns = AVFS_NEVER;
  s->os.managed = 1;
  rc = avfs_page_table_init(&s->content.committed);
  if (rc == SQLITE_OK) rc = avfs_page_table_init(&s->content.draining);
  avfs_store_leave(s);
  if (rc == SQLITE_OK) rc = avfs_page_table_init(&s->spare);
  if (rc == SQLITE_OK) rc = avfs_page_table_init(&s->writer.txn);
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
  avfs_batch_forget_cut(&s->batch);
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
  if (rc == SQLITE_NOMEM || (rc != SQLITE_OK && avfs_ring_is_beside(io, name))) return rc;
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
     * database is managed is not to depend on a scanner. */
    *reason_out = "the file cannot be opened for writing";
    return (rc & 0xff) == SQLITE_NOMEM || rc == SQLITE_BUSY || avfs_ring_is_beside(io, name) ? rc : AVFS_PASS;
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
    avfs_task_open(&s->task, avfs_store_task);
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
  if (s != NULL) avfs_registry_add_conn(conn);
  return rc;
}

/* What could not be written before the last close, for all who may ask. */
static asyncvfs_error note_loss(avfs_store *s, int rc) AVFS_REQUIRES(avfs_store_role) {
  asyncvfs_error e = {.code = rc, .path = s->path, .os_error = s->batch.os_error};
  if (avfs_drain_is_empty(s)) {
    avfs_commits_end(s, SQLITE_OK);
    return e;
  }
  if (s->drain.failures > 0) e.code = s->drain.error_rc;   /* instead of "the time is up" */
  e.batch = (long long)s->drain.counters.batches + 1;
  e.waiting = (long long)avfs_commits_not_durable(s);
  e.lost = (long long)avfs_ring_not_kept(s);
  e.kept = e.waiting - e.lost;
  s->loss->id = s->id;
  s->loss->durable_seq = s->commits.durable_seq;
  s->loss->rc = s->drain.error_rc = e.code;   /* the latter for those who still wait */
  avfs_commits_end(s, e.code);
  return e;
}

/* The time is for a disk that fails. One that works is waited for, also when it is slow or
 * the machine slept meanwhile. */
static int drain_to_close(avfs_store *s, uint32_t timeout_ms) {
  int rc = avfs_store_drain(s, timeout_ms);
  return rc == SQLITE_BUSY ? avfs_store_drain(s, AVFS_FOREVER) : rc;
}

static void tell_closed(avfs_store *s) {
  char *text;
  if (!avfs_report_wants_closed()) return;
  text = avfs_store_status(s, NULL, avfs_store_mode_reason(s));
  if (text != NULL) avfs_report_closed(s->path, text);
  sqlite3_free(text);
}

/* By the thread of the last connection. */
static void take_down(avfs_store *s, int rc) {
  const char *file;
  asyncvfs_error e;
  avfs_store_enter(s);
  s->drain.closing = AVFS_CLOSING_LAST;
  avfs_store_leave(s);
  avfs_drain_wake(s);
  avfs_store_enter(s);
  /* What is not failing is written, as a last thing. */
  while (!avfs_drain_is_empty(s) && s->drain.run != AVFS_RUN_BACKOFF) avfs_store_wait(s, AVFS_FOREVER);
  e = note_loss(s, rc);
  file = s->drain.error_file != NULL ? s->drain.error_file : s->path;
  s->drain.closing = AVFS_CLOSING_OVER;
  avfs_cond_wake_all(&s->commits.moved);
  avfs_store_leave(s);
  tell_closed(s);   /* while the registry still has it: who asks for both misses nothing */
  avfs_task_close(&s->task);
  close_store(s);
  if (e.waiting > 0) {
    avfs_registry_add_loss(s->loss);
    s->loss = NULL;
  }
  avfs_registry_remove(s);
  /* The application may open the database again in its callback. */
  if (e.waiting > 0) avfs_report_error(e, file);
}

static avfs_counter ends_ns;   /* 0: no end is in sight */

void avfs_store_end_at(uint64_t until_ns) {
  avfs_counter_set(&ends_ns, until_ns == AVFS_NEVER ? 0 : (int64_t)until_ns);
}

static uint32_t before_the_end(const avfs_store *s, uint32_t timeout_ms) {
  uint64_t until = (uint64_t)avfs_counter_get(&ends_ns);
  uint32_t left_ms = until == 0 ? AVFS_FOREVER : avfs_ms_until(s->io->now_ns(), until);
  return left_ms < timeout_ms ? left_ms : timeout_ms;
}

/* With the OS lock goes the ring's file too. */
static void set_leaving(avfs_store *s, int leaving) {
  avfs_store_enter(s);
  s->ring.leaving = leaving;
  avfs_store_leave(s);
}

/* It may be there although the OS lock has gone long ago. */
static void remove_ring(avfs_store *s) {
  avfs_store_enter(s);
  if (avfs_drain_is_empty(s)) avfs_os_lock_remove_ring(s);
  avfs_store_leave(s);
}

void avfs_store_close(avfs_conn *c) {
  avfs_store *s = c->store;
  int rc = SQLITE_OK;
  uint32_t timeout_ms;
  avfs_store_enter(s);
  avfs_view_leave(c);
  /* close=abandon gives up when the disk has failed several times in a row. */
  timeout_ms = s->settings.value[AVFS_CLOSE] == AVFS_CLOSE_ABANDON
                   ? AVFS_FOREVER
                   : (uint32_t)s->settings.value[AVFS_CLOSE_TIMEOUT_MS];
  avfs_store_leave(s);
  avfs_registry_remove_conn(c);
  c->store = NULL;
  timeout_ms = before_the_end(s, timeout_ms);
  if (avfs_registry_leave_others(s)) {
    set_leaving(s, 1);
    rc = drain_to_close(s, timeout_ms);
    if (avfs_registry_leave(s)) {
      /* Mostly nothing is left to do: unless one who had joined meanwhile was in a transaction,
       * or left commits behind. */
      if (rc == SQLITE_OK || rc == SQLITE_BUSY) rc = drain_to_close(s, timeout_ms);
      remove_ring(s);
      take_down(s, rc);
    } else {
      set_leaving(s, 0);
    }
  }
  avfs_store_release(s);
}

void avfs_store_release(avfs_store *s) {
  if (avfs_registry_release(s)) free_store(s);
}

/* ---- the database as a whole --------------------------------------------------------- */

void avfs_store_start_flush(avfs_store *s) {
  avfs_store_enter(s);
  avfs_drain_want(s, s->commits.commit_seq);
  avfs_store_leave(s);
}

uint64_t avfs_store_start_flush_all(void) {
  uint64_t last = avfs_registry_last_id(), id = 0;
  avfs_store *s;
  for (; (s = avfs_registry_find_after(id, last)) != NULL; avfs_store_release(s)) {
    id = s->id;
    avfs_store_start_flush(s);
  }
  return last;
}

int avfs_store_flush(avfs_store *s, uint32_t timeout_ms) {
  int rc;
  avfs_store_enter(s);
  rc = avfs_wait_durable(s, s->commits.commit_seq, timeout_ms);
  avfs_store_leave(s);
  return rc;
}

int avfs_store_wait_for(avfs_store *s, uint64_t seq, uint32_t timeout_ms) {
  int rc;
  avfs_store_enter(s);
  rc = seq > s->commits.commit_seq ? SQLITE_MISUSE : avfs_wait_durable(s, seq, timeout_ms);
  avfs_store_leave(s);
  return rc;
}

int avfs_store_look_for(avfs_store *s, uint64_t seq) {
  int rc;
  avfs_store_enter(s);
  rc = seq > s->commits.commit_seq ? SQLITE_MISUSE
       : seq > s->commits.durable_seq ? SQLITE_BUSY : SQLITE_OK;
  avfs_store_leave(s);
  return rc;
}

int avfs_store_ticket(avfs_store *s, long long *ticket_out) {
  int rc;
  avfs_store_enter(s);
  rc = avfs_ticket(s, s->commits.commit_seq, ticket_out);
  avfs_store_leave(s);
  return rc;
}

int avfs_store_drain(avfs_store *s, uint32_t timeout_ms) {
  int rc;
  avfs_store_enter(s);
  do {
    rc = avfs_wait_durable(s, s->commits.commit_seq, timeout_ms);
    while (rc == SQLITE_OK && s->drain.run == AVFS_RUN_ACTIVE) avfs_store_wait(s, AVFS_FOREVER);
    if (rc == SQLITE_OK && s->turns.table.readers > 0) rc = SQLITE_BUSY;
    if (rc == SQLITE_OK) {
      s->os.lingering = 0;
      rc = avfs_os_lock_await(s);
      avfs_os_lock_lower(s);
      if (rc == SQLITE_OK && s->os.lingering && avfs_batch_keeps_name(&s->batch)) rc = SQLITE_IOERR;
    }
  } while (rc == SQLITE_OK && s->os.level != AVFS_LOCK_NONE);
  avfs_store_leave(s);
  return rc;
}

static const char *passed_reason(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role) {
  const char *reason = s->os.unmanageable;
  if (reason == NULL) reason = s->os.passed_reason;
  if (reason == NULL) reason = avfs_header_objection(s->content.header, s->content.committed.size);
  return reason != NULL ? reason : "a transaction that could not be undone is to be rolled back first";
}

const char *avfs_store_passed_reason(avfs_store *s) {
  const char *reason;
  avfs_store_enter_shared(s);
  reason = passed_reason(s);
  avfs_store_leave_shared(s);
  return reason;
}

const char *avfs_store_mode_reason(avfs_store *s) {
  const char *reason = NULL;
  avfs_store_enter_shared(s);
  if (!s->os.managed || s->os.unmanageable != NULL || s->os.passed_reason != NULL) reason = passed_reason(s);
  avfs_store_leave_shared(s);
  return reason;
}

uint64_t avfs_store_get(avfs_store *s, int i) {
  uint64_t v;
  avfs_store_enter_shared(s);
  v = s->settings.value[i];
  avfs_store_leave_shared(s);
  return v;
}

void avfs_store_set(avfs_store *s, int i, uint64_t value) {
  avfs_store_enter(s);
  s->settings.value[i] = value;
  avfs_store_wake(s);   /* a writer may have room now */
  avfs_store_leave(s);
  avfs_drain_wake(s);   /* a batch may be due earlier now */
}

uint64_t avfs_store_durability(avfs_store *s, uint64_t value) {
  if (s == NULL || value != AVFS_DURABILITY_OS) return value;
  avfs_store_enter_shared(s);
  if (s->ring.fallback != NULL) value = AVFS_DURABILITY_DISK;
  avfs_store_leave_shared(s);
  return value;
}

avfs_ring avfs_store_ring(avfs_store *s) {
  avfs_ring ring;
  avfs_store_enter_shared(s);
  ring = s->ring;
  avfs_store_leave_shared(s);
  return ring;
}

void avfs_store_set_chunk(avfs_store *s, int bytes) {
  avfs_store_enter(s);
  s->content.chunk_bytes = bytes > 0 ? (uint32_t)bytes : 0;
  avfs_store_leave(s);
}
