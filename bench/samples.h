/* samples.h: one duration for each commit, kept, so that percentiles are exact.
 *
 * Durations are differences of one clock reading per commit: the end of a
 * commit is the start of the next, so nothing falls between two samples. The
 * reading is the processor's time stamp counter where there is one (25
 * cycles), scaled by QueryPerformanceCounter over the same stretch, for that
 * counts in steps of 100 ns and costs as much: a twentieth of a commit.
 *
 * Units: ns. Memory: all of it is allocated and touched by samples_create.
 */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

typedef struct samples samples;

typedef struct summary {
  size_t count;
  double seconds; /* of the whole stretch */
  /* NAN where there are too few samples to tell */
  double p50_ns, p99_ns, p999_ns, max_ns;
} summary;

/* NULL if there is no memory. samples_free(NULL) is fine. */
samples *samples_create(size_t capacity);
void samples_free(samples *);

void samples_start(samples *);
void samples_mark(samples *); /* one more commit is done */
void samples_stop(samples *);

/* Sorts the samples: once, after samples_stop. */
summary samples_summary(samples *);

/* Seconds on QueryPerformanceCounter, from any fixed point. */
double clock_seconds(void);

/* The middle of n > 0 values (the mean of the two in the middle), none of
 * them NAN. Sorts them in place. */
double median(double *values, size_t n);
/* The same of a field of n <= MAX_ROUNDS turns, `stride` bytes from one to the next; left
 * as they are. NAN if one is: else p99 could come from other turns than p50, and be less. */
double median_of(const double *first, size_t stride, size_t n);

#endif
