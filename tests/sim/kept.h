/* kept.h: what the processes of one run hand on: images that a next process is to recover, and what
 * the databases may be then.
 *
 *   sim_run_seed --fork--> the run ------------ images, histories, statistics --.
 *        |                                                                      v
 *        +------fork--> an heir of image 0: recovers it by asyncvfs ------> shared memory
 *        +------fork--> an heir of image 1, ...                              (and images of
 *        `--- until none is left                                       recoveries that were cut)
 *
 * So a process that was killed has another one come after it, which knows nothing of it, as in life; and
 * each image is recovered the same way whatever was recovered before.
 *
 * Memory: shared, of the run; nothing in it is freed. When it is full, no more images are kept.
 */
#ifndef SIM_KEPT_H
#define SIM_KEPT_H

#include "crash.h"

enum { SIM_KEPT = 400, SIM_KEPT_STATES = 24 };

/* A database's history at that moment: as long as it was, and what an heir has added. */
typedef struct sim_kept_history {
  uint32_t of_run;        /* so many states are the run's */
  uint32_t count, acked, kept;
  int trying;
  uint64_t trying_state;
  uint64_t added[SIM_KEPT_STATES];
} sim_kept_history;

typedef struct sim_kept {
  sim_disk disk;
  int killed;             /* else the power was cut */
  int depth;              /* 1: of a recovery, 2: of that of such a one */
  uint64_t boot;
  uint64_t hash;          /* of the image, and of how it came about */
  uint64_t step;          /* of the run's disk */
  sim_kept_history of[SIM_DATABASES];
  uint32_t groups;
  uint32_t last_group[SIM_DATABASES];
} sim_kept;

/* Before the first process of a run. */
void sim_kept_start(void);
/* Runs it in a process of its own, after which this one has its statistics. Ends this one if it fails. */
void sim_in_process(void (*run)(void *arg), void *arg);

/* Keeps it, unless there is no room: a disk whose power may fail. */
void sim_keep(const sim_disk *d, int killed, int depth, uint64_t hash);
uint32_t sim_kept_count(void);
/* Number i. Its disk becomes one of this process's own; histories are as they were. */
const sim_kept *sim_kept_take(uint32_t i, sim_disk *disk_out);
/* The heir has made database d's history shorter, as long as it is now; it may add to it. */
void sim_kept_shortened(int d);

#endif
