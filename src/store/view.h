/* view.h: memory-mapped reads, for PRAGMA mmap_size (SQLite's xFetch and xUnfetch).
 *
 *   xFetch: page in txn, committed or draining? ---> NULL: SQLite reads it (content.c)
 *             | no: the disk has it
 *             v
 *           a pointer into a view of the file, which the store has, for all connections
 *
 * A page that is handed out does not change: the disk's content of a page that no table has
 * changes by a commit of that page alone (content.c), and that needs EXCLUSIVE, while the reader
 * holds SHARED. What a batch writes meanwhile are pages that were in draining.
 *
 * A view uses a part of the file as it was when it was made. When the file has grown by much
 * there is a newer, larger one; the older goes when no connection uses it. A connection uses one
 * from its first xFetch to its unlock. A view outlives locks, as win32's does: making one, and
 * touching its pages for the first time, costs more than a short transaction.
 *
 * Windows does not cut a file below a view of it (avfs_io.resize). So before a batch does, the
 * views go, and none is made meanwhile (avfs_view_shorten); if one is in use the file stays longer
 * than the database, which is legal, and disk_bytes says so: its tail reads as zeros when the
 * database grows again (write_gap). The next batch cuts it, or who gives EXCLUSIVE up.
 *
 * Locks:  the list of views, their users and views.busy: store->lock. A connection's own fields,
 *         its thread: so most pages cost no lock at all.
 * Memory: a view belongs to the list. It is unmapped by who took it off, without the lock.
 */
#ifndef AVFS_VIEW_H
#define AVFS_VIEW_H

#include "store/state.h"

/* xFetch: n bytes at offset as the disk has them, until avfs_view_unfetch; NULL: they are not to
 * be had so. */
void *avfs_view_fetch(avfs_conn *c, uint64_t offset, uint32_t n);
/* xUnfetch of p; 0: it is not from avfs_view_fetch. */
int avfs_view_unfetch(avfs_conn *c, const void *p);
/* The connection uses no view any more, unless it has pages of it. */
void avfs_view_leave(avfs_conn *c) AVFS_REQUIRES(avfs_store_role);
/* Unmaps what nobody uses. */
void avfs_view_unmap(avfs_store *s) AVFS_EXCLUDES(avfs_store_role);
/* Cuts the file, unless a view of it that is in use is in the way: avfs_io.size tells. */
int avfs_view_shorten(avfs_store *s, uint64_t bytes) AVFS_EXCLUDES(avfs_store_role);
#ifdef AVFS_CHECK
extern avfs_counter avfs_view_cuts_left;   /* of this process, for which a view was in the way */
#endif

#endif
