/* samples.c: see samples.h. */
#include "samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "bench.h"
#if defined(_M_X64) || defined(__x86_64__)
#include <intrin.h>
#define TICKS() __rdtsc()
#else
static uint64_t counter_ticks(void) {
  LARGE_INTEGER now;
  QueryPerformanceCounter(&now);
  return (uint64_t)now.QuadPart;
}
#define TICKS() counter_ticks()
#endif

struct samples {
  size_t count, capacity;
  double seconds; /* at start: the clock; after stop: how long it was */
  uint64_t start_tick, last_tick;
  uint64_t ticks[]; /* a duration each */
};

samples *samples_create(size_t capacity) {
  samples *s = malloc(sizeof *s + capacity * sizeof s->ticks[0]);
  if (s == NULL) return NULL;
  /* not calloc: its pages would be faulted in one by one, inside the run */
  memset(s, 1, sizeof *s + capacity * sizeof s->ticks[0]);
  s->count = 0;
  s->capacity = capacity;
  return s;
}

void samples_free(samples *s) {
  free(s);
}

void samples_start(samples *s) {
  s->count = 0;
  s->seconds = clock_seconds();
  s->start_tick = s->last_tick = TICKS();
}

void samples_mark(samples *s) {
  uint64_t now = TICKS();
  if (s->count < s->capacity) s->ticks[s->count++] = now - s->last_tick;
  s->last_tick = now;
}

void samples_stop(samples *s) {
  s->seconds = clock_seconds() - s->seconds;
}

static int compare_ticks(const void *a, const void *b) {
  const uint64_t *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

/* The smallest sample that `share` of all samples do not exceed; unknown if
 * fewer than one sample would be expected beyond it. */
static double percentile(const samples *s, double share) {
  size_t rank = (size_t)ceil(share * (double)s->count);
  if ((1 - share) * (double)s->count < 1) return NAN;
  return (double)s->ticks[rank == 0 ? 0 : rank - 1];
}

summary samples_summary(samples *s) {
  summary r;
  double ns_per_tick;
  uint64_t ticks = s->last_tick - s->start_tick;
  r.count = s->count;
  r.seconds = s->seconds;
  r.p50_ns = r.p99_ns = r.p999_ns = r.max_ns = NAN;
  if (s->count == 0 || ticks == 0) return r;
  ns_per_tick = s->seconds * 1e9 / (double)ticks;
  qsort(s->ticks, s->count, sizeof s->ticks[0], compare_ticks);
  r.p50_ns = percentile(s, 0.5) * ns_per_tick;
  r.p99_ns = percentile(s, 0.99) * ns_per_tick;
  r.p999_ns = percentile(s, 0.999) * ns_per_tick;
  r.max_ns = (double)s->ticks[s->count - 1] * ns_per_tick;
  return r;
}

double clock_seconds(void) {
  LARGE_INTEGER now, frequency;
  QueryPerformanceCounter(&now);
  QueryPerformanceFrequency(&frequency);
  return (double)now.QuadPart / (double)frequency.QuadPart;
}

static int compare_doubles(const void *a, const void *b) {
  const double *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

double median(double *values, size_t n) {
  qsort(values, n, sizeof values[0], compare_doubles);
  return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

double median_of(const double *first, size_t stride, size_t n) {
  double values[MAX_ROUNDS];
  for (size_t i = 0; i < n; i++) {
    values[i] = *(const double *)((const char *)first + i * stride);
    if (isnan(values[i])) return NAN;
  }
  return median(values, n);
}
