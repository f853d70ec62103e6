/* batch.h: one set of pages goes to the database file, all or nothing.
 *
 * Whatever instant the power fails at, stock SQLite finds either a void journal
 * and a whole database, or a valid journal that takes it back to before. The
 * states, what may be trusted in each, and why each flush is there:
 *
 *   state            does                              on the medium meanwhile
 *   ---------------------------------------------------------------------------
 *   IDLE             -                                 database = before
 *     | start
 *   OPEN             opens the journal, void           database = before
 *   JOURNAL          pre-images, as they are on disk   journal void, being filled
 *   SUPER            the super-journal's name, if any
 *   JOURNAL_FLUSH    flush                             a header before the content
 *                                                      is there would restore garbage
 *   HEADER           records, n0, nonce                journal valid or void: both
 *                                                      give `before`
 *   HEADER_FLUSH     flush                             a page before the header is
 *                                                      there could not be undone
 *   PAGES            file grown, pages written         journal valid: gives `before`
 *   PAGES_FLUSH      flush                             a void journal before the pages
 *                                                      are there would leave them torn
 *   VOID             journal's header zeroed           either: `before` or `after`
 *                    (with a super-journal: cut to nothing)
 *   VOID_FLUSH       flush                             else a later foreign writer
 *                                                      would be rolled back by it
 *   CUT              file shortened, if it shrank      database = after; a file longer
 *     |              (later, if it is mapped)          than its header says is legal
 *   IDLE, durable
 *
 *   A state that fails is reported and entered again by avfs_batch_start; a flush
 *   that fails, at the state that wrote what it was to flush: nobody knows what
 *   of it is on the medium.
 *
 * A write-through transaction is a batch in several segments: `more` stops it after
 * PAGES_FLUSH with the journal valid, and the next set of pages goes on from there
 * with a further segment. It ends as any batch does, or by avfs_batch_undo().
 *
 * Who:    one thread at a time, by the store's task (avfs_batch_run is called
 *         again after each pump, through resume()). Nothing here takes a lock
 *         but the pump's and its own, under which it calls resume().
 * Memory: the pages belong to the caller and do not change until finished.
 * Source: atomiccommit.html 3; fileformat2.html 3.
 */
#ifndef AVFS_BATCH_H
#define AVFS_BATCH_H

#include "engine/page_writer.h"
#include "engine/pump.h"

typedef enum avfs_batch_state {
  AVFS_BATCH_IDLE,
  AVFS_BATCH_OPEN,
  AVFS_BATCH_JOURNAL,
  AVFS_BATCH_SUPER,
  AVFS_BATCH_JOURNAL_FLUSH,
  AVFS_BATCH_HEADER,
  AVFS_BATCH_HEADER_FLUSH,
  AVFS_BATCH_PAGES,
  AVFS_BATCH_PAGES_FLUSH,
  AVFS_BATCH_VOID,
  AVFS_BATCH_VOID_FLUSH,
  AVFS_BATCH_CUT
} avfs_batch_state;

/* What one run is to write. */
typedef struct avfs_batch_input {
  avfs_page_table *pages;   /* does not change until the run is over */
  uint64_t file_bytes;      /* length of the database afterwards */
  uint32_t chunk_bytes;     /* the file's is the next multiple of this; 0: the same */
  int more;                 /* a segment: stop after PAGES_FLUSH, the journal stays valid */
  const char *super;        /* with more: names the super-journal; NULL: none */
} avfs_batch_input;

typedef struct avfs_batch_counters {
  uint64_t batches, flushes;
  uint64_t journal_bytes, database_bytes;
  uint64_t pages_written, coalesced_pages;   /* coalesced: joined to a neighbour's write */
} avfs_batch_counters;

#define AVFS_NOTHING_OWED UINT64_MAX

typedef struct avfs_batch {
  /* set by the owner before the first start */
  const avfs_io *io;
  avfs_file *db;
  const char *journal_path;               /* UTF-8, absolute */
  void (*resume)(struct avfs_batch *b);   /* asks for avfs_batch_run, from done(), with lock */
  int (*shorten)(struct avfs_batch *b, uint64_t bytes);   /* as io->resize of db, or leaves it longer
                                             for now (SQLITE_OK); NULL: io->resize */
  void *owner;
  uint64_t nonces;           /* seed of the nonces: random, so that no two batches of any
                                process have the same */

  /* the owner reads these between runs */
  int rc;                    /* of the run that is over */
  uint32_t os_error;
  int failed_journal;        /* 1: what failed was a call on the journal, 0: on the database */
  avfs_batch_counters counters;
  uint64_t disk_bytes;       /* length of the file now */
  uint64_t owed_bytes;       /* something was in the way of CUT: the file is to have this length, as
                                long as nobody else has written it; AVFS_NOTHING_OWED */

  /* private */
  avfs_batch_state state;
  avfs_batch_input input;
  avfs_page_set set;
  avfs_page_set journaled_set;   /* the pages of set that need a record */
  avfs_page_writer writer;
  avfs_pump pump;
  avfs_file *journal;        /* NULL: not open */
  uint64_t journal_bytes;    /* its length; UINT64_MAX: not known, while it changes or failed to */
  int found_journal;         /* one was there that is not yet void on the medium */
  uint32_t page_bytes;
  uint64_t before_bytes;     /* length of the file before the batch */
  uint32_t before_pages;     /* n0: the same in pages, rounded up */
  uint32_t nonce;            /* of the segment */
  uint64_t segment_at;       /* where the segment's header stands */
  uint64_t segment_end;      /* where its last record ends */
  int valid;                 /* the journal has a header on the medium, or may have */
  int has_super;             /* the journal names a super-journal, or may... */
  char *super;               /* ...this one */
  int named;                 /* its file ends in such a name, though it may be void */
  avfs_op op;                /* of SUPER, HEADER and VOID */
  unsigned char *small;      /* what op writes */
  uint32_t small_room;       /* bytes */
  avfs_lock lock;            /* for op_done, beside a run or an undo */
  enum { AVFS_STEP_NEW, AVFS_STEP_IN_FLIGHT, AVFS_STEP_DONE } step;   /* of the state; DONE is
                                set under lock by whoever completes what is in flight */
  /* write-through only */
  uint32_t *journaled;       /* a bit for each page <= n0 with a record; NULL: none */
  uint64_t *segments;        /* where each finished segment stands, for undo */
  uint32_t segment_count, segment_room;
  avfs_cond undo_cond;
  int undo_op_done;          /* guarded by lock */
} avfs_batch;

/* Makes sure that the journal file is there, open and void: where it cannot be, a
 * transaction is to be refused at its start. Only while no run is going on. */
int avfs_batch_open_journal(avfs_batch *b);
/* Begins a run with this input, or goes on with the one that failed (NULL). Then
 * the owner calls avfs_batch_run. page_bytes counts when the batch is not valid. */
void avfs_batch_start(avfs_batch *b, const avfs_batch_input *input, uint32_t page_bytes);
/* At the exit of the process: cancels what the threads that are gone left in flight, and waits
 * for its end, at most for timeout_ms. 0: some of it is in flight still, and the batch, its
 * buffers and its files are to be left alone; its journal is hot, or nothing was written yet. */
int avfs_batch_settle(avfs_batch *b, uint32_t timeout_ms);
/* The thread that ran the batch is gone, at some instant, and nothing is in flight: begins
 * again at the last state that is safe to enter. 0 when there is
 * nothing to go on with: no batch, or one that is not committed (a segment). */
int avfs_batch_restart(avfs_batch *b);
/* Goes on as far as it can. 1: the run is over, rc tells how. 0: operations are
 * in flight, resume() will be called. Waits for the disk inside: a thread of the pool. */
int avfs_batch_run(avfs_batch *b);
/* 1 while an operation is on its way, whose done() will call resume(). */
int avfs_batch_is_in_flight(avfs_batch *b);
/* 1 from the first segment until the batch ends: the disk is mid-transaction. */
int avfs_batch_is_open(const avfs_batch *b);
/* Takes the database back to before the batch, from its own journal, and ends it.
 * When it fails the batch is as before, and it can be called again.
 * Waits for the disk; not on a thread of the pool. */
int avfs_batch_undo(avfs_batch *b);
/* Shortens the file of an idle batch that owes it. */
int avfs_batch_cut(avfs_batch *b);
/* Somebody else may have written the file since: nothing is owed any more. */
void avfs_batch_forget_cut(avfs_batch *b);
/* Deletes the journal file, which is void: nothing is left beside the database. If that fails, its
 * name may stay; but one that ends in the name of a super-journal is kept open when it cannot be
 * cut (avfs_batch_keeps_name): stock SQLite would write its next journal over it, and not cut it,
 * and that would be ignored after a crash for the sake of a super-journal that is gone. */
int avfs_batch_remove_journal(avfs_batch *b);
int avfs_batch_keeps_name(const avfs_batch *b);
/* Closes what is open and leaves the journal as it is on the medium. */
void avfs_batch_abandon(avfs_batch *b);
/* Gives the buffers back; for an idle batch. */
void avfs_batch_trim(avfs_batch *b);

#endif
