/* world.c: see world.h. */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <sys/mman.h>

enum { THREADS = 16, STACK_BYTES = 4 << 20, NOTES = 400, NOTE_BYTES = 160, NOTES_SHOWN = 120 };

#define SECOND_NS 1000000000u
#define HANG_NS (900ull * SECOND_NS)   /* more than all timeouts of SQLite and the library together */

/* ---- chance: splitmix64 ---------------------------------------------------- */

sim_random sim_fate;
uint64_t sim_seed;

uint64_t sim_draw(sim_random *r) {
  uint64_t z = r->state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

uint32_t sim_below(sim_random *r, uint32_t n) {
  return (uint32_t)((sim_draw(r) >> 32) * n >> 32);
}

int sim_chance(sim_random *r, uint32_t per_million) { return sim_below(r, 1000000) < per_million; }

/* ---- threads ---------------------------------------------------------------- */

typedef struct thread {
  const char *name;
  void (*run)(void *arg);
  void *arg;
  ucontext_t context;
  void *stack;
  int started, ended, waiting;
  sim_ready ready;
  void *ready_arg;
  uint64_t until_ns;
  uint64_t since_ns;       /* it waits */
  uint64_t stalled_until_ns;
  const char *what;
  const uint32_t *blame;   /* number + 1 of the thread it waits for; NULL: unknown */
  int in_time;
  int locks_held;
} thread;

uint64_t sim_now_ns = 1000000000;
uint32_t sim_switch_rate = 100000;
uint32_t sim_stall_rate, sim_leap_rate;
uint64_t sim_leaps;
int sim_frozen;
const uint32_t *sim_blame;
sim_ready sim_hurry;
int *sim_locks_held;

static thread threads[THREADS];
static int thread_count;
static thread *running;
static ucontext_t scheduler;
static uint64_t alive_ns = 1000000000;

static thread *new_thread(const char *name, void (*run)(void *arg), void *arg) {
  thread *t = threads;
  void *stack;
  while (t < &threads[thread_count] && !t->ended) t++;   /* the place of one that is gone, or a new one */
  if (t == &threads[THREADS]) sim_fail("too many threads");
  stack = t->stack;
  memset(t, 0, sizeof *t);
  t->stack = stack;
  t->name = name;
  t->run = run;
  t->arg = arg;
  t->until_ns = SIM_NEVER;
  if (t == &threads[thread_count]) thread_count++;
  return t;
}

void sim_thread(const char *name, void (*run)(void *arg), void *arg) { (void)new_thread(name, run, arg); }

int sim_thread_number(void) { return (int)(running - threads); }

int sim_world_end_others(void) {
  int i, locks = 0;
  for (i = 0; i < thread_count; i++) {
    thread *t = &threads[i];
    if (t == running || t->ended) continue;
    t->ended = 1;
    locks += t->locks_held;
    if (t->started) sim_note("%s is gone, which waited for %s", t->name, t->what);
  }
  return locks;
}

static void thread_main(void) {
  running->run(running->arg);
  running->ended = 1;
  swapcontext(&running->context, &scheduler);
}

static void resume(thread *t) {
  running = t;
  sim_locks_held = &t->locks_held;
  if (!t->started) {
    if (t->stack == NULL) {
      t->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    }
    if (t->stack == MAP_FAILED) sim_fail("no memory for a stack");
    t->started = 1;
    getcontext(&t->context);
    t->context.uc_stack.ss_sp = t->stack;
    t->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&t->context, thread_main, 0);
  }
  swapcontext(&scheduler, &t->context);
}

static int is_runnable(thread *t) {
  if (t->ended || sim_now_ns < t->stalled_until_ns) return 0;
  if (!t->waiting) return 1;
  if (t->ready != NULL && t->ready(t->ready_arg)) {
    t->in_time = 1;
    return 1;
  }
  t->in_time = 0;
  return sim_now_ns >= t->until_ns;
}

void sim_hang(const char *why) {
  int i;
  for (i = 0; i < thread_count; i++) {
    const thread *t = &threads[i], *holder = NULL;
    if (t->ended) continue;
    if (t->waiting && t->blame != NULL && *t->blame > 0) holder = &threads[*t->blame - 1];
    sim_note("%s (%d) waits for %s, since %.3f ms%s%s", t->name, i, t->started ? t->what : "its first turn",
             (double)(t->since_ns - SECOND_NS) / 1e6, holder == NULL ? "" : ", which was last taken by ",
             holder == NULL ? "" : holder->name);
  }
  sim_fail("hang: %s", why);
}

/* A leap is nobody's fault. */
static void leap(void) {
  uint64_t by = (uint64_t)(1 + sim_below(&sim_fate, 6 * 3600)) * SECOND_NS;
  sim_now_ns += by;
  alive_ns += by;
  sim_leaps++;
  sim_note("CLOCK  leaps by %llu s", (unsigned long long)(by / SECOND_NS));
}

void sim_alive(void) { alive_ns = sim_now_ns; }

static void pass_time(void) {
  uint64_t next = SIM_NEVER;
  int i;
  for (i = 0; i < thread_count; i++) {
    const thread *t = &threads[i];
    uint64_t until = t->stalled_until_ns > sim_now_ns ? t->stalled_until_ns : t->until_ns;
    if (!t->ended && until < next) next = until;
  }
  if (next == SIM_NEVER) sim_hang("every thread waits, and nothing is left to happen");
  if (next > sim_now_ns) sim_now_ns = next;
}

void sim_world_run(void (*main_run)(void *arg), void *arg) {
  thread *main_thread = new_thread("the program", main_run, arg);
  while (!main_thread->ended) {
    thread *ready[THREADS];
    uint32_t n = 0;
    int i;
    for (i = 0; i < thread_count; i++) {
      if (is_runnable(&threads[i])) ready[n++] = &threads[i];
    }
    if (n == 0) {
      pass_time();
      continue;
    }
    sim_now_ns += 1000 + sim_below(&sim_fate, 20000);
    if (sim_leap_rate > 0 && sim_chance(&sim_fate, sim_leap_rate)) leap();
    if (sim_now_ns - alive_ns > HANG_NS) sim_hang("the program does not get on");
    resume(ready[sim_below(&sim_fate, n)]);
  }
}

void sim_switch_point(void) {
  if (sim_frozen > 0 || running == NULL) return;
  if (sim_stall_rate > 0 && sim_chance(&sim_fate, sim_stall_rate)) {
    running->stalled_until_ns = sim_now_ns + SECOND_NS;
    sim_note("STALL  of a second");
  } else if (!sim_chance(&sim_fate, sim_switch_rate) && (sim_hurry == NULL || !sim_hurry(NULL))) {
    return;
  }
  running->waiting = 0;
  running->what = "its turn";
  running->since_ns = sim_now_ns;
  swapcontext(&running->context, &scheduler);
}

int sim_wait(sim_ready ready, void *arg, uint64_t until_ns, const char *what) {
  if (sim_frozen > 0) sim_fail("a thread waits for %s while the world is frozen", what);
  running->waiting = 1;
  running->ready = ready;
  running->ready_arg = arg;
  running->until_ns = until_ns;
  running->what = what;
  running->since_ns = sim_now_ns;
  running->blame = sim_blame;
  sim_blame = NULL;
  swapcontext(&running->context, &scheduler);
  running->waiting = 0;
  running->until_ns = SIM_NEVER;
  return running->in_time;
}

/* ---- the record --------------------------------------------------------------- */

int sim_verbose;
void (*sim_on_fail)(void);
const char *sim_fail_format;
static char notes[NOTES][NOTE_BYTES];
static unsigned note_count;

void sim_note(const char *format, ...) {
  char *to = notes[note_count++ % NOTES];
  va_list args;
  int n;
  if (sim_frozen > 0 && !sim_verbose) {
    note_count--;
    return;
  }
  n = snprintf(to, NOTE_BYTES, "%9.3f ms %-12s ", (double)(sim_now_ns - 1000000000) / 1e6,
               running == NULL ? "" : running->name);
  va_start(args, format);
  vsnprintf(to + n, NOTE_BYTES - (size_t)n, format, args);
  va_end(args);
  if (sim_verbose) fprintf(stderr, "%6u%s %s\n", note_count, sim_frozen > 0 ? " |" : "", to);
}

void sim_fail(const char *format, ...) {
  unsigned i = note_count > NOTES_SHOWN ? note_count - NOTES_SHOWN : 0;
  va_list args;
  sim_fail_format = format;
  if (!sim_verbose) {
    for (; i < note_count; i++) printf("  %6u %s\n", i + 1, notes[i % NOTES]);
  }
  printf("seed %llu, step %u: ", (unsigned long long)sim_seed, note_count);
  va_start(args, format);
  vprintf(format, args);
  va_end(args);
  printf("\n");
  if (sim_on_fail != NULL) sim_on_fail();
  fflush(stdout);
  _Exit(1);
}
