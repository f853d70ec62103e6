/* crash.h: cuts the power, or kills the process, and has stock SQLite judge what is left.
 *
 *   step of the disk --> cut: none, all, some --> new? --> stock SQLite opens it
 *   or a moment          kill                      |         recovers
 *   between two                   seen: its content is known  integrity_check
 *                                                  |         content
 *                                                  v
 *                       is it the state after commit k, acked <= k <= committed?
 *
 * After a kill all files are as they are read, and mapped memory as it was stored to. Stock SQLite
 * finds a prefix there too; asyncvfs finds all that had returned with durability=os: `kept`.
 *
 * Each database has a history of its own. A commit with a super-journal is a group:
 * it is in all its databases or in none.
 *
 * At or after the last commit that was acknowledged, or that max_lag_ms promises.
 * A commit whose COMMIT has not returned yet may count. The recovery itself is cut
 * again, two deep. Images are kept too, for processes that come after this one and recover them by
 * asyncvfs: kept.h, programs/heirs.h.
 */
#ifndef SIM_CRASH_H
#define SIM_CRASH_H

#include "disk.h"
#include "stock.h"

enum { SIM_DATABASES = 3, SIM_STATES = 4096, SIM_GROUPS = 1024, SIM_STOCKS = 4, SIM_RING_FAILED = 2 };

/* What one database may be. */
typedef struct sim_history {
  uint64_t state[SIM_STATES];   /* hash of the content after commit k; 0: empty */
  uint32_t count;               /* committed states */
  int trying;                   /* a COMMIT is in progress, during which its ring may fail... */
  uint64_t trying_state;        /* ...to this state, which would be number `count` */
  uint32_t acked;               /* this one is promised to survive */
  uint32_t kept;                /* this one too, while the machine lives */
  uint32_t newest_async;        /* the newest one that asyncvfs committed */
  uint64_t returned_ns[SIM_STATES];   /* when its COMMIT returned; 0: no lag is promised */
} sim_history;

/* A commit that returned so long ago is on the medium: max_lag_ms and the time of the
 * flushes. 0: not while the disk fails or threads stall. */
extern uint64_t sim_lag_bound_ns;

extern sim_history sim_commits[SIM_DATABASES];
/* The oldest state that the database may be at after a power cut. */
uint32_t sim_promised(const sim_history *h);
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
  uint64_t kills;
  uint64_t async_images;        /* recovered by asyncvfs... */
  uint64_t async_kills;         /* ...from a kill... */
  uint64_t async_deep;          /* ...from an end of an earlier recovery... */
  uint64_t async_more;          /* ...with commits that stock SQLite does not find... */
  uint64_t async_taken_up;      /* ...from a ring... */
  uint64_t async_refused;       /* ...whose ring was not to be replayed */
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
/* Between two steps: the process may be killed here. */
void sim_crash_moment(void);
/* The system could not have a page of the ring of this name: what it held is not kept any more. */
void sim_crash_ring_failed(const char *name);

/* What is in the databases. */
typedef struct sim_contents {
  uint64_t of[SIM_DATABASES];
} sim_contents;

/* ---- of an heir ---- */

/* It recovers this disk, an image of that depth; its steps are ended too. */
struct sim_kept;
void sim_crash_watch_recovery(sim_disk *d, int depth, uint64_t hash);
/* What stock SQLite finds on a copy of d, which must be a prefix of the commits. */
sim_contents sim_crash_by_stock(const sim_disk *d, const char *how);
/* Fails the run unless it is what it may be; after a kill with all that is kept. */
void sim_crash_check(const sim_contents *c, int killed, const char *who, const char *how);

#endif
