/* durability.h: where the commits of a connection are when COMMIT returns, and where it
 * waits for the disk.
 *
 * The best moment to wait is after COMMIT has given its locks up: others commit meanwhile, and
 * share the batch. SQLite gives them up right after COMMIT_PHASETWO, by xUnlock(SHARED) and
 * xUnlock(NONE); but neither with locking_mode=EXCLUSIVE, nor both while a statement of the
 * connection still reads. A COMMIT that returns must be durable in each case, so the moment
 * follows from what is certain:
 *
 *   xUnlock(SHARED), at NONE     the file is the main database of one connection, opened
 *                                through our VFS and no other above it, without a shared cache:
 *                                then each PRAGMA locking_mode that is meant for it comes by
 *                                us; and it has unlocked since the last one; and no other
 *                                statement of the connection runs
 *   xUnlock(SHARED), at SHARED   the same, but another statement of it runs
 *   PHASETWO, all locks held     everything else
 *
 * Under a shared cache several connections have one file. Each has a durability of its own: by
 * the sqlite3 that commits. Where that is not known any more the stricter one counts.
 *
 * Who:  the thread that uses the connection, inside of SQLite's mutexes; joins and said may be
 *       met by several threads of a shared cache.
 * Lock: lock guards said; a leaf.
 */
#ifndef AVFS_DURABILITY_H
#define AVFS_DURABILITY_H

#include <stdint.h>

#include "seam/sqlite_api.h"
#include "seam/sync.h"

/* More connections to a shared cache with a durability of their own than that: all have the
 * strictest. */
enum { AVFS_DURABILITY_MOST = 8 };

typedef struct avfs_durability {
  uint64_t value;              /* AVFS_DURABILITY_x, without a shared cache... */
  uint64_t first_value;        /* ...and with one, of who has said nothing */
  const char *name;            /* as SQLite handed it to xOpen: tells its main database apart */
  const sqlite3_vfs *vfs;      /* ours */
  sqlite3 **db;                /* SQLite keeps there which connection uses the file; NULL: not told */
  avfs_counter joins;          /* connections that have opened the file, by SQLITE_FCNTL_PDB */
  int is_main;                 /* of one connection and its VFS: 1, 0, or -1: not asked yet */
  int has_unlocked;            /* since the last PRAGMA locking_mode */

  avfs_lock lock;
  struct {
    sqlite3 *db;
    uint64_t value;
  } said[AVFS_DURABILITY_MOST];
  int said_count;
  int64_t said_joins;          /* joins, when said was last looked at */
} avfs_durability;

void avfs_durability_init(avfs_durability *d, uint64_t value, const char *name, const sqlite3_vfs *vfs);
/* SQLITE_FCNTL_PDB: one more connection has opened the file. */
void avfs_durability_joined(avfs_durability *d, sqlite3 **db);
/* Of the connection that uses the file now. */
uint64_t avfs_durability_get(avfs_durability *d);
void avfs_durability_set(avfs_durability *d, uint64_t value);
/* 1 when it is certain that xUnlock follows COMMIT_PHASETWO. Inside of the commit. */
int avfs_durability_unlocks(avfs_durability *d);
/* After that: 1 when a statement may read on, under the SHARED lock that xUnlock leaves. */
int avfs_durability_reads_on(const avfs_durability *d);

#endif
