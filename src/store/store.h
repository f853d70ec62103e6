/* store.h: one database file of this process, and its connections.
 *
 *   connections (vfs/main_file.c)                          other processes
 *     |  lock, unlock          process_lock.c                    |
 *     |    `- lock_table ........ os_file: LockFileEx -----------+
 *     |  read, write, truncate   content.c
 *     |    `- txn ---commit---> committed ---freeze---> draining
 *     |  sync, commit            transaction.c              |
 *     v                                                 backlog.c
 *   engine: scheduler -> task -> batch -> disk  <-----------+
 *
 * What always holds:
 *   (1) the state of the database in memory is: the disk, overlaid by draining,
 *       overlaid by committed. Only the writer sees txn on top of it.
 *   (2) while committed or draining has something that the disk has not, the OS lock
 *       is EXCLUSIVE; it is never below the highest local lock.
 *   (3) while the OS lock is SHARED or more, without a break since fresh_lock():
 *       header and committed.size are right, and there is no hot journal and no WAL.
 *   (4) durable_seq <= draining_seq <= commit_seq; each only grows.
 *   (5) a commit is made by COMMIT_PHASETWO and nothing else. A writer that falls
 *       below RESERVED without it leaves no trace (transaction.c).
 *   (6) when RESERVED is free, the first that waits for it has been called (process_lock.c).
 *
 * Who guards what:
 *   lock          all fields below it. Never held while the disk, another process
 *                 or the application is waited for.
 *   os_busy       a flag under lock: its setter alone may call os_file's methods and
 *                 batch's journal functions, without holding lock. Others wait.
 *   the writer    (the connection at RESERVED or more) owns txn, txn_pool, journal,
 *                 through, synced_super; without a lock. They pass to the next writer
 *                 under lock. super and names_super it changes under lock: others look.
 *   run           while it is not AVFS_RUN_NONE, the task owns batch, and the pages
 *                 of draining do not change (nobody writes into them, readers may read).
 *
 * Condition variables, all of lock:
 *   durable       durable_seq has moved, a batch has failed, or the store is taken down
 *   turn          a connection's: it is the first of those that wait for RESERVED, and
 *                 RESERVED is free
 *   changed       a lock level, os_busy, run or a table is not what it was
 */
#ifndef AVFS_STORE_H
#define AVFS_STORE_H

#include "seam/sqlite_api.h"
#include "asyncvfs.h"
#include "engine/batch.h"
#include "engine/notifier.h"
#include "engine/scheduler.h"
#include "store/durability.h"
#include "store/lock_table.h"
#include "pages/page_table.h"
#include "store/parent_file.h"
#include "store/settings.h"
#include "store/virtual_journal.h"
#include "seam/io.h"
#include "seam/sync.h"

typedef struct avfs_store avfs_store;
typedef struct avfs_conn avfs_conn;
typedef struct avfs_loss avfs_loss;
typedef struct avfs_view avfs_view;

/* Not an SQLite code: this database is not ours to handle (a WAL database, an
 * encrypted one): the connection is to use its parent file directly. */
#define AVFS_PASS (-1)

/* A connection's share of a store; lives in its sqlite3_file. */
struct avfs_conn {
  avfs_store *store;
  avfs_parent_file *parent;   /* its own, for reading */
  avfs_locker locker;         /* guarded by store->lock; its own level may be read by
                                 the connection's thread, which alone changes it */
  int read_only;              /* opened with SQLITE_OPEN_READONLY */
  char *misspelt;             /* URI parameters, for the status (avfs_uri_misspelt); NULL: none */
  uint64_t disk_reads;        /* calls of parent's xRead; its own thread's */
  avfs_counter passed_level;  /* AVFS_LOCK_x that parent holds while it is passed through; changed
                                 by its own thread, read by any */
  avfs_durability durability; /* where its commits are when COMMIT returns, and where they wait */
  uint64_t mmap_limit;        /* SQLITE_FCNTL_MMAP_SIZE: as many bytes of the file may be mapped */
  avfs_view *view;            /* of the file, which it uses; NULL: none. Its own thread's, as are... */
  uint32_t fetched;           /* ...pages of it that SQLite has... */
  uint64_t fetch_end;         /* ...and up to where it has more without a look at the tables */
  uint64_t await_seq;         /* its commit that xUnlock is to wait for; 0: none */
  int parked;                 /* xUnlock(SHARED) left it at NONE; only xUnlock(NONE) may follow */
  uint64_t commits_under_lock;   /* since its last unlock */
  int refused;                /* its last try at RESERVED was BUSY: it waits in turn... */
  avfs_cond turn;             /* ...here... */
  int called;                 /* ...until its turn has begun. All three: store->lock */
  avfs_counter spared_thread; /* it was refused, and this thread's next sleep is spared; 0: none */
  int (*busy_handler)(void *arg);   /* the application's, by SQLite; NULL: not told yet */
  void *busy_arg;
  avfs_conn *registry_next;   /* guarded by the registry's lock, as is... */
  char *path;                 /* ...its name, as SQLite gave it: its own, parent may change */
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

enum avfs_run {
  AVFS_RUN_NONE,      /* no batch */
  AVFS_RUN_ACTIVE,    /* the task drives one */
  AVFS_RUN_BACKOFF    /* one has failed and waits for retry_ns */
};

enum {
  AVFS_CLOSING_NOT,
  AVFS_CLOSING_LAST,  /* no connection is left: a failure is not retried */
  AVFS_CLOSING_OVER,  /* what is not on the disk is lost; the files may be closed */
  AVFS_CLOSING_EXIT   /* the process ends, and this is its only thread */
};

enum avfs_through {
  AVFS_THROUGH_NOT,
  AVFS_THROUGH_OPEN,      /* segments of the transaction are in the file */
  AVFS_THROUGH_DECIDED    /* with a super-journal: synced; its deletion commits */
};

struct avfs_store {
  /* set at open, then read-only */
  const avfs_io *io;
  sqlite3_vfs *parent;
  char *path;              /* UTF-8, absolute */
  char *journal_path, *wal_path;
  avfs_identity identity;
  avfs_file *db;           /* the engine's handle */
  uint64_t id;             /* of this store, never used again: for tickets */
  avfs_loss *loss;         /* kept ready, for the registry */

  /* guarded by the registry's lock */
  int conns;               /* connections: the last one takes the store down */
  int refs;                /* they, and waits in progress: the last one frees its memory */
  int leaving;             /* it is being taken down: who opens the file waits */

  avfs_lock lock;
  avfs_cond changed, durable;

  /* guarded by lock: who may do what */
  avfs_lock_table locks AVFS_GUARDED_BY(avfs_store_role);
  int os_level AVFS_GUARDED_BY(avfs_store_role);          /* AVFS_LOCK_x that os_file holds */
  int os_busy AVFS_GUARDED_BY(avfs_store_role);           /* somebody is changing it... */
  uint32_t os_thread AVFS_GUARDED_BY(avfs_store_role);    /* ...this thread, if it raises it; else 0 */
  int lingering AVFS_GUARDED_BY(avfs_store_role);         /* kept although nobody needs it... */
  uint64_t linger_until_ns AVFS_GUARDED_BY(avfs_store_role);  /* ...until then; then, if this
                                                  process is alone with the file, for longer... */
  uint64_t warm_until_ns AVFS_GUARDED_BY(avfs_store_role);    /* ...until then at most */
  uint64_t turn_until_ns AVFS_GUARDED_BY(avfs_store_role);    /* how long the queue's head is waited for */
  avfs_parent_file *os_file;                   /* by os_busy */

  /* guarded by lock: the content */
  uint32_t page_bytes AVFS_GUARDED_BY(avfs_store_role);   /* unit of all tables; 512..65536; changed
                                                  by the writer while all are empty */
  avfs_page_table committed AVFS_GUARDED_BY(avfs_store_role);
  avfs_page_table draining AVFS_GUARDED_BY(avfs_store_role);
  avfs_page_pool pool AVFS_GUARDED_BY(avfs_store_role);
  uint64_t disk_bytes AVFS_GUARDED_BY(avfs_store_role);   /* no byte at or behind it is on the disk */
  unsigned char header[100] AVFS_GUARDED_BY(avfs_store_role);   /* of page 1, committed */
  uint64_t epoch AVFS_GUARDED_BY(avfs_store_role);        /* how many fresh OS locks there were */
  int ours AVFS_GUARDED_BY(avfs_store_role);              /* header is of a rollback-mode database... */
  const char *passed_reason AVFS_GUARDED_BY(avfs_store_role);   /* ...or what a fresh lock found else, static
                                                  text; NULL: nothing */
  const char *unmanageable AVFS_GUARDED_BY(avfs_store_role);   /* why it is passed through, whatever is
                                                  in it; static text, NULL: it is not */
  uint32_t chunk_bytes AVFS_GUARDED_BY(avfs_store_role);  /* SQLITE_FCNTL_CHUNK_SIZE; 0: none */

  /* guarded by lock: memory-mapped reads (view.c) */
  avfs_view *views AVFS_GUARDED_BY(avfs_store_role);      /* of the file, the newest first */
  int view_busy AVFS_GUARDED_BY(avfs_store_role);         /* somebody makes one, or cuts the file */
  uint64_t unmappable_bytes AVFS_GUARDED_BY(avfs_store_role);   /* a file as long as this could not be
                                                  mapped; 0: it could, or none was tried */

  /* guarded by lock: the commits */
  uint64_t commit_seq AVFS_GUARDED_BY(avfs_store_role);     /* newest commit in memory */
  uint64_t draining_seq AVFS_GUARDED_BY(avfs_store_role);   /* newest one in draining or on disk */
  uint64_t durable_seq AVFS_GUARDED_BY(avfs_store_role);    /* newest one on disk */
  uint64_t wanted_seq AVFS_GUARDED_BY(avfs_store_role);     /* somebody waits for it to be durable */
  uint32_t waiting AVFS_GUARDED_BY(avfs_store_role);        /* threads that wait for the next batch... */
  uint32_t draining_waiting AVFS_GUARDED_BY(avfs_store_role);   /* ...and for the one that runs */
  uint32_t company AVFS_GUARDED_BY(avfs_store_role);        /* as many may wait for the next batch... */
  uint64_t gather_until_ns AVFS_GUARDED_BY(avfs_store_role);    /* ...by then: backlog.c */
  uint64_t oldest_ns AVFS_GUARDED_BY(avfs_store_role);      /* age of committed's oldest; 0: none */
  uint64_t draining_oldest_ns AVFS_GUARDED_BY(avfs_store_role);  /* the same of draining's */
  int dirty AVFS_GUARDED_BY(avfs_store_role);               /* committed differs from what is below it */
  uint64_t counted_bytes AVFS_GUARDED_BY(avfs_store_role);  /* its share of the process's queue */
  uint32_t room_thread AVFS_GUARDED_BY(avfs_store_role);    /* the writer's that waits for room, in its busy
                                                  handler; 0: none */
  uint64_t ticket_first AVFS_GUARDED_BY(avfs_store_role);   /* its block of tickets; 0: none... */
  uint64_t ticket_seq AVFS_GUARDED_BY(avfs_store_role);     /* ...and the first commit in that */
  avfs_notice *notices AVFS_GUARDED_BY(avfs_store_role);    /* durable_notices.c's, in the order of
                                                  commits */
  avfs_notice **notices_end AVFS_GUARDED_BY(avfs_store_role);

  /* guarded by lock: the batch */
  enum avfs_run run AVFS_GUARDED_BY(avfs_store_role);
  int closing AVFS_GUARDED_BY(avfs_store_role);             /* AVFS_CLOSING_x */
  enum { AVFS_EXIT_NOW, AVFS_EXIT_LATER, AVFS_EXIT_OVER } exit_state;   /* at the exit of the process:
                                                  LATER: operations were in flight */
  uint64_t task_due_ns AVFS_GUARDED_BY(avfs_store_role);    /* the task looks again by then */
  uint64_t retry_ns AVFS_GUARDED_BY(avfs_store_role);
  uint32_t backoff_ms AVFS_GUARDED_BY(avfs_store_role);
  uint32_t failures AVFS_GUARDED_BY(avfs_store_role);       /* in a row */
  uint64_t run_began_ns AVFS_GUARDED_BY(avfs_store_role);
  uint64_t run_usual_ns AVFS_GUARDED_BY(avfs_store_role);   /* smoothed duration of a batch */
  int segment_rc AVFS_GUARDED_BY(avfs_store_role);          /* how the last segment ended */
  int segment_told AVFS_GUARDED_BY(avfs_store_role);        /* its failure, to its writer */
  int error_rc AVFS_GUARDED_BY(avfs_store_role);            /* of the last failure; kept */
  uint32_t error_os AVFS_GUARDED_BY(avfs_store_role);
  uint64_t error_ns AVFS_GUARDED_BY(avfs_store_role);
  avfs_settings settings AVFS_GUARDED_BY(avfs_store_role);
  avfs_batch_counters counters AVFS_GUARDED_BY(avfs_store_role);
  avfs_lag lag AVFS_GUARDED_BY(avfs_store_role);
  uint64_t os_lock_calls AVFS_GUARDED_BY(avfs_store_role);  /* calls of the parent for the OS lock */
  uint64_t kicks AVFS_GUARDED_BY(avfs_store_role);          /* times that the engine had to be woken */
  uint64_t stalls AVFS_GUARDED_BY(avfs_store_role);         /* writers that waited at the limit */

  avfs_batch batch;        /* by run */
  avfs_page_table spare;   /* the task's: an empty table to put in draining's place */
  avfs_task task;          /* the scheduler's */

  /* the writer's */
  avfs_page_table txn;
  avfs_page_pool txn_pool;   /* its page_bytes is the store's, readable without lock */
  uint64_t txn_limit;        /* bytes in txn beyond which it is written through */
  avfs_virtual_journal journal;
  enum avfs_through through;
  unsigned char through_header[100];   /* of page 1, as it left txn for the file... */
  int through_has_header;              /* ...if it did */
  char *super;             /* the super-journal that the journal on the disk names, or NULL;
                              changed under lock, as is... */
  uint32_t names_super;    /* ...the thread whose SQLite's own, the virtual one, names it; 0: none */
  int synced_super;        /* and that transaction has been synced */
};

AVFS_LOCK_FUNCTIONS(avfs_store, avfs_store, avfs_store_role)
AVFS_SHARED_LOCK_FUNCTIONS(avfs_store, avfs_store, avfs_store_role)
AVFS_COND_FUNCTIONS(avfs_store, avfs_store, avfs_store_role)

static inline avfs_conn *avfs_conn_of(avfs_locker *locker) {
  return (avfs_conn *)((char *)locker - offsetof(avfs_conn, locker));
}

/* ---- store.c: open, close ------------------------------------------------ */

/* Finds or makes the store of the file that conn->parent has open. AVFS_PASS with
 * a reason when it cannot be ours. */
int avfs_store_open(const avfs_io *io, sqlite3_vfs *parent, avfs_conn *conn, const char **reason_out);
/* A connection closes. The last one drains: waits until all is on the disk, or reports
 * what is not. When it returns no file is open. */
void avfs_store_close(avfs_store *s);
/* Drops a reference of find_id, find_after or retain. Waits for nothing. */
void avfs_store_release(avfs_store *s);

/* Asserts what store.h says always holds, where no change is half done. Walks all
 * tables, so only in builds with AVFS_CHECK (the debug preset, the simulation). */
#ifdef AVFS_CHECK
void avfs_store_check(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
#else
# define avfs_store_check(s) ((void)(s))
#endif

/* ---- process_lock.c ------------------------------------------------------ */

/* xLock: SQLITE_OK, SQLITE_BUSY, or an error. AVFS_PASS: the database cannot be managed, and the
 * level is as it was, NONE or SHARED: the connection is to go on with its parent file. */
int avfs_store_lock(avfs_conn *conn, int level);
/* Why connections to this database are passed through whatever is in it; NULL: they are not. */
const char *avfs_store_unmanageable(avfs_store *s);
int avfs_store_unlock(avfs_conn *conn, int level);
int avfs_store_check_reserved(avfs_conn *conn, int *reserved_out);
/* xSleep: 1 when a connection of the calling thread was refused RESERVED, for another of this
 * process, and has gone back to NONE. It need not sleep before it tries again: xLock(SHARED)
 * has it wait for its turn. Once for each refusal, and not for longer than a busy handler of
 * SQLite's sleeps. */
int avfs_store_spares_sleep(uint64_t us);
/* Waits for the setter of os_busy; SQLITE_BUSY when the calling thread is that itself. */
int avfs_store_await_os(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* Lowers the OS lock to what is needed now. */
void avfs_store_relax(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* Gives the OS lock, as it is, to the connection, which becomes a plain one. */
void avfs_store_hand_over(avfs_conn *conn);

/* ---- content.c ----------------------------------------------------------- */

int avfs_store_read(avfs_conn *conn, void *p, uint32_t n, uint64_t offset);
int avfs_store_write(avfs_conn *conn, const void *p, uint32_t n, uint64_t offset);
int avfs_store_truncate(avfs_conn *conn, uint64_t size);
int avfs_store_size(avfs_conn *conn, uint64_t *size_out);
/* SQLITE_FCNTL_CHUNK_SIZE: the file grows and shrinks by so many bytes; 0 or less: by any. */
void avfs_store_set_chunk(avfs_store *s, int bytes);
/* 1 when what the writer has written is what was there before: a rollback. */
int avfs_store_writes_nothing_new(avfs_conn *conn);

/* ---- view.c -------------------------------------------------------------- */

/* xFetch: n bytes at offset as the disk has them, until avfs_store_unfetch; NULL: they are not to
 * be had so. */
void *avfs_store_fetch(avfs_conn *conn, uint64_t offset, uint32_t n);
/* xUnfetch of p; 0: it is not from avfs_store_fetch. */
int avfs_store_unfetch(avfs_conn *conn, const void *p);
/* The connection uses no view any more, unless it has pages of it. */
void avfs_store_leave_view(avfs_conn *conn) AVFS_REQUIRES(avfs_store_role);
/* Unmaps what nobody uses. */
void avfs_store_unmap(avfs_store *s) AVFS_EXCLUDES(avfs_store_role);
/* Cuts the file, unless a view of it that is in use is in the way: avfs_io.size tells. */
int avfs_store_shorten(avfs_store *s, uint64_t bytes) AVFS_EXCLUDES(avfs_store_role);

/* ---- transaction.c ------------------------------------------------------- */

void avfs_transaction_begin(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* SQLite's journal names its super-journal, or does not any more. Of the calling thread: it
 * alone is to see that journal, until it has rolled back. */
void avfs_transaction_note_super(avfs_store *s, int named);
/* Before what SQLite writes: its rollback, if it has synced with a super-journal. */
int avfs_transaction_before_write(avfs_conn *conn);
/* SQLITE_FCNTL_SYNC: the last moment to refuse the commit. */
int avfs_transaction_sync(avfs_conn *conn, const char *super);
/* SQLITE_FCNTL_COMMIT_PHASETWO. *handed_over_out: the connection is a plain one now. */
int avfs_transaction_commit(avfs_conn *conn, int *handed_over_out);
/* Of a writer that gives up RESERVED: what it wrote and did not commit is gone. */
int avfs_transaction_discard(avfs_conn *conn);
/* Writes what txn holds to the file, under a journal of the engine's. *super, by avfs_alloc, is
 * taken over, and NULL then, once that journal begins to name it; super may be NULL. */
int avfs_transaction_spill(avfs_conn *conn, int wait, char **super);

/* ---- backlog.c ----------------------------------------------------------- */

void avfs_backlog_task(avfs_task *t);
/* After a commit: the time to schedule the task at, once the lock is left;
 * AVFS_NEVER: it looks in time anyway. */
uint64_t avfs_backlog_grew(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* The writer waits, before it has written anything, until what is queued is within
 * the limits. The disk's error while it fails at the limit, or for long; SQLITE_BUSY when the
 * connection's busy handler gives up or the time is up, or at once with on_full=busy.
 * c is NULL after a commit, when it is too late to refuse: as long as the disk works. */
int avfs_backlog_wait_for_room(avfs_store *s, const avfs_conn *c) AVFS_REQUIRES(avfs_store_role);
/* The last moment to refuse a commit: SQLITE_OK, or the disk's error when the queue is
 * full and the disk fails, or fails for long. A writer that did not ask for its lock
 * (locking_mode=EXCLUSIVE) has not been stopped before. */
int avfs_backlog_check_room(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* A table has grown or shrunk: counts it in the process's queue. */
void avfs_backlog_count(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* If the calling thread sleeps in its busy handler, waiting for room in a store: sleeps
 * until there is some, or us microseconds have passed, and returns 1. */
int avfs_backlog_sleep(uint64_t us);
/* Waits until commit `seq` is durable. With a timeout through all failures, until
 * the time is up: then the error, or SQLITE_BUSY. With AVFS_FOREVER until the
 * disk has failed several times in a row: then the error. */
int avfs_backlog_wait_durable(avfs_store *s, uint64_t seq, uint32_t timeout_ms)
    AVFS_REQUIRES(avfs_store_role);
/* Has the commits so far written now; does not wait. */
void avfs_store_hurry(avfs_store *s);
/* All commits so far. */
int avfs_store_flush(avfs_store *s, uint32_t timeout_ms);
/* All commits in the file and the OS lock given back: SQLITE_BUSY while a local
 * connection holds a lock. */
int avfs_store_drain(avfs_store *s, uint32_t timeout_ms);
/* Bytes of pages in memory for this database. */
uint64_t avfs_backlog_bytes(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role);
/* The same for all databases of the process. */
uint64_t avfs_backlog_process_bytes(void);
/* What each kind of memory that is not counted there may take for one database: a sixteenth of
 * max_process_bytes. docs/DURABILITY.md, Memory. */
uint64_t avfs_backlog_share(void);
/* Writes what is left, on the process's last thread, until deadline_ns. */
void avfs_backlog_exit(avfs_store *s, uint64_t deadline_ns) AVFS_REQUIRES(avfs_store_role);
/* Starts a batch with draining as its pages. Then kick the task, without lock. */
void avfs_backlog_start(avfs_store *s, const avfs_batch_input *input) AVFS_REQUIRES(avfs_store_role);
/* Nothing waits to be written and no batch is in progress. */
int avfs_backlog_is_empty(const avfs_store *s) AVFS_REQUIRES_SHARED(avfs_store_role);
/* Has the task look now; call without the lock. */
void avfs_store_kick(avfs_store *s) AVFS_EXCLUDES(avfs_store_role);

/* ---- tickets.c ------------------------------------------------------------- */

/* The ticket > 0 that stands for the store's commit `seq` and those before it; seq is never less
 * than before. SQLITE_NOMEM; SQLITE_TOOBIG: the process has none left. */
int avfs_ticket(avfs_store *s, uint64_t seq, long long *ticket_out) AVFS_REQUIRES(avfs_store_role);
/* What a ticket >= 0 stands for. *id_out 0: what has been durable for long, or nothing. It may be
 * of a store that is closed. SQLITE_MISUSE: it has not been given. */
int avfs_ticket_find(long long ticket, uint64_t *id_out, uint64_t *seq_out);
/* The store closes: all of its commits are durable, or recorded as lost. */
void avfs_tickets_end(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* For tests: as if all tickets before this one had been given. */
void avfs_tickets_skip(uint64_t next);

/* ---- durable_notices.c: asyncvfs_on_durable -------------------------------- */

/* Has the notifier call back when all commits so far are durable; s is NULL for a file
 * that can never be ours: at once. SQLITE_NOMEM, SQLITE_TOOBIG. */
int avfs_call_when_durable(avfs_store *s, asyncvfs_durable_callback callback, void *arg);
/* durable_seq has moved: hands those it covers to the notifier. */
void avfs_durable_notices_due(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* The store closes: all are handed over, with rc when commits are lost. */
void avfs_durable_notices_end(avfs_store *s, int rc) AVFS_REQUIRES(avfs_store_role);

/* ---- status.c ------------------------------------------------------------ */

/* One JSON object, by sqlite3_malloc; NULL without memory. conn may be NULL; s is
 * NULL for a file that can never be ours. reason is NULL when it is ours now. */
char *avfs_store_status(avfs_store *s, avfs_conn *conn, const char *reason);

/* ---- registry.c ---------------------------------------------------------- */

void avfs_registry_add_conn(avfs_conn *conn);
void avfs_registry_remove_conn(avfs_conn *conn);
/* The id for a new store, and the last one that was given. */
uint64_t avfs_registry_next_id(void);
uint64_t avfs_registry_last_id(void);
/* Takes a reference to the open store with the first id after this one, up to `last`; NULL:
 * there is none. */
avfs_store *avfs_registry_find_after(uint64_t id, uint64_t last);
/* Takes a reference to the open store with this id, if there is one. */
avfs_store *avfs_registry_find_id(uint64_t id);
/* Remembers what was lost, for tickets; takes the record over. */
void avfs_registry_add_loss(avfs_loss *loss);
/* Of a closed store: SQLITE_OK when its commit `seq` is on disk, else why not; SQLITE_MISUSE:
 * there has been none with this id. */
int avfs_registry_loss(uint64_t id, uint64_t seq);
/* The open store of this file, for another connection; NULL: there is none. AVFS_PASS: there is
 * one that may be of this file or of another (one_file.h). Waits while one is being taken
 * down. */
int avfs_registry_find(const avfs_identity *id, avfs_store **store_out);
/* Adds a new store with its first connection, unless one that find would tell of has come up
 * meanwhile; *store_out is s, or else as find has it. SQLITE_NOMEM. */
int avfs_registry_add(avfs_store *s, avfs_store **store_out);
/* Takes a reference to the open store of this file, if there is one; perhaps: else to one that may
 * be of this file or of another. */
avfs_store *avfs_registry_find_file(const avfs_identity *id, int perhaps);
/* Takes another reference to an open store; with the registry locked (visit). */
avfs_store *avfs_registry_retain(avfs_store *s);
/* The same, for who has a connection to it. */
avfs_store *avfs_registry_retain_open(avfs_store *s);
/* A connection is gone, unless it is the last: then 1, and others may still join. */
int avfs_registry_leave_others(avfs_store *s);
/* A connection is gone; 1 when it was the last: the caller takes the store down, and
 * then removes it. Its reference stays. */
int avfs_registry_leave(avfs_store *s);
/* The store is taken down: it is no longer found. */
void avfs_registry_remove(avfs_store *s);
/* Drops a reference; 1 when it was the last: the caller frees the memory. */
int avfs_registry_release(avfs_store *s);
/* Calls back for the store that has a connection of this path (n bytes), or for
 * all stores (NULL), with the registry locked. Returns how many there were. */
int avfs_registry_visit(const char *path, size_t n, void (*visit)(avfs_store *s, void *arg),
                        void *arg);
/* One more file of this process is passed through, or one less (-1). Its lock is its own, so a
 * store that kept the file's longer than it needs would be in its way. */
void avfs_registry_count_passed(int n);
int avfs_registry_has_passed(void);
/* The first connection of this path (n bytes) of which is(c) says 1; NULL: none. */
avfs_conn *avfs_registry_find_conn(const char *path, size_t n, int (*is)(avfs_conn *c));
/* visit for all connections. */
void avfs_registry_visit_conns(void (*visit)(avfs_conn *c, void *arg), void *arg);

/* Called once, when the process ends with databases open, by its last thread: writes
 * what can be written safely, for at most timeout_ms altogether; ASYNCVFS_LOG is told of
 * what is not. */
void avfs_process_exit(const avfs_io *io, uint32_t timeout_ms);

#endif
