/* names.h: what the name of a journal or of a WAL means.
 *
 * It is its database's with a tail. Whether it means the file on the disk or the virtual one is
 * one rule:
 *   -journal  is virtual while a managed connection holds RESERVED or more, and
 *             the store has the OS lock to match: then no other writer exists, here
 *             or elsewhere, whom the name could belong to;
 *   -journal, -wal  do not exist while the store holds the OS lock: it has looked,
 *             and nobody else can make one. But SQLite deletes a super-journal when no
 *             journal is left that names it (pager_delsuper), and rolls nothing back whose
 *             super-journal is gone: so a virtual journal that names one exists, and can
 *             be read.
 * A database's name is the n bytes before the tail.
 */
#ifndef AVFS_NAMES_H
#define AVFS_NAMES_H

#include "store/state.h"

typedef struct avfs_name {
  int is_virtual;    /* a managed writer's journal */
  int is_known;      /* the OS lock is held: nothing of that name is on the disk */
  int names_super;   /* the virtual journal does, and is this thread's */
} avfs_name;

/* All 0 where no connection has this database. */
avfs_name avfs_names_ask(const char *database, size_t n);
/* xDelete of a journal: 1 when it was virtual; it is empty now. By its owner, the writer. */
int avfs_names_delete_journal(const char *database, size_t n);
/* The connection that holds RESERVED or more, managed or passed through; NULL: none. */
avfs_conn *avfs_names_writer(const char *database, size_t n);

#endif
