/* store.h: a store's life, from its first connection to its last.
 *
 *   open:  the parent file is open already. Open the engine's handle, ask which
 *          file it is, find its store or make one.
 *   close: the last connection waits until all is on the disk and the OS lock is
 *          given back, while one who opens the file can still join. Then it takes the store
 *          down, whoever else waits for its commits: they are woken and hear what became
 *          of those. When this returns the file can be deleted. The memory goes with the
 *          last reference.
 *
 *   open --drain--> leaving --drain, mostly nothing--> LAST --empty or fails--> OVER
 *     ^ a connection joins                               files closed, loss recorded,
 *     `------ (registry.c)                               removed, application told
 *
 * And what is asked of a database as a whole: flush, drain, settings, why it is passed through.
 */
#ifndef AVFS_STORE_H
#define AVFS_STORE_H

#include "store/state.h"

/* Finds or makes the store of the file that conn->parent has open. AVFS_PASS with
 * a reason when it cannot be managed. */
int avfs_store_open(const avfs_io *io, sqlite3_vfs *parent, avfs_conn *conn, const char **reason_out);
/* A connection closes. The last one drains: waits until all is on the disk, or reports
 * what is not. When it returns no file is open. */
void avfs_store_close(avfs_conn *conn);
/* The process ends then: no close waits longer for a disk that fails. */
void avfs_store_end_at(uint64_t until_ns);
/* Drops a reference of the registry's find_id, find_after or retain. Waits for nothing. */
void avfs_store_release(avfs_store *s);

/* Has the commits so far written now, and does not wait for it. */
void avfs_store_start_flush(avfs_store *s);
/* The same for all stores that are open. Returns the id of the last: those that are opened later have
 * higher ones (avfs_registry_find_after). */
uint64_t avfs_store_start_flush_all(void);
/* Waits until all commits so far are durable: waits.h, avfs_wait_durable. */
int avfs_store_flush(avfs_store *s, uint32_t timeout_ms);
/* The same for commit `seq`; SQLITE_MISUSE: there is none yet. */
int avfs_store_wait_for(avfs_store *s, uint64_t seq, uint32_t timeout_ms);
/* The same without waiting, and without having anything written: SQLITE_BUSY, not yet. */
int avfs_store_look_for(avfs_store *s, uint64_t seq);
/* A ticket for all commits so far (tickets.h). */
int avfs_store_ticket(avfs_store *s, long long *ticket_out);
/* All commits in the file and the OS lock given back: SQLITE_BUSY while a local
 * connection holds a lock. */
int avfs_store_drain(avfs_store *s, uint32_t timeout_ms);

/* Why a connection to this database has just been passed through; static text, never NULL. */
const char *avfs_store_passed_reason(avfs_store *s);
/* The same for those that come next, as far as it is known; NULL: they are managed. */
const char *avfs_store_mode_reason(avfs_store *s);
/* Setting i; what waits by it looks again. */
uint64_t avfs_store_get(avfs_store *s, int i);
void avfs_store_set(avfs_store *s, int i, uint64_t value);
/* The AVFS_DURABILITY_x that is in force where a connection has set this one: disk instead of os
 * where there can be no ring. s: NULL is fine. */
uint64_t avfs_store_durability(avfs_store *s, uint64_t value);
/* What has become of commits that outlived their process. */
avfs_ring avfs_store_ring(avfs_store *s);
/* SQLITE_FCNTL_CHUNK_SIZE: the file grows and shrinks by so many bytes; 0 or less: by any. */
void avfs_store_set_chunk(avfs_store *s, int bytes);

#endif
