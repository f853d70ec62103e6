/* pump.h: overlapped operations in flight, one for each slot, each slot at its own pace.
 *
 *            start                    step() == 0 for all slots
 *   IDLE ----------> slots working ----------------------------> finished()
 *                    ^      |
 *                    +------+  an operation completed: step() starts the next
 *
 * A slot has a buffer and one avfs_op. step(slot) begins the slot's next
 * operation and returns 1, or returns 0 when it has nothing more to do. Which
 * piece of the work a slot takes is claimed under the lock, so no piece is done
 * twice. After the first failure no new piece is claimed; finished() comes
 * when the last operation in flight has completed, and rc has the failure.
 *
 * Locks:  lock guards busy, rc, os_error and the claim. step() is called without it.
 * Memory: the buffers exist from the first start until avfs_pump_free().
 */
#ifndef AVFS_PUMP_H
#define AVFS_PUMP_H

#include "seam/io.h"
#include "seam/sync.h"

enum {
  AVFS_PUMP_SLOTS = 8,
  AVFS_PUMP_BUFFER = 256 * 1024   /* bytes; the largest single read or write */
};

typedef struct avfs_pump avfs_pump;

typedef struct avfs_slot {
  avfs_op op;
  avfs_pump *pump;
  unsigned char *buffer;   /* AVFS_PUMP_BUFFER bytes */
  unsigned char *stage;    /* as many again */
  uint32_t first, count;   /* the piece it has claimed */
  uint32_t at;             /* how far it is with it */
  uint32_t run;            /* items of the operation in flight, where step() needs it */
} avfs_slot;

struct avfs_pump {
  const avfs_io *io;
  int most_slots;                  /* 1..AVFS_PUMP_SLOTS, less where memory is short; 0: all */
  void *work;                      /* what step() works on */
  int (*step)(avfs_slot *s);
  void (*finished)(avfs_pump *p);  /* as avfs_op.done: short, never waits */
  avfs_slot slots[AVFS_PUMP_SLOTS];

  avfs_lock lock;   /* taken last of all, never while calling out */
  int busy AVFS_GUARDED_BY(avfs_pump_role);            /* slots that have not ended */
  uint32_t next AVFS_GUARDED_BY(avfs_pump_role);       /* the first piece not claimed */
  int rc AVFS_GUARDED_BY(avfs_pump_role);              /* the first failure */
  uint32_t os_error AVFS_GUARDED_BY(avfs_pump_role);
};

/* Starts this many slots, 1..AVFS_PUMP_SLOTS, but at most most_slots. With one, its operations are alone: where the
 * work is small, that is worth more than several at a time. SQLITE_NOMEM without memory for the
 * buffers, and then nothing was started; else finished() is called once, maybe before the
 * return, on the calling thread or one of the pool. */
int avfs_pump_start(avfs_pump *p, int slots, int (*step)(avfs_slot *s));
/* Claims for the slot the next of `total` items: as many as `fit` says, which
 * is given the index of the first and answers >= 1. Returns 0 when none is left. */
int avfs_pump_claim(avfs_slot *s, uint32_t total, uint32_t (*fit)(void *work, uint32_t first));
/* The outcome of the run that has finished. */
int avfs_pump_result(avfs_pump *p, uint32_t *os_error_out);
/* At the exit: its threads are gone, nobody holds its lock, and each operation is settled
 * (avfs_io.settle). */
void avfs_pump_reset(avfs_pump *p);
void avfs_pump_free(avfs_pump *p);

#endif
