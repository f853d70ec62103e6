/* minimise.c: see minimise.h. */
#include "minimise.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash.h"

enum { STEPS = 1024, TRY_LIMIT_S = 30 };

/* How a run failed; written by its process. */
typedef struct verdict {
  const char *format;     /* of the message: the same in all processes; NULL: it did not fail so */
  int signal;
  uint64_t disk_step;
  uint32_t steps;         /* that its programs had */
} verdict;

static unsigned char left_out[STEPS];
static verdict *told;     /* shared with the tries */

int sim_step_is_left_out(uint32_t step) {
  if (told != NULL && step >= told->steps) told->steps = step + 1;
  return step < STEPS && left_out[step];
}

void sim_leave_out(const char *list) {
  while (*list != 0) {
    char *end;
    unsigned long first = strtoul(list, &end, 10), last = first;
    if (*end == '-') last = end[1] == 0 ? STEPS - 1 : strtoul(end + 1, &end, 10);
    for (; first <= last && first < STEPS; first++) left_out[first] = 1;
    list = *end == ',' ? end + 1 : "";
  }
}

static void on_fail(void) {
  told->format = sim_fail_format;
  told->disk_step = sim_stats.steps;
}

static void silence(void) {
  int null = open("/dev/null", O_WRONLY);
  dup2(null, STDOUT_FILENO);
  dup2(null, STDERR_FILENO);
}

static verdict try_run(uint64_t seed, void (*run)(uint64_t), int aloud) {
  int status = 0;
  pid_t pid;
  memset(told, 0, sizeof *told);
  fflush(stdout);
  pid = fork();
  if (pid == 0) {
    if (!aloud) {
      silence();
      sim_on_fail = on_fail;
    }
    alarm(TRY_LIMIT_S);
    run(seed);
    fflush(stdout);
    _Exit(0);
  }
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) told->signal = WTERMSIG(status);
  return *told;
}

static int is_same(const verdict *a, const verdict *b) {
  return (a->format != NULL || a->signal != 0) && a->format == b->format && a->signal == b->signal;
}

static void print_list(void) {
  uint32_t i, n = 0;
  for (i = 0; i < STEPS; i++) {
    uint32_t first = i;
    if (!left_out[i]) continue;
    while (i + 1 < STEPS && left_out[i + 1]) i++;
    printf(n++ == 0 ? " --leave-out %u" : ",%u", first);
    if (i == STEPS - 1) printf("-");
    else if (i > first) printf("-%u", i);
  }
}

int sim_minimise(uint64_t seed, void (*run)(uint64_t seed), const char *replay) {
  verdict wanted, v;
  uint32_t chunk, at, kept;
  told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (told == MAP_FAILED) return 2;
  sim_is_new_image = NULL;
  wanted = v = try_run(seed, run, 0);
  if (!is_same(&wanted, &wanted)) {
    printf("minimise: seed %llu does not fail\n", (unsigned long long)seed);
    return 0;
  }
  kept = wanted.steps;
  /* Without the first steps the run would come to later ones, which may fail too. */
  memset(left_out + (kept < STEPS ? kept : STEPS), 1, STEPS - (kept < STEPS ? kept : STEPS));
  for (chunk = (wanted.steps + 1) / 2; chunk > 0; chunk /= 2) {
    for (at = 0; at < wanted.steps; at += chunk) {
      unsigned char before[STEPS];
      uint32_t i, n = 0;
      memcpy(before, left_out, sizeof before);
      for (i = at; i < at + chunk && i < wanted.steps && i < STEPS; i++) {
        n += !left_out[i];
        left_out[i] = 1;
      }
      if (n == 0) continue;
      v = try_run(seed, run, 0);
      if (is_same(&wanted, &v)) kept -= n;
      else memcpy(left_out, before, sizeof before);
    }
  }
  v = try_run(seed, run, 0);
  sim_cut_only = v.disk_step;
  v = try_run(seed, run, 0);
  if (!is_same(&wanted, &v)) sim_cut_only = 0;
  printf("\nminimised: %u of %u steps are needed, and %s:\n", kept, wanted.steps,
         sim_cut_only != 0 ? "one cut of the power" : "more than one cut of the power");
  (void)try_run(seed, run, 1);
  printf("replay what is left: ");
  printf(replay, (unsigned long long)seed);
  print_list();
  if (sim_cut_only != 0) printf(" --cut-at %llu", (unsigned long long)sim_cut_only);
  printf("\n");
  return 1;
}
