/* fresh.h: what is to be found out under a lock that was not held before.
 *
 *   no hard link? -> SHARED -> hot journal? -> length, header -> -wal? -> commits in the ring?
 *                                 | yes
 *                                 v
 *                     SQLite itself rolls it back, through the parent VFS; again from SHARED
 *
 * By the setter of os.busy, without the store's lock: it waits for the disk.
 */
#ifndef AVFS_FRESH_H
#define AVFS_FRESH_H

#include "store/state.h"

typedef struct avfs_fresh {
  uint64_t size;
  unsigned char header[AVFS_DB_HEADER_BYTES];
  int has_ring;         /* its file is there */
  uint64_t pending;     /* commits in the ring: only EXCLUSIVE may read on, and after their replay */
  const char *reason;   /* AVFS_PASS: why; static text */
} avfs_fresh;

/* Takes SHARED on os_file. SQLITE_OK: it is a rollback-mode database, as `f` says. Else the lock
 * is given up again; AVFS_PASS: the database cannot be managed. */
int avfs_fresh_lock(avfs_store *s, int read_only, avfs_fresh *f);

#endif
