/* turns.c: see turns.h. */
#include "store/turns.h"

#include "store/registry.h"

enum {
  LOCAL_WAIT_MS = 20,     /* for a local lock */
  TURN_WAIT_MS = 100,     /* in the queue for RESERVED */
  TURN_KEPT_MS = 20,      /* how long others wait for the one whose turn it is */
  BUSY_SLEEP_MS = 100     /* main.c, sqliteDefaultBusyCallback: none is longer */
};

/* Waits for a wake until deadline_ns. Returns 0 when that has passed. */
static int wait_until(avfs_store *s, avfs_cond *cond, uint64_t deadline_ns)
    AVFS_REQUIRES(avfs_store_role) {
  uint64_t now = s->io->now_ns();
  if (now >= deadline_ns) return 0;
  avfs_cond_wait(cond, &s->lock, avfs_ms_until(now, deadline_ns));
  return 1;
}

static uint64_t deadline(const avfs_store *s, uint32_t ms) {
  return avfs_time_after(s->io->now_ns(), ms);
}

/* If RESERVED is free, the turn of the first in the queue begins, unless it has. */
static void call_first(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  avfs_locker *first = s->turns.table.queue;
  avfs_conn *c;
  if (first == NULL || !avfs_lock_table_has_turn(&s->turns.table, first)) return;
  c = avfs_conn_of(first);
  if (c->called) return;
  c->called = 1;
  s->turns.until_ns = deadline(s, TURN_KEPT_MS);
  avfs_cond_wake_all(&c->turn);
}

/* A local lock was lowered, or a place in the queue given up. Of the queue only the first
 * wakes: with many writers, all of them waking at each commit would cost more than the
 * commits. */
static void locks_changed(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  avfs_store_wake(s);
  call_first(s);
}

void avfs_turns_queue(avfs_store *s, avfs_conn *c) {
  uint64_t until;
  if (!c->refused) return;
  c->refused = 0;
  avfs_counter_set(&c->spared_thread, 0);
  until = deadline(s, TURN_WAIT_MS);
  c->called = 0;
  avfs_lock_table_enqueue(&s->turns.table, &c->locker);
  call_first(s);
  while (!avfs_lock_table_has_turn(&s->turns.table, &c->locker)) {
    /* The time is up, or it had its turn and was too slow to wake. */
    if (!c->locker.queued || !wait_until(s, &c->turn, until)) {
      avfs_lock_table_dequeue(&s->turns.table, &c->locker);
      return;
    }
  }
}

void avfs_turns_leave_queue(avfs_store *s, avfs_conn *c) {
  if (!c->locker.queued) return;
  avfs_lock_table_dequeue(&s->turns.table, &c->locker);
  locks_changed(s);
}

/* Another connection's turn is waited for, a little: it has SHARED and may take
 * RESERVED at any moment, which ends the wait. If it only reads, its turn passes:
 * the caller is not told BUSY where stock SQLite would not be. */
static void respect_turn(avfs_store *s, avfs_conn *c) AVFS_REQUIRES(avfs_store_role) {
  while (s->turns.table.writer == NULL && s->turns.table.queue != NULL && s->turns.table.queue != &c->locker) {
    if (wait_until(s, &s->changed, s->turns.until_ns)) continue;
    avfs_lock_table_dequeue(&s->turns.table, s->turns.table.queue);
    locks_changed(s);
  }
}

int avfs_turns_take_shared(avfs_store *s, avfs_conn *c) {
  return avfs_lock_table_raise(&s->turns.table, &c->locker, AVFS_LOCK_SHARED);
}

int avfs_turns_wait(avfs_store *s, uint64_t *until_ns) {
  if (*until_ns == 0) *until_ns = deadline(s, LOCAL_WAIT_MS);
  return wait_until(s, &s->changed, *until_ns);
}

int avfs_turns_take_reserved(avfs_store *s, avfs_conn *c) {
  int rc;
  respect_turn(s, c);
  rc = avfs_lock_table_raise(&s->turns.table, &c->locker, AVFS_LOCK_RESERVED);
  c->refused = rc != SQLITE_OK;
  /* Who waits for this in respect_turn() has SHARED, which is in our way. */
  if (rc == SQLITE_OK) avfs_store_wake(s);
  return rc;
}

int avfs_turns_take_exclusive(avfs_store *s, avfs_conn *c) {
  uint64_t until = 0;
  int again = c->locker.level == AVFS_LOCK_PENDING;
  for (;;) {
    int rc = avfs_lock_table_raise(&s->turns.table, &c->locker, AVFS_LOCK_EXCLUSIVE);
    if (rc != SQLITE_BUSY) return rc;
    /* It stays PENDING. Of a transaction that does not fit in SQLite's cache each further page
     * comes here: it has waited for these readers before, and goes on without. */
    if (again || !avfs_turns_wait(s, &until)) return SQLITE_BUSY;
  }
}

void avfs_turns_lower(avfs_store *s, avfs_conn *c, int level) {
  /* With SHARED it would not come to avfs_turns_queue() next, but to RESERVED again. */
  if (c->refused && level == AVFS_LOCK_NONE) avfs_counter_set(&c->spared_thread, avfs_thread_id());
  avfs_lock_table_lower(&s->turns.table, &c->locker, level);
  locks_changed(s);
}

/* With the registry locked, and not the store: xSleep is to keep nobody from it. */
static void spare_sleep(avfs_conn *c, void *arg) {
  if (avfs_counter_get(&c->spared_thread) != avfs_thread_id()) return;
  avfs_counter_set(&c->spared_thread, 0);
  *(int *)arg = 1;
}

int avfs_turns_spare_sleep(uint64_t us) {
  int spared = 0;
  if (us <= BUSY_SLEEP_MS * 1000) avfs_registry_visit_conns(spare_sleep, &spared);
  return spared;
}
