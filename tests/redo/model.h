/* model.h: a database, its disk and a ring in memory, for all tests of src/redo.
 *
 *   history   the states of a database after each of its commits, from a seed alone: pages are
 *             changed, added, cut off and added again; with locking_mode=EXCLUSIVE (of half
 *             of them) the change counter stays
 *   disk      which state it has: base; or batch, whose journal is void
 *   ring      src/redo over the seam model_io, whose one file is memory of ours
 *
 * Portable: the suite redo under Wine, native programs and the fuzzer have it.
 */
#ifndef AVFS_TESTS_REDO_MODEL_H
#define AVFS_TESTS_REDO_MODEL_H

#include "redo/redo.h"

enum { MODEL_STATES = 48, MODEL_PAGES = 24, MODEL_RING = AVFS_REDO_LEAST_BYTES };

typedef struct model_state {
  uint32_t pages;
  unsigned char *content;    /* MODEL_PAGES pages, zeros behind the end */
  avfs_page_table changed;   /* the commit's own table */
} model_state;

typedef struct model {
  uint64_t seed;
  uint32_t unit;
  int exclusive;
  model_state states[MODEL_STATES];   /* [0] is the database at first */
  int asked_behind_end;               /* before() was called where it must not be */
} model;

uint64_t model_draw(uint64_t *chance);
uint32_t model_below(uint64_t *chance, uint32_t n);

void model_make(model *m, uint64_t seed);
void model_free(model *m);
/* The commit that makes state `to`, as number seq. */
avfs_redo_commit model_commit(model *m, uint32_t to, uint64_t seq);
const unsigned char *model_header(const model *m, uint32_t state);

/* The one file that there is, and where it is to be found after a rename. */
extern struct model_file {
  unsigned char *bytes;      /* of anybody: set it to share memory with another process */
  uint64_t size;             /* 0: there is none */
  int aside;                 /* it has been given another name */
  uint64_t boot;
  int failed;                /* the next mapping is one whose pages could not be had */
} model_file;
extern const avfs_io model_io;
/* What model_recover opens the ring by, and where: model_io, if not set. */
extern const avfs_io *model_seam;
extern const char *model_path;

/* The disk. What a read finds behind the end of the file is left over from before. */
typedef struct model_disk {
  const model *m;
  uint32_t state;
  unsigned char *content;    /* MODEL_PAGES pages */
  avfs_identity identity;
  uint32_t reads, fail_read; /* the fail_read-th fails; 0: none */
} model_disk;

void model_disk_init(model_disk *d, const model *m);
void model_disk_free(model_disk *d);
void model_disk_set(model_disk *d, uint32_t state);
avfs_redo_database model_database(model_disk *d);

/* Looks and replays what the file has over the disk. The ring stays open (*r_out) when it is of use:
 * begun anew, or going on. Answers the state that the database is in now, commits are the store's
 * from *seq_out on; -1: what came out is none of the history's states, and *why_out says it. */
int model_recover(model_disk *d, uint64_t *chance, avfs_redo **r_out, uint64_t *seq_out, avfs_redo_report *report_out,
                  const char **why_out);

/* One life of a database: commits, batches, kills at any instant, each followed by a recovery, some
 * by a power cut, a stranger or a copy. Answers NULL, or what is wrong. */
const char *model_live(uint64_t seed);

/* What all lives so far have met. */
extern struct model_totals {
  uint64_t kills, replays, commits, refused, full, gaps, cuts, deep;
} model_totals;

#endif
