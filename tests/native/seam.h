/* seam.h: the product's seam (seam/io.h, sync.h, heap.h) over POSIX threads and files.
 *
 *   engine --> io_write --> queue --> two threads, pwrite --> completions --> io_wait
 *                 |                                              ^
 *                 `-- now and then at once, by a pool thread ----'  (io_ready)
 *
 * For tests alone, and the opposite of the simulation (tests/sim): real threads, real
 * memory, real files, a process that can really be killed; nothing repeats exactly. The
 * parent VFS is SQLite's own, "unix".
 *
 * Locks are pthread_rwlock_t and so on, made when they are first used, since all zeros is
 * the unlocked state; they are not given back, for the seam does not say when.
 */
#ifndef NATIVE_SEAM_H
#define NATIVE_SEAM_H

#include "seam/io.h"

extern const avfs_io native_io;
/* A flush takes up to so long, by chance: the time in which the others go on. */
extern unsigned native_flush_us;
/* Binds SQLite's functions and registers "asyncvfs" over "unix". Returns an SQLite code. */
int native_start(void);
/* Blocks of the library's heap in use. */
long native_heap_blocks(void);

#endif
