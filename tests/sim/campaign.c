/* campaign.c: see campaign.h. */
#include "campaign.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crash.h"

enum { JOBS = 64, SET_BITS = 24, TELL_S = 10, RUN_LIMIT_S = 300 };

typedef struct job {
  pid_t pid;               /* 0: none */
  uint64_t seed;
  FILE *output;
} job;

/* Shared with the runs: totals, and an open hash table of all images. */
static struct shared {
  sim_statistics totals;
  uint64_t image_count;
  uint64_t images[1 << SET_BITS];
} *shared;

static job jobs[JOBS];
static volatile sig_atomic_t interrupted;

/* ---- what the runs hand over --------------------------------------------------------- */

static int is_new_image(uint64_t hash) {
  uint64_t i = hash >> (64 - SET_BITS);
  for (;; i = (i + 1) % (1 << SET_BITS)) {
    uint64_t there = __atomic_load_n(&shared->images[i], __ATOMIC_RELAXED);
    if (there == hash) return 0;
    if (there != 0) continue;
    if (__atomic_compare_exchange_n(&shared->images[i], &there, hash, 0, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED)) {
      __atomic_fetch_add(&shared->image_count, 1, __ATOMIC_RELAXED);
      return 1;
    }
    if (there == hash) return 0;
  }
}

/* Nearly full, the set would only be slow. So it begins anew, and what comes again counts
 * again; runs that are under way may put their images into either. */
static void limit_images(void) {
  if (shared->image_count <= (1 << SET_BITS) / 8 * 7) return;
  memset(shared->images, 0, sizeof shared->images);
  shared->image_count = 0;
}

/* All of it is counters. */
static void add_statistics(void) {
  uint64_t *to = (uint64_t *)&shared->totals;
  const uint64_t *from = (const uint64_t *)&sim_stats;
  size_t i;
  for (i = 0; i < sizeof sim_stats / sizeof *to; i++) __atomic_fetch_add(&to[i], from[i], __ATOMIC_RELAXED);
}

/* ---- telling --------------------------------------------------------------------------- */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

typedef unsigned long long num;

static void tell_progress(double seconds, uint64_t failures) {
  const sim_statistics *s = &shared->totals;
  printf("%6.0f s: %llu distinct crash images (%.0f/s), %llu seeds, %llu commits, %llu failures\n", seconds,
         (num)s->images, (double)s->images / (seconds > 0 ? seconds : 1), (num)s->runs, (num)s->commits,
         (num)failures);
  fflush(stdout);
}

static void tell_summary(const sim_campaign *c, double seconds, uint64_t next, uint64_t failures) {
  const sim_statistics *s = &shared->totals;
  uint32_t i;
  printf("summary: %llu distinct crash images of %llu power cuts and %llu kills, in %.0f s (%.0f/s): %llu with a hot "
         "journal, %llu of recoveries\n",
         (num)s->images, (num)s->cuts, (num)s->kills, seconds, (double)s->images / (seconds > 0 ? seconds : 1),
         (num)s->hot, (num)s->recovery_images);
  printf("summary: recovered by asyncvfs: %llu, %llu of them after a kill, %llu after a recovery that was ended; "
         "%llu have commits that stock SQLite does not find; %llu rings taken up, %llu refused\n",
         (num)s->async_images, (num)s->async_kills, (num)s->async_deep, (num)s->async_more, (num)s->async_taken_up,
         (num)s->async_refused);
  printf("summary: opened by stock SQLite");
  for (i = 0; i < sim_stock_count; i++) {
    printf("%s %s: %llu", i == 0 ? "" : ",", sim_stocks[i]->version, (num)s->by_stock[i]);
  }
  printf("\nsummary: %llu runs (seeds %llu to %llu), %llu commits (%llu by a foreign process, %llu over "
         "several databases), %llu steps of the disk, %llu reads compared, %llu flushes awaited, "
         "%llu faults, %llu ends of the process\n",
         (num)s->runs, (num)c->seed, (num)next - 1, (num)s->commits, (num)s->foreign_commits,
         (num)s->groups, (num)s->steps, (num)s->reads, (num)s->flushes, (num)s->faults, (num)s->exits);
  printf("summary: %llu failures\n", (num)failures);
  fflush(stdout);
}

static void tell_failure(const sim_campaign *c, job *j, int status) {
  char part[4096];
  size_t n;
  rewind(j->output);
  while ((n = fread(part, 1, sizeof part, j->output)) > 0) fwrite(part, 1, n, stdout);
  if (WIFSIGNALED(status)) printf("seed %llu: it ended by signal %d\n", (num)j->seed, WTERMSIG(status));
  printf("replay: ");
  printf(c->replay, (num)j->seed);
  printf("\n");
  fflush(stdout);
}

/* ---- the runs ----------------------------------------------------------------------------- */

static void on_interrupt(int number) {
  (void)number;
  interrupted = 1;
}

static void on_alarm(int number) {
  (void)number;
  sim_hang("the run takes minutes");
}

static void start(const sim_campaign *c, job *j, uint64_t seed) {
  j->seed = seed;
  j->output = tmpfile();
  if (j->output == NULL || (j->pid = fork()) < 0) {
    perror("sim: cannot start a run");
    exit(2);
  }
  if (j->pid > 0) return;
  signal(SIGINT, SIG_DFL);
  dup2(fileno(j->output), STDOUT_FILENO);
  dup2(fileno(j->output), STDERR_FILENO);
  signal(SIGALRM, on_alarm);
  alarm(RUN_LIMIT_S);
  c->run(seed);
  add_statistics();
  fflush(stdout);
  _Exit(0);
}

/* Waits for one to end. Returns 1 when it failed. */
static uint64_t finish_one(const sim_campaign *c) {
  int status = 0, failed;
  job *j = jobs;
  pid_t pid = waitpid(-1, &status, 0);
  if (pid < 0) {
    if (errno == EINTR) return 0;
    perror("sim: waitpid");
    exit(2);
  }
  while (j->pid != pid) j++;
  failed = !interrupted && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  if (failed) tell_failure(c, j, status);
  if (failed && c->failed_out != NULL && *c->failed_out == 0) *c->failed_out = j->seed;
  fclose(j->output);
  j->pid = 0;
  return (uint64_t)failed;
}

static int is_enough(const sim_campaign *c, double seconds, uint64_t failures) {
  if (interrupted || (failures > 0 && !c->keep_going)) return 1;
  return (c->images > 0 && shared->totals.images >= c->images) || (c->seconds > 0 && seconds >= c->seconds);
}

uint64_t sim_campaign_run(const sim_campaign *c) {
  uint64_t seed = c->seed, failures = 0;
  double began = now(), told = began;
  uint32_t most = c->jobs > 0 ? c->jobs : (uint32_t)sysconf(_SC_NPROCESSORS_ONLN), running = 0, i;
  struct sigaction interrupt = {.sa_handler = on_interrupt};   /* not restarting waitpid */
  if (most > JOBS) most = JOBS;
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (shared == MAP_FAILED) {
    perror("sim: no memory for the set of images");
    exit(2);
  }
  sigaction(SIGINT, &interrupt, NULL);
  sim_is_new_image = is_new_image;
  for (;;) {
    while (running < most && (c->last == 0 || seed <= c->last) && !is_enough(c, now() - began, failures)) {
      for (i = 0; jobs[i].pid != 0; i++) continue;
      start(c, &jobs[i], seed++);
      running++;
    }
    if (running == 0) break;
    failures += finish_one(c);
    limit_images();
    for (i = 0, running = 0; i < most; i++) running += jobs[i].pid != 0;
    if (now() - told >= TELL_S) {
      told = now();
      tell_progress(told - began, failures);
    }
  }
  tell_summary(c, now() - began, seed, failures);
  return failures;
}
