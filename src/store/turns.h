/* turns.h: the local locks (lock_table.h), and whose turn it is to write.
 *
 *   refused RESERVED --> NONE --> SHARED again: queues --> called --> RESERVED, or lets it pass
 *
 * Waiting, a bound each, since the holder may be this very thread:
 *   SHARED     for a local EXCLUSIVE to end; before, for its turn, if it was refused
 *   RESERVED   for no holder: its own SHARED would keep that from EXCLUSIVE. For one
 *              whose turn it is, until it takes or misses it
 *   EXCLUSIVE  for local readers to leave
 * Then SQLITE_BUSY goes to SQLite's own busy handler. After a refused RESERVED, if it
 * gave SHARED up as well, it does not sleep: on Windows the shortest sleep is 16 ms, longer
 * than a batch, and sixteen writers with durability=disk would not come together in one. Its
 * next xLock waits for its turn in place of that, so that a busy timeout passes no faster.
 */
#ifndef AVFS_TURNS_H
#define AVFS_TURNS_H

#include "store/state.h"

/* SHARED: SQLITE_BUSY while another connection is PENDING or more. */
int avfs_turns_take_shared(avfs_store *s, avfs_conn *c) AVFS_REQUIRES(avfs_store_role);
/* Waits for that to end, up to *until_ns, which the first call sets (0). 0: the time is up. */
int avfs_turns_wait(avfs_store *s, uint64_t *until_ns) AVFS_REQUIRES(avfs_store_role);
/* From SHARED to RESERVED: SQLITE_BUSY while another one writes, or has the turn. */
int avfs_turns_take_reserved(avfs_store *s, avfs_conn *c) AVFS_REQUIRES(avfs_store_role);
/* From RESERVED or PENDING to EXCLUSIVE: waits for readers to leave, else SQLITE_BUSY, and it is
 * left PENDING. */
int avfs_turns_take_exclusive(avfs_store *s, avfs_conn *c) AVFS_REQUIRES(avfs_store_role);
/* Down to NONE or SHARED; who may go on is woken. */
void avfs_turns_lower(avfs_store *s, avfs_conn *c, int level) AVFS_REQUIRES(avfs_store_role);
/* One that was refused RESERVED waits for its turn, before it takes SHARED, which would be in the
 * writer's way. */
void avfs_turns_queue(avfs_store *s, avfs_conn *c) AVFS_REQUIRES(avfs_store_role);
/* It gives its place in the queue up. */
void avfs_turns_leave_queue(avfs_store *s, avfs_conn *c) AVFS_REQUIRES(avfs_store_role);
/* xSleep: 1 when a connection of the calling thread was refused RESERVED, for another of this
 * process, and has gone back to NONE. It need not sleep before it tries again: xLock(SHARED)
 * has it wait for its turn. Once for each refusal, and not for longer than a busy handler of
 * SQLite's sleeps. */
int avfs_turns_spare_sleep(uint64_t us);

#endif
