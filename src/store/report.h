/* report.h: what the application hears of what went wrong.
 *
 *   avfs_report        sqlite3_log, and ASYNCVFS_LOG
 *   avfs_report_error  these, and asyncvfs_on_error: by the notifier's thread; of a loss
 *                      at once, by the calling thread
 *
 * No lock of ours may be held by the caller: sqlite3_log calls the application.
 */
#ifndef AVFS_REPORT_H
#define AVFS_REPORT_H

#include "asyncvfs.h"

/* As sqlite3_mprintf formats it. */
void avfs_report(int code, const char *format, ...);
/* bytes and message are filled in; all is copied. Without memory for that the log alone
 * has it: then the next failure is soon to come. */
void avfs_report_error(asyncvfs_error e);

/* asyncvfs_on_error. */
int avfs_report_to(asyncvfs_error_callback callback, void *arg);

#endif
