/* vfs.h: what SQLite sees of us.
 *
 *   sqlite3_vfs "asyncvfs" (vfs.c)
 *     xOpen, by kind of file:
 *       main database ---> main_file.c     ours: the store
 *            ^                 |  WAL, encrypted: at a lock from NONE, or at the
 *            |                 v  commit that made it so
 *            `----------- passed_file.c    as is: the parent's file
 *       rollback journal -> journal_file.c of a writer that is ours: in memory
 *       everything else --> the parent VFS, without us
 */
#ifndef AVFS_VFS_H
#define AVFS_VFS_H

#include "store/store.h"

/* An open main database. base.pMethods tells whether it is ours (avfs_main_methods)
 * or passed through (avfs_passed_methods); only its own connection changes that. */
typedef struct avfs_main_file {
  sqlite3_file base;
  avfs_conn conn;        /* conn.store is NULL when it can never be ours */
  const char *reason;    /* why it is passed through; static text */
  int passed_level;      /* AVFS_LOCK_x that conn.parent holds while passed through */
} avfs_main_file;

/* The reason that can change: what is in the database. */
extern const char avfs_not_rollback_mode[];

extern const sqlite3_io_methods avfs_main_methods;
extern const sqlite3_io_methods avfs_passed_methods;

/* Opens the writer's virtual journal in `f`, which is as large as szOsFile. */
void avfs_journal_file_open(sqlite3_file *f, avfs_store *s);
int avfs_journal_file_bytes(void);

/* File controls that both kinds answer alike. SQLITE_NOTFOUND: not one of them. */
int avfs_common_control(avfs_main_file *m, int op, void *arg);
/* xClose of both kinds. */
int avfs_main_close(sqlite3_file *f);

/* PRAGMA asyncvfs_x. arg is SQLite's char *[4] (SQLITE_FCNTL_PRAGMA). */
int avfs_pragma(avfs_main_file *m, char **arg);
/* Changes setting i of an open database; what waits by it looks again. */
void avfs_set(avfs_store *s, int i, uint64_t value) AVFS_EXCLUDES(avfs_store_role);
/* Reads our URI parameters of a database's name; given[i]: setting i is among them.
 * On SQLITE_ERROR a message has gone to sqlite3_log. */
int avfs_uri_settings(const char *name, avfs_settings *settings, int given[AVFS_SETTING_COUNT]);

/* A file control of ours: *(avfs_main_file **)arg becomes the file that it reaches,
 * through whatever shims stand above. "avfs". */
#define AVFS_FCNTL_FILE 0x61766673

/* The connection's file of this schema (NULL: main), whose store is NULL when it can never
 * be ours. NULL: it is not open through asyncvfs. On the connection's own thread. */
avfs_main_file *avfs_main_file_of(sqlite3 *db, const char *schema);

/* The VFS over `parent`; registers it under the name "asyncvfs". */
int avfs_vfs_register(const avfs_io *io, sqlite3_vfs *parent, int make_default);
int avfs_vfs_unregister(void);

#endif
