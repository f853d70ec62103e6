/* floor_vfs.h: the VFS that does nothing, which all others are measured by.
 *
 * "floor" keeps every file in memory for as long as the process runs: the
 * database, its journal, temporary files. Nothing is written, flushed or
 * locked in the system, so a commit through it costs what SQLite itself
 * costs. No VFS that writes to a disk can be much quicker; how near one
 * comes to it is the figure that counts.
 */
#ifndef BENCH_FLOOR_VFS_H
#define BENCH_FLOOR_VFS_H

/* Registers "floor" (not as default). Returns an SQLite code. */
int floor_vfs_register(void);

/* Forgets every file. No connection may be open. */
void floor_vfs_clear(void);

#endif
