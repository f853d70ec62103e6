/* asyncvfs.h: an SQLite VFS for Windows that commits to memory and writes behind.
 *
 *   asyncvfs_register(NULL, 0, message, sizeof message);
 *   sqlite3_open_v2("app.db", &db, flags, "asyncvfs");
 *   ...                                        COMMIT returns at memory speed
 *   asyncvfs_flush(NULL, ASYNCVFS_FOREVER);    all of it is on the disk now
 *
 * After a power cut or a kill at any moment, stock SQLite opens the database and
 * finds the state after some prefix of its commits. Without a flush the commits
 * of the last moments (max_lag_ms, default 100 ms, and the time of two batches; more when
 * writers wait at a limit; while the disk fails, all that waits) may be missing; none in
 * between. After a kill asyncvfs finds them all, whoever opens the database first, unless a program
 * without asyncvfs has written to it meanwhile (PRAGMA asyncvfs_durability=os, the default). Where
 * such a program is to open it first, asyncvfs_recover puts them into the file.
 *
 * With PRAGMA asyncvfs_durability=disk COMMIT returns when the transaction is durable. If the
 * disk refuses, it returns SQLITE_FULL or SQLITE_IOERR_x, and yet the transaction is
 * committed: in memory, visible to all connections of the process, and tried again. Do not
 * repeat it; asyncvfs_flush and asyncvfs_wait tell when it is durable. For transactions over
 * several databases see docs/DURABILITY.md.
 *
 * All functions may be called from any thread. Strings are UTF-8. Result codes are
 * SQLite's; 0 is SQLITE_OK. SQLITE_MISUSE: a NULL that is not allowed, or a timeout below
 * ASYNCVFS_FOREVER.
 *
 * A database is managed when its commits go through memory as above, and passed through when
 * SQLite's own VFS does everything. One that can never be managed (ASYNCVFS_DISABLE, a network
 * volume, one that is not NTFS, a read-only file, a file with two names, immutable=1, nolock=1,
 * psow=0, exclusive=1) is unknown to the functions that take a path.
 */
#ifndef ASYNCVFS_H
#define ASYNCVFS_H

#ifdef __cplusplus
extern "C" {
#endif

#ifdef _WIN32
# define ASYNCVFS_CALL __cdecl
#else
# define ASYNCVFS_CALL
#endif

/* The version of this header, as the file VERSION has it; CMake compares them. The library's own
 * is asyncvfs_version(). */
#define ASYNCVFS_VERSION        "0.1.0"
#define ASYNCVFS_VERSION_NUMBER 1000   /* major * 1000000 + minor * 1000 + patch */

/* A timeout that does not end. */
#define ASYNCVFS_FOREVER (-1)

/* Flags of asyncvfs_register. */
#define ASYNCVFS_MAKE_DEFAULT 1u   /* databases opened without a VFS name use it */

/* Registers the VFS "asyncvfs" with an SQLite of this process; again is fine, and leaves the
 * default what it is unless ASYNCVFS_MAKE_DEFAULT is given.
 *
 * sqlite_module  HMODULE of the SQLite to serve; NULL: the one that is loaded as
 *                 sqlite3.dll, e_sqlite3.dll or winsqlite3.dll, or is part of the
 *                 program and exported by it.
 * flags           0 or ASYNCVFS_MAKE_DEFAULT.
 * message         receives an English sentence when the answer is not SQLITE_OK,
 *                 or ""; message_bytes is its room. NULL and 0 are fine.
 *
 * SQLITE_NOTFOUND  no SQLite in this process, or one that exports no functions
 *                  (SQLite.Interop.dll: use its load_extension instead)
 * SQLITE_ERROR     it is older than 3.35.0, lacks a function, or has no VFS named win32
 * SQLITE_MISUSE    another SQLite of this process is served already
 * SQLITE_NOMEM
 *
 * The library stays loaded until the process ends. */
int ASYNCVFS_CALL asyncvfs_register(void *sqlite_module, unsigned flags, char *message,
                                    int message_bytes);

/* Takes the VFS away again. SQLITE_BUSY while a database is open through it that is
 * managed or can become so. */
int ASYNCVFS_CALL asyncvfs_unregister(void);

/* Returns when all commits made so far to this database are durable: they survive
 * a power cut. path is a path that leads to the database's file, however it is written: as
 * sqlite3_db_filename has it, which is the quickest, relative, with slashes, in other
 * capitals, or one of its other names (hard links); NULL: all databases that are open through
 * the VFS.
 *
 * timeout_ms      0 or more milliseconds altogether, or ASYNCVFS_FOREVER
 *
 * SQLITE_OK        durable. Of a database in WAL mode, which is passed through, nothing waits
 *                  here: its commits are as durable as PRAGMA synchronous makes them
 * SQLITE_NOTFOUND  no database of this path is open, or it can never be managed
 * SQLITE_BUSY      the time is up
 * SQLITE_FULL, SQLITE_IOERR_x   the disk refuses: with ASYNCVFS_FOREVER after several
 *                  failures in a row. The commits stay in memory, readable, and are
 *                  tried again; do not repeat them. */
int ASYNCVFS_CALL asyncvfs_flush(const char *path, int timeout_ms);

/* What has been committed to a database so far, as a number to wait for.
 *
 * db, schema      a connection and the name of one of its databases ("main"; NULL is
 *                 the same); call it on the connection's own thread, after COMMIT
 * ticket_out      > 0, or 0 for a database that can never be managed, whose commits
 *                 are durable by SQLite's own rules
 *
 * Of one database they grow with its commits. After some 2^47 databases, or 2^63 commits, a
 * process has none left.
 *
 * SQLITE_NOTFOUND  the database is not open through asyncvfs
 * SQLITE_TOOBIG    there are no tickets left
 * SQLITE_NOMEM */
struct sqlite3;
int ASYNCVFS_CALL asyncvfs_ticket(struct sqlite3 *db, const char *schema, long long *ticket_out);

/* Returns when what a ticket stands for is durable. Any thread; the connection may
 * be closed. Answers as asyncvfs_flush does; SQLITE_MISUSE: this process can have given
 * no such ticket. The timeout is that of asyncvfs_flush. */
int ASYNCVFS_CALL asyncvfs_wait(long long ticket, int timeout_ms);

/* Whether what a ticket stands for is durable, without waiting nor having anything written:
 * SQLITE_OK, or SQLITE_BUSY: not yet. Else as asyncvfs_wait. */
int ASYNCVFS_CALL asyncvfs_is_durable(long long ticket);

/* Calls back once, when all that has been committed to this database so far is durable.
 *
 * db, schema      as for asyncvfs_ticket, and called where that is called
 * callback        arg, the ticket that stands for those commits, and SQLITE_OK; or the
 *                 disk's error, when the database was closed without them: they are
 *                 lost. Called exactly once, whatever happens, unless the process ends
 *                 first.
 *
 * In the order of the commits, and one at a time, on a thread of the library that
 * exists for nothing else; in that order also when they were durable already. The
 * callback may call any function of this header, and SQLite with connections of its
 * own; while it waits, other callbacks wait behind it, but no commit and no write.
 *
 * SQLITE_NOTFOUND  the database is not open through asyncvfs: callback is not called
 * SQLITE_NOMEM     nor then
 * SQLITE_TOOBIG    nor then: there are no tickets left */
typedef void(ASYNCVFS_CALL *asyncvfs_durable_callback)(void *arg, long long ticket, int rc);
int ASYNCVFS_CALL asyncvfs_on_durable(struct sqlite3 *db, const char *schema,
                                      asyncvfs_durable_callback callback, void *arg);

/* What went wrong with a database's disk. The strings live until the callback returns. */
typedef struct asyncvfs_error {
  int bytes;            /* sizeof(asyncvfs_error) of the library: later ones may be longer */
  int code;             /* SQLite's result code: SQLITE_FULL, SQLITE_IOERR_WRITE, ... */
  unsigned os_error;    /* what Windows said (GetLastError), 0: nothing */
  unsigned retry_ms;    /* it is tried again in so many milliseconds; 0: it is not */
  long long batch;      /* of the database since it was opened, from 1 */
  long long waiting;    /* commits that are in memory only */
  const char *path;     /* of the database, UTF-8 */
  const char *message;  /* as the log has it */
  long long lost;       /* as many commits are lost: the database is closed, or (SQLITE_WARNING) it
                         * is opened after a process was killed, and they do not fit to it; else 0 */
  long long kept;       /* the database is closed: as many commits are not on the disk, but who opens
                         * it next through asyncvfs has them (durability=os); else 0 */
} asyncvfs_error;

/* Calls back for each failure of a batch in this process; the commits are still there
 * and readable. One callback for the process: it replaces the one before, NULL: none.
 *
 * On the thread of asyncvfs_on_durable, and under its rules; but of a close that loses
 * commits the application hears on the closing thread, before sqlite3_close returns. That
 * may be while the other thread still tells of a failure before it: what the callback
 * changes needs a lock.
 * When asyncvfs_on_error returns, the callback it replaced is not running (unless it was
 * called from within a callback) and is not called any more. SQLITE_NOMEM: no thread could
 * be had. */
typedef void(ASYNCVFS_CALL *asyncvfs_error_callback)(void *arg, const asyncvfs_error *error);
int ASYNCVFS_CALL asyncvfs_on_error(asyncvfs_error_callback callback, void *arg);

/* Sets what databases opened from now on begin with, as PRAGMA asyncvfs_<name> sets it
 * for one that is open; for max_process_bytes and exit_timeout_ms, which belong to the
 * process, at once. docs/SETTINGS.md lists names, ranges and defaults.
 *
 * message, message_bytes   as for asyncvfs_register
 *
 * SQLITE_ERROR     no such setting, or no value of it; message says which there are
 * SQLITE_MISUSE    asyncvfs is not registered yet, or a NULL */
int ASYNCVFS_CALL asyncvfs_default(const char *name, const char *value, char *message,
                                   int message_bytes);

/* Writes the status of an open database as a JSON object, as PRAGMA asyncvfs_status
 * does, with a terminating zero; path as for asyncvfs_flush. SQLITE_TOOBIG when `bytes` are
 * not enough: nothing is written then. SQLITE_NOTFOUND also for one that can never be managed: the
 * pragma tells of that. SQLITE_NOMEM. docs/SETTINGS.md says what the names stand for. */
int ASYNCVFS_CALL asyncvfs_status(const char *path, char *json, int bytes);

/* Whether a connection's database is managed, or passed through to SQLite's own VFS and why.
 *
 * db, schema      as for asyncvfs_ticket, and called where that is called
 * reason_out      NULL: managed; else why it is passed through, static text
 *
 * SQLITE_NOTFOUND  the database is not open through asyncvfs. Of one that this connection has
 *                  not used since it was opened, only what never changes is known. */
int ASYNCVFS_CALL asyncvfs_mode(struct sqlite3 *db, const char *schema, const char **reason_out);

/* Calls back when a connection's database comes to be passed through, with the reason; and with
 * NULL for it when that is over: the database is managed, or the connection closed. For a
 * database with several connections it comes once for each.
 *
 * In the midst of SQLite's call, on the connection's thread: the callback may not use SQLite nor
 * wait for anybody who does. One callback for the process: it replaces the one before, which
 * may still be running; NULL: none. The strings live until the callback returns. */
typedef void(ASYNCVFS_CALL *asyncvfs_passed_callback)(void *arg, const char *path,
                                                      const char *reason);
void ASYNCVFS_CALL asyncvfs_on_passed(asyncvfs_passed_callback callback, void *arg);

/* Goes through the open databases of this process, those attached too: *cursor is 0 at first.
 * Each call writes the path of the next one, as asyncvfs_status takes it, with a terminating
 * zero. SQLITE_NOTFOUND: there are no more; a database that can never be managed is not among
 * them. SQLITE_TOOBIG: path_bytes are not enough; the same one comes again. */
int ASYNCVFS_CALL asyncvfs_next_database(long long *cursor, char *path, int path_bytes);

/* Calls back when a database is closed, by its last connection, with its status at the end: as
 * asyncvfs_status has it, with an "id" that no other opening of a database has. Its commits are
 * on the disk by then, or lost. The rules of asyncvfs_on_passed hold. */
typedef void(ASYNCVFS_CALL *asyncvfs_closed_callback)(void *arg, const char *path,
                                                      const char *json);
void ASYNCVFS_CALL asyncvfs_on_closed(asyncvfs_closed_callback callback, void *arg);

/* Says that the process is about to end, and flushes all databases: what is closed from now on
 * waits for a disk that fails until the time is up, whatever close_timeout_ms says. Answers
 * as asyncvfs_flush(NULL, timeout_ms). */
int ASYNCVFS_CALL asyncvfs_end(int timeout_ms);

/* Replays the commits that a process left behind which was killed or crashed, and writes them to
 * the database, which any SQLite can open then. Needed only where a program without asyncvfs comes
 * first: each open through asyncvfs does the same, before anything is read.
 *
 * path            of the database, as for sqlite3_open_v2
 * replayed_out    so many commits were replayed since this process opened the database; 0: there
 *                 were none, also where the ring of commits (<path>-avfsredo) is not there
 *
 * Opens a connection of its own, and waits for other processes' locks 5 seconds altogether, then
 * for the disk.
 *
 * SQLITE_OK        all that was there is in the file, durable, and its lock is given back
 * SQLITE_WARNING   there were commits that may not be replayed: somebody else has written to the
 *                  database since, or it is another file. They are in <path>-avfsredo-refused, and
 *                  the database is what it was. Or there is a ring beside a database that can never
 *                  be managed here (read-only, a network volume): it is left as it is. The log says
 *                  which, and so does asyncvfs_on_error of the former
 * SQLITE_CANTOPEN  no such file, or it cannot be opened
 * SQLITE_NOTADB    it is no database, or an encrypted one
 * SQLITE_BUSY      another program uses the database; or a connection of this process is in a
 *                  transaction: then the commits are replayed and durable, but the lock is kept
 * SQLITE_FULL, SQLITE_IOERR_x   the disk refuses; close and open tries again
 * SQLITE_MISUSE    asyncvfs is not registered yet, or a NULL */
int ASYNCVFS_CALL asyncvfs_recover(const char *path, long long *replayed_out);

/* ASYNCVFS_VERSION of the library that is loaded, "major.minor.patch"; static. */
const char *ASYNCVFS_CALL asyncvfs_version(void);

#ifdef __cplusplus
}
#endif

#endif
