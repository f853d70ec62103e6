/* sqlite_api.h: the SQLite that this library serves.
 *
 * Every sqlite3_xxx() in the library goes through sqlite3ext.h's table of
 * function pointers, since the host may be any SQLite: it came with
 * sqlite3_load_extension, or host.c filled the table from a module's exports. It
 * has what api/wanted.h lists, and no more. The table is set before the VFS is registered and never changes after.
 */
#ifndef AVFS_SQLITE_API_H
#define AVFS_SQLITE_API_H

#include <stddef.h>

#ifdef ASYNCVFS_STATIC
# define sqlite3_api avfs_sqlite3_api   /* the program may have one of its own */
#endif
#include "sqlite3ext.h"
SQLITE_EXTENSION_INIT3

/* Newer than the oldest SQLite served, 3.35.0. */
#ifndef SQLITE_IOCAP_SUBPAGE_READ
# define SQLITE_IOCAP_SUBPAGE_READ 0x00008000
#endif

#endif
