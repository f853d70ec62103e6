/* lock_table.h: SQLite's file locks among the connections of this process.
 *
 *   NONE -> SHARED -> RESERVED -> (PENDING) -> EXCLUSIVE      lockingv3.html 3
 *
 * Rules, as SQLite's own for processes:
 *   (1) SHARED is refused while another connection is PENDING or EXCLUSIVE.
 *   (2) RESERVED, PENDING, EXCLUSIVE: one connection at a time, the writer.
 *   (3) EXCLUSIVE needs that no other connection holds SHARED. Where one does,
 *       the writer is left PENDING, so that no new reader enters.
 * Turns: a connection that was refused RESERVED queues up when it comes again.
 * When the writer is done the first in the queue has the turn: nobody else gets
 * RESERVED until it has taken it, or has gone back to NONE, or was dequeued
 * because it let its turn pass (store/turns.c). That makes waiting fair.
 *
 * A table of pointers and counts that decides; nobody waits here.
 * Locks: those of the owner.
 */
#ifndef AVFS_LOCK_TABLE_H
#define AVFS_LOCK_TABLE_H

#include "seam/sqlite_api.h"

#define AVFS_LOCK_NONE      SQLITE_LOCK_NONE
#define AVFS_LOCK_SHARED    SQLITE_LOCK_SHARED
#define AVFS_LOCK_RESERVED  SQLITE_LOCK_RESERVED
#define AVFS_LOCK_PENDING   SQLITE_LOCK_PENDING
#define AVFS_LOCK_EXCLUSIVE SQLITE_LOCK_EXCLUSIVE

/* One connection's place in the table. */
typedef struct avfs_locker {
  int level;                       /* AVFS_LOCK_x */
  int queued;                      /* waits for a turn at RESERVED */
  struct avfs_locker *queue_next;
} avfs_locker;

typedef struct avfs_lock_table {
  int readers;                     /* connections at SHARED or above */
  avfs_locker *writer;             /* the one at RESERVED or above */
  avfs_locker *queue;              /* first come, first served */
} avfs_lock_table;

/* Raises `who` by one of SQLite's steps. SQLITE_OK, or SQLITE_BUSY by the rules. */
int avfs_lock_table_raise(avfs_lock_table *t, avfs_locker *who, int level);
/* Lowers `who` to NONE or SHARED. At NONE a turn that it has is given up. */
void avfs_lock_table_lower(avfs_lock_table *t, avfs_locker *who, int level);
/* Puts `who` at the end of the queue for RESERVED, unless it is there. */
void avfs_lock_table_enqueue(avfs_lock_table *t, avfs_locker *who);
void avfs_lock_table_dequeue(avfs_lock_table *t, avfs_locker *who);
/* 1 when nothing stands between `who` and RESERVED but asking. */
int avfs_lock_table_has_turn(const avfs_lock_table *t, const avfs_locker *who);
/* The highest level that any connection holds. */
int avfs_lock_table_highest(const avfs_lock_table *t);

#endif
