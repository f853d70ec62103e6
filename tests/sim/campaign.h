/* campaign.h: run after run, each of a seed of its own and in a process of its own, so
 * that none depends on those before it; as many at a time as there are processors.
 *
 *   seed, seed + 1, ... --> run --> statistics --------------> totals
 *                            |      hashes of its images ----> the set of all images:
 *                            |                                 what is in it counts once
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
  int keep_going;          /* after a failure */
  const char *options;     /* for the line that says how to replay */
  void (*run)(uint64_t seed);
} sim_campaign;

/* Returns the number of runs that failed. Ends early, and well, at Ctrl-C. */
uint64_t sim_campaign_run(const sim_campaign *c);

#endif
