/* slow_flush.c: gives every file flush the same price, from outside.
 *
 * A disk behind a large cache, or in memory, makes flushes nearly free, and
 * so flatters whoever flushes most. This library is loaded before libc and
 * makes fsync and fdatasync take *at least* SLOW_FLUSH_US microseconds: the
 * real flush is done, then the rest of the time is slept. Under Wine a
 * FlushFileBuffers is one fsync, made by the calling process itself, so the
 * price is the same for every program, and no program knows of it.
 *
 *   build:  gcc -O2 -shared -fPIC -o slow_flush.so slow_flush.c
 *   use:    SLOW_FLUSH_US=2000 LD_PRELOAD=$PWD/slow_flush.so wine bench.exe
 *   check:  the same with --mode flush: prints what a flush costs
 *
 * Native Linux, not part of the product. Unset, 0 or no number: no delay.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long delay_ns = -1; /* -1: the environment was not asked yet */

/* Two threads may both ask the first time: they store the same answer. */
static long configured_delay_ns(void) {
  long ns = __atomic_load_n(&delay_ns, __ATOMIC_RELAXED);
  if (ns < 0) {
    const char *text = getenv("SLOW_FLUSH_US");
    long us = text == NULL ? 0 : atol(text);
    ns = us > 0 ? us * 1000 : 0;
    __atomic_store_n(&delay_ns, ns, __ATOMIC_RELAXED);
  }
  return ns;
}

static int flush_slowly(long call, int fd) {
  struct timespec until;
  long ns = configured_delay_ns();
  int rc, saved;
  clock_gettime(CLOCK_MONOTONIC, &until);
  rc = (int)syscall(call, fd);
  if (ns == 0) return rc;
  saved = errno;
  until.tv_sec += ns / 1000000000L;
  until.tv_nsec += ns % 1000000000L;
  if (until.tv_nsec >= 1000000000L) {
    until.tv_nsec -= 1000000000L;
    until.tv_sec++;
  }
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    /* a signal of Wine's own: sleep on, the deadline is absolute */
  }
  errno = saved;
  return rc;
}

int fsync(int fd) {
  return flush_slowly(SYS_fsync, fd);
}
int fdatasync(int fd) {
  return flush_slowly(SYS_fdatasync, fd);
}
