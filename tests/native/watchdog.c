/* watchdog.c: see watchdog.h. */
#include "watchdog.h"

#include <dirent.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *name;

/* In each thread, one after the other. */
static void tell_stack(int number) {
  void *frames[40];
  int n = backtrace(frames, sizeof frames / sizeof *frames);
  (void)number;
  dprintf(STDERR_FILENO, "thread %d:\n", (int)gettid());
  backtrace_symbols_fd(frames + 1, n - 1, STDERR_FILENO);
}

/* Not quite by the rules of signal handlers: nothing is left to be spoilt. */
static void tell_all(int number) {
  struct timespec moment = {0, 50000000};   /* for the thread to write */
  DIR *threads = opendir("/proc/self/task");
  struct dirent *entry;
  (void)number;
  dprintf(STDERR_FILENO, "%s: hangs; the threads are at:\n", name);
  while (threads != NULL && (entry = readdir(threads)) != NULL) {
    int thread = atoi(entry->d_name);
    if (thread == 0) continue;
    if (thread == (int)gettid()) tell_stack(0);
    else if (syscall(SYS_tgkill, getpid(), thread, SIGUSR2) == 0) nanosleep(&moment, NULL);
  }
  _exit(3);
}

void watchdog_start(unsigned seconds, const char *program) {
  void *frame;
  name = program;
  (void)backtrace(&frame, 1);   /* loads what it needs */
  signal(SIGUSR2, tell_stack);
  signal(SIGALRM, tell_all);
  alarm(seconds);
}
