/* crash.h: cuts the power, and has stock SQLite judge what is left.
 *
 *   step of the disk --> cut: none, all, some --> new? --> stock SQLite opens it
 *                                                  |         recovers
 *                                 seen: its content is known  integrity_check
 *                                                  |         content
 *                                                  v
 *                       is it the state after commit k, acked <= k <= committed?
 *
 * A commit whose COMMIT has not returned yet may count. The recovery itself is cut
 * again, two deep. Some images are kept and recovered by asyncvfs too, at the end.
 */
#ifndef SIM_CRASH_H
#define SIM_CRASH_H

#include "disk.h"
#include "sqlite3.h"

enum { SIM_STATES = 4096 };

/* What the database may be. */
typedef struct sim_history {
  uint64_t state[SIM_STATES];   /* hash of the content after commit k; 0: empty */
  uint32_t count;               /* committed states */
  int trying;                   /* a COMMIT is in progress... */
  uint64_t trying_state;        /* ...to this state */
  uint32_t acked;               /* this one is promised to survive */
} sim_history;

extern sim_history sim_commits;

typedef struct sim_statistics {
  uint64_t runs, commits, steps, cuts, images, recovery_images, async_images;
  uint64_t hot;                 /* images with a journal that had to be rolled back */
  uint64_t faults, foreign_commits, busy, reads, flushes;
} sim_statistics;

extern sim_statistics *sim_stats;

/* SQLite result code. */
int sim_content(sqlite3 *db, uint64_t *hash_out);

/* The disk's steps are cut from now on, each with this chance (per million). */
void sim_crash_watch(sim_disk *d, const char *database, uint32_t rate);
/* One more cut, of all three kinds. */
void sim_crash_now(sim_disk *d);
/* Recovers the images that were kept with asyncvfs. The disk is closed by now. */
void sim_crash_by_async(void);

#endif
