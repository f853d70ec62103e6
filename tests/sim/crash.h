/* crash.h: cuts the power, and has stock SQLite judge what is left.
 *
 *   step of the disk --> cut: none, all, some --> new? --> stock SQLite opens it
 *                                                  |         recovers
 *                                 seen: its content is known  integrity_check
 *                                                  |         content
 *                                                  v
 *                       is it the state after commit k, acked <= k <= committed?
 *
 * Each database has a history of its own. A commit with a super-journal is a group:
 * it is in all its databases or in none.
 *
 * At or after the last commit that was acknowledged, or that max_lag_ms promises.
 * A commit whose COMMIT has not returned yet may count. The recovery itself is cut
 * again, two deep. Some images are kept and recovered by asyncvfs too, at the end.
 */
#ifndef SIM_CRASH_H
#define SIM_CRASH_H

#include "disk.h"
#include "stock.h"

enum { SIM_DATABASES = 3, SIM_STATES = 4096, SIM_GROUPS = 1024, SIM_STOCKS = 4 };

/* What one database may be. */
typedef struct sim_history {
  uint64_t state[SIM_STATES];   /* hash of the content after commit k; 0: empty */
  uint32_t count;               /* committed states */
  int trying;                   /* a COMMIT is in progress... */
  uint64_t trying_state;        /* ...to this state, which would be number `count` */
  uint32_t acked;               /* this one is promised to survive */
  uint32_t newest_async;        /* the newest one that asyncvfs committed */
  uint64_t returned_ns[SIM_STATES];   /* when its COMMIT returned; 0: no lag is promised */
} sim_history;

/* A commit that returned so long ago is on the medium: max_lag_ms and the time of the
 * flushes. 0: not while the disk fails or threads stall. */
extern uint64_t sim_lag_bound_ns;

extern sim_history sim_commits[SIM_DATABASES];
extern const char *const sim_names[SIM_DATABASES];     /* of their files */
extern const char *const sim_schemas[SIM_DATABASES];   /* main, and as they are attached */
extern const char *const sim_second_name;              /* of the first one, where there is one */
extern int sim_databases;                              /* how many there are */

/* Commits with a super-journal: the number that each has in a database, 0: none. The
 * last one may be on trial still. */
extern uint32_t sim_groups[SIM_GROUPS][SIM_DATABASES];
extern uint32_t sim_group_count;

/* Of a run; added up over all of them. */
typedef struct sim_statistics {
  uint64_t runs, commits, steps, cuts;
  uint64_t images;              /* that no earlier run had, judged... */
  uint64_t by_stock[SIM_STOCKS];  /* ...by this version... */
  uint64_t hot;                 /* ...with a journal that had to be rolled back... */
  uint64_t recovery_images;     /* ...from a power cut during recovery */
  uint64_t async_images;        /* recovered by asyncvfs too... */
  uint64_t async_cuts;          /* ...power cuts meanwhile */
  uint64_t faults, foreign_commits, busy, reads, flushes, groups, exits, leaps, stalls;
} sim_statistics;

extern sim_statistics sim_stats;

/* Those who judge; at least the linked one. An image gets one of them by chance. */
extern const sim_stock *sim_stocks[SIM_STOCKS];
extern uint32_t sim_stock_count;

/* Asked for each image that is new to this run: 1 when it is to all. */
extern int (*sim_is_new_image)(uint64_t hash);

/* The disk's steps are cut from now on, each with this chance (per million). */
void sim_crash_watch(sim_disk *d, uint32_t rate);
/* Not 0: the power is cut at this step alone, as it was among all the others. */
extern uint64_t sim_cut_only;
/* One more cut, of all three kinds. */
void sim_crash_now(sim_disk *d);
/* Recovers the images that were kept with asyncvfs. The disk is closed by now. */
void sim_crash_by_async(void);

#endif
