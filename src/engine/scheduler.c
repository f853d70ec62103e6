/* scheduler.c: see scheduler.h. */
#include "engine/scheduler.h"

#include <assert.h>
#include <stddef.h>

#include "seam/sqlite_api.h"
#include "seam/sync.h"

/* A flush occupies its thread, and so does an operation that is alone. When no thread would be
 * left there is another one: a device that hangs stops its own databases. */
enum {
  FIRST_THREADS = 4,
  IDLE_MS = 3000   /* a thread that had nothing to do for so long ends, when nothing can come */
};

static struct engine {
  const avfs_io *io;             /* set before the first thread starts */

  avfs_lock lock;
  avfs_cond changed;             /* some run() returned */
  avfs_counter threads;          /* changed under the lock */
  avfs_counter starved;          /* there is none, and none could be had: who waits asks again */
  int has_pool AVFS_GUARDED_BY(avfs_engine_role);               /* threads start when needed */
  int holds AVFS_GUARDED_BY(avfs_engine_role);
  int in_flight AVFS_GUARDED_BY(avfs_engine_role);              /* tasks that completions will continue */
  avfs_counter busy;             /* of them, in run() or done() */
  avfs_task *first AVFS_GUARDED_BY(avfs_engine_role);           /* of the waiting ones: the heap */
  uint64_t next_wake_ns AVFS_GUARDED_BY(avfs_engine_role);      /* first of the waits with a limit */
  int waking AVFS_GUARDED_BY(avfs_engine_role);                 /* `wake` is on its way */
  avfs_op wake;
} engine = {.next_wake_ns = AVFS_NEVER};

AVFS_LOCK_FUNCTIONS(engine, struct engine, avfs_engine_role)
AVFS_COND_FUNCTIONS(engine, struct engine, avfs_engine_role)

static void wake_done(avfs_op *op) {
  (void)op;
  engine_enter(&engine);
  engine.waking = 0;
  engine_leave(&engine);
}

/* ---- the heap ---------------------------------------------------------------- */

/* A pairing heap: with thousands of databases each turn of a thread looks for the first task, and
 * no list of all is walked for it. `next` is the sibling, `previous` the sibling before or, of the
 * first child, the parent. */
static avfs_task *meld(avfs_task *a, avfs_task *b) {
  avfs_task *t;
  if (a == NULL || b == NULL) return a != NULL ? a : b;
  if (b->due_ns < a->due_ns) t = a, a = b, b = t;
  b->previous = a;
  b->next = a->child;
  if (b->next != NULL) b->next->previous = b;
  a->child = b;
  return a;
}

/* Without siblings. */
static avfs_task *single(avfs_task *t) {
  if (t != NULL) t->next = t->previous = NULL;
  return t;
}

/* Of siblings one heap: in pairs from the left, these from the right. */
static avfs_task *meld_siblings(avfs_task *t) {
  avfs_task *pairs = NULL, *heap = NULL;
  while (t != NULL) {
    avfs_task *a = t, *b = t->next;
    t = b == NULL ? NULL : b->next;
    a = meld(single(a), single(b));
    a->next = pairs;
    pairs = a;
  }
  while (pairs != NULL) {
    t = pairs->next;
    heap = meld(heap, single(pairs));
    pairs = t;
  }
  return heap;
}

/* Makes due_ns the time at which t is due. It waits for that in the heap, unless it runs. */
static void set_due(avfs_task *t, uint64_t due_ns) AVFS_REQUIRES(avfs_engine_role) {
  if (t == engine.first) {
    engine.first = meld_siblings(t->child);
  } else if (t->previous != NULL) {
    if (t->previous->child == t) t->previous->child = t->next;
    else t->previous->next = t->next;
    if (t->next != NULL) t->next->previous = t->previous;
    engine.first = meld(engine.first, meld_siblings(t->child));
  }
  t->child = NULL;
  (void)single(t);
  t->due_ns = due_ns;
  if (due_ns != AVFS_NEVER && !t->running) engine.first = meld(engine.first, t);
}

/* ---- turns ------------------------------------------------------------------- */

/* Nothing can come but what somebody schedules. */
static int is_quiet(void) AVFS_REQUIRES(avfs_engine_role) {
  return engine.first == NULL && engine.in_flight == 0 && engine.holds == 0 && !engine.waking &&
         avfs_counter_get(&engine.busy) == 0;
}

/* 1: the calling thread of the pool, which was idle for long, is none any more. */
static int end_thread(void) {
  int ends;
  engine_enter(&engine);
  ends = is_quiet();
  if (ends) {
    engine.io->leave();
    avfs_counter_add(&engine.threads, -1);
  }
  engine_leave(&engine);
  return ends;
}

static void thread_main(void *arg) {
  (void)arg;
  while (avfs_engine_turn(IDLE_MS) || !end_thread()) continue;
}

/* Without memory for one it goes on with those that there are. */
static void add_threads(int wanted) AVFS_REQUIRES(avfs_engine_role) {
  while (avfs_counter_get(&engine.threads) < wanted && avfs_thread_start(thread_main, NULL)) {
    avfs_counter_add(&engine.threads, 1);
  }
}

/* Has a thread, if there was a pool once. */
static int have_thread(void) AVFS_REQUIRES(avfs_engine_role) {
  if (!engine.has_pool || avfs_counter_get(&engine.threads) > 0) return 1;
  add_threads(1);
  avfs_counter_set(&engine.starved, avfs_counter_get(&engine.threads) == 0);
  return avfs_counter_get(&engine.threads) > 0;
}

/* Keeps invariant (2): wakes a thread if the first task is due before any does. One that has
 * just been started looks by itself. */
static void cover(void) AVFS_REQUIRES(avfs_engine_role) {
  avfs_task *t = engine.first;
  if (t == NULL || t->due_ns >= engine.next_wake_ns || engine.waking) return;
  if (engine.has_pool && avfs_counter_get(&engine.threads) == 0) {
    (void)have_thread();
    return;
  }
  engine.waking = 1;
  engine.wake.done = wake_done;
  engine.io->post(&engine.wake);
}

/* This thread will be busy. Returns how many threads there should be, 0: as many as there are.
 * Without any the caller of avfs_engine_turn is all that there is. */
static int begin_work(void) {
  int64_t busy = avfs_counter_add(&engine.busy, 1), threads = avfs_counter_get(&engine.threads);
  return threads > 0 && busy >= threads && busy < AVFS_MOST_THREADS ? (int)busy + 1 : 0;
}

static void end_work(void) { avfs_counter_add(&engine.busy, -1); }

static void complete(avfs_op *op) {
  int wanted = begin_work();
  if (wanted > 0) {
    engine_enter(&engine);
    add_threads(wanted);
    engine_leave(&engine);
  }
  op->done(op);
  end_work();
}

static void run_task(avfs_task *t) AVFS_REQUIRES(avfs_engine_role) {
  t->running = 1;
  engine.in_flight -= t->in_flight;
  t->in_flight = 0;
  set_due(t, AVFS_NEVER);
  add_threads(begin_work());
  cover();   /* this thread is busy from here on */
  engine_leave(&engine);
  t->run(t);
  engine_enter(&engine);
  t->running = 0;
  engine.in_flight += t->in_flight;
  set_due(t, t->due_ns);
  end_work();
  engine_wake(&engine);
}

int avfs_engine_turn(uint32_t max_wait_ms) {
  uint32_t wait_ms = max_wait_ms;
  uint64_t my_wake_ns = AVFS_NEVER;
  avfs_task *t;
  avfs_op *op = engine.io->ready();
  if (op != NULL) {
    complete(op);
    return 1;
  }
  engine_enter(&engine);
  t = engine.first;
  if (t != NULL && t->due_ns < engine.next_wake_ns) {
    uint64_t now = engine.io->now_ns();
    uint32_t ms;
    if (t->due_ns <= now) {
      run_task(t);
      engine_leave(&engine);
      return 1;
    }
    ms = avfs_ms_until(now, t->due_ns);
    if (ms < wait_ms) wait_ms = ms;
    my_wake_ns = engine.next_wake_ns = t->due_ns;
  }
  engine_leave(&engine);
  op = engine.io->wait(wait_ms);
  if (my_wake_ns != AVFS_NEVER) {
    engine_enter(&engine);
    /* Another thread has taken over if an earlier date came meanwhile. */
    if (engine.next_wake_ns == my_wake_ns) engine.next_wake_ns = AVFS_NEVER;
    engine_leave(&engine);
  }
  if (op != NULL) complete(op);
  return op != NULL || my_wake_ns != AVFS_NEVER;
}

int avfs_engine_start(const avfs_io *io) {
  int rc = SQLITE_OK;
  engine_enter(&engine);
  if (avfs_counter_get(&engine.threads) == 0) {
    engine.io = io;
    rc = io->start();
    if (rc == SQLITE_OK) add_threads(FIRST_THREADS);
    /* One is enough to go on. */
    if (rc == SQLITE_OK && avfs_counter_get(&engine.threads) == 0) rc = SQLITE_NOMEM;
    if (rc == SQLITE_OK) {
      engine.has_pool = 1;
      avfs_counter_set(&engine.starved, 0);
    }
  }
  engine_leave(&engine);
  return rc;
}

int avfs_engine_hold(void) {
  int rc = SQLITE_NOMEM;
  engine_enter(&engine);
  if (have_thread()) {
    engine.holds++;
    rc = SQLITE_OK;
  }
  engine_leave(&engine);
  return rc;
}

void avfs_engine_release(void) {
  engine_enter(&engine);
  engine.holds--;
  engine_leave(&engine);
}

int avfs_engine_is_starved(void) { return avfs_counter_get(&engine.starved) != 0; }

void avfs_task_open(avfs_task *t, void (*run)(avfs_task *t)) {
  t->run = run;
  t->due_ns = AVFS_NEVER;
  t->running = t->in_flight = 0;
  t->child = NULL;
  (void)single(t);
}

void avfs_task_schedule(avfs_task *t, uint64_t due_ns) {
  engine_enter(&engine);
  if (due_ns < t->due_ns) set_due(t, due_ns);
  cover();   /* a running task is looked at again when its run() returns */
  engine_leave(&engine);
}

void avfs_task_continue(avfs_task *t) {
  engine_enter(&engine);
  set_due(t, 0);
  engine_leave(&engine);
}

void avfs_task_close(avfs_task *t) {
  engine_enter(&engine);
  set_due(t, AVFS_NEVER);
  while (t->running) engine_wait(&engine, AVFS_FOREVER);
  set_due(t, AVFS_NEVER);   /* run() may have scheduled it again */
  engine.in_flight -= t->in_flight;
  engine_leave(&engine);
}
