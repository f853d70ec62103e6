/* drain.c: see drain.h. */
#include "store/drain.h"

#include <assert.h>

#include "seam/heap.h"
#include "store/commits.h"
#include "store/limits.h"
#include "store/report.h"

enum {
  BACKOFF_FIRST_MS = 10,
  BACKOFF_MOST_MS = 1000,
  POOL_BYTES = 16 << 20     /* pages kept for the next transactions */
};

int avfs_drain_is_empty(const avfs_store *s) {
  return !s->content.dirty && s->drain.run == AVFS_RUN_NONE && s->content.draining.count == 0;
}

/* ---- when ------------------------------------------------------------------------ */

/* When what is committed is to start on its way. */
static uint64_t batch_due(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role) {
  uint64_t lag = avfs_ms_to_ns(s->settings.value[AVFS_MAX_LAG_MS]);
  uint64_t usual = s->drain.usual_ns + s->drain.usual_ns / 2;
  if (s->drain.closing || avfs_limits_is_pressing(s)) return 0;
  if (s->commits.wanted_seq > s->commits.draining_seq) {
    return s->commits.waiting < s->commits.expected ? s->commits.gather_until_ns : 0;
  }
  return s->commits.oldest_ns + (lag > usual ? lag - usual : 0);
}

/* The task is to look at `due`: the time to schedule it at for that, or AVFS_NEVER: it looks
 * in time anyway. So sixteen commits that wait for one batch wake the engine for it three times
 * at most: max_lag_ms after the first, at the end of the gathering, when all have come. */
static uint64_t call_task(avfs_store *s, uint64_t due) AVFS_REQUIRES(avfs_store_role) {
  /* While a batch runs the task looks again at its end. */
  if (s->drain.run != AVFS_RUN_NONE || due >= s->drain.due_ns) {
    return avfs_engine_is_starved() ? due : AVFS_NEVER;   /* nobody looks: that asks for a thread */
  }
  s->drain.due_ns = due;
  s->drain.wakes++;
  return due;
}

uint64_t avfs_drain_grew(avfs_store *s, int is_oldest) {
  uint64_t due = AVFS_NEVER;
  avfs_limits_count(s);
  if (is_oldest) due = batch_due(s);
  else if (avfs_limits_is_pressing(s)) due = 0;
  return call_task(s, due);
}

void avfs_drain_call(avfs_store *s, uint64_t due) {
  if (due == AVFS_NEVER) return;
  avfs_store_leave(s);
  avfs_task_schedule(&s->task, due);
  avfs_store_enter(s);
}

void avfs_drain_want(avfs_store *s, uint64_t seq) {
  if (s->commits.durable_seq >= seq) return;
  if (s->commits.wanted_seq < seq) s->commits.wanted_seq = seq;
  avfs_drain_call(s, call_task(s, batch_due(s)));
}

void avfs_drain_wake(avfs_store *s) { avfs_task_schedule(&s->task, 0); }

/* ---- a batch begins ----------------------------------------------------------------- */

void avfs_drain_start(avfs_store *s, const avfs_batch_input *input) {
  uint64_t slots = avfs_limits_share() / (2 * AVFS_PUMP_BUFFER);
  assert(s->drain.run == AVFS_RUN_NONE);
  s->batch.pump.most_slots = slots > AVFS_PUMP_SLOTS ? AVFS_PUMP_SLOTS : slots < 1 ? 1 : (int)slots;
  avfs_batch_start(&s->batch, input, s->content.page_bytes);
  s->drain.run = AVFS_RUN_ACTIVE;
  s->drain.began_ns = s->io->now_ns();
}

void avfs_drain_restart(avfs_store *s) {
  avfs_batch_start(&s->batch, NULL, s->content.page_bytes);
  s->drain.run = AVFS_RUN_ACTIVE;
}

static void freeze(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  avfs_batch_input input = {&s->content.draining, s->content.committed.size, s->content.chunk_bytes, 0, NULL};
  assert(s->content.draining.count == 0 && s->os.level == AVFS_LOCK_EXCLUSIVE);
  avfs_page_table_swap(&s->content.committed, &s->content.draining);
  s->content.committed.size = s->content.draining.size;
  if (s->content.draining.size > s->content.disk_bytes) s->content.disk_bytes = s->content.draining.size;
  s->content.dirty = 0;
  avfs_commits_freeze(s);
  avfs_drain_start(s, &input);
}

/* ---- a batch ends --------------------------------------------------------------------- */

/* Takes draining's pages away from the readers, who find them on the disk now, and
 * frees them without the lock: there may be many. */
static void release_draining(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  avfs_page_pool freed = {NULL, NULL, 0, s->content.page_bytes};
  avfs_page_table released = s->content.draining;
  uint32_t keep = (uint32_t)((avfs_limits_share() < POOL_BYTES ? avfs_limits_share() : POOL_BYTES) /
                             s->content.page_bytes);
  s->content.draining = s->spare;
  s->content.draining.size = released.size;
  avfs_limits_count(s);
  avfs_store_wake(s);   /* there is room */
  avfs_store_leave(s);
  avfs_page_table_clear(&released, &freed);
  s->spare = released;
  avfs_page_pool_trim(&freed, keep);
  avfs_store_enter(s);
  if (s->content.page_bytes == freed.page_bytes &&
      s->content.pool.count + freed.count <= 2 * keep) {
    avfs_page_pool_move(&s->content.pool, &freed);
    return;
  }
  avfs_store_leave(s);
  avfs_page_pool_trim(&freed, 0);
  avfs_store_enter(s);
}

/* 1: a batch, and not a segment. */
static int run_succeeded(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  uint64_t now = s->io->now_ns(), took = now - s->drain.began_ns;
  int whole = !s->batch.input.more;
  s->drain.segment_rc = SQLITE_OK;
  s->content.disk_bytes = s->batch.disk_bytes;
  if (whole) {
    avfs_commits_durable(s, now, took, s->drain.closing != AVFS_CLOSING_EXIT);
    s->drain.usual_ns = s->drain.usual_ns == 0 ? took : (s->drain.usual_ns * 3 + took) / 4;
    s->drain.ended_ns = now;
    s->drain.failures = 0;
    s->drain.backoff_ms = 0;
  }
  avfs_cond_wake_all(&s->commits.moved);
  release_draining(s);
  s->drain.run = AVFS_RUN_NONE;
  avfs_store_wake(s);
  return whole;
}

/* What SQLite is told of a failure. Its pager gives up what it has cached of a refused
 * transaction for FULL and IOERR_x only (pager_error), so it hears nothing else. */
static int code_for_pager(int rc) {
  if (rc == SQLITE_FULL || (rc & 0xff) == SQLITE_IOERR) return rc;
  return (rc & 0xff) == SQLITE_NOMEM ? SQLITE_IOERR_NOMEM : SQLITE_IOERR;
}

/* Tells what went wrong. At exit nobody may be called any more. */
static void run_failed(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  const char *file = s->batch.failed_journal ? s->journal_path : s->path;
  asyncvfs_error e = {.path = s->path};
  e.code = s->batch.rc;
  e.os_error = s->batch.os_error;
  e.batch = (long long)s->drain.counters.batches + 1;
  e.waiting = (long long)avfs_commits_not_durable(s);
  s->drain.error_rc = code_for_pager(e.code);
  s->drain.error_os = e.os_error;
  s->drain.error_ns = s->io->now_ns();
  s->drain.error_file = file;
  if (s->batch.input.more) {
    s->drain.segment_rc = s->drain.error_rc;
    s->drain.run = AVFS_RUN_NONE;
  } else {
    s->drain.failures++;
    s->drain.backoff_ms = s->drain.backoff_ms == 0 ? BACKOFF_FIRST_MS : s->drain.backoff_ms * 2;
    if (s->drain.backoff_ms > BACKOFF_MOST_MS) s->drain.backoff_ms = BACKOFF_MOST_MS;
    s->drain.retry_ns = s->drain.error_ns + avfs_ms_to_ns(s->drain.backoff_ms);
    s->drain.run = AVFS_RUN_BACKOFF;
    e.retry_ms = s->drain.backoff_ms;
  }
  avfs_store_wake(s);
  avfs_cond_wake_all(&s->commits.moved);
  if (s->drain.closing == AVFS_CLOSING_EXIT) return;
  avfs_store_leave(s);
  avfs_report_error(e, file);
  avfs_store_enter(s);
}

static avfs_drain_news go_on(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  int over;
  avfs_store_leave(s);
  over = avfs_batch_run(&s->batch);
  avfs_store_enter(s);
  if (!over) return AVFS_DRAIN_WAITS;   /* the batch resumes the task */
  s->drain.counters = s->batch.counters;
  if (s->batch.rc == SQLITE_OK) return run_succeeded(s) ? AVFS_DRAIN_WROTE : AVFS_DRAIN_MOVED;
  run_failed(s);
  return AVFS_DRAIN_MOVED;
}

avfs_drain_news avfs_drain_look(avfs_store *s, uint64_t *due_out) {
  *due_out = AVFS_NEVER;
  switch (s->drain.run) {
    case AVFS_RUN_ACTIVE:
      return go_on(s);
    case AVFS_RUN_BACKOFF:
      if (s->drain.closing) return AVFS_DRAIN_WAITS;
      *due_out = s->drain.retry_ns;
      if (s->io->now_ns() < s->drain.retry_ns) return AVFS_DRAIN_WAITS;
      avfs_drain_restart(s);
      return AVFS_DRAIN_MOVED;
    case AVFS_RUN_NONE:
      if (!s->content.dirty) return AVFS_DRAIN_IDLE;
      *due_out = batch_due(s);
      if (s->io->now_ns() < *due_out) return AVFS_DRAIN_WAITS;
      freeze(s);
      return AVFS_DRAIN_MOVED;
  }
  return AVFS_DRAIN_IDLE;
}
