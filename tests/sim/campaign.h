/* campaign.h: run after run, each of a seed of its own and in a process of its own, so
 * that none depends on those before it; as many at a time as there are processors.
 *
 *   seed, seed + 1, ... --> run --> statistics --------------> totals
 *                            |      hashes of its images ----> the set of images: what is
 *                            |                                 in it counts once; it holds
 *                            |                                 14 million, then begins anew
 *                            `----> failed: its output, and how to replay it
 */
#ifndef SIM_CAMPAIGN_H
#define SIM_CAMPAIGN_H

#include <stdint.h>

typedef struct sim_campaign {
  uint64_t seed;           /* the first */
  uint64_t images;         /* enough with so many distinct ones; 0: no end... */
  double seconds;          /* ...nor by time */
  uint32_t jobs;           /* runs at a time; 0: by the processors */
  uint64_t last;           /* seed; 0: no end there */
  int keep_going;          /* after a failure */
  const char *replay;      /* how to replay one: printf's format for the seed */
  void (*run)(uint64_t seed);
  uint64_t *failed_out;    /* the first that failed; may be NULL */
} sim_campaign;

/* A run may be one of many of a single seed: then what is called seed here is what tells
 * them apart, the number of the call that fails (programs/sweep.h). */
/* Returns the number of runs that failed. Ends early, and well, at Ctrl-C. */
uint64_t sim_campaign_run(const sim_campaign *c);

#endif
