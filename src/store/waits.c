/* waits.c: see waits.h. */
#include "store/waits.h"

#include "store/drain.h"
#include "store/limits.h"
#include "store/registry.h"

enum {
  STARVED_MS = 100,   /* who waits for the pool asks again for its thread */
  PATIENCE = 4,       /* failures in a row before a waiter is told... */
  LASTING = 8         /* ...and before a writer is refused though there is room: 1.3 s */
};

/* ---- for the disk ------------------------------------------------------------------- */

int avfs_wait_durable(avfs_store *s, uint64_t seq, uint32_t timeout_ms) {
  uint64_t now = s->io->now_ns();
  uint64_t until = avfs_time_after(now, timeout_ms);
  int rc = SQLITE_OK;
  if (seq > s->commits.draining_seq) s->commits.waiting++;   /* avfs_commits_freeze takes it away again */
  avfs_drain_want(s, seq);
  while (s->commits.durable_seq < seq) {
    uint32_t wait_ms = AVFS_FOREVER;
    int failing = s->drain.run == AVFS_RUN_BACKOFF;
    if (s->drain.closing == AVFS_CLOSING_OVER) {
      rc = s->drain.error_rc;
    } else if (until == AVFS_NEVER) {
      if (failing && s->drain.failures >= PATIENCE) rc = s->drain.error_rc;
    } else {
      now = s->io->now_ns();
      if (now >= until) rc = failing ? s->drain.error_rc : SQLITE_BUSY;
      else wait_ms = avfs_ms_until(now, until);
    }
    if (rc != SQLITE_OK) {
      if (seq > s->commits.draining_seq) s->commits.waiting--;
      break;
    }
    if (avfs_engine_is_starved()) {
      avfs_drain_want(s, seq);
      if (wait_ms > STARVED_MS) wait_ms = STARVED_MS;
    }
    avfs_cond_wait(&s->commits.moved, &s->lock, wait_ms);
  }
  return rc;
}

void avfs_wait_run(avfs_store *s) {
  while (s->drain.run != AVFS_RUN_NONE) avfs_store_wait(s, AVFS_FOREVER);
}

int avfs_wait_empty(avfs_store *s) {
  int rc = avfs_wait_durable(s, s->commits.commit_seq, AVFS_FOREVER);
  if (rc == SQLITE_OK) avfs_wait_run(s);   /* it is durable a moment before it is over */
  return rc;
}

/* ---- for room ------------------------------------------------------------------------- */

/* Threads in a busy handler that waits for room: mostly none, and then no sleep looks for them. */
static avfs_counter room_waiters;

/* The disk's error, for a writer that would have to wait, or when it lasts; else OK. */
static int disk_error(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role) {
  int counts = avfs_limits_is_full(s) ? s->drain.run == AVFS_RUN_BACKOFF : s->drain.failures >= LASTING;
  return counts ? s->drain.error_rc : SQLITE_OK;
}

/* Has the connection's busy handler wait: it sleeps in avfs_wait_sleep. Returns 0 when
 * it gives up. */
static int call_busy_handler(avfs_store *s, const avfs_conn *c) AVFS_REQUIRES(avfs_store_role) {
  int again;
  s->room.thread = avfs_thread_id();
  avfs_store_leave(s);
  avfs_counter_add(&room_waiters, 1);
  again = c->busy_handler(c->busy_arg);
  avfs_counter_add(&room_waiters, -1);
  avfs_store_enter(s);
  s->room.thread = 0;
  return again;
}

int avfs_wait_for_room(avfs_store *s, const avfs_conn *c) {
  uint64_t until, now;
  int has_handler = c != NULL && c->busy_handler != NULL, calls = 0, rc = disk_error(s);
  if (rc != SQLITE_OK || !avfs_limits_is_full(s)) return rc;
  s->room.stalls++;
  if (c != NULL && s->settings.value[AVFS_ON_FULL] == AVFS_ON_FULL_BUSY) return SQLITE_BUSY;
  until = c != NULL ? s->io->now_ns() + avfs_ms_to_ns(s->settings.value[AVFS_FULL_TIMEOUT_MS]) : AVFS_NEVER;
  avfs_drain_want(s, s->commits.commit_seq);
  while (avfs_limits_is_full(s)) {
    if (s->drain.run == AVFS_RUN_BACKOFF) return s->drain.error_rc;
    now = s->io->now_ns();
    if (now >= until) return SQLITE_BUSY;
    if (has_handler) {
      if (call_busy_handler(s, c)) calls++;
      else if (calls > 0) return SQLITE_BUSY;
      else has_handler = 0;   /* there is none: full_timeout_ms alone counts */
    } else if (avfs_engine_is_starved()) {
      avfs_drain_want(s, s->commits.commit_seq);
      avfs_store_wait(s, STARVED_MS);
    } else {
      avfs_store_wait(s, avfs_ms_until(now, until));
    }
  }
  return SQLITE_OK;
}

int avfs_wait_is_hopeless(avfs_store *s) {
  /* Nobody waits here for the try that may be under way. */
  return avfs_limits_is_full(s) && s->drain.failures > 0 ? s->drain.error_rc : disk_error(s);
}

/* With the registry locked. The store stays: the thread's own connection has it open. */
static void find_waiting(avfs_store *s, void *arg) {
  avfs_store_enter_shared(s);
  if (s->room.thread == avfs_thread_id()) *(avfs_store **)arg = s;
  avfs_store_leave_shared(s);
}

int avfs_wait_sleep(uint64_t us) {
  avfs_store *s = NULL;
  uint64_t now, until;
  if (avfs_counter_get(&room_waiters) > 0) avfs_registry_visit(NULL, 0, find_waiting, &s);
  if (s == NULL) return 0;
  avfs_store_enter(s);
  now = s->io->now_ns();
  until = now + us * 1000;
  while (now < until && avfs_limits_is_full(s) && s->drain.run != AVFS_RUN_BACKOFF) {
    avfs_store_wait(s, avfs_ms_until(now, until));
    now = s->io->now_ns();
  }
  avfs_store_leave(s);
  return 1;
}
