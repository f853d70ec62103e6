/* scheduler.c: see scheduler.h. */
#include "engine/scheduler.h"

#include <assert.h>
#include <stddef.h>

#include "api/host.h"
#include "win32/sync.h"

/* A flush occupies its thread, so this is how many databases flush at a time. */
enum { POOL_THREADS = 4 };

static struct {
  const avfs_io *io;             /* set before the first thread starts */

  avfs_lock lock;
  avfs_cond task_done;           /* some run() returned */
  int started AVFS_GUARDED_BY(lock);
  avfs_task *tasks AVFS_GUARDED_BY(lock);           /* the open ones */
  uint64_t next_wake_ns AVFS_GUARDED_BY(lock);      /* first of the waits with a limit */
  int waking AVFS_GUARDED_BY(lock);                 /* `wake` is on its way */
  avfs_op wake;
} engine = {.next_wake_ns = AVFS_NEVER};

static void wake_done(avfs_op *op) {
  (void)op;
  avfs_lock_enter(&engine.lock);
  engine.waking = 0;
  avfs_lock_leave(&engine.lock);
}

/* The task that is due first and not running; NULL when none waits. */
static avfs_task *first_due(void) AVFS_REQUIRES(engine.lock) {
  avfs_task *t, *first = NULL;
  for (t = engine.tasks; t != NULL; t = t->next) {
    if (!t->running && t->due_ns != AVFS_NEVER && (first == NULL || t->due_ns < first->due_ns)) {
      first = t;
    }
  }
  return first;
}

/* Keeps invariant (2): wakes a thread if the first task is due before any does. */
static void cover(void) AVFS_REQUIRES(engine.lock) {
  avfs_task *t = first_due();
  if (t == NULL || t->due_ns >= engine.next_wake_ns || engine.waking) return;
  engine.waking = 1;
  engine.wake.done = wake_done;
  engine.io->post(&engine.wake);
}

static void run_task(avfs_task *t) AVFS_REQUIRES(engine.lock) {
  t->running = 1;
  t->due_ns = AVFS_NEVER;
  cover();   /* this thread is busy from here on */
  avfs_lock_leave(&engine.lock);
  t->run(t);
  avfs_lock_enter(&engine.lock);
  t->running = 0;
  avfs_cond_wake_all(&engine.task_done);
}

void avfs_engine_turn(uint32_t max_wait_ms) {
  uint32_t wait_ms = max_wait_ms;
  uint64_t my_wake_ns = AVFS_NEVER;
  avfs_task *t;
  avfs_op *op;
  avfs_lock_enter(&engine.lock);
  t = first_due();
  if (t != NULL && t->due_ns < engine.next_wake_ns) {
    uint64_t now = engine.io->now_ns();
    uint64_t ms;
    if (t->due_ns <= now) {
      run_task(t);
      avfs_lock_leave(&engine.lock);
      return;
    }
    ms = (t->due_ns - now + 999999) / 1000000;
    if (ms < wait_ms) wait_ms = (uint32_t)ms;
    my_wake_ns = engine.next_wake_ns = t->due_ns;
  }
  avfs_lock_leave(&engine.lock);
  op = engine.io->wait(wait_ms);
  if (my_wake_ns != AVFS_NEVER) {
    avfs_lock_enter(&engine.lock);
    /* Another thread has taken over if an earlier date came meanwhile. */
    if (engine.next_wake_ns == my_wake_ns) engine.next_wake_ns = AVFS_NEVER;
    avfs_lock_leave(&engine.lock);
  }
  if (op != NULL) op->done(op);
}

static void thread_main(void *arg) {
  (void)arg;
  for (;;) avfs_engine_turn(AVFS_FOREVER);
}

int avfs_engine_start(const avfs_io *io) {
  int rc = SQLITE_OK;
  avfs_lock_enter(&engine.lock);
  if (!engine.started) {
    int n = 0;
    engine.io = io;
    rc = io->start();
    while (rc == SQLITE_OK && n < POOL_THREADS && avfs_thread_start(thread_main, NULL)) n++;
    engine.started = n > 0;   /* one is enough to go on */
    if (rc == SQLITE_OK && n == 0) rc = SQLITE_NOMEM;
  }
  avfs_lock_leave(&engine.lock);
  return rc;
}

void avfs_task_open(avfs_task *t, void (*run)(avfs_task *t)) {
  t->run = run;
  t->due_ns = AVFS_NEVER;
  t->running = 0;
  avfs_lock_enter(&engine.lock);
  t->next = engine.tasks;
  engine.tasks = t;
  avfs_lock_leave(&engine.lock);
}

void avfs_task_schedule(avfs_task *t, uint64_t due_ns) {
  avfs_lock_enter(&engine.lock);
  if (due_ns < t->due_ns) {
    t->due_ns = due_ns;
    cover();   /* a running task is looked at again when its run() returns */
  }
  avfs_lock_leave(&engine.lock);
}

void avfs_task_continue(avfs_task *t) {
  avfs_lock_enter(&engine.lock);
  t->due_ns = 0;
  avfs_lock_leave(&engine.lock);
}

void avfs_task_close(avfs_task *t) {
  avfs_task **at = &engine.tasks;
  avfs_lock_enter(&engine.lock);
  t->due_ns = AVFS_NEVER;
  while (t->running) avfs_cond_wait(&engine.task_done, &engine.lock, AVFS_FOREVER);
  while (*at != t) at = &(*at)->next;
  *at = t->next;
  avfs_lock_leave(&engine.lock);
}
