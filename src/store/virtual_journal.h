/* virtual_journal.h: the rollback journal that SQLite believes it writes.
 *
 *      0                        memory limit                    size
 *      |==== blocks in memory ====|==== <database>-avfstmp =======|
 *
 * SQLite's journal of the open transaction, for its own ROLLBACK and savepoints:
 * bytes and a size. It never reaches the disk under its name, and syncing it costs
 * nothing, since the batch that writes the transaction brings a journal of its own
 * (engine/batch.h).
 *
 * The file stands beside the database, where there is room for it if there is for the
 * database, and where its pages are as well protected; not in the folder for temporary files,
 * which a service may not even have. It is there while the transaction is open and large, hidden,
 * and goes with its handle, so at a kill too. What a power cut left is used again. Its tail is
 * as long as "-journal", so that the name is never too long where the journal's is not.
 *
 * Invariants: (1) bytes behind size are never read: what a write skips is zeros.
 *             (2) a journal that was deleted has size 0 and no temporary file.
 * Locks:  none. It belongs to the connection that holds RESERVED
 *         (store/state.h), and passes from one to the next under store->lock.
 * Memory: blocks are kept for the next transaction; reset() keeps one.
 * Units:  bytes.
 */
#ifndef AVFS_VIRTUAL_JOURNAL_H
#define AVFS_VIRTUAL_JOURNAL_H

#include <stdint.h>

#include "store/parent_file.h"

typedef struct avfs_virtual_journal {
  uint64_t size;
  unsigned char **blocks;     /* AVFS_JOURNAL_BLOCK bytes each, NULL: zeros */
  uint32_t block_count;       /* slots in blocks */
  uint64_t memory_limit;      /* a multiple of AVFS_JOURNAL_BLOCK... */
  uint64_t most_memory;       /* ...up to this */
  sqlite3_vfs *parent;        /* opens the temporary file */
  const char *database;       /* its path; the owner's */
  avfs_parent_file *overflow; /* what stands behind memory_limit, or NULL */
} avfs_virtual_journal;

#define AVFS_JOURNAL_BLOCK 65536

/* database stays until avfs_virtual_journal_free. */
void avfs_virtual_journal_init(avfs_virtual_journal *j, sqlite3_vfs *parent, const char *database,
                               uint64_t memory_limit);
/* Lowers the memory limit of one that is empty, or takes it back up to that of init. */
void avfs_virtual_journal_set_limit(avfs_virtual_journal *j, uint64_t bytes);
/* SQLITE_OK, SQLITE_IOERR_SHORT_READ (the rest is zeros), or the overflow's error. */
int avfs_virtual_journal_read(avfs_virtual_journal *j, void *p, uint32_t n, uint64_t offset);
/* SQLITE_OK, SQLITE_IOERR_NOMEM, or the overflow file's error. */
int avfs_virtual_journal_write(avfs_virtual_journal *j, const void *p, uint32_t n, uint64_t offset);
void avfs_virtual_journal_truncate(avfs_virtual_journal *j, uint64_t size);
/* The journal is deleted: no bytes. Never fails. */
void avfs_virtual_journal_reset(avfs_virtual_journal *j);
void avfs_virtual_journal_free(avfs_virtual_journal *j);

#endif
