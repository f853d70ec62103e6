/* report.h: what the application hears of what went wrong, and of a store's end.
 *
 *   avfs_report        sqlite3_log, and ASYNCVFS_LOG
 *   avfs_report_error  these, and asyncvfs_on_error: by the notifier's thread; of a loss
 *                      at once, by the calling thread
 *   avfs_report_closed asyncvfs_on_closed, by the thread of the last connection
 *
 * Locks:  `report` guards the error callback and the calls that are in it, `closed`, which nothing is
 *         taken inside, the other one. None is held while the application is called.
 * Memory: what is told later is copied; it belongs to its notice.
 *
 * No lock of ours may be held by the caller: sqlite3_log calls the application.
 */
#ifndef AVFS_REPORT_H
#define AVFS_REPORT_H

#include <stdint.h>

#include "asyncvfs.h"

/* As sqlite3_mprintf formats it. */
void avfs_report(int code, const char *format, ...);
/* A call on a file failed: "asyncvfs: (SQLITE_CANTOPEN/5) cannot open FILE: access denied; NEXT".
 * code says which call it was, os_error what Windows said (0: nothing), next what follows. */
void avfs_report_call(int code, uint32_t os_error, const char *file, const char *next);
/* A batch failed, on this file. bytes and message are filled in; all is copied. Without memory for
 * that the log alone has it: then the next failure is soon to come. */
void avfs_report_error(asyncvfs_error e, const char *file);

/* Commits that a ring has are not taken up, for this reason; `kept` is the file that has them now. */
void avfs_report_refused(const char *path, const char *kept, uint64_t commits, const char *reason);

/* asyncvfs_on_closed: whom to tell; whether there is anybody; tells. */
void avfs_report_closed_to(asyncvfs_closed_callback callback, void *arg);
int avfs_report_wants_closed(void);
void avfs_report_closed(const char *path, const char *json);

/* asyncvfs_on_error. */
int avfs_report_to(asyncvfs_error_callback callback, void *arg);

#endif
