/* machine.h: Windows as it is elsewhere than under Wine, below the product's own seam.
 *
 *   store, engine --> win32/file.c --> avfs_windows_now, which is: machine.c --> ReadFile, WriteFile
 *
 * In all tests, who reads or writes the lock bytes of a database (pages/lock_bytes.h) is refused
 * with ERROR_LOCK_VIOLATION: the product, and SQLite's own win32 VFS in its place. Wine lets it
 * pass. The rest is up to TEST_MACHINE, which the children of a test inherit:
 *
 *   at_once   reads and writes take place within the call, which answers TRUE, and no packet
 *             comes: as NTFS does for a file in its cache. Under Wine all are pending. One in
 *             ten goes the other way.
 *   slow      each is pending for 5 to 50 ms.
 *   ticks     each wait with a limit ends at a tick of 15.6 ms, as timers of Windows do.
 */
#ifndef AVFS_TESTS_MACHINE_H
#define AVFS_TESTS_MACHINE_H

#include <stdbool.h>

#include <windows.h>

/* Before anything is opened. False: TEST_MACHINE says something else. */
bool machine_begin(void);
/* SQLite's win32 VFS too is to be refused the lock bytes; once SQLite is there. */
void machine_guards_sqlite(void);

/* Operations that took place at once, that were pending, that were refused. */
typedef struct machine_counts {
  volatile LONG at_once, pending, refused;
} machine_counts;
extern machine_counts machine_seen;

#endif
