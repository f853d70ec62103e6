/* test_scheduler.c: tasks and the pool that runs them.
 *
 * In two ways. With the real pool: many threads schedule many tasks, and what is
 * counted must add up, whatever the timing. And turn by turn in a child process,
 * whose seam has a clock of its own and starts no thread: there the order, and the
 * instant at which each task runs, are exact.
 */
#include "../harness.h"

#include <stdio.h>
#include <string.h>

#include <windows.h>

#include "engine/scheduler.h"
#include "vfs/sql_tools.h"

static int set_up(void) {
  (void)sql_vfs();
  int rc = avfs_engine_start(&avfs_io_win32);
  return rc == SQLITE_OK ? avfs_engine_hold() : rc;   /* operations come without a task */
}

static int tear_down(void) {
  avfs_engine_release();
  return 0;
}

/* ---- a task that counts -------------------------------------------------------- */

typedef struct counter {
  avfs_task task;
  volatile LONG running, overlaps, runs;
  volatile LONG again;      /* how often it still schedules itself */
  uint64_t due_ns;          /* of its only date; 0: not looked at */
  volatile LONG early;
  HANDLE ran;               /* set after each run; NULL: none */
} counter;

static void count(avfs_task *t) {
  counter *c = (counter *)t;
  if (InterlockedIncrement(&c->running) != 1) InterlockedIncrement(&c->overlaps);
  if (c->due_ns != 0 && avfs_io_win32.now_ns() < c->due_ns) InterlockedIncrement(&c->early);
  if (c->again > 0) {
    c->again--;
    avfs_task_schedule(t, 0);
  }
  InterlockedIncrement(&c->runs);
  InterlockedDecrement(&c->running);
  if (c->ran != NULL) SetEvent(c->ran);
}

static void counter_open(counter *c) {
  memset(c, 0, sizeof *c);
  c->ran = CreateEventA(NULL, FALSE, FALSE, NULL);
  avfs_task_open(&c->task, count);
}

static void counter_close(counter *c) {
  avfs_task_close(&c->task);
  CloseHandle(c->ran);
  CHECK_EQ(c->overlaps, 0);
  CHECK_EQ(c->running, 0);
}

static void wait_for_runs(counter *c, LONG runs) {
  while (c->runs < runs) WaitForSingleObject(c->ran, INFINITE);
}

static void a_scheduled_task_runs(void) {
  counter c;
  counter_open(&c);
  for (LONG n = 1; n <= 500; n++) {
    avfs_task_schedule(&c.task, 0);
    wait_for_runs(&c, n);
  }
  counter_close(&c);
  CHECK_EQ(c.runs, 500);
}

static void a_task_that_schedules_itself_runs_again(void) {
  counter c;
  counter_open(&c);
  c.again = 1000;
  avfs_task_schedule(&c.task, 0);
  wait_for_runs(&c, 1001);
  counter_close(&c);
  CHECK_EQ(c.runs, 1001);
}

static void no_task_runs_before_its_time(void) {
  enum { N = 40 };
  static counter c[N];
  for (int i = 0; i < N; i++) {
    counter_open(&c[i]);
    c[i].due_ns = avfs_io_win32.now_ns() + rng_below(20000000);
    avfs_task_schedule(&c[i].task, c[i].due_ns);
  }
  for (int i = 0; i < N; i++) {
    wait_for_runs(&c[i], 1);
    counter_close(&c[i]);
    CHECK_EQ(c[i].early, 0);
    CHECK_EQ(c[i].runs, 1);
  }
}

static void an_earlier_date_replaces_a_later_one(void) {
  counter c;
  counter_open(&c);
  avfs_task_schedule(&c.task, AVFS_NEVER - 1);
  avfs_task_schedule(&c.task, 0);
  wait_for_runs(&c, 1);
  counter_close(&c);
  CHECK_EQ(c.runs, 1);   /* the later date went with it */
}

static void a_task_that_is_closed_runs_no_more(void) {
  counter c;
  counter_open(&c);
  avfs_task_schedule(&c.task, AVFS_NEVER - 1);
  counter_close(&c);
  CHECK_EQ(c.runs, 0);
}

/* ---- many threads ------------------------------------------------------------------ */

enum { TASKS = 24, THREADS = 6, EACH = 3000 };

static counter many[TASKS];

static DWORD WINAPI schedule_many(void *arg) {
  rng_seed(test_seed() + (uint64_t)(uintptr_t)arg);
  for (int i = 0; i < EACH; i++) {
    counter *c = &many[rng_below(TASKS)];
    uint64_t due = rng_below(4) == 0 ? avfs_io_win32.now_ns() + rng_below(2000000) : 0;
    avfs_task_schedule(&c->task, due);
  }
  return 0;
}

static void many_threads_schedule_many_tasks_and_none_is_forgotten(void) {
  HANDLE thread[THREADS];
  LONG runs = 0, before[TASKS];
  for (int i = 0; i < TASKS; i++) counter_open(&many[i]);
  for (int i = 0; i < THREADS; i++) {
    thread[i] = CreateThread(NULL, 0, schedule_many, (void *)(uintptr_t)(i + 1), 0, NULL);
  }
  WaitForMultipleObjects(THREADS, thread, TRUE, INFINITE);
  for (int i = 0; i < THREADS; i++) CloseHandle(thread[i]);
  /* One more date each: a run begins after it was set. */
  for (int i = 0; i < TASKS; i++) before[i] = many[i].runs;
  for (int i = 0; i < TASKS; i++) avfs_task_schedule(&many[i].task, 0);
  for (int i = 0; i < TASKS; i++) wait_for_runs(&many[i], before[i] + 1);
  for (int i = 0; i < TASKS; i++) {
    counter_close(&many[i]);
    runs += many[i].runs;
  }
  CHECK(runs <= (LONG)THREADS * EACH + TASKS);   /* dates merge, they do not multiply */
}

/* ---- closing ------------------------------------------------------------------------- */

typedef struct held {
  avfs_task task;
  HANDLE inside, go;
  volatile LONG finished;
  LONG finished_at_close;
} held;

static void run_held(avfs_task *t) {
  held *h = (held *)t;
  SetEvent(h->inside);
  WaitForSingleObject(h->go, INFINITE);
  for (int i = 0; i < 100; i++) SwitchToThread();   /* the closer gets its chance to be wrong */
  h->finished = 1;
}

static DWORD WINAPI close_held(void *arg) {
  held *h = arg;
  avfs_task_close(&h->task);
  h->finished_at_close = h->finished;
  return 0;
}

static void closing_waits_for_the_run_in_progress(void) {
  for (int round = 0; round < 60; round++) {
    held h;
    memset(&h, 0, sizeof h);
    h.inside = CreateEventA(NULL, FALSE, FALSE, NULL);
    h.go = CreateEventA(NULL, FALSE, FALSE, NULL);
    avfs_task_open(&h.task, run_held);
    avfs_task_schedule(&h.task, 0);
    WaitForSingleObject(h.inside, INFINITE);
    HANDLE closer = CreateThread(NULL, 0, close_held, &h, 0, NULL);
    SetEvent(h.go);
    WaitForSingleObject(closer, INFINITE);
    CHECK_EQ(h.finished_at_close, 1);
    CloseHandle(closer);
    CloseHandle(h.inside);
    CloseHandle(h.go);
  }
}

static DWORD WINAPI schedule_one(void *arg) {
  for (int i = 0; i < EACH; i++) avfs_task_schedule(arg, 0);
  return 0;
}

/* Held tasks keep some threads of the pool; the others go on. */
static void one_long_run_holds_up_no_other_task(void) {
  held h;
  counter c;
  memset(&h, 0, sizeof h);
  h.inside = CreateEventA(NULL, FALSE, FALSE, NULL);
  h.go = CreateEventA(NULL, FALSE, FALSE, NULL);
  avfs_task_open(&h.task, run_held);
  counter_open(&c);
  avfs_task_schedule(&h.task, 0);
  WaitForSingleObject(h.inside, INFINITE);
  for (LONG n = 1; n <= 50; n++) {
    avfs_task_schedule(&c.task, n % 2 == 0 ? 0 : avfs_io_win32.now_ns() + 100000);
    wait_for_runs(&c, n);
  }
  HANDLE thread = CreateThread(NULL, 0, schedule_one, &h.task, 0, NULL);
  WaitForSingleObject(thread, INFINITE);
  CloseHandle(thread);
  CHECK_EQ(h.finished, 0);
  SetEvent(h.go);
  WaitForSingleObject(h.inside, INFINITE);   /* all those dates are one more run */
  SetEvent(h.go);
  avfs_task_close(&h.task);
  counter_close(&c);
  CHECK_EQ(c.runs, 50);
  CloseHandle(h.inside);
  CloseHandle(h.go);
}

/* ---- completions ------------------------------------------------------------------------ */

typedef struct posted {
  avfs_op op;
  avfs_task *task;
  volatile LONG done;
} posted;

static void continue_task(avfs_op *op) {
  posted *p = (posted *)op;
  InterlockedIncrement(&p->done);
  avfs_task_continue(p->task);
}

static void a_completion_continues_its_task(void) {
  static posted p[300];
  counter c;
  counter_open(&c);
  memset(p, 0, sizeof p);
  for (LONG n = 0; n < 300; n++) {
    p[n].op.done = continue_task;
    p[n].task = &c.task;
    avfs_io_win32.post(&p[n].op);
    wait_for_runs(&c, n + 1);
  }
  counter_close(&c);
  CHECK_EQ(c.runs, 300);
  for (int n = 0; n < 300; n++) CHECK_EQ(p[n].done, 1);
}

/* ---- a pool that is idle at once --------------------------------------------------------- */

/* Its waits are over when they begin, so a thread ends whenever it finds nothing to do, and
 * another one has to start for what is scheduled next: thousands of times. */
static struct {
  SRWLOCK lock;
  avfs_op *posted;   /* there is one at most, the engine's own */
  volatile LONG ended;
} hasty = {.lock = SRWLOCK_INIT};

static int hasty_start(void) { return SQLITE_OK; }
static avfs_op *hasty_ready(void) { return NULL; }
static void hasty_leave(void) { InterlockedIncrement(&hasty.ended); }

static void hasty_post(avfs_op *op) {
  AcquireSRWLockExclusive(&hasty.lock);
  hasty.posted = op;
  ReleaseSRWLockExclusive(&hasty.lock);
}

static avfs_op *hasty_wait(uint32_t timeout_ms) {
  avfs_op *op;
  (void)timeout_ms;
  AcquireSRWLockExclusive(&hasty.lock);
  op = hasty.posted;
  hasty.posted = NULL;
  ReleaseSRWLockExclusive(&hasty.lock);
  return op;
}

static uint64_t hasty_now_ns(void) { return avfs_io_win32.now_ns(); }

static const avfs_io hasty_io = {
    .start = hasty_start, .post = hasty_post, .ready = hasty_ready, .wait = hasty_wait,
    .leave = hasty_leave, .now_ns = hasty_now_ns,
};

enum { HASTY_THREADS = 3, HASTY_ROUNDS = 1500 };

static DWORD WINAPI schedule_and_wait(void *arg) {
  counter *c = arg;
  for (LONG n = 1; n <= HASTY_ROUNDS; n++) {
    avfs_task_schedule(&c->task, n % 3 == 0 ? hasty_now_ns() + 20000 : 0);
    wait_for_runs(c, n);
  }
  return 0;
}

int role_scheduler_hasty(int argc, char **argv) {
  static counter c[HASTY_THREADS];
  HANDLE thread[HASTY_THREADS];
  (void)argc;
  (void)argv;
  if (sql_vfs() == NULL || avfs_engine_start(&hasty_io) != SQLITE_OK) return 10;
  for (int i = 0; i < HASTY_THREADS; i++) {
    counter_open(&c[i]);
    thread[i] = CreateThread(NULL, 0, schedule_and_wait, &c[i], 0, NULL);
  }
  WaitForMultipleObjects(HASTY_THREADS, thread, TRUE, INFINITE);
  for (int i = 0; i < HASTY_THREADS; i++) {
    if (c[i].overlaps > 0 || c[i].runs != HASTY_ROUNDS) return 11;
  }
  harness_print("%ld threads have ended\n", hasty.ended);
  if (hasty.ended < 10) return 12;
  if (avfs_engine_hold() != SQLITE_OK) return 13;
  avfs_engine_release();
  for (int i = 0; i < HASTY_THREADS; i++) avfs_task_close(&c[i].task);
  ExitThread(0);   /* and all end, or this process does not */
}

static void idle_threads_end_and_start_again(void) { harness_run_role("scheduler_hasty", NULL); }

/* ---- turn by turn -------------------------------------------------------------------------- */

enum { MS = 1000000 };

static struct {
  uint64_t now;
  avfs_op *posted;
  uint32_t last_wait_ms;
  int waits;
} turns;

/* Refuses to start, so that the pool gets no thread: the test is the pool. */
static int turns_start(void) { return SQLITE_ERROR; }
static uint64_t turns_now_ns(void) { return turns.now; }
static avfs_op *turns_ready(void) { return NULL; }
static void turns_post(avfs_op *op) { turns.posted = op; }

static avfs_op *turns_wait(uint32_t timeout_ms) {
  avfs_op *op = turns.posted;
  turns.posted = NULL;
  turns.last_wait_ms = timeout_ms;
  turns.waits++;
  if (op == NULL && timeout_ms != UINT32_MAX) turns.now += (uint64_t)timeout_ms * MS;
  return op;
}

static const avfs_io turns_io = {
    .start = turns_start, .post = turns_post, .ready = turns_ready, .wait = turns_wait,
    .now_ns = turns_now_ns,
};

enum { PLANNED = 40 };

static struct planned {
  avfs_task task;
  uint64_t due;     /* the model's: AVFS_NEVER when idle */
} plan[PLANNED];
static int ran, out_of_order;

static void plan_task(struct planned *p) {
  uint64_t due = rng_below(3) == 0 ? turns.now : turns.now + rng_below(50 * MS);
  if (due < p->due) p->due = due;
  avfs_task_schedule(&p->task, due);
}

static void run_planned(avfs_task *t) {
  struct planned *p = (struct planned *)t;
  for (int i = 0; i < PLANNED; i++) out_of_order += plan[i].due < p->due;
  out_of_order += p->due == AVFS_NEVER || turns.now < p->due;
  out_of_order += turns.now >= p->due + MS;   /* waits are whole milliseconds, rounded up */
  p->due = AVFS_NEVER;
  ran++;
  for (uint64_t n = rng_below(3); n > 0; n--) plan_task(&plan[rng_below(PLANNED)]);
}

int role_scheduler_turns(int argc, char **argv) {
  uint64_t seed = 0;
  for (const char *d = argc > 0 ? argv[0] : "0"; *d; d++) seed = seed * 10 + (uint64_t)(*d - '0');
  rng_seed(seed);
  turns.now = 1000 * (uint64_t)MS;
  if (avfs_engine_start(&turns_io) != SQLITE_ERROR) return 10;
  avfs_engine_turn(UINT32_MAX);
  if (turns.last_wait_ms != UINT32_MAX) return 11;   /* idle: no thread wakes by itself */
  for (int i = 0; i < PLANNED; i++) {
    plan[i].due = AVFS_NEVER;
    avfs_task_open(&plan[i].task, run_planned);
  }
  for (int n = 0; n < 20000; n++) {
    if (rng_below(4) == 0) plan_task(&plan[rng_below(PLANNED)]);
    avfs_engine_turn(UINT32_MAX);
  }
  for (int i = 0; i < PLANNED; i++) avfs_task_close(&plan[i].task);
  turns.waits = 0;
  avfs_engine_turn(7);
  if (turns.waits != 1 || turns.last_wait_ms != 7) return 12;
  harness_print("%d runs, %d out of order or late\n", ran, out_of_order);
  return ran < 1000 ? 13 : out_of_order > 0 ? 14 : 0;
}

static void tasks_run_in_the_order_of_their_dates_and_on_time(void) {
  char seed[24], line[200];
  int code = -1;
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)test_seed());
  harness_child *child = harness_spawn("scheduler_turns", seed, NULL);
  if (child == NULL) return;
  while (harness_child_read_line(child, line, sizeof line, 60000)) harness_print("    %s\n", line);
  CHECK(harness_child_wait(child, 60000, &code));
  CHECK_EQ(code, 0);
  harness_child_free(child);
}

void suite_scheduler(void) {
  CU_pSuite suite = CU_add_suite("scheduler", set_up, tear_down);
  ADD_TEST(suite, tasks_run_in_the_order_of_their_dates_and_on_time);
  ADD_TEST(suite, idle_threads_end_and_start_again);
  ADD_TEST(suite, a_scheduled_task_runs);
  ADD_TEST(suite, a_task_that_schedules_itself_runs_again);
  ADD_TEST(suite, no_task_runs_before_its_time);
  ADD_TEST(suite, an_earlier_date_replaces_a_later_one);
  ADD_TEST(suite, a_task_that_is_closed_runs_no_more);
  ADD_TEST(suite, many_threads_schedule_many_tasks_and_none_is_forgotten);
  ADD_TEST(suite, closing_waits_for_the_run_in_progress);
  ADD_TEST(suite, one_long_run_holds_up_no_other_task);
  ADD_TEST(suite, a_completion_continues_its_task);
}
