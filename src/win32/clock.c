/* clock.c: the monotonic clock. */
#include "win32/port.h"

uint64_t avfs_clock_now_ns(void) {
  static volatile LONG64 frequency;   /* the same value whoever writes it first */
  LARGE_INTEGER t, f;
  uint64_t hz = (uint64_t)frequency;
  if (hz == 0) {
    QueryPerformanceFrequency(&f);
    hz = (uint64_t)f.QuadPart;
    frequency = f.QuadPart;
  }
  QueryPerformanceCounter(&t);
  /* In two parts: ticks * 1e9 overflows after half an hour at 10 MHz. */
  return (uint64_t)t.QuadPart / hz * 1000000000u + (uint64_t)t.QuadPart % hz * 1000000000u / hz;
}
