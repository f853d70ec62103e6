/* vfs.h: what SQLite sees of us.
 *
 *   sqlite3_vfs "asyncvfs" (vfs.c), and "sqlite3async" (api/sqlite3async.c)
 *     xOpen, by kind of file:
 *       main database ---> main_file.c     managed: the store
 *            ^                 |
 *            |   mode.c        v
 *            `----------- passed_file.c    passed through: the parent's file
 *       rollback journal -> journal_file.c of either: in memory, or the parent's file
 *       everything else --> the parent VFS, without us
 *       main database with a wrong URI parameter, or that would be passed through with
 *       require_managed=yes -> refused_file.c
 */
#ifndef AVFS_VFS_H
#define AVFS_VFS_H

#include "store/state.h"

typedef struct avfs_main_file avfs_main_file;
typedef struct avfs_journal_file avfs_journal_file;

enum avfs_mode {
  AVFS_MODE_CLOSED,
  AVFS_MODE_PASSED,    /* the connection uses its parent file */
  AVFS_MODE_MANAGED    /* it uses the store */
};

/* A name under which SQLite finds us. Static: connections that are passed through use it while it
 * is not registered. */
typedef struct avfs_vfs {
  sqlite3_vfs base;    /* pAppData: this */
  const char *name;
  sqlite3_vfs *parent;
  int in_memory;       /* its databases begin with durability=memory, whatever the default is */
  avfs_counter open;   /* main databases that are open through it */
  int registered;      /* guarded by who registers */
} avfs_vfs;

extern avfs_vfs avfs_asyncvfs;

/* An open main database. */
struct avfs_main_file {
  sqlite3_file base;
  avfs_vfs *vfs;               /* through which it was opened */
  avfs_conn conn;              /* conn.store is NULL when it can never be managed */
  enum avfs_mode mode;         /* changed by avfs_main_file_become alone */
  const char *reason;          /* why it is passed through; static text; NULL: it is not */
  const char *must_pass;       /* why it is to be, from its next lock on; static text, or NULL */
  avfs_journal_file *journal;  /* the rollback journal that SQLite has open; NULL: none */
};

/* ---- mode.c ---------------------------------------------------------------- */

/* Whom to tell when a file comes to be passed through, and when that is over. */
void avfs_passed_tell(asyncvfs_passed_callback callback, void *arg);
/* The file is opened with this mode. */
void avfs_main_file_begin(avfs_main_file *m, enum avfs_mode mode, const char *reason);
/* It is closed. */
void avfs_main_file_end(avfs_main_file *m);
/* Changes the mode, on the connection's own thread. reason, when it is passed through: why;
 * then conn.parent holds passed_level. */
void avfs_main_file_become(avfs_main_file *m, enum avfs_mode mode, const char *reason, int passed_level);
/* xLock of a database that cannot be managed, although it was: goes on with the parent's file,
 * to `level`. */
int avfs_main_file_pass(avfs_main_file *m, const char *reason, int level);
/* Why a database is refused that cannot be managed for this reason, by sqlite3_malloc; the log has it.
 * NULL without memory. */
char *avfs_main_file_refusal(const avfs_main_file *m, const char *reason);
/* SQLITE_CANTOPEN, and the log says why: the database is to be managed or refused, and cannot be
 * managed for this reason. Else SQLITE_OK. */
int avfs_main_file_may_pass(const avfs_main_file *m, const char *reason);
/* Why it is passed through, or will be at its next lock as far as that is known; static text, NULL: it is
 * managed. */
const char *avfs_main_file_reason(const avfs_main_file *m);
/* Why it has to be passed through from here on, before its first lock; NULL: no reason. */
const char *avfs_main_file_must_pass(avfs_main_file *m);

/* ---- main_file.c, passed_file.c ---------------------------------------------- */

extern const sqlite3_io_methods avfs_main_methods;
extern const sqlite3_io_methods avfs_passed_methods;

/* ---- journal_file.c ---------------------------------------------------------- */

/* xOpen of the rollback journal of a connection that holds RESERVED or more, in `f`, which is as
 * large as szOsFile. */
int avfs_journal_file_open(sqlite3_file *f, avfs_main_file *m, int flags, int *flags_out);
int avfs_journal_file_bytes(void);
/* Closes the parent's file of an open journal, if it has one: the connection is managed now. */
void avfs_journal_file_forget(avfs_journal_file *j);
/* 1 when the parent's file of it is open. */
int avfs_journal_file_is_real(const avfs_journal_file *j);

static inline avfs_main_file *avfs_main_file_of_conn(avfs_conn *c) {
  return (avfs_main_file *)((char *)c - offsetof(avfs_main_file, conn));
}

/* ---- both kinds of main file --------------------------------------------------- */

/* Opens in `f` a file that nothing can be done with, so that sqlite3_open_v2 fails with this
 * message, by sqlite3_malloc, which is taken over. Else SQLite's error. */
int avfs_refused_file_open(sqlite3_file *f, char *message);
int avfs_refused_file_bytes(void);

/* File controls that both kinds answer alike. SQLITE_NOTFOUND: not one of them. */
int avfs_common_control(avfs_main_file *m, int op, void *arg);
/* xClose of both kinds. */
int avfs_main_close(sqlite3_file *f);

/* PRAGMA asyncvfs_x. arg is SQLite's char *[4] (SQLITE_FCNTL_PRAGMA). */
int avfs_pragma(avfs_main_file *m, char **arg);
/* Reads our URI parameters of a database's name; given[i]: setting i is among them.
 * SQLITE_ERROR: a value is wrong; *message_out, by sqlite3_malloc, says which, and what it may be.
 * The message has gone to sqlite3_log. */
int avfs_uri_settings(const char *name, avfs_settings *settings, int given[AVFS_SETTING_COUNT],
                      char **message_out);
/* The URI parameters that look like ours and are not, by sqlite3_malloc: "max_lag (max_lag_ms?)".
 * They have gone to sqlite3_log. NULL: none, or no memory. */
char *avfs_uri_misspelt(const char *name);

/* A file control of ours: *(avfs_main_file **)arg becomes the file that it reaches,
 * through whatever shims stand above. "avfs". */
#define AVFS_FCNTL_FILE 0x61766673
/* *(char **)arg becomes the status, by sqlite3_malloc; NULL without memory. */
#define AVFS_FCNTL_STATUS 0x61766674

/* The connection's file of this schema (NULL: main), whose store is NULL when it can never
 * be managed. NULL: it is not open through asyncvfs. On the connection's own thread. */
avfs_main_file *avfs_main_file_of(sqlite3 *db, const char *schema);

/* Takes a reference to the open store of the database that a path leads to, however the path is
 * written; NULL: it has none. perhaps: also one that may be of this file or of another, as for the
 * second name of a file. */
avfs_store *avfs_vfs_find_store(const char *path, int perhaps);
/* Takes a reference to the store that has commits of the connection's file: its own; or, when it
 * has none, that of other connections of this process, opened before the file got a second name.
 * NULL: there are no such commits. */
avfs_store *avfs_main_file_retain_store(avfs_main_file *m);

/* 1: SQLite's own for Windows, or a variant of it (win32-longpath). */
int avfs_is_win32_vfs(const sqlite3_vfs *v);

/* Registers the VFS over `parent` under a name; again is fine. The parent changes only while the name
 * is not registered and nothing is open through it. io and on_open are, for all names, those of
 * the first call. on_open, if it is not NULL, is called whenever a main database is opened; what
 * it answers beside SQLITE_OK, the open does. One at a time. */
int avfs_vfs_register_name(avfs_vfs *v, const avfs_io *io, sqlite3_vfs *parent, int make_default,
                           int (*on_open)(void));
int avfs_vfs_unregister_name(avfs_vfs *v);
/* The same of "asyncvfs". */
int avfs_vfs_register(const avfs_io *io, sqlite3_vfs *parent, int make_default,
                      int (*on_open)(void));

#endif
