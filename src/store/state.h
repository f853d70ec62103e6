/* state.h: all that is known of one database file of this process, and of its connections.
 *
 *   connections (vfs/main_file.c)                             other processes
 *     |                                                            |
 *   connection.c   xLock, xUnlock, read, write, sync, commit:      |
 *     |            asks those below, which do not ask each other   |
 *     +- turns        whose turn it is to write                    |
 *     +- os_lock .................. os_file: LockFileEx -----------+
 *     |    `- fresh    what a fresh lock finds
 *     |  redo_ring    what outlives the process
 *     +- content      txn ---commit---> committed ---freeze---> draining
 *     |  view         memory-mapped reads                          |
 *     +- transaction  from RESERVED to the commit                  |
 *     |  write_through   a transaction that is on the disk before its commit
 *     +- waits        for the disk, for room                       |
 *          `- drain, limits, commits (tickets, notices)            |
 *                                                                  v
 *   task.c: what is due: drain, os_lock             engine: batch -> disk
 *   exit.c: the same at the end of the process
 *   store.c: open and close; registry.c: which are open; names.c: what a journal's name means;
 *   status.c, settings.c, report.c
 *
 * Arrows go down alone (lint_store): a file includes the headers of those that it asks.
 *
 * What always holds:
 *   (1) the state of the database in memory is: the disk, overlaid by draining,
 *       overlaid by committed. Only the writer sees txn on top of it.
 *   (2) while committed or draining has something that the disk has not, the OS lock
 *       is EXCLUSIVE; it is never below the highest local lock.
 *   (3) while the OS lock is SHARED or more, without a break since it was fresh:
 *       header and committed.size are right, and there is no hot journal and no WAL.
 *   (4) durable_seq <= draining_seq <= commit_seq; each only grows.
 *   (5) a commit is made by COMMIT_PHASETWO and nothing else. A writer that falls
 *       below RESERVED without it leaves no trace (connection.c).
 *   (6) when RESERVED is free, the first that waits for it has been called (turns.c).
 *   (7) the writer's write-through is in the states of write_through.h; in NONE nothing of
 *       its transaction is on the disk.
 *
 * Who guards what: each of the structs below has one guard.
 *   lock          never held while the disk, another process or the application is waited for.
 *   os.busy       a flag under lock: its setter alone may call os_file's methods and
 *                 batch's journal functions, without holding lock. Others wait.
 *   the writer    (the connection at RESERVED or more) owns `writer` and `through`, without a
 *                 lock. They pass to the next writer under lock. What others look at
 *                 (through.super, writer.super_thread) it changes under lock.
 *   drain.run     while it is not AVFS_RUN_NONE, the task owns batch, and the pages
 *                 of draining do not change (nobody writes into them, readers may read).
 *
 * Condition variables, all of lock:
 *   commits.moved   durable_seq has moved, a batch has failed, or the store is taken down
 *   turn            a connection's: it is the first of those that wait for RESERVED, and
 *                   RESERVED is free
 *   changed         a lock level, os.busy, run or a table is not what it was
 */
#ifndef AVFS_STATE_H
#define AVFS_STATE_H

#include "asyncvfs.h"
#include "engine/batch.h"
#include "engine/notifier.h"
#include "engine/scheduler.h"
#include "pages/db_header.h"
#include "pages/page_table.h"
#include "redo/redo.h"
#include "seam/io.h"
#include "seam/sqlite_api.h"
#include "seam/sync.h"
#include "store/durability.h"
#include "store/lock_table.h"
#include "store/parent_file.h"
#include "store/settings.h"
#include "store/virtual_journal.h"

typedef struct avfs_store avfs_store;
typedef struct avfs_conn avfs_conn;
typedef struct avfs_loss avfs_loss;
typedef struct avfs_view avfs_view;

/* Not an SQLite code: this database cannot be managed (a WAL database, an
 * encrypted one): the connection is to use its parent file directly. */
#define AVFS_PASS (-1)

/* A connection's share of a store; lives in its sqlite3_file. */
struct avfs_conn {
  avfs_store *store;          /* NULL: it can never be managed */
  avfs_parent_file *parent;   /* its own, for reading */
  avfs_locker locker;         /* guarded by store->lock; its own level may be read by
                                 the connection's thread, which alone changes it */
  int read_only;              /* opened with SQLITE_OPEN_READONLY */
  char *misspelt;             /* URI parameters, for the status (avfs_uri_misspelt); NULL: none */
  uint64_t disk_reads;        /* calls of parent's xRead; its own thread's */
  avfs_counter passed_level;  /* AVFS_LOCK_x that parent holds while it is passed through; changed
                                 by its own thread, read by any */
  avfs_durability durability; /* where its commits are when COMMIT returns, and where they wait */
  int (*busy_handler)(void *arg);   /* the application's, by SQLite; NULL: not told yet */
  void *busy_arg;

  /* of its own thread: memory-mapped reads */
  uint64_t mmap_limit;        /* SQLITE_FCNTL_MMAP_SIZE: as many bytes of the file may be mapped */
  avfs_view *view;            /* of the file, which it uses; NULL: none */
  uint32_t fetched;           /* pages of it that SQLite has */
  uint64_t fetch_end;         /* up to where it has more without a look at the tables */

  /* of its own thread: commits */
  uint64_t await_seq;         /* its commit that xUnlock is to wait for; 0: none */
  int parked;                 /* xUnlock(SHARED) left it at NONE; only xUnlock(NONE) may follow */
  uint64_t commits_under_lock;   /* since its last unlock */

  /* guarded by store->lock: its turn (turns.c) */
  int refused;                /* its last try at RESERVED was BUSY: it waits for its turn */
  avfs_cond turn;             /* where it waits */
  int called;                 /* its turn has begun */
  avfs_counter spared_thread; /* it was refused, and this thread's next sleep is spared; 0: none.
                                 Read without the lock */

  /* guarded by the registry's lock */
  avfs_conn *registry_next;
  char *path;                 /* its name, as SQLite gave it: its own, since parent may change */
  uint32_t path_hash;
};

/* How long the oldest commit of each batch waited until it was durable: [0] less than
 * 1 ms, [i] less than 2^i ms, the last all that took longer. */
enum { AVFS_LAG_CLASSES = 17 };

typedef struct avfs_lag {
  uint64_t longest_ns;
  uint64_t batches[AVFS_LAG_CLASSES];
} avfs_lag;

/* What the registry remembers of a store that was closed with commits not on disk. */
struct avfs_loss {
  avfs_loss *next;
  uint64_t durable_seq;
  uint64_t id;    /* of the store */
  int rc;         /* why */
};

/* What the database has (content.c). Units of all tables: page_bytes, 512..65536, changed by the
 * writer while all are empty. */
typedef struct avfs_content {
  uint32_t page_bytes;
  avfs_page_table committed, draining;
  avfs_page_pool pool;
  uint64_t disk_bytes;      /* no byte at or behind it is on the disk */
  unsigned char header[AVFS_DB_HEADER_BYTES];   /* of page 1, committed */
  int dirty;                /* committed differs from what is below it */
  uint64_t counted_bytes;   /* its share of the process's queue (limits.c) */
  uint32_t chunk_bytes;     /* SQLITE_FCNTL_CHUNK_SIZE; 0: none */
} avfs_content;

/* The lock that other processes see (os_lock.c), and what was found under it. */
typedef struct avfs_os_lock {
  int level;                  /* AVFS_LOCK_x that os_file holds */
  int busy;                   /* somebody is at os_file */
  uint32_t thread;            /* that thread, if it raises the lock; else 0 */
  int lingering;              /* kept although nobody needs it */
  uint64_t linger_until_ns;   /* until then; then, if this process is alone with the file, longer... */
  uint64_t warm_until_ns;     /* ...until then at most */
  uint64_t calls;             /* of the parent for the lock */
  int managed;                /* header is of a rollback-mode database */
  const char *passed_reason;  /* what a fresh lock found else; static text; NULL: nothing */
  const char *unmanageable;   /* why it is passed through, whatever is in it; static text; NULL: it
                                 is not */
} avfs_os_lock;

/* The local locks (turns.c). */
typedef struct avfs_turns {
  avfs_lock_table table;
  uint64_t until_ns;   /* how long the first in the queue is waited for */
} avfs_turns;

/* The numbers of the commits, and who waits for them (commits.c). */
typedef struct avfs_commits {
  uint64_t commit_seq;        /* newest commit in memory */
  uint64_t draining_seq;      /* newest one in draining or on disk */
  uint64_t durable_seq;       /* newest one on disk */
  uint64_t wanted_seq;        /* somebody waits for it to be durable */
  uint32_t waiting;           /* threads that wait for the next batch */
  uint32_t draining_waiting;  /* threads that wait for the one that runs */
  uint32_t expected;          /* as many may come to wait for the next batch... */
  uint64_t gather_until_ns;   /* ...by then: drain.c */
  uint64_t oldest_ns;         /* age of committed's oldest; 0: none */
  uint64_t draining_oldest_ns;  /* the same of draining's */
  avfs_lag lag;
  uint64_t ticket_first;      /* its block of tickets; 0: none (tickets.c) */
  uint64_t ticket_seq;        /* the first commit in that block */
  avfs_notice *notices;       /* in the order of commits (notices.c) */
  avfs_notice **notices_end;
  avfs_cond moved;
} avfs_commits;

enum avfs_run {
  AVFS_RUN_NONE,      /* no batch */
  AVFS_RUN_ACTIVE,    /* the task drives one */
  AVFS_RUN_BACKOFF    /* one has failed and waits for retry_ns */
};

/* A store's end. */
enum avfs_closing {
  AVFS_CLOSING_NOT,
  AVFS_CLOSING_LAST,  /* no connection is left: a failure is not retried */
  AVFS_CLOSING_OVER,  /* what is not on the disk is lost; the files may be closed */
  AVFS_CLOSING_EXIT   /* the process ends, and this is its only thread */
};

/* How what is committed gets to the disk (drain.c). */
typedef struct avfs_drain {
  enum avfs_run run;
  enum avfs_closing closing;
  uint64_t due_ns;          /* the task looks again by then */
  uint64_t wakes;           /* times that the engine had to be woken */
  uint64_t retry_ns;
  uint32_t backoff_ms;
  uint32_t failures;        /* in a row */
  uint64_t began_ns;        /* the batch that runs */
  uint64_t ended_ns;        /* the last one that ended well */
  uint64_t usual_ns;        /* smoothed duration of a batch */
  int segment_rc;           /* how the last segment of a write-through ended */
  int error_rc;             /* of the last failure; kept */
  uint32_t error_os;
  uint64_t error_ns;
  const char *error_file;   /* path or journal_path; NULL: there was none */
  avfs_batch_counters counters;
} avfs_drain;

/* Writers at the limit of the queue (waits.c). */
typedef struct avfs_room {
  uint32_t thread;    /* the writer's that waits, in its busy handler; 0: none */
  uint64_t stalls;    /* writers that waited */
} avfs_room;

/* Commits that outlive the process (redo_ring.c). */
typedef struct avfs_ring {
  avfs_redo *redo;         /* NULL: none is open. By the setter of os.busy, who has lock too */
  uint64_t salt;           /* random, of its begin */
  uint64_t bytes;          /* of its file, at least */
  int was_full;            /* since it was made */
  int in_the_way;          /* one that was refused could not be renamed, and that has been told */
  int tried;               /* it could not be had under the lock that is held */
  int made;                /* its file may be there, which the last close takes away */
  int leaving;             /* the last connection closes: the file goes with the lock */
  const char *fallback;    /* why `disk` is in force instead of `os`; static text; NULL: it is not */
  uint64_t replayed;       /* commits of a process that was killed, which this one has taken up */
  uint64_t refused;        /* commits in rings that were set aside */
} avfs_ring;

/* Memory-mapped reads (view.c). */
typedef struct avfs_views {
  avfs_view *first;           /* of the file, the newest first */
  int busy;                   /* somebody makes one, or cuts the file */
  uint64_t unmappable_bytes;  /* a file as long as this could not be mapped; 0: it could, or none
                                 was tried */
} avfs_views;

/* What a transaction has written. */
typedef struct avfs_writer {
  avfs_page_table txn;
  avfs_page_pool pool;        /* its page_bytes is the store's, readable without lock */
  uint64_t limit;             /* bytes in txn beyond which it is written through */
  avfs_virtual_journal journal;
  uint32_t super_thread;      /* the thread whose virtual journal names a super-journal; 0: none */
} avfs_writer;

/* A transaction that is on the disk before its commit (write_through.h has the states). */
enum avfs_through_state {
  AVFS_THROUGH_NONE,      /* nothing of it is */
  AVFS_THROUGH_OPEN,      /* segments are in the file, under a hot journal */
  AVFS_THROUGH_REFUSED,   /* one has failed, and its writer has heard */
  AVFS_THROUGH_SYNCED,    /* with a super-journal that SQLite's own journal names, all is flushed */
  AVFS_THROUGH_DECIDED    /* the same, but SQLite's journal names it no more, or never did */
};

typedef struct avfs_through {
  enum avfs_through_state state;
  char *super;            /* the super-journal that the journal on the disk names, or is about to; NULL */
  unsigned char header[AVFS_DB_HEADER_BYTES];   /* as `content.header` will be after the commit */
} avfs_through;

struct avfs_store {
  /* set at open, then read-only */
  const avfs_io *io;
  sqlite3_vfs *parent;
  char *path;              /* UTF-8, absolute */
  char *journal_path, *wal_path;
  char *ring_path, *aside_path;   /* its own, and one that was refused (redo_ring.h) */
  avfs_identity identity;
  avfs_file *db;           /* the engine's handle */
  uint64_t id;             /* of this store, never used again: for tickets */
  avfs_loss *loss;         /* kept ready, for the registry */

  /* guarded by the registry's lock */
  int conns;               /* connections: the last one takes the store down */
  int refs;                /* they, and waits in progress: the last one frees its memory */
  int leaving;             /* it is being taken down: who opens the file waits */

  /* guarded by lock */
  avfs_lock lock;
  avfs_cond changed;
  avfs_content content AVFS_GUARDED_BY(avfs_store_role);
  avfs_os_lock os AVFS_GUARDED_BY(avfs_store_role);
  avfs_turns turns AVFS_GUARDED_BY(avfs_store_role);
  avfs_commits commits AVFS_GUARDED_BY(avfs_store_role);
  avfs_drain drain AVFS_GUARDED_BY(avfs_store_role);
  avfs_room room AVFS_GUARDED_BY(avfs_store_role);
  avfs_ring ring AVFS_GUARDED_BY(avfs_store_role);
  avfs_views views AVFS_GUARDED_BY(avfs_store_role);
  avfs_settings settings AVFS_GUARDED_BY(avfs_store_role);

  /* of exit.c alone */
  enum { AVFS_EXIT_NOW, AVFS_EXIT_LATER, AVFS_EXIT_OVER } at_exit;   /* LATER: operations were in flight */

  /* by os.busy */
  avfs_parent_file *os_file;

  /* by drain.run: the task's */
  avfs_batch batch;
  avfs_page_table spare;   /* an empty table to put in draining's place */
  avfs_task task;          /* the scheduler's */

  /* the writer's */
  avfs_writer writer;
  avfs_through through;
};

AVFS_LOCK_FUNCTIONS(avfs_store, avfs_store, avfs_store_role)
AVFS_SHARED_LOCK_FUNCTIONS(avfs_store, avfs_store, avfs_store_role)
AVFS_COND_FUNCTIONS(avfs_store, avfs_store, avfs_store_role)

static inline avfs_conn *avfs_conn_of(avfs_locker *locker) {
  return (avfs_conn *)((char *)locker - offsetof(avfs_conn, locker));
}

/* 1 when the OS lock is at `level` or more, and nobody is changing it: so what was found under it
 * still holds. */
static inline int avfs_store_has_os_lock(const avfs_store *s, int level) AVFS_REQUIRES_SHARED(avfs_store_role);
static inline int avfs_store_has_os_lock(const avfs_store *s, int level) {
  return s->os.level >= level && !s->os.busy;
}

static inline int avfs_conn_is_writer(const avfs_conn *c) { return c->locker.level >= AVFS_LOCK_RESERVED; }

#endif
