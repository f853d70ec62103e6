/* backlog.c: when commits go to the disk.
 *
 * The store's task looks at what there is, does it, and says when to look again:
 *
 *             dirty and due: freeze              over, well
 *    NONE -------------------------> ACTIVE ----------------> NONE, durable
 *     |                               ^   |
 *     | nothing dirty: linger,        |   | over, failed (not a segment:
 *     v stay warm, relax     retry_ns |   v  that is told to its writer)
 *    idle                            BACKOFF
 *
 * A batch is due when the oldest commit in it has waited max_lag_ms less the time
 * that a batch usually takes; at once when somebody waits for it or half of the
 * queue's limit is reached. So a trickle of commits gathers, and a stream makes
 * large batches.
 *
 * After the last batch the OS lock, and with it the open journal, is kept (linger) for those who
 * go on at once. Somebody else may wait for it, so it is 20 ms; but if nobody else has the
 * file open it is kept for two seconds, and who has is asked again every 100 ms (warm). So a
 * program that saves every second pays for its lock and its journal once, and one that opens
 * the database meanwhile waits 100 ms more than else.
 *
 * Threads that commit with durability=disk wait for a batch, and commit again as soon as it
 * is over. If the next batch began at once for those who came meanwhile, the two groups
 * would take turns for ever, each batch with half of the commits that it could have.
 * So it waits until all have come that were waiting when the last batch ended, but no
 * longer than half of what that took, from its end, and never longer than 10 ms.
 *
 * The limits: what all databases of the process have in memory is a counter, beside each
 * store's own. At the process's limit a writer waits for its own store's queue alone to
 * fall, at most until it is empty: so one database whose disk fails makes the others
 * slow, never refused, and no store waits for another.
 *
 * Freeze: committed becomes draining and an empty table becomes committed. O(1),
 * also while a transaction is open, since txn stands above both.
 */
#include <assert.h>
#include <string.h>

#include "store/report.h"
#include "store/store.h"
#include "seam/heap.h"

enum {
  LINGER_MS = 20,           /* the OS lock is kept after the last batch... */
  WARM_MS = 2000,           /* ...and as long after it by a process that is alone with the file... */
  ALONE_MS = 100,           /* ...as the answer holds that it is */
  GATHER_MOST_MS = 10,      /* the threads of a batch come again in less */
  BACKOFF_FIRST_MS = 10,
  BACKOFF_MOST_MS = 1000,
  STARVED_MS = 100,         /* who waits for the pool asks again for its thread */
  PATIENCE = 4,             /* failures in a row before a waiter is told... */
  LASTING = 8,              /* ...and before a writer is refused though there is room: 1.3 s */
  POOL_BYTES = 16 << 20     /* pages kept for the next transactions */
};

/* Bytes of pages in memory for all databases of the process. */
static avfs_counter process_bytes;
/* Threads in a busy handler that waits for room: mostly none, and then no sleep looks for them. */
static avfs_counter room_waiters;

static uint64_t setting(const avfs_store *s, int i) AVFS_REQUIRES_SHARED(avfs_store_role) {
  return s->settings.value[i];
}

uint64_t avfs_backlog_bytes(const avfs_store *s) {
  return (uint64_t)(s->committed.count + s->draining.count) * s->page_bytes;
}

void avfs_backlog_count(avfs_store *s) {
  uint64_t bytes = avfs_backlog_bytes(s);
  if (bytes == s->counted_bytes) return;
  avfs_counter_add(&process_bytes, (int64_t)(bytes - s->counted_bytes));
  s->counted_bytes = bytes;
}

uint64_t avfs_backlog_process_bytes(void) { return (uint64_t)avfs_counter_get(&process_bytes); }

uint64_t avfs_backlog_share(void) { return avfs_setting_default(AVFS_MAX_PROCESS_BYTES) / 16; }

/* The queue is to be written now, however young it is. */
static int is_pressing(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role) {
  return avfs_backlog_bytes(s) > setting(s, AVFS_MAX_QUEUE_BYTES) / 2 ||
         avfs_backlog_process_bytes() > avfs_setting_default(AVFS_MAX_PROCESS_BYTES) / 2;
}

/* A writer has to wait. */
static int is_full(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role) {
  uint64_t bytes = avfs_backlog_bytes(s);
  return bytes > setting(s, AVFS_MAX_QUEUE_BYTES) ||
         (bytes > 0 && avfs_backlog_process_bytes() > avfs_setting_default(AVFS_MAX_PROCESS_BYTES));
}

int avfs_backlog_is_empty(const avfs_store *s) {
  return !s->dirty && s->run == AVFS_RUN_NONE && s->draining.count == 0;
}

void avfs_store_kick(avfs_store *s) { avfs_task_schedule(&s->task, 0); }

/* When what is committed is to start on its way. */
static uint64_t batch_due(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role) {
  uint64_t lag = avfs_ms_to_ns(setting(s, AVFS_MAX_LAG_MS));
  uint64_t usual = s->run_usual_ns + s->run_usual_ns / 2;
  if (s->closing || is_pressing(s)) return 0;
  if (s->wanted_seq > s->draining_seq) return s->waiting < s->company ? s->gather_until_ns : 0;
  return s->oldest_ns + (lag > usual ? lag - usual : 0);
}

/* The task is to look at `due`: the time to schedule it at for that, or AVFS_NEVER: it looks
 * in time anyway. So sixteen commits that wait for one batch wake the engine for it three times
 * at most: max_lag_ms after the first, at the end of the gathering, when all have come. */
static uint64_t call_task(avfs_store *s, uint64_t due) AVFS_REQUIRES(avfs_store_role) {
  /* While a batch runs the task looks again at its end. */
  if (s->run != AVFS_RUN_NONE || due >= s->task_due_ns) {
    return avfs_engine_is_starved() ? due : AVFS_NEVER;   /* nobody looks: that asks for a thread */
  }
  s->task_due_ns = due;
  s->kicks++;
  return due;
}

uint64_t avfs_backlog_grew(avfs_store *s) {
  uint64_t due = AVFS_NEVER;
  avfs_backlog_count(s);
  if (s->oldest_ns == 0) {
    s->oldest_ns = s->io->now_ns();
    due = batch_due(s);
  } else if (is_pressing(s)) {
    due = 0;
  }
  return call_task(s, due);
}

void avfs_backlog_start(avfs_store *s, const avfs_batch_input *input) {
  uint64_t slots = avfs_backlog_share() / (2 * AVFS_PUMP_BUFFER);
  assert(s->run == AVFS_RUN_NONE);
  s->batch.pump.most_slots = slots > AVFS_PUMP_SLOTS ? AVFS_PUMP_SLOTS : slots < 1 ? 1 : (int)slots;
  avfs_batch_start(&s->batch, input, s->page_bytes);
  s->run = AVFS_RUN_ACTIVE;
  s->run_began_ns = s->io->now_ns();
}

static void freeze(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  avfs_batch_input input = {&s->draining, s->committed.size, s->chunk_bytes, 0, NULL};
  assert(s->draining.count == 0 && s->os_level == AVFS_LOCK_EXCLUSIVE);
  avfs_page_table_swap(&s->committed, &s->draining);
  s->committed.size = s->draining.size;
  if (s->draining.size > s->disk_bytes) s->disk_bytes = s->draining.size;
  s->draining_seq = s->commit_seq;
  s->draining_waiting = s->waiting;
  s->waiting = 0;
  s->draining_oldest_ns = s->oldest_ns;
  s->oldest_ns = 0;
  s->dirty = 0;
  avfs_backlog_start(s, &input);
}

/* Takes draining's pages away from the readers, who find them on the disk now, and
 * frees them without the lock: there may be many. */
static void release_draining(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  avfs_page_pool freed = {NULL, NULL, 0, s->page_bytes};
  avfs_page_table released = s->draining;
  uint32_t keep = (uint32_t)((avfs_backlog_share() < POOL_BYTES ? avfs_backlog_share() : POOL_BYTES) /
                             s->page_bytes);
  s->draining = s->spare;
  s->draining.size = released.size;
  avfs_backlog_count(s);
  avfs_store_wake(s);   /* there is room */
  avfs_store_leave(s);
  avfs_page_table_clear(&released, &freed);
  s->spare = released;
  avfs_page_pool_trim(&freed, keep);
  avfs_store_enter(s);
  if (s->page_bytes == freed.page_bytes &&
      s->pool.count + freed.count <= 2 * keep) {
    avfs_page_pool_move(&s->pool, &freed);
    return;
  }
  avfs_store_leave(s);
  avfs_page_pool_trim(&freed, 0);
  avfs_store_enter(s);
}

static void note_lag(avfs_lag *lag, uint64_t ns) {
  int i = 0;
  while (i < AVFS_LAG_CLASSES - 1 && ns >= avfs_ms_to_ns(1) << i) i++;
  lag->batches[i]++;
  if (ns > lag->longest_ns) lag->longest_ns = ns;
}

static void run_succeeded(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  uint64_t now = s->io->now_ns();
  s->segment_rc = SQLITE_OK;
  s->disk_bytes = s->batch.disk_bytes;
  if (!s->batch.input.more) {
    uint64_t took = now - s->run_began_ns;
    s->durable_seq = s->draining_seq;
    if (s->closing != AVFS_CLOSING_EXIT) avfs_durable_notices_due(s);   /* whom would it call? */
    note_lag(&s->lag, now - s->draining_oldest_ns);
    s->draining_oldest_ns = 0;
    s->company = s->draining_waiting + s->waiting;
    s->gather_until_ns = now + (took / 2 < avfs_ms_to_ns(GATHER_MOST_MS) ? took / 2 : avfs_ms_to_ns(GATHER_MOST_MS));
    s->run_usual_ns = s->run_usual_ns == 0 ? took : (s->run_usual_ns * 3 + took) / 4;
    s->lingering = 1;
    s->linger_until_ns = avfs_time_after(now, LINGER_MS);
    s->warm_until_ns = avfs_time_after(now, WARM_MS);
    s->failures = 0;
    s->backoff_ms = 0;
  }
  avfs_cond_wake_all(&s->durable);
  release_draining(s);
  s->run = AVFS_RUN_NONE;
  avfs_store_wake(s);
}

/* What SQLite is told of a failure. Its pager gives up what it has cached of a refused
 * transaction for FULL and IOERR_x only (pager_error), so it hears nothing else. */
static int code_for_pager(int rc) {
  if (rc == SQLITE_FULL || (rc & 0xff) == SQLITE_IOERR) return rc;
  return (rc & 0xff) == SQLITE_NOMEM ? SQLITE_IOERR_NOMEM : SQLITE_IOERR;
}

/* Tells what went wrong. At exit nobody may be called any more. */
static void run_failed(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  asyncvfs_error e = {.path = s->path};
  e.code = s->batch.rc;
  e.os_error = s->batch.os_error;
  e.batch = (long long)s->counters.batches + 1;
  e.waiting = (long long)(s->commit_seq - s->durable_seq);
  s->error_rc = code_for_pager(e.code);
  s->error_os = e.os_error;
  s->error_ns = s->io->now_ns();
  if (s->batch.input.more) {
    s->segment_rc = s->error_rc;
    s->run = AVFS_RUN_NONE;
  } else {
    s->failures++;
    s->backoff_ms = s->backoff_ms == 0 ? BACKOFF_FIRST_MS : s->backoff_ms * 2;
    if (s->backoff_ms > BACKOFF_MOST_MS) s->backoff_ms = BACKOFF_MOST_MS;
    s->retry_ns = s->error_ns + avfs_ms_to_ns(s->backoff_ms);
    s->run = AVFS_RUN_BACKOFF;
    e.retry_ms = s->backoff_ms;
  }
  avfs_store_wake(s);
  avfs_cond_wake_all(&s->durable);
  if (s->closing == AVFS_CLOSING_EXIT) return;
  avfs_store_leave(s);
  avfs_report_error(e);
  avfs_store_enter(s);
}

/* Does what is to be done now. Returns when to look again, AVFS_NEVER: when called. */
static uint64_t look(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  for (;;) {
    uint64_t due;
    if (s->closing == AVFS_CLOSING_OVER) return AVFS_NEVER;   /* nothing begins any more */
    switch (s->run) {
      case AVFS_RUN_ACTIVE: {
        int over;
        avfs_store_leave(s);
        over = avfs_batch_run(&s->batch);
        avfs_store_enter(s);
        if (!over) return AVFS_NEVER;   /* the batch resumes the task */
        s->counters = s->batch.counters;
        if (s->batch.rc == SQLITE_OK) run_succeeded(s);
        else run_failed(s);
        break;
      }
      case AVFS_RUN_BACKOFF:
        if (s->closing) return AVFS_NEVER;
        if (s->io->now_ns() < s->retry_ns) return s->retry_ns;
        avfs_batch_start(&s->batch, NULL, s->page_bytes);
        s->run = AVFS_RUN_ACTIVE;
        break;
      case AVFS_RUN_NONE:
        if (s->dirty) {
          due = batch_due(s);
          if (s->io->now_ns() < due) return due;
          freeze(s);
        } else if (s->lingering && s->closing != AVFS_CLOSING_EXIT) {
          uint64_t now = s->io->now_ns();
          if (now < s->linger_until_ns) return s->linger_until_ns;
          if (now < s->warm_until_ns) {
            int others;
            avfs_store_leave(s);   /* the answer comes from Windows: look again after it */
            others = avfs_registry_has_passed() ? 1 : s->io->others(s->db);
            avfs_store_enter(s);
            if (others == 0) s->linger_until_ns = avfs_time_after(now, ALONE_MS);
            else s->warm_until_ns = 0;   /* somebody, or nobody knows */
            break;
          }
          s->lingering = 0;
          avfs_store_relax(s);
        } else {
          return AVFS_NEVER;
        }
        break;
    }
  }
}

void avfs_backlog_task(avfs_task *t) {
  avfs_store *s = (avfs_store *)((char *)t - offsetof(avfs_store, task));
  uint64_t due;
  avfs_store_enter(s);
  s->task_due_ns = AVFS_NEVER;
  due = look(s);
  s->task_due_ns = due;
  t->in_flight = s->run == AVFS_RUN_ACTIVE;
  avfs_store_check(s);
  avfs_store_leave(s);
  if (due != AVFS_NEVER) avfs_task_schedule(t, due);
}

/* No scheduler is left to run the task again: avfs_backlog_exit looks itself. */
static void ignore_resume(avfs_batch *b) { (void)b; }

/* At the exit of the process, by its last thread: the pool's threads are gone, at
 * whatever instant, and nothing of the batch is in flight any more. What they changed under
 * the lock is whole, since it was free; the batch begins again at a state that is safe to
 * enter. os_busy: one was at the journal's handle, which may be gone. */
void avfs_backlog_exit(avfs_store *s, uint64_t deadline_ns) {
  avfs_op *op;
  if (s->closing == AVFS_CLOSING_OVER) return;   /* its files may be closed */
  if (avfs_backlog_is_empty(s)) {
    if (!avfs_batch_is_open(&s->batch) && !s->os_busy) (void)avfs_batch_remove_journal(&s->batch);
    return;
  }
  memset(&s->changed, 0, sizeof s->changed);   /* nobody waits any more */
  memset(&s->durable, 0, sizeof s->durable);
  s->closing = AVFS_CLOSING_EXIT;
  s->view_busy = 0;
  s->batch.resume = ignore_resume;
  if (s->run != AVFS_RUN_NONE) {
    if (s->batch.input.more) return;   /* not committed: the journal takes it back */
    if (avfs_batch_restart(&s->batch)) {
      s->run = AVFS_RUN_ACTIVE;
    } else {   /* it was over, and its pages were being released */
      s->run = AVFS_RUN_NONE;
      s->draining.count = 0;
      s->durable_seq = s->draining_seq;
    }
  } else if (avfs_batch_is_open(&s->batch)) {
    return;
  }
  for (;;) {
    uint64_t now;
    (void)look(s);
    now = s->io->now_ns();
    if (avfs_backlog_is_empty(s) || s->run == AVFS_RUN_BACKOFF || now >= deadline_ns) break;
    op = s->io->ready();
    if (op == NULL && !avfs_batch_is_in_flight(&s->batch)) continue;   /* there was nothing to read or write */
    if (op == NULL) op = s->io->wait(avfs_wait_until(now, deadline_ns));
    if (op != NULL) op->done(op);
  }
  if (avfs_backlog_is_empty(s) && !s->os_busy) (void)avfs_batch_remove_journal(&s->batch);
}

/* Somebody waits for commit `seq`. */
static void want(avfs_store *s, uint64_t seq) AVFS_REQUIRES(avfs_store_role) {
  uint64_t due;
  if (s->durable_seq >= seq) return;
  if (s->wanted_seq < seq) s->wanted_seq = seq;
  due = call_task(s, batch_due(s));
  if (due == AVFS_NEVER) return;
  avfs_store_leave(s);
  avfs_task_schedule(&s->task, due);
  avfs_store_enter(s);
}

/* ---- room ------------------------------------------------------------------------- */

/* The disk's error, for a writer that would have to wait, or when it lasts; else OK. */
static int disk_error(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role) {
  int counts = is_full(s) ? s->run == AVFS_RUN_BACKOFF : s->failures >= LASTING;
  return counts ? s->error_rc : SQLITE_OK;
}

/* Has the connection's busy handler wait: it sleeps in avfs_backlog_sleep. Returns 0 when
 * it gives up. */
static int call_busy_handler(avfs_store *s, const avfs_conn *c) AVFS_REQUIRES(avfs_store_role) {
  int again;
  s->room_thread = avfs_thread_id();
  avfs_store_leave(s);
  avfs_counter_add(&room_waiters, 1);
  again = c->busy_handler(c->busy_arg);
  avfs_counter_add(&room_waiters, -1);
  avfs_store_enter(s);
  s->room_thread = 0;
  return again;
}

int avfs_backlog_wait_for_room(avfs_store *s, const avfs_conn *c) {
  uint64_t until, now;
  int has_handler = c != NULL && c->busy_handler != NULL, calls = 0, rc = disk_error(s);
  if (rc != SQLITE_OK || !is_full(s)) return rc;
  s->stalls++;
  if (c != NULL && setting(s, AVFS_ON_FULL) == AVFS_ON_FULL_BUSY) return SQLITE_BUSY;
  until = c != NULL ? s->io->now_ns() + avfs_ms_to_ns(setting(s, AVFS_FULL_TIMEOUT_MS)) : AVFS_NEVER;
  want(s, s->commit_seq);
  while (is_full(s)) {
    if (s->run == AVFS_RUN_BACKOFF) return s->error_rc;
    now = s->io->now_ns();
    if (now >= until) return SQLITE_BUSY;
    if (has_handler) {
      if (call_busy_handler(s, c)) calls++;
      else if (calls > 0) return SQLITE_BUSY;
      else has_handler = 0;   /* there is none: full_timeout_ms alone counts */
    } else if (avfs_engine_is_starved()) {
      want(s, s->commit_seq);
      avfs_store_wait(s, STARVED_MS);
    } else {
      avfs_store_wait(s, avfs_wait_until(now, until));
    }
  }
  return SQLITE_OK;
}

int avfs_backlog_check_room(avfs_store *s) {
  /* Nobody waits here for the try that may be under way. */
  return is_full(s) && s->failures > 0 ? s->error_rc : disk_error(s);
}

/* With the registry locked. The store stays: the thread's own connection has it open. */
static void find_waiting(avfs_store *s, void *arg) {
  avfs_store_enter_shared(s);
  if (s->room_thread == avfs_thread_id()) *(avfs_store **)arg = s;
  avfs_store_leave_shared(s);
}

int avfs_backlog_sleep(uint64_t us) {
  avfs_store *s = NULL;
  uint64_t now, until;
  if (avfs_counter_get(&room_waiters) > 0) avfs_registry_visit(NULL, 0, find_waiting, &s);
  if (s == NULL) return 0;
  avfs_store_enter(s);
  now = s->io->now_ns();
  until = now + us * 1000;
  while (now < until && is_full(s) && s->run != AVFS_RUN_BACKOFF) {
    avfs_store_wait(s, avfs_wait_until(now, until));
    now = s->io->now_ns();
  }
  avfs_store_leave(s);
  return 1;
}

/* ---- waiting for the disk ----------------------------------------------------------- */

void avfs_store_hurry(avfs_store *s) {
  avfs_store_enter(s);
  want(s, s->commit_seq);
  avfs_store_leave(s);
}

int avfs_backlog_wait_durable(avfs_store *s, uint64_t seq, uint32_t timeout_ms) {
  uint64_t now = s->io->now_ns();
  uint64_t until = avfs_time_after(now, timeout_ms);
  int rc = SQLITE_OK;
  if (seq > s->draining_seq) s->waiting++;   /* freeze() takes it away again */
  want(s, seq);
  while (s->durable_seq < seq) {
    uint32_t wait_ms = AVFS_FOREVER;
    int failing = s->run == AVFS_RUN_BACKOFF;
    if (s->closing == AVFS_CLOSING_OVER) {
      rc = s->error_rc;
    } else if (until == AVFS_NEVER) {
      if (failing && s->failures >= PATIENCE) rc = s->error_rc;
    } else {
      now = s->io->now_ns();
      if (now >= until) rc = failing ? s->error_rc : SQLITE_BUSY;
      else wait_ms = avfs_wait_until(now, until);
    }
    if (rc != SQLITE_OK) {
      if (seq > s->draining_seq) s->waiting--;
      break;
    }
    if (avfs_engine_is_starved()) {
      want(s, seq);
      if (wait_ms > STARVED_MS) wait_ms = STARVED_MS;
    }
    avfs_cond_wait(&s->durable, &s->lock, wait_ms);
  }
  return rc;
}

int avfs_store_flush(avfs_store *s, uint32_t timeout_ms) {
  int rc;
  avfs_store_enter(s);
  rc = avfs_backlog_wait_durable(s, s->commit_seq, timeout_ms);
  avfs_store_leave(s);
  return rc;
}

int avfs_store_drain(avfs_store *s, uint32_t timeout_ms) {
  int rc;
  avfs_store_enter(s);
  do {
    rc = avfs_backlog_wait_durable(s, s->commit_seq, timeout_ms);
    while (rc == SQLITE_OK && s->run == AVFS_RUN_ACTIVE) {
      avfs_store_wait(s, AVFS_FOREVER);
    }
    if (rc == SQLITE_OK && s->locks.readers > 0) rc = SQLITE_BUSY;
    if (rc == SQLITE_OK) {
      s->lingering = 0;
      rc = avfs_store_await_os(s);
      avfs_store_relax(s);
      if (rc == SQLITE_OK && s->lingering && avfs_batch_keeps_name(&s->batch)) rc = SQLITE_IOERR;
    }
  } while (rc == SQLITE_OK && s->os_level != AVFS_LOCK_NONE);
  avfs_store_leave(s);
  return rc;
}
