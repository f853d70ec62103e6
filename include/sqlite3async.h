/* sqlite3async.h: the interface of SQLite's retired module for asynchronous I/O
 * (ext/async), over asyncvfs.
 *
 *   sqlite3async_initialize(NULL, 0);
 *   ...                                      a thread of the program: sqlite3async_run()
 *   sqlite3_open_v2("app.db", &db, flags, SQLITEASYNC_VFSNAME);
 *   ...                                      COMMIT returns at memory speed
 *   sqlite3_close(db);                       all of it is on the disk now
 *   sqlite3async_control(SQLITEASYNC_HALT, SQLITEASYNC_HALT_IDLE);
 *   ...                                      sqlite3async_run() returns: join the thread
 *   sqlite3async_shutdown();
 *
 * A program that was written for the module compiles with this header instead of that one,
 * without a change, or is linked again, with asyncvfs.lib or the static library instead of
 * sqlite3async.c. docs/SQLITE3ASYNC.md goes through the module's documentation point by
 * point: what is the same, what is better, and what differs on purpose. In short:
 *
 *   - The engine has threads of its own. sqlite3async_run() writes nothing itself: it waits, and
 *     returns when the module's would. A program need not call it at all.
 *   - Closing the last connection to a database returns when its commits are on the disk.
 *   - A disk error is retried, and is no end for every open database.
 *   - Memory is bounded.
 *   - Files are always locked, and SQLITEASYNC_DELAY delays nothing.
 *
 * All that asyncvfs.h and docs/SETTINGS.md have is there for these databases too: URI
 * parameters, PRAGMA asyncvfs_flush, asyncvfs_on_error() and the others.
 *
 * sqlite3async_run and sqlite3async_control may be called from any thread at any time; the
 * other two from one at a time.
 */
#ifndef SQLITE3ASYNC_H
#define SQLITE3ASYNC_H

#ifdef __cplusplus
extern "C" {
#endif

#ifdef _WIN32
# define SQLITEASYNC_CALL __cdecl
#else
# define SQLITEASYNC_CALL
#endif

#define SQLITEASYNC_VFSNAME "sqlite3async"

/* Registers the VFS "sqlite3async". Where it is registered already, nothing happens.
 *
 * parent          the name of the VFS to build on: win32, or a variant of it whose name
 *                 begins so (win32-longpath); NULL: the default VFS. Where that is asyncvfs, its
 *                 own parent is meant.
 * make_default    not 0: databases opened without a VFS name use it
 *
 * SQLITE_ERROR     there is no VFS of this name, or it is another than win32, which the engine
 *                  would go round; or databases are still open over another parent; or no SQLite
 *                  of 3.35.0 or newer was found in the process (asyncvfs_register in asyncvfs.h
 *                  takes one by its module). sqlite3_log and ASYNCVFS_LOG say which.
 * or what sqlite3_vfs_register answers. */
int SQLITEASYNC_CALL sqlite3async_initialize(const char *parent, int make_default);

/* Takes the VFS away again; sqlite3async_run() returns in all threads. Databases that are open
 * stay so, and go on. The values of sqlite3async_control stay. */
void SQLITEASYNC_CALL sqlite3async_shutdown(void);

/* Returns when SQLITEASYNC_HALT says so; at once when the VFS is not registered. Several
 * threads may be in it. */
void SQLITEASYNC_CALL sqlite3async_run(void);

/* Sets a value, an int, or asks for it, by an int *.
 *
 * SQLITE_MISUSE    the value is none of those below, and nothing has changed; or a NULL
 * SQLITE_ERROR     there is no such op */
int SQLITEASYNC_CALL sqlite3async_control(int op, ...);

#define SQLITEASYNC_HALT          1   /* when sqlite3async_run() returns: SQLITEASYNC_HALT_x */
#define SQLITEASYNC_GET_HALT      2
#define SQLITEASYNC_DELAY         3   /* 0 or more ms: is kept and told, and delays nothing */
#define SQLITEASYNC_GET_DELAY     4
#define SQLITEASYNC_LOCKFILES     5   /* 0 or 1 (as it is at first): is kept and told; files are
                                         locked either way. SQLITE_MISUSE while a database is
                                         open through the VFS */
#define SQLITEASYNC_GET_LOCKFILES 6

/* Values of SQLITEASYNC_HALT. Threads that are in sqlite3async_run() follow a change. */
#define SQLITEASYNC_HALT_NEVER 0   /* not while this is the value, as it is at first */
#define SQLITEASYNC_HALT_NOW   1   /* at once. The engine goes on writing */
#define SQLITEASYNC_HALT_IDLE  2   /* when all that had been committed when the call came to it is
                                      durable, and the lock of each file in which no connection of
                                      this process has a transaction is given back; or the disk
                                      has failed several times in a row */

#ifdef __cplusplus
}
#endif

#endif
