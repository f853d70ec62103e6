/* time.h: times in nanoseconds, waits in milliseconds, and the one way from each to the other.
 *
 * A time is nanoseconds of the seam's monotonic clock (avfs_io.now_ns). A wait is milliseconds,
 * as Windows has them, and rounded up: a thread that woke before its time would only look and
 * sleep again. What has passed is rounded down.
 */
#ifndef AVFS_TIME_H
#define AVFS_TIME_H

#include <stdint.h>

#define AVFS_NEVER UINT64_MAX     /* a time that does not come */
#define AVFS_FOREVER UINT32_MAX   /* a wait without an end */

static inline uint64_t avfs_ms_to_ns(uint64_t ms) { return ms * 1000000; }

static inline uint64_t avfs_ns_to_ms(uint64_t ns) { return ns / 1000000; }

/* The time at which a wait that begins now is over. */
static inline uint64_t avfs_time_after(uint64_t now_ns, uint32_t wait_ms) {
  return wait_ms == AVFS_FOREVER ? AVFS_NEVER : now_ns + avfs_ms_to_ns(wait_ms);
}

/* How long to wait for a time; 0: it has come. */
static inline uint32_t avfs_ms_until(uint64_t now_ns, uint64_t then_ns) {
  uint64_t ms;
  if (then_ns == AVFS_NEVER) return AVFS_FOREVER;
  if (then_ns <= now_ns) return 0;
  ms = avfs_ns_to_ms(then_ns - now_ns + 999999);
  return ms < AVFS_FOREVER ? (uint32_t)ms : AVFS_FOREVER - 1;
}

#endif
