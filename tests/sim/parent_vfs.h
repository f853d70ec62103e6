/* parent_vfs.h: the VFS "win32", SQLite's default here, over the simulated disk.
 *
 * Locks as os_win.c has them, by bytes and by handle: two handles of one process are
 * in each other's way as two processes are. A file of size 0 does not exist for
 * xAccess. A file that is open cannot be deleted. Its calls are synchronous. Files
 * without a name, and those deleted on close, are not on the disk.
 *
 * Shared memory of WAL mode is the file's, and its locks are by handle; who maps it first finds
 * it empty, as after a crash.
 *
 * Not modelled: memory mapping, the retries of a sharing violation, chunk sizes.
 */
#ifndef SIM_PARENT_VFS_H
#define SIM_PARENT_VFS_H

#include "disk.h"

/* For a further SQLite in this process, which is to have a copy of its own. */
extern const struct sqlite3_vfs *const sim_parent_vfs;
/* The calls are those of a stock connection, not of asyncvfs's own handles. */
extern int sim_stock_calls;
/* The number of handles of main databases and journals that are open. */
extern int sim_parent_files;

#endif
