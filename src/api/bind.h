/* bind.h: which SQLite this library serves (host.c). */
#ifndef AVFS_BIND_H
#define AVFS_BIND_H

#include "vfs/vfs.h"

/* Serves the SQLite behind this table, which sqlite3_load_extension handed over. */
int avfs_bind_table(const sqlite3_api_routines *table, char *message, int bytes);
/* Serves the SQLite of this module; NULL: finds it. */
int avfs_bind_module(void *module, char *message, int bytes);
/* Registers the VFS over the bound SQLite's win32. */
int avfs_bind_register(int make_default, char *message, int bytes);
/* Registers the VFS of this name over a parent. */
int avfs_bind_register_name(avfs_vfs *v, sqlite3_vfs *parent, int make_default, char *message,
                            int bytes);
int avfs_bind_unregister_name(avfs_vfs *v);

#ifdef ASYNCVFS_STATIC
/* The SQLite that this library is linked with (linked_sqlite.c). */
extern const sqlite3_api_routines avfs_linked_sqlite;
#endif

/* From here on the end of the process is noticed (dllmain.c). */
void avfs_watch_exit(void);

/* Has every connection opened from now on know the SQL functions (sql_functions.c). Again is
 * fine. */
int avfs_sql_functions_register(void);
/* And this one, which is open already. */
int avfs_sql_functions_add(sqlite3 *db);

#endif
